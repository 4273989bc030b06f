//! One request: decide, send to an upstream, stream the answer back. Every way out ends in one response and one
//! line of the access log.

mod exchange;
mod own_answer;

use std::rc::Rc;
use std::sync::Arc;

use http::header::ORIGIN;
use http::{Request, Response};

use super::access_log::AccessRecord;
use super::body::{ByteCount, ClientBody, ResponseBody};
use super::client_address::client_address;
use super::connection::Peer;
use super::headers::X_REQUEST_ID;
use super::request_trace::RequestTrace;
use super::tunnel::Tunnel;
use super::{Worker, request_head};
use crate::backend_jwt::asks_for_key_set;
use crate::client_certificate::ClientCertificate;
use crate::decision::RequestParts;
use crate::engine::NotForwarded;
use crate::mediation;
use crate::refusal::{Reason, Refusal};
pub(super) use exchange::path_at;
use exchange::{Exchanged, exchange};
pub(super) use own_answer::refuse_unread;
use own_answer::{key_set, preflight, readable, refuse, refuse_for_good};

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
    if worker.via.has_met(request.headers()) {
        return refuse(&Refusal::new(Reason::RequestLoop), record);
    }
    if let Some(tokens) = &worker.engine.backend_jwts
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
        Err(NotForwarded::Refused(refusal)) => {
            let api = refusal.api_id().and_then(|id| worker.engine.api(id));
            record.api.clone_from(&api);
            let response = refuse(&refusal, record);
            return readable(&worker, api.as_deref(), origin.as_ref(), response);
        }
        Err(NotForwarded::Preflight(asked)) => {
            return preflight(&worker, origin.as_ref(), asked, record);
        }
    };
    record.api = Some(Arc::clone(&admission.api));
    record.caller.clone_from(&admission.caller);
    let count = ByteCount::of(std::mem::take(&mut admission.meters), &worker.engine.clock);
    let timeouts = &worker.engine.config.timeouts;
    let ends = record.begun + timeouts.total;
    let exchanged = exchange(
        &worker,
        request,
        &admission,
        count.clone(),
        &mut record,
        ends,
    );
    let response = match exchanged.await {
        Ok(Exchanged::Body(head, lease, progress)) => {
            record.answered(head.status());
            let silence = timeouts.body_idle;
            let body = ResponseBody::upstream(lease, progress, silence, ends, record, count);
            head.map(|()| body)
        }
        Ok(Exchanged::Switched(head, upstream)) => {
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
