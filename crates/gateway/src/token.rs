//! JWS compact serialisation (RFC 7515 section 7.1): taking a token apart, strictly. Nothing in here is verified.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::claims::Claims;
use crate::refusal::Reason;

/// Longest `kid` that is looked up.
const LONGEST_KEY_ID: usize = 256;

/// A token taken apart; its words are whoever sent it's.
pub(crate) struct UnverifiedToken<'t> {
    /// Header and payload as they were signed.
    pub(crate) signed: &'t str,
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) algorithm: String,
    pub(crate) key_id: Option<String>,
    /// SHA-1 of the signing certificate, base64url: older issuers give it instead of a `kid`.
    pub(crate) certificate_thumbprint: Option<String>,
    /// Only tokens for Microsoft Graph have it: they cannot be verified by others.
    pub(crate) has_nonce: bool,
}

/// RFC 7515 section 4.1, as sent.
#[derive(Deserialize)]
struct RawHeader<'h> {
    #[serde(borrow)]
    alg: Cow<'h, str>,
    #[serde(borrow, default)]
    kid: Option<Cow<'h, str>>,
    #[serde(borrow, default)]
    typ: Option<Cow<'h, str>>,
    #[serde(borrow, default)]
    x5t: Option<Cow<'h, str>>,
    crit: Option<Value>,
    nonce: Option<Value>,
}

impl<'t> UnverifiedToken<'t> {
    /// Every malformed form has its own reason. `token` is already bounded in size.
    pub(crate) fn parse(token: &'t str) -> Result<Self, Reason> {
        if token.is_empty() {
            return Err(Reason::TokenEmpty);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(if token.contains('.') {
                Reason::TokenPartCount
            } else {
                Reason::TokenOpaque
            });
        };
        let signed = &token[..header.len() + 1 + payload.len()];
        let header = Header::parse(&decode(header)?)?;
        let claims = Claims::parse(&decode(payload)?).map_err(|_| Reason::TokenClaimsMalformed)?;
        let signature = decode(signature)?;
        Ok(Self {
            signed,
            header,
            claims,
            signature,
        })
    }
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, Reason> {
        let raw: RawHeader<'_> =
            serde_json::from_slice(json).map_err(|_| Reason::TokenHeaderMalformed)?;
        // RFC 7515 section 4.1.11: what is critical and not understood must be refused; we understand none.
        if raw.crit.is_some() {
            return Err(Reason::TokenHeaderCritical);
        }
        // RFC 8725 section 3.11: a JWT made for something else (logout, client assertion, …) is no access token.
        if let Some(kind) = &raw.typ
            && !["JWT", "at+jwt", "application/at+jwt"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(kind))
        {
            return Err(Reason::TokenKind);
        }
        let bounded = |text: Cow<'_, str>| match text.len() {
            0 => Ok(None),
            1..=LONGEST_KEY_ID => Ok(Some(text.into_owned())),
            _ => Err(Reason::TokenHeaderMalformed),
        };
        Ok(Self {
            algorithm: raw.alg.chars().take(32).collect(),
            key_id: raw.kid.map_or(Ok(None), bounded)?,
            certificate_thumbprint: raw.x5t.map_or(Ok(None), bounded)?,
            has_nonce: raw.nonce.is_some(),
        })
    }
}

/// Unpadded base64url, nothing else: no padding, no line ends, no stray bits (RFC 7515 section 2).
fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Reason::TokenNotBase64Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(json: &str) -> String {
        URL_SAFE_NO_PAD.encode(json)
    }

    fn reason(token: &str) -> Reason {
        UnverifiedToken::parse(token).err().expect("refused")
    }

    #[test]
    fn every_malformed_form_has_its_own_reason() {
        let header = part(r#"{"alg":"RS256","kid":"k"}"#);
        let claims = part(r#"{"iss":"i"}"#);
        let cases = [
            (String::new(), Reason::TokenEmpty),
            ("opaque".to_owned(), Reason::TokenOpaque),
            (format!("{header}.{claims}"), Reason::TokenPartCount),
            (
                format!("{header}.{claims}.c2ln.c2ln"),
                Reason::TokenPartCount,
            ),
            (
                format!("{header}=.{claims}.c2ln"),
                Reason::TokenNotBase64Url,
            ),
            (format!("{header}.{claims}.c2l+"), Reason::TokenNotBase64Url),
            (
                format!("{header}.{claims}.c2lnx"),
                Reason::TokenNotBase64Url,
            ),
            // The last character of a two-byte group carries two bits that must be zero.
            (format!("{header}.{claims}.c2h"), Reason::TokenNotBase64Url),
            (
                format!("{}.{claims}.c2ln", part("[]")),
                Reason::TokenHeaderMalformed,
            ),
            (
                format!("{}.{claims}.c2ln", part(r#"{"kid":"k"}"#)),
                Reason::TokenHeaderMalformed,
            ),
            (
                format!("{}.{claims}.c2ln", part(r#"{"alg":"RS256","alg":"none"}"#)),
                Reason::TokenHeaderMalformed,
            ),
            (
                format!(
                    "{}.{claims}.c2ln",
                    part(r#"{"alg":"RS256","crit":["b64"]}"#)
                ),
                Reason::TokenHeaderCritical,
            ),
            (
                format!(
                    "{}.{claims}.c2ln",
                    part(r#"{"alg":"RS256","typ":"logout+jwt"}"#)
                ),
                Reason::TokenKind,
            ),
            (
                format!("{header}.{}.c2ln", part("1")),
                Reason::TokenClaimsMalformed,
            ),
            (format!("{header}..c2ln"), Reason::TokenClaimsMalformed),
        ];
        for (token, expected) in cases {
            assert_eq!(reason(&token), expected, "{token}");
        }
    }

    #[test]
    fn a_well_formed_token_comes_apart() {
        let header = part(r#"{"alg":"ES256","kid":"k\u0031","typ":"at+JWT","nonce":"n"}"#);
        let token = format!("{header}.{}.c2ln", part(r#"{"iss":"i"}"#));
        let parsed = UnverifiedToken::parse(&token).expect("well formed");
        assert_eq!(parsed.header.algorithm, "ES256");
        assert_eq!(parsed.header.key_id.as_deref(), Some("k1"));
        assert!(parsed.header.has_nonce);
        assert_eq!(parsed.claims.text("iss"), Some("i"));
        assert_eq!(parsed.signature, b"sig");
        assert_eq!(format!("{}.c2ln", parsed.signed), token);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = UnverifiedToken::parse(&text);
        }

        #[test]
        fn no_json_makes_the_parser_panic_and_parts_are_kept(header in ".{0,80}", claims in ".{0,80}") {
            let token = format!("{}.{}.c2ln", part(&header), part(&claims));
            if let Ok(parsed) = UnverifiedToken::parse(&token) {
                proptest::prop_assert_eq!(format!("{}.c2ln", parsed.signed), token);
            }
        }
    }
}
