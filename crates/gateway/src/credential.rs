//! The credential in the request: one header line, `Bearer`, one token of bounded size (RFC 6750 section 2.1).

use http::{HeaderMap, HeaderName};

use crate::client_certificate::ClientCertificate;
use crate::refusal::Reason;

/// What a client shows: a token, and perhaps a certificate.
#[derive(Clone, Copy)]
pub(crate) struct Credential<'r> {
    pub(crate) token: &'r str,
    pub(crate) certificate: &'r ClientCertificate<'r>,
}

/// The token of the request. `header` is the API's.
pub(crate) fn bearer_token<'r>(
    headers: &'r HeaderMap,
    header: &HeaderName,
    longest: usize,
) -> Result<&'r str, Reason> {
    let mut lines = headers.get_all(header).iter();
    let Some(line) = lines.next() else {
        return Err(Reason::CredentialMissing);
    };
    // With two lines, gateway and upstream could each believe another one.
    if lines.next().is_some() {
        return Err(Reason::CredentialMalformed);
    }
    if line.len() > longest.saturating_add("Bearer ".len()) {
        return Err(Reason::TokenTooLong);
    }
    let line = line.as_bytes().trim_ascii();
    let end_of_scheme = line.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = line.split_at(end_of_scheme.unwrap_or(line.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Reason::CredentialMissing);
    }
    let token = rest.trim_ascii();
    // Without a way out in between, so that the processor looks at many of a token's thousand bytes at once.
    let strange = token.iter().fold(0, |so_far, byte| {
        so_far | u8::from(!byte.is_ascii_graphic()) | u8::from(*byte == b',')
    });
    let token = str::from_utf8(token).ok().filter(|_| strange == 0);
    let token = token.ok_or(Reason::CredentialMalformed)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn token_of(lines: &[&str]) -> Result<String, Reason> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                "authorization",
                HeaderValue::from_str(line).expect("a header value"),
            );
        }
        bearer_token(&headers, &http::header::AUTHORIZATION, 16).map(str::to_owned)
    }

    #[test]
    fn one_bearer_token_in_one_line_is_a_credential() {
        assert_eq!(token_of(&["Bearer abc"]), Ok("abc".to_owned()));
        assert_eq!(token_of(&["bEARER   abc "]), Ok("abc".to_owned()));
        assert_eq!(token_of(&["Bearer"]), Ok(String::new()));
        assert_eq!(token_of(&[]), Err(Reason::CredentialMissing));
        assert_eq!(token_of(&["Basic YTpi"]), Err(Reason::CredentialMissing));
        assert_eq!(
            token_of(&["Bearer a", "Bearer b"]),
            Err(Reason::CredentialMalformed)
        );
        assert_eq!(
            token_of(&["Bearer a, Bearer b"]),
            Err(Reason::CredentialMalformed)
        );
        assert_eq!(
            token_of(&["Bearer 12345678901234567"]),
            Err(Reason::TokenTooLong)
        );
    }
}
