//! The decision for a proxy that is not ours: it describes a request, and is told what to do with it.
//!
//! The same `decide`, the same answers, access log, figures and limits as the built-in proxy's. How a description
//! comes here is its bearer's business (`ext_authz` for Envoy).

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::access_log::{AccessRecord, RequestIds};
use super::admitted_headers::{self, make_readable};
use super::client_address::{client_address, forwarded_policy};
use super::connection::Peer;
use super::forward::path_at;
use super::headers::{Origin, X_REQUEST_ID, introduce};
use super::request_head;
use crate::backend_jwt::asks_for_key_set;
use crate::certificate_binding::CertificateDigest;
use crate::client_certificate::ClientCertificate;
use crate::decision::{Admission, RequestParts};
use crate::engine::{Engine, NotForwarded};
use crate::mediation;
use crate::origin::OriginProtocol;
use crate::refusal::{Reason, Refusal};
use crate::upstream::Upstream;

/// Beyond the numbers of the workers, so that no two request identifiers are the same.
const OWN_NUMBER: usize = 1_000;

/// A request as the other proxy received it.
#[derive(Clone)]
pub struct DescribedRequest {
    pub method: Method,
    /// Path and query as the client wrote them.
    pub target: String,
    /// `Host` included.
    pub headers: HeaderMap,
    pub client: SocketAddr,
    /// Whether the client came over TLS.
    pub is_tls: bool,
    /// DER of the certificate that the client showed the other proxy, whose key it holds.
    pub client_certificate: Option<Bytes>,
}

/// Without what may hold a credential: query and headers.
impl fmt::Debug for DescribedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedRequest")
            .field("method", &self.method)
            .field("client", &self.client)
            .field("is_tls", &self.is_tls)
            .finish_non_exhaustive()
    }
}

/// What to do with it.
#[derive(Debug)]
pub enum Verdict {
    Forward(Box<Forwarding>),
    /// Nothing goes to an upstream; the client gets this.
    Answer(Response<Bytes>),
}

/// How a request goes to its upstream.
#[derive(Debug)]
pub struct Forwarding {
    /// Take the place of the client's lines of the same name.
    pub headers_to_set: HeaderMap,
    pub headers_to_remove: Vec<HeaderName>,
    /// Take the place of the upstream's lines of the same name in the response.
    pub response_headers: HeaderMap,
    pub upstream: UpstreamTarget,
    pub api_name: String,
    pub api_version: String,
    /// `None` where nobody had to say who calls.
    pub application: Option<String>,
    pub key_manager: Option<String>,
}

/// One of the API's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTarget {
    /// Host and port, the port always.
    pub address: String,
    pub is_tls: bool,
    /// What the `Host` header says.
    pub authority: HeaderValue,
    /// Path and query for the request line.
    pub target: String,
}

/// Gives verdicts.
pub(crate) struct Judge {
    engine: Arc<Engine>,
    request_ids: Mutex<RequestIds>,
}

impl Judge {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            request_ids: Mutex::new(RequestIds::new(engine.clock.now(), OWN_NUMBER)),
            engine: Arc::clone(engine),
        }
    }

    pub(crate) async fn judge(&self, request: DescribedRequest) -> Verdict {
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target.as_str(), None),
        };
        let certificate = request.client_certificate.as_deref();
        let peer = Peer::new(
            request.client,
            request.is_tls,
            certificate.map(CertificateDigest::of),
        );
        let certificate = peer.certificate;
        let request_id = {
            let ids = self.request_ids.lock();
            let ids = ids.unwrap_or_else(PoisonError::into_inner);
            ids.of(request.headers.get(X_REQUEST_ID))
        };
        let trusted = &self.engine.config.trusted_proxies;
        let client = client_address(request.client.ip(), &request.headers, trusted);
        let mut record = AccessRecord::begin(
            &self.engine,
            request.method.clone(),
            path.to_owned(),
            peer,
            client,
            request_id,
        );
        if let Err(reason) = request_head::check_host(&request.headers) {
            record.reason = Some(reason);
            return told(Refusal::new(reason).response(), record);
        }
        if let Some(tokens) = &self.engine.backend_jwts
            && asks_for_key_set(&request.method, path)
        {
            let now = self.engine.clock.now().as_second();
            return told(tokens.key_set(now), record);
        }
        let origin = request.headers.get(ORIGIN);
        let certificate = ClientCertificate::of_description(
            certificate.as_ref(),
            request.client.ip(),
            &request.headers,
            trusted,
        );
        let parts = RequestParts {
            method: &request.method,
            path,
            headers: &request.headers,
            certificate: &certificate,
            client: Some(client),
        };
        let admission = match self.engine.decide(&parts).await {
            Ok(admission) => admission,
            Err(NotForwarded::Refused(refusal)) => {
                record.api = refusal.api_id().and_then(|id| self.engine.api(id));
                record.reason = Some(refusal.reason);
                return self.answer(refusal.response(), origin, record);
            }
            Err(NotForwarded::Preflight(asked)) => {
                let answer = self.engine.preflight(&asked, origin);
                record.api = Some(asked.api);
                return told(answer, record);
            }
        };
        record.api = Some(Arc::clone(&admission.api));
        record.caller.clone_from(&admission.caller);
        match self.forward(&request, query, &admission, &record) {
            Ok(forwarding) => {
                // What the upstream answers is the other proxy's to tell.
                record.answered(StatusCode::OK);
                record.complete();
                Verdict::Forward(Box::new(forwarding))
            }
            Err(reason) => {
                record.reason = Some(reason);
                let mut answer = Refusal::new(reason).response();
                if let Some(edits) = &admission.edits {
                    mediation::apply(&edits.fault, answer.headers_mut());
                }
                self.answer(answer, origin, record)
            }
        }
    }

    fn forward(
        &self,
        request: &DescribedRequest,
        query: Option<&str>,
        admission: &Admission,
        record: &AccessRecord,
    ) -> Result<Forwarding, Reason> {
        let upstreams = admission.api.upstreams(admission.key_type);
        let upstream = upstreams
            .get(admission.api.next_turn(upstreams.len()))
            .ok_or(Reason::UpstreamUnreachable)?;
        let target = path_at(upstream, &admission.rest_of_path, query)?;
        let mut headers = request.headers.clone();
        let origin = Origin {
            peer: &record.peer,
            host: request.headers.get(HOST).cloned(),
            policy: forwarded_policy(&self.engine.config, request.client.ip(), &mut headers),
            request_id: &record.request_id,
        };
        let credential = &admission.api.credential_header;
        introduce(&mut headers, credential, origin);
        let mut response_headers = HeaderMap::new();
        admitted_headers::tell_upstream(&self.engine, admission, &mut headers)?;
        if let Some(edits) = &admission.edits {
            mediation::apply(&edits.response, &mut response_headers);
        }
        make_readable(
            &self.engine,
            Some(&admission.api),
            request.headers.get(ORIGIN),
            &mut response_headers,
        );
        let caller = admission.caller.as_ref();
        Ok(Forwarding {
            headers_to_set: changed(&request.headers, &headers),
            headers_to_remove: missing(&request.headers, &headers),
            response_headers,
            upstream: UpstreamTarget {
                address: address(upstream),
                is_tls: upstream.origin.protocol == OriginProtocol::Tls,
                authority: upstream.host_header.clone(),
                target: target.to_string(),
            },
            api_name: admission.api.entry.name.clone(),
            api_version: admission.api.entry.version.clone(),
            application: caller
                .and_then(|caller| caller.application.as_ref())
                .map(|application| application.id.to_string()),
            key_manager: caller.map(|caller| caller.key_manager.name().to_owned()),
        })
    }

    fn answer(
        &self,
        mut answer: Response<Bytes>,
        origin: Option<&HeaderValue>,
        record: AccessRecord,
    ) -> Verdict {
        let api = record.api.clone();
        make_readable(&self.engine, api.as_deref(), origin, answer.headers_mut());
        told(answer, record)
    }
}

fn told(answer: Response<Bytes>, mut record: AccessRecord) -> Verdict {
    record.answered(answer.status());
    record.sent(answer.body().len());
    record.complete();
    Verdict::Answer(answer)
}

/// As it stands in addresses: an IPv6 host in brackets.
fn address(upstream: &Upstream) -> String {
    let (host, port) = (&upstream.origin.host, upstream.origin.port);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Lines of `after` that are not as in `before`.
fn changed(before: &HeaderMap, after: &HeaderMap) -> HeaderMap {
    let mut changed = HeaderMap::new();
    for name in after.keys() {
        if !before.get_all(name).iter().eq(after.get_all(name)) {
            for value in after.get_all(name) {
                changed.append(name.clone(), value.clone());
            }
        }
    }
    changed
}

fn missing(before: &HeaderMap, after: &HeaderMap) -> Vec<HeaderName> {
    before
        .keys()
        .filter(|name| !after.contains_key(*name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_request_does_not_print_its_credential() {
        let headers = [(http::header::AUTHORIZATION, "Bearer secret")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let request = DescribedRequest {
            method: Method::GET,
            target: "/orders?access_token=secret".to_owned(),
            headers: headers.into_iter().collect(),
            client: SocketAddr::from(([127, 0, 0, 1], 1)),
            is_tls: true,
            client_certificate: None,
        };
        assert!(!format!("{request:?}").contains("secret"));
    }
}
