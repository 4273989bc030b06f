//! Tokens that are bound to a TLS client certificate (RFC 8705 section 3): who shows such a token must hold the
//! certificate's key too.
//!
//! Owns what a token demands and whether the connection meets it. Proving possession is TLS's business.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims::Claims;
use crate::refusal::Reason;

/// The member of `cnf` that names a certificate.
const THUMBPRINT: &str = "x5t#S256";

/// SHA-256 of a client certificate in DER, whose key the client has proven to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CertificateDigest([u8; 32]);

/// What the `cnf` claim of a token (RFC 7800 section 3.1) demands of its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// Anybody may show it.
    None,
    Certificate(CertificateDigest),
    /// A method of proof that is not known here, or several: nobody can satisfy it.
    Unknown,
}

impl CertificateDigest {
    pub(crate) fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// As `x5t#S256` writes it.
impl fmt::Display for CertificateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for CertificateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Confirmation {
    pub(crate) fn of(claims: &Claims) -> Self {
        let Some(claim) = claims.get("cnf") else {
            return Self::None;
        };
        let only = claim
            .as_object()
            .filter(|members| members.len() == 1)
            .and_then(|members| members.get(THUMBPRINT)?.as_str())
            .and_then(CertificateDigest::parse);
        only.map_or(Self::Unknown, Self::Certificate)
    }

    /// Whether the connection with this client certificate may show the token.
    pub(crate) fn is_met_by(&self, certificate: Option<&CertificateDigest>) -> Result<(), Reason> {
        match (self, certificate) {
            (Self::None, _) => Ok(()),
            (Self::Certificate(wanted), Some(shown)) if wanted == shown => Ok(()),
            (Self::Certificate(_), Some(_)) => Err(Reason::CertificateOther),
            (Self::Certificate(_), None) => Err(Reason::CertificateMissing),
            (Self::Unknown, _) => Err(Reason::ConfirmationUnknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmation(cnf: &str) -> Confirmation {
        let claims = format!(r#"{{"cnf":{cnf}}}"#);
        Confirmation::of(&Claims::parse(claims.as_bytes()).expect("an object"))
    }

    #[test]
    fn a_thumbprint_is_met_by_its_certificate_only() {
        let (own, other) = (
            CertificateDigest::of(b"own"),
            CertificateDigest::of(b"other"),
        );
        let bound = confirmation(&format!(r#"{{"x5t#S256":"{own}"}}"#));
        assert_eq!(bound, Confirmation::Certificate(own));
        assert_eq!(bound.is_met_by(Some(&own)), Ok(()));
        assert_eq!(bound.is_met_by(Some(&other)), Err(Reason::CertificateOther));
        assert_eq!(bound.is_met_by(None), Err(Reason::CertificateMissing));
    }

    #[test]
    fn what_is_no_single_thumbprint_is_met_by_nobody() {
        let own = CertificateDigest::of(b"own");
        for cnf in [
            "null".to_owned(),
            "{}".to_owned(),
            "\"x5t#S256\"".to_owned(),
            r#"{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}"#.to_owned(),
            format!(r#"{{"x5t#S256":"{own}","jkt":"x"}}"#),
            format!(r#"{{"x5t#S256":["{own}"]}}"#),
            r#"{"x5t#S256":"AAAA"}"#.to_owned(),
            format!(r#"{{"x5t#S256":"{own}="}}"#),
        ] {
            let bound = confirmation(&cnf);
            assert_eq!(bound, Confirmation::Unknown, "{cnf}");
            assert_eq!(
                bound.is_met_by(Some(&own)),
                Err(Reason::ConfirmationUnknown)
            );
        }
    }
}
