//! A request to an OAuth endpoint: a form (RFC 6749 section 3.2) and the client's credentials, in HTTP Basic or in
//! the form but not in both (section 2.3.1).

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use domain::SecretString;
use http::header;

use super::refusal::OAuthRefusal;
use crate::authentication::{BasicCredentials, basic_credentials, client_address};

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) struct OAuthRequest {
    pub(super) client: BasicCredentials,
    /// The caller's, where the server knows it.
    pub(super) address: Option<IpAddr>,
    parameters: BTreeMap<String, String>,
}

impl OAuthRequest {
    /// A parameter without a value counts as absent (section 3.1).
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.parameters
            .remove(name)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn require(&mut self, name: &str) -> Result<String, OAuthRefusal> {
        self.take(name)
            .ok_or_else(|| OAuthRefusal::invalid_request(format!("{name} is missing")))
    }
}

impl<S: Send + Sync> FromRequest<S> for OAuthRequest {
    type Rejection = OAuthRefusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthRefusal> {
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let is_form = content_type
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM));
        if !is_form {
            return Err(OAuthRefusal::invalid_request(format!(
                "the body must be {FORM}"
            )));
        }
        let address = client_address(&parts);
        let basic = basic_credentials(&parts.headers)
            .map_err(|_| OAuthRefusal::invalid_client("the Authorization header is not valid"))?;
        let body = Bytes::from_request(Request::from_parts(parts, body), state)
            .await
            .map_err(|_| OAuthRefusal::invalid_request("the body could not be read"))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&body) {
            if parameters
                .insert(name.clone().into_owned(), value.into_owned())
                .is_some()
            {
                return Err(OAuthRefusal::invalid_request(format!(
                    "{name} is given twice"
                )));
            }
        }
        let client = client(basic, &mut parameters)?;
        Ok(Self {
            client,
            address,
            parameters,
        })
    }
}

fn client(
    basic: Option<BasicCredentials>,
    parameters: &mut BTreeMap<String, String>,
) -> Result<BasicCredentials, OAuthRefusal> {
    let secret = parameters.remove("client_secret");
    let id = parameters.remove("client_id");
    match (basic, id, secret) {
        (Some(_), _, Some(_)) => Err(OAuthRefusal::invalid_request(
            "client credentials belong into the Authorization header or into the form, not into both",
        )),
        (Some(basic), None, None) => Ok(basic),
        (Some(basic), Some(id), None) if id == basic.name => Ok(basic),
        (None, Some(name), Some(secret)) => Ok(BasicCredentials {
            name,
            secret: SecretString::from(secret),
        }),
        _ => Err(OAuthRefusal::invalid_client(
            "the client must authenticate with its id and secret",
        )),
    }
}
