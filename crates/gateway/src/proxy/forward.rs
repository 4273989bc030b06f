//! One request: decide, send to an upstream, stream the answer back. Every way out ends in one response and one
//! line of the access log.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, ORIGIN, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep_until};

use super::access_log::AccessRecord;
use super::body::{BodyProgress, RequestBody, ResponseBody};
use super::client_address::{client_address, forwarded_policy};
use super::connection::Peer;
use super::headers::{Origin, X_REQUEST_ID, asks_for_websocket, for_upstream, remove_hop_by_hop};
use super::pool::{ConnectError, Lease};
use super::request_trace::RequestTrace;
use super::{Worker, tunnel};
use crate::decide::{Admission, Preflight, RequestParts};
use crate::engine::Turned;
use crate::mediation;
use crate::refusal::{Reason, Refusal};
use crate::snapshot::Api;
use crate::upstream::Upstream;

/// Serves a request of a client.
pub(super) async fn handle(
    worker: Rc<Worker>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<ResponseBody> {
    let request_id = worker.request_ids.of(request.headers().get(X_REQUEST_ID));
    let trusted = &worker.engine.config.trusted_proxies;
    let client = client_address(peer.address.ip(), request.headers(), trusted);
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
    let parts = RequestParts {
        method: request.method(),
        path: request.uri().path(),
        headers: request.headers(),
        certificate: peer.certificate.as_ref(),
        client: Some(client),
    };
    let admission = match worker.engine.decide(&parts).await {
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
    let response = match forward(&worker, request, &admission, &mut record).await {
        Ok(Answer::Body(response, lease)) => {
            let (head, body) = response.into_parts();
            record.answered(head.status);
            let silence = worker.engine.config.timeouts.body_idle;
            Response::from_parts(head, ResponseBody::upstream(body, lease, silence, record))
        }
        Ok(Answer::Switched {
            head,
            client,
            upstream,
        }) => {
            record.answered(head.status);
            tunnel::open(client, upstream, record);
            Response::from_parts(head, ResponseBody::None)
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
    Body(Response<Incoming>, Lease),
    Switched {
        head: http::response::Parts,
        client: OnUpgrade,
        upstream: OnUpgrade,
    },
}

async fn forward(
    worker: &Worker,
    mut request: Request<Incoming>,
    admission: &Admission,
    record: &mut AccessRecord,
) -> Result<Answer, Reason> {
    let config = &worker.engine.config;
    if request.body().size_hint().lower() > config.limits.request_body {
        return Err(Reason::RequestTooLarge);
    }
    let client = (request.version() <= Version::HTTP_11
        && request.method() == Method::GET
        && asks_for_websocket(request.headers()))
    .then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let (body, progress) =
        RequestBody::new(body, config.limits.request_body, config.timeouts.body_idle);

    let (upstream, lease) = connection(worker, admission).await?;
    // HTTP/2 says it in the URI.
    let named = head
        .uri
        .authority()
        .and_then(|name| HeaderValue::from_str(name.as_str()).ok());
    let host = head.headers.get(HOST).cloned().or(named);
    head.uri = uri(&upstream, &admission.rest_of_path, head.uri.query())?;
    let origin = Origin {
        client: record.peer.address,
        is_tls: record.peer.is_tls,
        host,
        policy: forwarded_policy(config, record.peer.address.ip(), &mut head.headers),
        request_id: &record.request_id,
    };
    let header = &admission.api.entry.authorization_header;
    for_upstream(&mut head.headers, &upstream.authority, header, origin);
    if let Some(edits) = &admission.edits {
        mediation::apply(&edits.request, &mut head.headers);
    }
    record.trace.write(&mut head.headers);
    head.version = Version::HTTP_11;
    if client.is_some() {
        head.headers.insert(
            http::header::CONNECTION,
            HeaderValue::from_static("upgrade"),
        );
        head.headers
            .insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let sent_at = Instant::now();
    record.trace.sent_to(&upstream, sent_at);
    let request = Request::from_parts(head, body);
    let sent = send(worker, &upstream, lease, request, &progress).await;
    record.upstream_time = Some(sent_at.elapsed());
    let (mut response, lease) = sent?;
    record.trace.upstream_answered(response.status().as_u16());

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it: what follows would be no HTTP.
        let client = client.ok_or(Reason::UpstreamBroken)?;
        let upstream = hyper::upgrade::on(&mut response);
        return Ok(Answer::Switched {
            head: response.into_parts().0,
            client,
            upstream,
        });
    }
    remove_hop_by_hop(response.headers_mut());
    if let Some(edits) = &admission.edits {
        mediation::apply(&edits.response, response.headers_mut());
    }
    Ok(Answer::Body(response, lease))
}

/// A connection to the first endpoint, in turn, that can be reached: nothing was sent yet, so the next one may be
/// tried.
async fn connection(
    worker: &Worker,
    admission: &Admission,
) -> Result<(Arc<Upstream>, Lease), Reason> {
    let upstreams = admission.api.upstreams(admission.key_type);
    let first = admission.api.next_turn(upstreams.len());
    let mut last_reason = Reason::UpstreamUnreachable;
    for upstream in upstreams[first..].iter().chain(&upstreams[..first]) {
        if let Some(lease) = worker.pool.reuse(upstream) {
            return Ok((Arc::clone(upstream), lease));
        }
        match worker.pool.connect(upstream).await {
            Ok(lease) => return Ok((Arc::clone(upstream), lease)),
            Err(error) => {
                last_reason = unreachable(upstream, &error);
            }
        }
    }
    Err(last_reason)
}

/// Sends the request and waits for the response head. A request that never left goes out once more, on a new
/// connection: the pool's had been closed by the upstream.
async fn send(
    worker: &Worker,
    upstream: &Upstream,
    mut lease: Lease,
    mut request: Request<RequestBody>,
    progress: &BodyProgress,
) -> Result<(Response<Incoming>, Lease), Reason> {
    let patience = worker.engine.config.timeouts.response_head;
    loop {
        let outcome = {
            let sending = lease.sender.try_send_request(request);
            let mut sending = std::pin::pin!(sending);
            let mut deadline = Instant::now() + patience;
            loop {
                tokio::select! {
                    outcome = sending.as_mut() => break outcome,
                    () = sleep_until(deadline) => {
                        // A body that is still on its way up does not count against the upstream.
                        let extended = progress.last_activity.get() + patience;
                        if extended <= deadline {
                            return Err(Reason::UpstreamTimeout);
                        }
                        deadline = extended;
                    }
                }
            }
        };
        let mut error = match outcome {
            Ok(response) => return Ok((response, lease)),
            Err(error) => error,
        };
        if let Some(fault) = progress.fault.get() {
            return Err(fault);
        }
        match error.take_message() {
            Some(unsent) if lease.is_reused => {
                request = unsent;
                lease = worker
                    .pool
                    .connect(upstream)
                    .await
                    .map_err(|error| unreachable(upstream, &error))?;
            }
            _ => {
                let error = error.into_error();
                tracing::warn!(upstream = %upstream.origin, %error, "an upstream failed to answer");
                return Err(Reason::UpstreamBroken);
            }
        }
    }
}

fn unreachable(upstream: &Upstream, error: &ConnectError) -> Reason {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(upstream = %upstream.origin, %error, cause, "an upstream cannot be reached");
    match error {
        ConnectError::Timeout => Reason::UpstreamTimeout,
        ConnectError::Io(_) | ConnectError::ServerName | ConnectError::Http(_) => {
            Reason::UpstreamUnreachable
        }
    }
}

fn uri(upstream: &Upstream, rest: &str, query: Option<&str>) -> Result<Uri, Reason> {
    let mut target = String::with_capacity(upstream.base_path.len() + rest.len() + 64);
    target.push_str(&upstream.base_path);
    target.push_str(rest);
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    PathAndQuery::from_maybe_shared(Bytes::from(target))
        .map(Uri::from)
        .map_err(|_| Reason::PathAmbiguous)
}

/// Readable for the page that asked, where the policy says so.
fn readable(
    worker: &Worker,
    api: Option<&Api>,
    origin: Option<&HeaderValue>,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    if let Some(policy) = worker.engine.cors(api) {
        policy.decorate(origin, response.headers_mut());
    }
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

fn refuse(refusal: &Refusal, mut record: Box<AccessRecord>) -> Response<ResponseBody> {
    record.reason = Some(refusal.reason);
    record.answered(refusal.status());
    let (mut head, body) = refusal.response().into_parts();
    if record.method == Method::HEAD {
        head.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(head, ResponseBody::Own(Some(body), record))
}
