//! Which pages of other origins may call an API (Fetch standard, "CORS protocol").
//!
//! Owns the policy and its rules. Answering browsers is the gateway's business.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::api::Verb;
use crate::validation::{Check, is_header_name};

/// WSO2's `corsConfiguration`, of one API or for a whole gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorsPolicy {
    pub origins: AllowedOrigins,
    /// Pages may send cookies and read what comes back. Never together with [`AllowedOrigins::Any`].
    pub credentials: bool,
    /// Request headers beside those that need no permission.
    pub headers: Vec<String>,
    /// Of the verbs that a resource offers only these; empty means all of them.
    pub verbs: BTreeSet<Verb>,
    /// Response headers that pages may read.
    pub exposed_headers: Vec<String>,
    /// How long a browser may remember the answer.
    pub max_age_seconds: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowedOrigins {
    /// WSO2's `*`.
    Any,
    /// Scheme, host and port as browsers write them, compared exactly.
    Only(Vec<String>),
}

impl AllowedOrigins {
    /// `*` among them allows any.
    pub fn from_names(names: Vec<String>) -> Self {
        if names.iter().any(|name| name == "*") {
            Self::Any
        } else {
            Self::Only(names)
        }
    }
}

impl Default for CorsPolicy {
    /// WSO2's defaults: any origin, the headers of its own clients, no credentials.
    fn default() -> Self {
        let headers = ["authorization", "Content-Type", "SOAPAction", "apikey"];
        Self {
            origins: AllowedOrigins::Any,
            credentials: false,
            headers: headers.map(str::to_owned).to_vec(),
            verbs: BTreeSet::new(),
            exposed_headers: Vec::new(),
            max_age_seconds: 600,
        }
    }
}

impl CorsPolicy {
    const MOST_ORIGINS: usize = 100;
    const MOST_HEADERS: usize = 100;
    /// A day; browsers remember no longer.
    const LONGEST_MAX_AGE: u32 = 86_400;

    /// Records what is wrong under WSO2's names of the fields, with `prefix` before them.
    pub fn check(&self, prefix: &str, check: &mut Check) {
        let field = |name: &str| format!("{prefix}.{name}");
        match &self.origins {
            // A page of any origin could act as whoever is signed in.
            AllowedOrigins::Any => {
                check.that(
                    !self.credentials,
                    &field("accessControlAllowCredentials"),
                    "credentials need a list of origins: they are never allowed together with *",
                );
            }
            AllowedOrigins::Only(origins) => {
                let name = field("accessControlAllowOrigins");
                check.that(
                    origins.len() <= Self::MOST_ORIGINS,
                    &name,
                    format!("at most {}", Self::MOST_ORIGINS),
                );
                for origin in origins {
                    check.that(
                        is_origin(origin),
                        &name,
                        format!(
                            "{origin:?} is no origin such as https://shop.example or https://shop.example:8443"
                        ),
                    );
                }
            }
        }
        for (name, headers) in [
            ("accessControlAllowHeaders", &self.headers),
            ("accessControlExposeHeaders", &self.exposed_headers),
        ] {
            let name = field(name);
            check.that(
                headers.len() <= Self::MOST_HEADERS,
                &name,
                format!("at most {}", Self::MOST_HEADERS),
            );
            for header in headers {
                check.that(
                    is_header_name(header),
                    &name,
                    format!("{header:?} is not the name of an HTTP header"),
                );
            }
        }
        check.that(
            self.max_age_seconds <= Self::LONGEST_MAX_AGE,
            &field("maxAge"),
            format!("at most {} seconds", Self::LONGEST_MAX_AGE),
        );
    }
}

/// RFC 6454 section 6.2, as browsers send it: no path, no default port, lower case. `null` is no origin: every
/// sandboxed page has it.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text
            // A pattern would never match.
            && !text.contains('*')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &CorsPolicy) -> Vec<String> {
        let mut check = Check::default();
        policy.check("cors", &mut check);
        match check.finish() {
            Ok(()) => Vec::new(),
            Err(invalid) => invalid.0.into_iter().map(|error| error.field).collect(),
        }
    }

    fn only(origins: &[&str]) -> CorsPolicy {
        CorsPolicy {
            origins: AllowedOrigins::from_names(
                origins.iter().map(|&one| one.to_owned()).collect(),
            ),
            credentials: true,
            ..CorsPolicy::default()
        }
    }

    #[test]
    fn any_origin_never_goes_with_credentials() {
        assert!(refused(&CorsPolicy::default()).is_empty());
        assert_eq!(
            refused(&only(&["https://a.example", "*"])),
            ["cors.accessControlAllowCredentials"]
        );
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for right in [
            "https://shop.example",
            "http://localhost:3000",
            "https://[::1]:8443",
        ] {
            assert!(refused(&only(&[right])).is_empty(), "{right}");
        }
        for wrong in [
            "null",
            "",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/path",
            "https://SHOP.example",
            "https://shop.example:443",
            "https://*.example",
            "https://user@shop.example",
            "file:///tmp",
            "https://shop.example\r\nSet-Cookie: a=b",
        ] {
            assert_eq!(
                refused(&only(&[wrong])),
                ["cors.accessControlAllowOrigins"],
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn headers_are_names_of_headers_and_lists_are_bounded() {
        let policy = CorsPolicy {
            headers: vec!["x a".to_owned()],
            exposed_headers: vec!["x\r\ny".to_owned()],
            max_age_seconds: 86_401,
            ..CorsPolicy::default()
        };
        assert_eq!(
            refused(&policy),
            [
                "cors.accessControlAllowHeaders",
                "cors.accessControlExposeHeaders",
                "cors.maxAge"
            ]
        );
        let many = vec!["https://a.example"; 101];
        assert_eq!(refused(&only(&many)), ["cors.accessControlAllowOrigins"]);
    }
}
