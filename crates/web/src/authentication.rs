//! Who calls: HTTP Basic (RFC 7617) or a bearer token (RFC 6750) becomes an [`Actor`]. Whether the password or
//! the token is right is the use-case's business, and so is slowing down whoever guesses.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::Control;
use control::identity::AuthenticationError;
use domain::SecretString;
use domain::user::Actor;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::problem::Problem;

/// A user name or client id with its password or secret, as Basic credentials carry it.
pub(crate) struct BasicCredentials {
    pub name: String,
    pub secret: SecretString,
}

/// The actor of a request; `None` when it carries no credential at all.
pub(crate) async fn authenticate(
    control: &Control,
    parts: &Parts,
) -> Result<Option<Actor>, Problem> {
    let Some(credential) = authorization(&parts.headers)? else {
        return Ok(None);
    };
    let identity = control.identity();
    let authenticated = match scheme_and_value(credential) {
        Some((scheme, value)) if scheme.eq_ignore_ascii_case("bearer") => {
            identity.authenticate_token(value).await
        }
        Some((scheme, value)) if scheme.eq_ignore_ascii_case("basic") => {
            let basic = decode_basic(value).ok_or_else(Problem::unauthenticated)?;
            identity
                .authenticate_password(&basic.name, &basic.secret, client_address(parts))
                .await
        }
        _ => return Err(Problem::unauthenticated()),
    };
    authenticated.map(Some).map_err(Problem::from)
}

impl From<AuthenticationError> for Problem {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Invalid => Self::unauthenticated(),
            AuthenticationError::SlowDown { retry_after } => Self::plain(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many failed attempts. Wait before the next one.",
            )
            .retry_after(retry_after.as_secs()),
            AuthenticationError::Internal(error) => Self::from(error),
        }
    }
}

/// The peer's address, where the server knows it.
pub(crate) fn client_address(parts: &Parts) -> Option<IpAddr> {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip())
}

/// Basic credentials, where the request carries them.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Result<Option<BasicCredentials>, Problem> {
    let Some(credential) = authorization(headers)? else {
        return Ok(None);
    };
    match scheme_and_value(credential) {
        Some((scheme, value)) if scheme.eq_ignore_ascii_case("basic") => decode_basic(value)
            .map(Some)
            .ok_or_else(Problem::unauthenticated),
        _ => Err(Problem::unauthenticated()),
    }
}

/// The one `Authorization` header; two of them are a trick.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(header::AUTHORIZATION) {
            Err(Problem::unauthenticated())
        } else {
            Ok(None)
        };
    };
    value
        .to_str()
        .map(Some)
        .map_err(|_| Problem::unauthenticated())
}

fn scheme_and_value(credential: &str) -> Option<(&str, &str)> {
    let (scheme, value) = credential.trim().split_once(' ')?;
    Some((scheme, value.trim()))
}

fn decode_basic(value: &str) -> Option<BasicCredentials> {
    let decoded = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (name, secret) = decoded.split_once(':')?;
    Some(BasicCredentials {
        name: name.to_owned(),
        secret: SecretString::from(secret),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_str(value).expect("a header value"),
            );
        }
        headers
    }

    #[test]
    fn a_password_may_contain_colons() {
        let encoded = STANDARD.encode("ann:a:b");
        let basic = basic_credentials(&headers(&[&format!("basic {encoded}")]))
            .expect("well formed")
            .expect("present");
        assert_eq!(basic.name, "ann");
        assert_eq!(basic.secret.expose_secret(), "a:b");
    }

    #[test]
    fn two_authorization_headers_are_refused() {
        assert!(basic_credentials(&headers(&["Basic YTpi", "Basic YTpj"])).is_err());
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        assert!(basic_credentials(&headers(&["Basic %%%"])).is_err());
    }
}
