//! What the gateway answers itself: refusals, preflights, its key set.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Response, Version};

use crate::api::Api;
use crate::backend_jwt::BackendJwts;
use crate::decision::Preflight;
use crate::proxy::Worker;
use crate::proxy::access_log::AccessRecord;
use crate::proxy::admitted_headers::make_readable;
use crate::proxy::body::ResponseBody;
use crate::proxy::connection::Peer;
use crate::refusal::{Reason, Refusal};

pub(super) fn readable(
    worker: &Worker,
    api: Option<&Api>,
    origin: Option<&HeaderValue>,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    make_readable(&worker.engine, api, origin, response.headers_mut());
    response
}

pub(super) fn preflight(
    worker: &Worker,
    origin: Option<&HeaderValue>,
    asked: Preflight,
    mut record: Box<AccessRecord>,
) -> Response<ResponseBody> {
    let answer = worker.engine.preflight(&asked, origin);
    record.api = Some(asked.api);
    own(answer, record)
}

/// Answers what could not be read as a request.
pub(in crate::proxy) fn refuse_unread(
    worker: &Worker,
    peer: Peer,
    reason: Reason,
) -> Response<ResponseBody> {
    let request_id = worker.request_ids.of(None);
    let record = AccessRecord::begin_unread(&worker.engine, peer, request_id);
    refuse_for_good(reason, Box::new(record), Version::HTTP_11)
}

/// What follows on this connection could be the rest of an attack.
pub(super) fn refuse_for_good(
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

/// The keys of backend JWTs, for whoever wants to verify one.
pub(super) fn key_set(
    tokens: &BackendJwts,
    now: i64,
    record: Box<AccessRecord>,
) -> Response<ResponseBody> {
    own(tokens.key_set(now), record)
}

pub(super) fn refuse(refusal: &Refusal, mut record: Box<AccessRecord>) -> Response<ResponseBody> {
    record.reason = Some(refusal.reason);
    own(refusal.response(), record)
}

fn own(answer: Response<Bytes>, mut record: Box<AccessRecord>) -> Response<ResponseBody> {
    let (mut head, body) = answer.into_parts();
    record.answered(head.status);
    if record.is_head() {
        head.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    // HTTP/2 would send it.
    let body = Some(body).filter(|_| !record.has_no_content(head.status));
    Response::from_parts(head, ResponseBody::Own(body, record))
}
