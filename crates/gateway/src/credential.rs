//! The credential in the request: one header line, `Bearer`, one token of bounded size (RFC 6750 section 2.1).

use http::HeaderMap;

use crate::certificate_binding::CertificateDigest;
use crate::refusal::Reason;

/// What a client shows: a token, and the certificate of its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential<'r> {
    pub(crate) token: &'r str,
    pub(crate) certificate: Option<&'r CertificateDigest>,
}

/// The token of the request. `header` is the API's header name, lower case.
pub(crate) fn bearer_token<'r>(
    headers: &'r HeaderMap,
    header: &str,
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
    let line = line.to_str().map_err(|_| Reason::CredentialMalformed)?;
    let (scheme, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Reason::CredentialMissing);
    }
    let token = rest.trim();
    if token.contains([' ', '\t', ',']) {
        return Err(Reason::CredentialMalformed);
    }
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
        bearer_token(&headers, "authorization", 16).map(str::to_owned)
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
