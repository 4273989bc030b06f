//! The form that clients post to the token endpoint, with HTTP Basic folded in.

use axum::body::to_bytes;
use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

use super::Refusal;

/// Longest form in bytes.
const LONGEST_FORM: usize = 256 * 1024;
/// Most parameters of a form; the rest is not looked at.
const MOST_PARAMETERS: usize = 200;

/// The parameters of one request. The first of several equal names counts.
#[derive(Default)]
pub(crate) struct TokenForm {
    parameters: Vec<(String, String)>,
}

impl TokenForm {
    /// Reads body and `Authorization` header.
    ///
    /// # Errors
    /// AADSTS9002313 for a body that is too long or breaks off, or a malformed Basic header.
    pub(crate) async fn read(request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, LONGEST_FORM)
            .await
            .map_err(|_| Refusal::MalformedRequest)?;
        let mut form = Self::parse(&bytes);
        form.add_basic(&parts.headers)?;
        Ok(form)
    }

    /// Reads `application/x-www-form-urlencoded` bytes; whatever they are, this succeeds.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let parameters = url::form_urlencoded::parse(bytes)
            .take(MOST_PARAMETERS)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Self { parameters }
    }

    /// The parameter `name`, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The parameter `name`.
    ///
    /// # Errors
    /// AADSTS900144 if it is missing.
    pub(crate) fn require(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::MissingParameter(name))
    }

    /// `client_secret_basic` (RFC 6749 section 2.3.1): both parts are form-encoded before joining.
    fn add_basic(&mut self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(());
        };
        let Some((scheme, encoded)) = value.to_str().ok().and_then(|text| text.split_once(' '))
        else {
            return Ok(());
        };
        if !scheme.eq_ignore_ascii_case("Basic") {
            return Ok(());
        }
        let decoded = STANDARD
            .decode(encoded.trim())
            .map_err(|_| Refusal::MalformedRequest)?;
        let decoded = String::from_utf8(decoded).map_err(|_| Refusal::MalformedRequest)?;
        let (id, secret) = decoded.split_once(':').ok_or(Refusal::MalformedRequest)?;
        for (name, encoded) in [("client_id", id), ("client_secret", secret)] {
            if self.get(name).is_none() {
                self.parameters
                    .push((name.to_owned(), form_decode(encoded)));
            }
        }
        Ok(())
    }
}

/// Decodes one form-encoded value that is not part of a form.
fn form_decode(encoded: &str) -> String {
    // A separator in the value would end it: clients that forget to encode mean it literally.
    let literal = encoded.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(format!("v={literal}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn basic(text: &str) -> TokenForm {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode(text));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&value).unwrap(),
        );
        let mut form = TokenForm::parse(b"grant_type=client_credentials&empty=");
        form.add_basic(&headers).unwrap();
        form
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let form = basic("my%2Did:a%2Bb+c~d%26");
        assert_eq!(form.get("client_id"), Some("my-id"));
        assert_eq!(form.get("client_secret"), Some("a+b c~d&"));
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
    }

    #[test]
    fn a_secret_may_contain_colons_and_equal_signs() {
        assert_eq!(basic("id:a:b=c").get("client_secret"), Some("a:b=c"));
    }

    #[test]
    fn an_empty_parameter_counts_as_missing() {
        let form = basic("id:secret");
        assert_eq!(form.get("empty"), None);
        assert_eq!(
            form.require("scope"),
            Err(Refusal::MissingParameter("scope"))
        );
    }

    #[test]
    fn a_broken_basic_header_is_refused() {
        for value in ["Basic !!!", "Basic bm9jb2xvbg=="] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(
                TokenForm::default().add_basic(&headers),
                Err(Refusal::MalformedRequest)
            );
        }
    }
}
