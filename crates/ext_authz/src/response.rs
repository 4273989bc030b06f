//! From the gateway's verdict to Envoy's words.

use std::collections::HashMap;

use bytes::Bytes;
use gateway::{Forwarding, Verdict};
use http::header::{CONTENT_LENGTH, HOST};
use http::{Response, StatusCode};
use tonic::Code;

use crate::message::{
    AppendAction, CheckResponse, DeniedResponse, HeaderOption, HeaderValue, HttpResponse,
    HttpStatus, OkResponse, Status, Struct, Text,
};

/// Host and port of the endpoint that the gateway chose: Envoy's routes may go by it. Always set or removed, so that
/// no client can say it.
const UPSTREAM: &str = "x-claviger-upstream";

pub(crate) fn check_response(verdict: Verdict) -> CheckResponse {
    match verdict {
        Verdict::Forward(forwarding) => allowed(&forwarding),
        Verdict::Answer(answer) => denied(&answer),
    }
}

fn allowed(forwarding: &Forwarding) -> CheckResponse {
    let upstream = &forwarding.upstream;
    let mut headers_to_remove: Vec<String> = forwarding
        .headers_to_remove
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut lines = options(&forwarding.headers_to_set, |name| {
        headers_to_remove.push(name.to_owned());
    });
    lines.retain(|line| !is_named(line, HOST.as_str()));
    lines.push(overwrite(UPSTREAM, upstream.address.clone()));
    lines.push(overwrite(":path", upstream.target.clone()));
    // An authority is made from a URL: it is ASCII.
    if let Ok(authority) = upstream.authority.to_str() {
        lines.push(overwrite(":authority", authority.to_owned()));
    }
    let scheme = if upstream.is_tls { "https" } else { "http" };
    let fields = [
        ("api", Some(&forwarding.api_name)),
        ("api_version", Some(&forwarding.api_version)),
        ("application", forwarding.application.as_ref()),
        ("key_manager", forwarding.key_manager.as_ref()),
        ("upstream", Some(&upstream.address)),
        ("upstream_scheme", Some(&scheme.to_owned())),
    ];
    CheckResponse {
        status: Some(status(Code::Ok)),
        http_response: Some(HttpResponse::Ok(OkResponse {
            headers: lines,
            headers_to_remove,
            response_headers_to_add: options(&forwarding.response_headers, |_| {}),
        })),
        dynamic_metadata: Some(Struct {
            fields: texts(fields),
        }),
    }
}

/// Also a browser's preflight: Envoy is to answer, not to forward.
fn denied(answer: &Response<Bytes>) -> CheckResponse {
    let code = match answer.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        _ => Code::PermissionDenied,
    };
    let mut headers = options(answer.headers(), |_| {});
    // Envoy frames the message.
    headers.retain(|line| !is_named(line, CONTENT_LENGTH.as_str()));
    CheckResponse {
        status: Some(status(code)),
        http_response: Some(HttpResponse::Denied(DeniedResponse {
            status: Some(HttpStatus {
                code: i32::from(answer.status().as_u16()),
            }),
            headers,
            body: String::from_utf8_lossy(answer.body()).into_owned(),
        })),
        dynamic_metadata: None,
    }
}

/// The first line of a name takes the place of what is there, further ones join it. A value that Envoy's text field
/// cannot hold is handed to `unspeakable` by its name.
fn options(headers: &http::HeaderMap, mut unspeakable: impl FnMut(&str)) -> Vec<HeaderOption> {
    let mut options = Vec::with_capacity(headers.len());
    for name in headers.keys() {
        let mut action = AppendAction::OverwriteOrAdd;
        for value in headers.get_all(name) {
            let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
                unspeakable(name.as_str());
                continue;
            };
            options.push(option(name.as_str(), value.to_owned(), action));
            action = AppendAction::AppendOrAdd;
        }
    }
    options
}

fn overwrite(name: &str, value: String) -> HeaderOption {
    option(name, value, AppendAction::OverwriteOrAdd)
}

fn option(name: &str, value: String, action: AppendAction) -> HeaderOption {
    HeaderOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value,
            raw_value: Bytes::new(),
        }),
        append_action: action as i32,
    }
}

fn is_named(line: &HeaderOption, name: &str) -> bool {
    line.header
        .as_ref()
        .is_some_and(|header| header.key == name)
}

fn status(code: Code) -> Status {
    Status { code: code as i32 }
}

fn texts<'t>(
    fields: impl IntoIterator<Item = (&'static str, Option<&'t String>)>,
) -> HashMap<String, Text> {
    fields
        .into_iter()
        .filter_map(|(name, text)| {
            let text = Some(text?.clone());
            Some((name.to_owned(), Text { text }))
        })
        .collect()
}
