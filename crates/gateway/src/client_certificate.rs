//! Which certificate a client has shown: to the gateway itself, or to a trusted proxy before it, which says so in a
//! header (RFC 9440).
//!
//! Owns whom to believe and how to read it. Nothing is read before a token demands it. What the certificate must be is
//! [`certificate_binding`](crate::certificate_binding)'s; whether its chain is any good was the proxy's to judge.

use std::net::IpAddr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::certificate_binding::{CertificateDigest, Confirmation};
use crate::config::TrustedProxies;
use crate::proxy::headers::has_a_meaning;
use crate::refusal::Reason;

/// What proxies may say beside the certificate (RFC 9440 section 2.3). Not read here: a token names one certificate.
const CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// Bytes of a header value that are read. Escaped PEM, the longest form, of a certificate of 8 KiB fits.
pub(crate) const LONGEST: usize = 16 * 1024;

/// Padding may be missing, and bits behind the end are not looked at (RFC 8941 section 4.2.7): what counts is the digest
/// of what was read.
const BYTE_SEQUENCE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Where to look for the certificate of a request's client.
#[derive(Clone, Copy, Default)]
pub(crate) struct ClientCertificate<'r> {
    /// Of the client's TLS connection.
    connection: Option<&'r CertificateDigest>,
    /// `None` where proxies are not listened to.
    said: Option<Said<'r>>,
}

/// What may have been said, if it was a trusted proxy that said it.
#[derive(Clone, Copy)]
struct Said<'r> {
    peer: IpAddr,
    trusted: &'r TrustedProxies,
    name: &'r HeaderName,
    headers: &'r HeaderMap,
}

impl<'r> ClientCertificate<'r> {
    /// Of a client that came to the gateway itself, or by way of a trusted proxy.
    pub(crate) fn of_request(
        connection: Option<&'r CertificateDigest>,
        peer: IpAddr,
        headers: &'r HeaderMap,
        trusted: &'r TrustedProxies,
    ) -> Self {
        let said = trusted.certificate_header.as_ref().map(|name| Said {
            peer,
            trusted,
            name,
            headers,
        });
        Self { connection, said }
    }

    /// Of a client that another proxy has described: the certificate that it saw itself comes first.
    pub(crate) fn of_description(
        connection: Option<&'r CertificateDigest>,
        peer: IpAddr,
        headers: &'r HeaderMap,
        trusted: &'r TrustedProxies,
    ) -> Self {
        if connection.is_some() {
            return Self {
                connection,
                said: None,
            };
        }
        Self::of_request(None, peer, headers, trusted)
    }

    /// Whether the client may show a token that demands this.
    pub(crate) fn meets(&self, confirmation: &Confirmation) -> Result<(), Reason> {
        match confirmation {
            Confirmation::Certificate(_) => confirmation.is_met_by(self.digest()?.as_ref()),
            Confirmation::None | Confirmation::Unknown => confirmation.is_met_by(None),
        }
    }

    /// Behind a trusted proxy only what it says counts: the connection's certificate is the proxy's own.
    fn digest(&self) -> Result<Option<CertificateDigest>, Reason> {
        match &self.said {
            Some(said) if said.trusted.contain(said.peer.to_canonical()) => said.digest(),
            _ => Ok(self.connection.copied()),
        }
    }
}

impl Said<'_> {
    fn digest(&self) -> Result<Option<CertificateDigest>, Reason> {
        let mut lines = self.headers.get_all(self.name).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        // One line and no more (RFC 9440 section 2.2): of two, one may be the client's.
        if lines.next().is_some() {
            return Err(Reason::CertificateMalformed);
        }
        let der = certificate(line).ok_or(Reason::CertificateMalformed)?;
        Ok(Some(CertificateDigest::of(&der)))
    }
}

/// Removes what was said of the client's certificate: upstreams cannot know who said it.
pub(crate) fn remove(trusted: &TrustedProxies, headers: &mut HeaderMap) {
    if let Some(name) = &trusted.certificate_header {
        headers.remove(name);
        headers.remove(CHAIN);
    }
}

/// The name of a header that proxies may hand a certificate on in. `None` for what is no name, and for headers that mean
/// something to HTTP or to the gateway.
pub fn certificate_header(name: &str) -> Option<HeaderName> {
    let name = name.parse().ok()?;
    let is_free = !has_a_meaning(&name) && name != CHAIN;
    is_free.then_some(name)
}

/// DER of the certificate in a header value: a byte sequence (RFC 9440 section 2.1), or escaped PEM as nginx and others
/// write it. No text is both.
pub(crate) fn certificate(value: &HeaderValue) -> Option<Vec<u8>> {
    if value.len() > LONGEST {
        return None;
    }
    let text = value.to_str().ok()?.trim_matches([' ', '\t']);
    if text.starts_with(':') {
        byte_sequence(text)
    } else {
        escaped_certificate(text)
    }
}

/// An item of structured fields that is a byte sequence (RFC 8941 section 4.2.7), without parameters: none are defined.
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    let encoded = text.strip_prefix(':')?.strip_suffix(':')?;
    BYTE_SEQUENCE
        .decode(encoded)
        .ok()
        .filter(|der| !der.is_empty())
}

/// DER of the one certificate in percent-encoded PEM, as nginx (`$ssl_client_escaped_cert`) and Envoy (the peer's
/// `certificate`) write it. `None` where it is anything else. A `+` is a plus sign.
pub fn escaped_certificate(text: &str) -> Option<Vec<u8>> {
    if !text.starts_with("-----BEGIN") {
        return None;
    }
    let decoded = percent_decoded(text)?;
    let mut blocks = pem::parse_many(decoded).ok()?.into_iter();
    let block = blocks
        .next()
        .filter(|block| block.tag() == "CERTIFICATE" && !block.contents().is_empty())?;
    blocks.next().is_none().then(|| block.into_contents())
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests;
