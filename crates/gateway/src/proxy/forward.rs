//! One request: decide, send to an upstream, stream the answer back. Every way out ends in one response and one
//! line of the access log.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Body as _;
use tokio::time::Instant;

use super::access_log::AccessRecord;
use super::admitted_headers::{self, make_readable};
use super::body::{BodyProgress, ByteCount, ClientBody, RequestBody, ResponseBody};
use super::candidates::Candidates;
use super::client_address::{client_address, forwarded_policy};
use super::connection::Peer;
use super::headers::{Origin, X_REQUEST_ID, asks_for_websocket, for_upstream, remove_hop_by_hop};
use super::pool::{Lease, Need, SendError};
use super::request_trace::RequestTrace;
use super::stream::Rewound;
use super::tunnel::Tunnel;
use super::{Worker, request_head};
use crate::api::Api;
use crate::backend_token::{BackendTokens, asks_for_key_set};
use crate::client_certificate::ClientCertificate;
use crate::decision::{Admission, Preflight, RequestParts};
use crate::engine::Turned;
use crate::mediation;
use crate::origin::{Failure, OriginProtocol};
use crate::refusal::{Reason, Refusal};
use crate::upstream::Upstream;

/// Serves a request of a client.
pub(super) async fn handle(
    worker: Rc<Worker>,
    request: Request<ClientBody>,
    peer: Peer,
) -> Response<ResponseBody> {
    let request_id = worker.request_ids.of(request.headers().get(X_REQUEST_ID));
    let trusted = &worker.engine.config.trusted_proxies;
    let client = client_address(peer.address.ip(), request.headers(), trusted);
    let certificate = peer.certificate;
    let mut record = Box::new(AccessRecord::begin(
        &worker.engine,
        request.method().clone(),
        request.uri().path().to_owned(),
        peer,
        client,
        request_id,
    ));
    record.trace = RequestTrace::begin(
        &worker.engine,
        &worker.trace_ids,
        request.headers(),
        request.version(),
    );
    let origin = request.headers().get(ORIGIN).cloned();
    if let Err(reason) = request_head::check(&request) {
        return refuse_for_good(reason, record, request.version());
    }
    if let Some(tokens) = &worker.engine.backend_tokens
        && asks_for_key_set(request.method(), request.uri().path())
    {
        let now = worker.engine.clock.now().as_second();
        return key_set(tokens, now, record);
    }
    let certificate = ClientCertificate::of_request(
        certificate.as_ref(),
        record.peer.address.ip(),
        request.headers(),
        trusted,
    );
    let parts = RequestParts {
        method: request.method(),
        path: request.uri().path(),
        headers: request.headers(),
        certificate: &certificate,
        client: Some(client),
    };
    let mut admission = match worker.engine.decide(&parts).await {
        Ok(admission) => admission,
        Err(Turned::Refused(refusal)) => {
            let api = refusal.api_id().and_then(|id| worker.engine.api(id));
            record.api.clone_from(&api);
            let response = refuse(&refusal, record);
            return readable(&worker, api.as_deref(), origin.as_ref(), response);
        }
        Err(Turned::Preflight(asked)) => {
            return preflight(&worker, origin.as_ref(), asked, record);
        }
    };
    record.api = Some(Arc::clone(&admission.api));
    record.caller.clone_from(&admission.caller);
    let count = ByteCount::of(std::mem::take(&mut admission.meters), &worker.engine.clock);
    let timeouts = &worker.engine.config.timeouts;
    let ends = record.begun + timeouts.total;
    let sent = forward(
        &worker,
        request,
        &admission,
        count.clone(),
        &mut record,
        ends,
    );
    let response = match sent.await {
        Ok(Answer::Body(head, lease, progress)) => {
            record.answered(head.status());
            let silence = timeouts.body_idle;
            let body = ResponseBody::upstream(lease, progress, silence, ends, record, count);
            head.map(|()| body)
        }
        Ok(Answer::Switched(head, upstream)) => {
            record.answered(head.status());
            let tunnel = Tunnel {
                upstream,
                longest_silence: timeouts.tunnel_idle,
                record,
                count,
            };
            head.map(|()| ResponseBody::Tunnel(Box::new(tunnel)))
        }
        Err(reason) => {
            let mut response = refuse(&Refusal::new(reason), record);
            if let Some(edits) = &admission.edits {
                mediation::apply(&edits.fault, response.headers_mut());
            }
            response
        }
    };
    readable(&worker, Some(&admission.api), origin.as_ref(), response)
}

enum Answer {
    Body(Response<()>, Lease, Rc<BodyProgress>),
    Switched(Response<()>, Rewound),
}

async fn forward(
    worker: &Worker,
    request: Request<ClientBody>,
    admission: &Admission,
    count: Option<Rc<ByteCount>>,
    record: &mut AccessRecord,
    ends: Instant,
) -> Result<Answer, Reason> {
    let config = &worker.engine.config;
    if request.body().size_hint().lower() > config.limits.request_body {
        return Err(Reason::RequestTooLarge);
    }
    let is_websocket = request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && asks_for_websocket(request.headers());
    let host = request_head::host(&request);
    let (mut head, body) = request.into_parts();
    let (mut body, progress) = RequestBody::new(
        body,
        config.limits.request_body,
        config.timeouts.body_idle,
        record.begun,
        ends,
        count,
    );
    if let Some(tokens) = &worker.engine.backend_tokens {
        body.forbid_trailer(tokens.header().clone());
    }
    if let Some(name) = &config.trusted_proxies.certificate_header {
        body.forbid_trailer(name.clone());
    }
    let origin = Origin {
        peer: &record.peer,
        host,
        policy: forwarded_policy(config, record.peer.address.ip(), &mut head.headers),
        request_id: &record.request_id,
    };
    let header = &admission.api.credential_header;
    let target = Target {
        path: &admission.rest_of_path,
        query: head.uri.query().map(str::to_owned),
        wants_trailers: for_upstream(&mut head.headers, header, origin),
        is_websocket,
    };
    admitted_headers::tell_upstream(&worker.engine, admission, &mut head.headers)?;
    record.trace.write(&mut head.headers);

    let mut candidates = Candidates::new(worker, admission, ends, target.need());
    let (mut upstream, mut lease) = candidates.connection().await?;
    let (mut response, lease) = loop {
        target.address(&mut head, upstream, &lease)?;
        // What the upstream refuses unread may go out again; with a body there would be nothing left to send.
        let spare = (lease.is_http2() && body.is_end_stream()).then(|| head.clone());
        let sent_at = Instant::now();
        record.trace.sent_to(upstream, sent_at);
        let request = Request::from_parts(head, body);
        let sent = send(
            worker, upstream, &mut lease, request, &progress, sent_at, ends,
        )
        .await;
        record.upstream_time = Some(sent_at.elapsed());
        (head, body) = match (sent, spare) {
            (Ok(response), _) => break (response, lease),
            (Err(Unanswered::NeverLeft(request)), _) => request.into_parts(),
            (Err(Unanswered::RefusedUnread), Some(spare)) => (spare, RequestBody::empty(&progress)),
            (Err(Unanswered::RefusedUnread), None) => return Err(Reason::UpstreamBroken),
            (Err(Unanswered::Failed(reason)), _) => return Err(reason),
        };
        (upstream, lease) = candidates.again(upstream, &lease).await?;
    };
    record.trace.upstream_answered(response.status().as_u16());

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it: what follows would be no HTTP.
        let upstream = lease.into_stream().filter(|_| is_websocket);
        let upstream = upstream.ok_or(Reason::UpstreamBroken)?;
        return Ok(Answer::Switched(response, upstream));
    }
    remove_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    if let Some(edits) = &admission.edits {
        mediation::apply(&edits.response, response.headers_mut());
    }
    Ok(Answer::Body(response, lease, progress))
}

/// What a request asks of an upstream, whichever it goes to.
struct Target<'t> {
    path: &'t str,
    query: Option<String>,
    wants_trailers: bool,
    is_websocket: bool,
}

impl Target<'_> {
    fn need(&self) -> Need {
        if self.is_websocket {
            Need::Http1
        } else {
            Need::AnyVersion
        }
    }

    /// Writes into `head` what depends on the upstream and on the connection to it.
    fn address(
        &self,
        head: &mut http::request::Parts,
        upstream: &Upstream,
        lease: &Lease,
    ) -> Result<(), Reason> {
        let path = path_at(upstream, self.path, self.query.as_deref())?;
        head.headers.remove(CONNECTION);
        if lease.is_http2() {
            head.version = Version::HTTP_2;
            head.headers.remove(HOST);
            let scheme = match upstream.origin.protocol {
                OriginProtocol::Tls => Scheme::HTTPS,
                OriginProtocol::Plain | OriginProtocol::PlainHttp2 => Scheme::HTTP,
            };
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(scheme);
            parts.authority = Some(upstream.authority.clone());
            parts.path_and_query = Some(path);
            head.uri = Uri::from_parts(parts).map_err(|_| Reason::PathAmbiguous)?;
            return Ok(());
        }
        head.version = Version::HTTP_11;
        head.uri = Uri::from(path);
        head.headers.insert(HOST, upstream.host_header.clone());
        if self.is_websocket {
            head.headers
                .insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers
                .insert(UPGRADE, HeaderValue::from_static("websocket"));
        } else if self.wants_trailers {
            // RFC 9110 section 10.1.4.
            head.headers
                .insert(CONNECTION, HeaderValue::from_static("te"));
        }
        Ok(())
    }
}

/// Path and query for the request line at the upstream.
pub(super) fn path_at(
    upstream: &Upstream,
    rest: &str,
    query: Option<&str>,
) -> Result<PathAndQuery, Reason> {
    let of_query = query.map_or(0, |query| "?".len() + query.len());
    // No byte too many: shared bytes are made of it without a second allocation.
    let length = upstream.base_path.len() + rest.len() + of_query;
    let mut target = String::with_capacity(length.max(1));
    target.push_str(&upstream.base_path);
    target.push_str(rest);
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    PathAndQuery::from_maybe_shared(Bytes::from(target)).map_err(|_| Reason::PathAmbiguous)
}

/// Why there is no answer, and whether the request may go out again.
enum Unanswered {
    /// Not a byte of it.
    NeverLeft(Box<Request<RequestBody>>),
    /// It arrived, and the upstream says that it did nothing with it (RFC 9113 section 8.7).
    RefusedUnread,
    Failed(Reason),
}

/// Sends the request and waits for the response head.
async fn send(
    worker: &Worker,
    upstream: &Upstream,
    lease: &mut Lease,
    request: Request<RequestBody>,
    progress: &BodyProgress,
    begun: Instant,
    ends: Instant,
) -> Result<Response<()>, Unanswered> {
    let patience = worker.engine.config.timeouts.response_head;
    let health = &upstream.origin.health;
    let failed = |reason| {
        health.failed(Failure::BadAnswer, worker.engine.clock.now());
        Err(Unanswered::Failed(reason))
    };
    // A body that is still on its way up does not count against the upstream.
    let extend = |deadline| {
        let extended = ends.min(progress.last_activity.get() + patience);
        (deadline < extended).then_some(extended)
    };
    let error = match lease
        .send(request, ends.min(begun + patience), extend)
        .await
    {
        Ok(response) if response.status().is_server_error() => {
            health.failed(Failure::BadAnswer, worker.engine.clock.now());
            return Ok(response);
        }
        Ok(response) => {
            health.succeeded();
            return Ok(response);
        }
        Err(error) => error,
    };
    if let Some(fault) = progress.fault.get() {
        return Err(Unanswered::Failed(fault));
    }
    match error {
        SendError::NeverLeft(unsent) => Err(Unanswered::NeverLeft(unsent)),
        SendError::RefusedUnread => Err(Unanswered::RefusedUnread),
        // The whole request took too long, not this upstream.
        SendError::TimedOut if ends <= Instant::now() => {
            Err(Unanswered::Failed(Reason::UpstreamTimeout))
        }
        SendError::TimedOut => failed(Reason::UpstreamTimeout),
        SendError::Failed(error) => {
            tracing::warn!(upstream = %upstream.origin.name, error, "an upstream failed to answer");
            failed(Reason::UpstreamBroken)
        }
    }
}

fn readable(
    worker: &Worker,
    api: Option<&Api>,
    origin: Option<&HeaderValue>,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    make_readable(&worker.engine, api, origin, response.headers_mut());
    response
}

fn preflight(
    worker: &Worker,
    origin: Option<&HeaderValue>,
    asked: Preflight,
    mut record: Box<AccessRecord>,
) -> Response<ResponseBody> {
    let answer = worker.engine.preflight(&asked, origin);
    record.api = Some(asked.api);
    let (head, body) = answer.into_parts();
    record.answered(head.status);
    Response::from_parts(head, ResponseBody::Own(Some(body), record))
}

/// Answers what could not be read as a request.
pub(super) fn refuse_unread(worker: &Worker, peer: Peer, reason: Reason) -> Response<ResponseBody> {
    let request_id = worker.request_ids.of(None);
    let record = AccessRecord::begin_unread(&worker.engine, peer, request_id);
    refuse_for_good(reason, Box::new(record), Version::HTTP_11)
}

/// What follows on this connection could be the rest of an attack.
fn refuse_for_good(
    reason: Reason,
    record: Box<AccessRecord>,
    version: Version,
) -> Response<ResponseBody> {
    let mut response = refuse(&Refusal::new(reason), record);
    if version <= Version::HTTP_11 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The keys of backend tokens, for whoever wants to verify one.
fn key_set(
    tokens: &BackendTokens,
    now: i64,
    mut record: Box<AccessRecord>,
) -> Response<ResponseBody> {
    let (mut head, body) = tokens.key_set(now).into_parts();
    if record.is_head() {
        head.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    record.answered(head.status);
    Response::from_parts(head, ResponseBody::Own(Some(body), record))
}

fn refuse(refusal: &Refusal, mut record: Box<AccessRecord>) -> Response<ResponseBody> {
    record.reason = Some(refusal.reason);
    record.answered(refusal.status());
    let (mut head, body) = refusal.response().into_parts();
    if record.is_head() {
        head.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(head, ResponseBody::Own(Some(body), record))
}
