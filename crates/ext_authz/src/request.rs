//! From Envoy's attributes to the request that the gateway decides on. Whatever is missing or no HTTP is an error:
//! a request that cannot be described is not let through.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use gateway::{DescribedRequest, escaped_certificate};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::message::{AttributeContext, CheckRequest, HttpRequest};

/// More than Envoy takes from a client by its own settings.
const MOST_HEADER_LINES: usize = 256;

/// What is wrong with a description; goes to Envoy, never to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incomplete(pub(crate) &'static str);

pub(crate) fn described(check: CheckRequest) -> Result<DescribedRequest, Incomplete> {
    let attributes = check.attributes.ok_or(Incomplete("no attributes"))?;
    let client = client(&attributes)?;
    let client_certificate = certificate(&attributes)?;
    let http = attributes
        .request
        .and_then(|request| request.http)
        .ok_or(Incomplete("no attributes of an HTTP request"))?;
    let method =
        Method::from_bytes(http.method.as_bytes()).map_err(|_| Incomplete("no HTTP method"))?;
    if !http.path.starts_with('/') {
        return Err(Incomplete("no path"));
    }
    let headers = headers(&http)?;
    Ok(DescribedRequest {
        method,
        is_tls: http.scheme.eq_ignore_ascii_case("https"),
        target: http.path,
        headers,
        client,
        client_certificate,
    })
}

/// Percent-encoded PEM of the client's certificate; without one the field is empty. One that cannot be read is not
/// taken for none.
fn certificate(attributes: &AttributeContext) -> Result<Option<Bytes>, Incomplete> {
    let encoded = attributes
        .source
        .as_ref()
        .map_or("", |source| source.certificate.as_str());
    if encoded.is_empty() {
        return Ok(None);
    }
    escaped_certificate(encoded)
        .map(|der| Some(der.into()))
        .ok_or(Incomplete("the client's certificate cannot be read"))
}

fn client(attributes: &AttributeContext) -> Result<SocketAddr, Incomplete> {
    let address = attributes
        .source
        .as_ref()
        .and_then(|source| source.address.as_ref()?.socket_address.as_ref())
        .ok_or(Incomplete("no source address"))?;
    let ip: IpAddr = address
        .address
        .parse()
        .map_err(|_| Incomplete("the source address is no IP address"))?;
    let port = u16::try_from(address.port).map_err(|_| Incomplete("no source port"))?;
    Ok(SocketAddr::new(ip, port))
}

/// Pseudo-headers stand in fields of their own; the host is the one that Envoy routes by.
fn headers(http: &HttpRequest) -> Result<HeaderMap, Incomplete> {
    const NONSENSE: Incomplete = Incomplete("a header line is none");
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &[u8]| {
        if name.starts_with(':') {
            return Ok(());
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| NONSENSE)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| NONSENSE)?;
        headers.try_append(name, value).map_err(|_| NONSENSE)?;
        if headers.len() > MOST_HEADER_LINES {
            return Err(Incomplete("more header lines than a request may have"));
        }
        Ok(())
    };
    match &http.header_map {
        Some(lines) => {
            for line in &lines.headers {
                let value = if line.raw_value.is_empty() {
                    line.value.as_bytes()
                } else {
                    &line.raw_value
                };
                add(&line.key, value)?;
            }
        }
        None => {
            for (name, value) in &http.headers {
                add(name, value.as_bytes())?;
            }
        }
    }
    if !http.host.is_empty() {
        let host = HeaderValue::from_str(&http.host).map_err(|_| NONSENSE)?;
        headers.insert(HOST, host);
    }
    Ok(headers)
}
