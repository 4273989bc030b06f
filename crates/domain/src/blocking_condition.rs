//! Blocking conditions (WSO2's deny policies): what gateways refuse, however good its credentials.
//!
//! Says what can be blocked, in which words, and what two conditions have in common. Whether the blocked thing
//! exists is `control`'s question, whether a request is concerned `gateway`'s.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::BlockingConditionId;
use crate::validation::{Check, Invalid};

/// Conditions of an installation. All of them are compiled anew when one changes.
pub const MOST_BLOCKING_CONDITIONS: u64 = 10_000;

/// Characters of what a condition names.
const LONGEST_SUBJECT: usize = 500;

/// The field of WSO2's wire format that holds the subject.
const FIELD: &str = "conditionValue";

/// WSO2 admin API, schema `BlockingCondition`. Unique per subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockingCondition {
    pub id: BlockingConditionId,
    pub subject: BlockedSubject,
    /// Off: kept, and of no effect.
    pub enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// What is blocked. Serialised as it is stored: equal subjects have equal texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockedSubject {
    /// Every request to an API: its context and version, `/orders/1.0.0`.
    Api(String),
    Application {
        owner: String,
        name: String,
    },
    /// One address; `inverted`: every other address.
    Ip {
        address: IpAddr,
        inverted: bool,
    },
    /// All addresses from `first` to `last`, both included; `inverted`: every other address.
    IpRange {
        first: IpAddr,
        last: IpAddr,
        inverted: bool,
    },
    /// A person: the user of a token, or the owner of the application that it was issued to.
    User(String),
    /// An application at an API.
    Subscription {
        context: String,
        version: String,
        /// Owner and name with a dash between them; with `-PRODUCTION` or `-SANDBOX` behind, keys of this type only.
        application: String,
    },
}

impl BlockedSubject {
    /// `/orders/1.0.0`; WSO2's clients leave out the first slash.
    pub fn api(base_path: &str) -> Result<Self, Invalid> {
        let base_path = format!("/{}", base_path.trim().trim_matches('/'));
        if base_path.matches('/').count() < 2 {
            return Err(Invalid::field(
                FIELD,
                "must be an API's context and version, such as /orders/1.0.0",
            ));
        }
        Self::Api(base_path).validated()
    }

    /// `owner:name`.
    pub fn application(text: &str) -> Result<Self, Invalid> {
        match text.trim().split_once(':') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() => Self::Application {
                owner: owner.to_owned(),
                name: name.to_owned(),
            }
            .validated(),
            _ => Err(Invalid::field(
                FIELD,
                "must be owner and name of an application, such as ann:weather",
            )),
        }
    }

    pub fn ip(address: IpAddr, inverted: bool) -> Self {
        Self::Ip {
            address: address.to_canonical(),
            inverted,
        }
    }

    /// Both ends included, both of one family.
    pub fn ip_range(first: IpAddr, last: IpAddr, inverted: bool) -> Result<Self, Invalid> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(Invalid::field(
                FIELD,
                "startingIp must not lie behind endingIp, and both must be IPv4 or both IPv6",
            ));
        }
        Ok(Self::IpRange {
            first,
            last,
            inverted,
        })
    }

    pub fn user(name: &str) -> Result<Self, Invalid> {
        Self::User(name.trim().to_owned()).validated()
    }

    /// `context:version:owner-name`, with `-PRODUCTION` or `-SANDBOX` (WSO2 also writes a colon before it) behind
    /// for keys of one type. The context may end in the version, as WSO2 writes it.
    pub fn subscription(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.trim().splitn(3, ':');
        let (Some(context), Some(version), Some(application)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(Invalid::field(
                FIELD,
                "must be context, version and application, such as /orders:1.0.0:ann-weather",
            ));
        };
        let context = format!("/{}", context.trim_matches('/'));
        let context = context
            .strip_suffix(version)
            .and_then(|context| context.strip_suffix('/'))
            .unwrap_or(&context);
        let application = match application.rsplit_once(':') {
            Some((application, key_type @ ("PRODUCTION" | "SANDBOX"))) => {
                format!("{application}-{key_type}")
            }
            _ => application.to_owned(),
        };
        if context.len() < 2 || version.is_empty() || !application.contains('-') {
            return Err(Invalid::field(
                FIELD,
                "must name a context, a version, and an application as owner-name",
            ));
        }
        Self::Subscription {
            context: context.to_owned(),
            version: version.to_owned(),
            application,
        }
        .validated()
    }

    /// WSO2's `conditionType`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Api(_) => "API",
            Self::Application { .. } => "APPLICATION",
            Self::Ip { .. } => "IP",
            Self::IpRange { .. } => "IPRANGE",
            Self::User(_) => "USER",
            Self::Subscription { .. } => "SUBSCRIPTION",
        }
    }

    /// In one line, as people search for it; a range as `first-last`.
    pub fn text(&self) -> String {
        match self {
            Self::Api(text) | Self::User(text) => text.clone(),
            Self::Application { owner, name } => format!("{owner}:{name}"),
            Self::Ip { address, .. } => address.to_string(),
            Self::IpRange { first, last, .. } => format!("{first}-{last}"),
            Self::Subscription {
                context,
                version,
                application,
            } => format!("{context}:{version}:{application}"),
        }
    }

    fn validated(self) -> Result<Self, Invalid> {
        let text = self.text();
        let mut check = Check::default();
        check.length(FIELD, &text, 1, LONGEST_SUBJECT).that(
            !text.chars().any(char::is_control),
            FIELD,
            "must not hold control characters",
        );
        check.finish().map(|()| self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_api_is_named_by_context_and_version_with_or_without_the_first_slash() {
        let expected = BlockedSubject::Api("/shop/orders/1.0.0".to_owned());
        for text in [
            "/shop/orders/1.0.0",
            "shop/orders/1.0.0",
            " /shop/orders/1.0.0/ ",
        ] {
            assert_eq!(BlockedSubject::api(text).as_ref(), Ok(&expected), "{text}");
        }
        for text in ["", "/", "/orders", "/a/\n"] {
            assert!(BlockedSubject::api(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_subscription_is_read_in_wso2s_forms() {
        let expected = |application: &str| BlockedSubject::Subscription {
            context: "/orders".to_owned(),
            version: "1.0.0".to_owned(),
            application: application.to_owned(),
        };
        for (text, application) in [
            ("/orders:1.0.0:ann-weather", "ann-weather"),
            ("/orders/1.0.0:1.0.0:ann-weather", "ann-weather"),
            ("orders:1.0.0:ann-weather-SANDBOX", "ann-weather-SANDBOX"),
            (
                "/orders:1.0.0:ann-weather:PRODUCTION",
                "ann-weather-PRODUCTION",
            ),
            ("/orders:1.0.0:ann-a:b", "ann-a:b"),
        ] {
            assert_eq!(
                BlockedSubject::subscription(text),
                Ok(expected(application)),
                "{text}"
            );
        }
        for text in [
            "",
            "/orders",
            "/orders:1.0.0",
            "/orders:1.0.0:weather",
            ":1:a-b",
            "/o::a-b",
        ] {
            assert!(BlockedSubject::subscription(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        type Read = fn(&str) -> Result<BlockedSubject, Invalid>;
        let subjects = [
            BlockedSubject::api("/orders/1.0.0").expect("an API"),
            BlockedSubject::application("ann:weather: now").expect("an application"),
            BlockedSubject::subscription("/orders:1.0.0:ann-weather").expect("a subscription"),
        ];
        let read: [Read; 3] = [
            BlockedSubject::api,
            BlockedSubject::application,
            BlockedSubject::subscription,
        ];
        for (subject, read) in subjects.iter().zip(read) {
            assert_eq!(read(&subject.text()).as_ref(), Ok(subject));
        }
    }

    #[test]
    fn a_range_has_an_order_and_one_family() {
        let range = |first, last| BlockedSubject::ip_range(address(first), address(last), false);
        assert!(range("10.0.0.1", "10.0.0.1").is_ok());
        assert!(range("2001:db8::", "2001:db8::ffff").is_ok());
        assert!(range("10.0.0.2", "10.0.0.1").is_err());
        assert!(range("10.0.0.1", "2001:db8::1").is_err());
        // An IPv4 address in IPv6 clothes is the IPv4 address.
        assert_eq!(
            range("::ffff:10.0.0.1", "10.0.0.9"),
            range("10.0.0.1", "10.0.0.9")
        );
    }

    #[test]
    fn what_is_too_long_or_empty_is_refused() {
        assert!(BlockedSubject::user(&"x".repeat(LONGEST_SUBJECT)).is_ok());
        assert!(BlockedSubject::user(&"x".repeat(LONGEST_SUBJECT + 1)).is_err());
        assert!(BlockedSubject::user("  ").is_err());
        assert!(BlockedSubject::application("ann:").is_err());
        assert!(BlockedSubject::application("weather").is_err());
    }
}
