//! With an upstream: the request goes up as its endpoint wants it, the answer's head comes down.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Body as _;
use tokio::time::Instant;

use crate::decision::Admission;
use crate::mediation;
use crate::origin::{Failure, OriginProtocol};
use crate::proxy::access_log::AccessRecord;
use crate::proxy::body::{BodyProgress, ByteCount, ClientBody, RequestBody};
use crate::proxy::candidates::Candidates;
use crate::proxy::client_address::forwarded_policy;
use crate::proxy::headers::{Origin, asks_for_websocket, for_upstream, remove_hop_by_hop};
use crate::proxy::pool::{Lease, Need, SendError};
use crate::proxy::stream::Rewound;
use crate::proxy::{Worker, admitted_headers, request_head};
use crate::refusal::Reason;
use crate::upstream::Upstream;

/// What comes of it.
pub(super) enum Exchanged {
    Body(Response<()>, Lease, Rc<BodyProgress>),
    Switched(Response<()>, Rewound),
}

/// Sends the request to an endpoint, and to another where that cannot be reached or never read it; waits for the head of
/// the answer.
pub(super) async fn exchange(
    worker: &Worker,
    request: Request<ClientBody>,
    admission: &Admission,
    count: Option<Rc<ByteCount>>,
    record: &mut AccessRecord,
    ends: Instant,
) -> Result<Exchanged, Reason> {
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
    if let Some(tokens) = &worker.engine.backend_jwts {
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
    worker.via.add(&mut head.headers, head.version);
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
        return Ok(Exchanged::Switched(response, upstream));
    }
    remove_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    if let Some(edits) = &admission.edits {
        mediation::apply(&edits.response, response.headers_mut());
    }
    Ok(Exchanged::Body(response, lease, progress))
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
pub(in crate::proxy) fn path_at(
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
