//! A client's certificate with its key, and tokens that are bound to it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use code_table::row::CodeTable;
use code_table::signer::encode;
use code_table::token::TokenEdit;
use rcgen::{CertificateParams, CertifiedKey, Issuer, KeyPair};
use serde_json::json;

use crate::support::NOW;

pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) key: KeyPair,
    pem: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        Self::of(&cert, signing_key)
    }

    pub(crate) fn signed_by(authority: &Issuer<'_, KeyPair>) -> Self {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["client".to_owned()]).expect("parameters");
        let made = parameters.signed_by(&key, authority);
        Self::of(&made.expect("a certificate"), key)
    }

    fn of(made: &rcgen::Certificate, key: KeyPair) -> Self {
        Self {
            der: made.der().to_vec(),
            key,
            pem: made.pem(),
        }
    }

    /// RFC 9440.
    pub(crate) fn byte_sequence(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.der))
    }

    /// Percent-encoded PEM, as Envoy writes it.
    pub(crate) fn escaped(&self) -> String {
        let pem = self.pem.replace("\r\n", "\n");
        [("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("=", "%3D")]
            .into_iter()
            .fold(pem, |text, (from, to)| text.replace(from, to))
    }

    /// The code table's token, for this certificate alone (RFC 8705).
    pub(crate) fn bound_token(&self) -> String {
        let thumbprint = encode(digest(&SHA256, &self.der));
        let table = CodeTable::load();
        let mut edit = TokenEdit::default();
        let cnf = json!({"x5t#S256": thumbprint});
        edit.claims.insert("cnf".to_owned(), cnf);
        table.token.edited(&edit, NOW)
    }
}
