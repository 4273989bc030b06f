//! What a gateway changes in the header lines of requests and answers: WSO2's operation policies, limited to
//! headers.
//!
//! Owns the edits and what they may touch. Names and parameters on the wire are the publisher API's business,
//! applying them is the gateway's.

use serde::{Deserialize, Serialize};

use crate::validation::{Check, is_header_name};

/// The edits of an API or of one operation, in the order in which they are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mediation {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<HeaderEdit>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response: Vec<HeaderEdit>,
    /// Made on the gateway's own answer when the upstream gave none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<HeaderEdit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum HeaderEdit {
    /// Replaces lines of that name.
    Set {
        name: String,
        value: String,
    },
    Remove {
        name: String,
    },
    /// Replaces lines of the new name, if there are any of the old one.
    Rename {
        name: String,
        to: String,
    },
}

/// The frame of a message, one connection's own lines, and what the gateway itself says: nobody else may.
const PROTECTED: [&str; 23] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-jwt-assertion",
    "x-real-ip",
    "x-request-id",
];

/// Families of lines that the gateway itself writes: CORS (one voice), and its word to Envoy.
const PROTECTED_PREFIXES: [&str; 2] = ["access-control-", "x-claviger-"];

/// Whether an edit may not touch this header.
pub fn is_protected(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PROTECTED.contains(&name.as_str())
        || PROTECTED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

impl Mediation {
    /// Edits of one list.
    const MOST: usize = 50;
    /// Characters.
    const LONGEST_NAME: usize = 100;
    const LONGEST_VALUE: usize = 2_048;

    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty() && self.fault.is_empty()
    }

    /// Records what is wrong; `field` is the wire name, `credential` the API's credential header.
    pub fn check(&self, field: &str, credential: &str, check: &mut Check) {
        for (flow, edits) in [
            ("request", &self.request),
            ("response", &self.response),
            ("fault", &self.fault),
        ] {
            let field = format!("{field}.{flow}");
            check.that(
                edits.len() <= Self::MOST,
                &field,
                format!("at most {}", Self::MOST),
            );
            for edit in edits {
                for name in edit.names() {
                    check.length(&field, name, 1, Self::LONGEST_NAME).that(
                        is_header_name(name),
                        &field,
                        format!("{name:?} is not the name of an HTTP header"),
                    );
                    check.that(
                        !is_protected(name) && !name.eq_ignore_ascii_case(credential),
                        &field,
                        format!("the header {name} is the gateway's own: it cannot be changed"),
                    );
                }
                if let HeaderEdit::Set { value, .. } = edit {
                    check.length(&field, value, 0, Self::LONGEST_VALUE).that(
                        is_header_value(value),
                        &field,
                        "a header's value is printable ASCII, without white space at its ends",
                    );
                }
            }
        }
    }
}

impl HeaderEdit {
    /// Every header that it touches.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (name, to) = match self {
            Self::Set { name, .. } | Self::Remove { name } => (name, None),
            Self::Rename { name, to } => (name, Some(to)),
        };
        [Some(name), to].into_iter().flatten().map(String::as_str)
    }
}

/// RFC 9110 section 5.5, without its obsolete parts: above all no line ends.
fn is_header_value(value: &str) -> bool {
    value.trim() == value
        && value
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t') || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(edit: HeaderEdit) -> bool {
        let mediation = Mediation {
            request: vec![edit],
            ..Mediation::default()
        };
        let mut check = Check::default();
        mediation.check("apiPolicies", "X-Token", &mut check);
        check.finish().is_ok()
    }

    fn set(name: &str, value: &str) -> HeaderEdit {
        HeaderEdit::Set {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn ordinary_headers_may_be_edited() {
        assert!(is_accepted(set("X-Tenant", "blue; green")));
        assert!(is_accepted(set("Authorization", "Basic YTpi")));
        assert!(is_accepted(HeaderEdit::Remove {
            name: "Server".to_owned()
        }));
        assert!(is_accepted(HeaderEdit::Rename {
            name: "X-Old".to_owned(),
            to: "X-New".to_owned()
        }));
    }

    #[test]
    fn the_frame_the_credential_and_the_gateways_own_words_may_not() {
        for name in PROTECTED.into_iter().chain([
            "HOST",
            "Content-Length",
            "x-token",
            "Access-Control-Allow-Origin",
            "X-Claviger-Upstream",
        ]) {
            assert!(!is_accepted(set(name, "x")), "{name}");
            assert!(
                !is_accepted(HeaderEdit::Remove {
                    name: name.to_owned()
                }),
                "{name}"
            );
            for (from, to) in [(name, "x-other"), ("x-other", name)] {
                let rename = HeaderEdit::Rename {
                    name: from.to_owned(),
                    to: to.to_owned(),
                };
                assert!(!is_accepted(rename), "{name}");
            }
        }
    }

    #[test]
    fn no_edit_can_break_out_of_its_line() {
        for value in [
            "a\r\nb: c",
            "a\nb",
            "a\0",
            " a",
            "a ",
            "é",
            &"a".repeat(2_049),
        ] {
            assert!(!is_accepted(set("x-a", value)), "{value:?}");
        }
        for name in ["", "x a", "x:y", "x\r\n", &"x".repeat(101)] {
            assert!(!is_accepted(set(name, "a")), "{name:?}");
        }
    }
}
