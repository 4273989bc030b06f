//! Spans as the OpenTelemetry protocol (OTLP 1) says them, with the attributes of its semantic conventions for HTTP.
//!
//! Pure translation. When and whereto they are sent is `span_export.rs`'s business.

use std::time::Duration;

use gateway::{RequestSpan, UpstreamSpan};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

/// `SpanFlags` of the protocol: sampled; "whether the parent is remote" is known; it is.
const SAMPLED: u32 = 0x001;
const PARENT_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

/// Methods that have a name in the conventions (RFC 9110, RFC 5789).
const KNOWN_METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// Who this process is, the same in all that it sends.
pub(super) fn resource(service_name: &str, instance_id: &str) -> Resource {
    Resource {
        attributes: vec![
            text("service.name", service_name),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", instance_id),
        ],
        ..Resource::default()
    }
}

pub(super) fn request(resource: Resource, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "claviger.gateway".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = ScopeSpans {
        scope: Some(scope),
        spans,
        ..ScopeSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        }],
    }
}

/// How many of the protocol's spans a request is: its own, and one for the upstream that was asked.
pub(super) fn count(span: &RequestSpan) -> usize {
    1 + usize::from(span.upstream.is_some())
}

/// Adds the request's span, and the upstream's below it.
pub(super) fn add(spans: &mut Vec<Span>, span: &RequestSpan) {
    spans.push(of_request(span));
    if let Some(upstream) = &span.upstream {
        spans.push(of_upstream(span, upstream));
    }
}

fn of_request(span: &RequestSpan) -> Span {
    let method = method(span);
    let mut attributes = vec![
        text("http.request.method", method.name),
        text("url.path", &span.path),
        text("url.scheme", if span.is_tls { "https" } else { "http" }),
        text("network.protocol.name", "http"),
        text("client.address", &span.client.ip().to_string()),
        text("claviger.request.id", &span.request_id),
    ];
    attributes.extend(
        method
            .original
            .map(|original| text("http.request.method_original", original)),
    );
    attributes.extend(protocol_version(span));
    if span.client.port() != 0 {
        attributes.push(number("client.port", span.client.port()));
    }
    attributes.extend(span.route.as_deref().map(|route| text("http.route", route)));
    attributes.extend(
        span.status
            .map(|status| number("http.response.status_code", status)),
    );
    attributes.extend(request_error(span).map(|error| text("error.type", &error)));
    if let Some(api) = &span.api {
        attributes.push(text("claviger.api.name", &api.name));
        attributes.push(text("claviger.api.version", &api.version));
    }
    attributes.extend(
        span.application_id
            .map(|id| text("claviger.application.id", &id.to_string())),
    );
    attributes.extend(
        span.key_manager
            .as_deref()
            .map(|name| text("claviger.key_manager.name", name)),
    );
    let remote = if span.parent.is_some() {
        PARENT_IS_REMOTE
    } else {
        0
    };
    // A client's mistake is no failure of the server.
    let is_failed = span.status.is_none_or(|status| status >= 500) || !span.is_complete;
    Span {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        trace_state: span.trace_state.clone().unwrap_or_default(),
        parent_span_id: span
            .parent
            .map(|parent| parent.0.to_vec())
            .unwrap_or_default(),
        flags: SAMPLED | PARENT_KNOWN | remote,
        name: match &span.route {
            Some(route) => format!("{} {route}", method.in_name()),
            None => method.in_name().to_owned(),
        },
        kind: SpanKind::Server.into(),
        start_time_unix_nano: began(span, Duration::ZERO),
        end_time_unix_nano: began(span, span.duration),
        attributes,
        status: status(is_failed),
        ..Span::default()
    }
}

fn of_upstream(span: &RequestSpan, upstream: &UpstreamSpan) -> Span {
    let method = method(span);
    let mut attributes = vec![
        text("http.request.method", method.name),
        text("server.address", &upstream.host),
        number("server.port", upstream.port),
    ];
    attributes.extend(
        method
            .original
            .map(|original| text("http.request.method_original", original)),
    );
    attributes.extend(
        upstream
            .status
            .map(|status| number("http.response.status_code", status)),
    );
    let error = match upstream.status {
        Some(status) if status >= 400 => Some(status.to_string()),
        Some(_) => None,
        None => Some(span.reason.unwrap_or("_OTHER").to_owned()),
    };
    attributes.extend(error.as_deref().map(|error| text("error.type", error)));
    Span {
        trace_id: span.trace_id.0.to_vec(),
        span_id: upstream.span_id.0.to_vec(),
        trace_state: span.trace_state.clone().unwrap_or_default(),
        parent_span_id: span.span_id.0.to_vec(),
        flags: SAMPLED | PARENT_KNOWN,
        name: method.in_name().to_owned(),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: began(span, upstream.started_after),
        end_time_unix_nano: began(span, upstream.started_after + upstream.duration),
        attributes,
        status: status(error.is_some()),
        ..Span::default()
    }
}

/// The gateway's reason first; it says more than a number.
fn request_error(span: &RequestSpan) -> Option<String> {
    match (span.reason, span.status) {
        (Some(reason), _) => Some(reason.to_owned()),
        (None, Some(status)) if status >= 500 => Some(status.to_string()),
        (None, None) => Some("client_gone".to_owned()),
        (None, Some(_)) if !span.is_complete => Some("answer_broken_off".to_owned()),
        (None, Some(_)) => None,
    }
}

/// A method as the conventions name it: clients may invent methods, and no name of a span may follow them.
struct Method<'s> {
    name: &'static str,
    original: Option<&'s str>,
}

impl Method<'_> {
    fn in_name(&self) -> &'static str {
        if self.original.is_some() {
            "HTTP"
        } else {
            self.name
        }
    }
}

fn method(span: &RequestSpan) -> Method<'_> {
    let sent = span.method.as_str();
    match KNOWN_METHODS.into_iter().find(|known| *known == sent) {
        Some(name) => Method {
            name,
            original: None,
        },
        None => Method {
            name: "_OTHER",
            original: Some(sent),
        },
    }
}

fn protocol_version(span: &RequestSpan) -> Option<KeyValue> {
    // `HTTP/1.1` and `HTTP/2.0`; the conventions write the latter without its fraction.
    let shown = format!("{:?}", span.version);
    let version = shown.strip_prefix("HTTP/")?;
    Some(text(
        "network.protocol.version",
        version
            .strip_suffix(".0")
            .filter(|major| *major != "1")
            .unwrap_or(version),
    ))
}

/// Nanoseconds since 1970 of the moment that long after the request began.
fn began(span: &RequestSpan, after: Duration) -> u64 {
    let start = u64::try_from(span.started_at.as_nanosecond()).unwrap_or_default();
    start.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
}

fn status(is_failed: bool) -> Option<Status> {
    is_failed.then(|| Status {
        code: StatusCode::Error.into(),
        ..Status::default()
    })
}

fn text(key: &'static str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &'static str, value: u16) -> KeyValue {
    attribute(key, Value::IntValue(value.into()))
}

fn attribute(key: &'static str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
pub(super) mod tests;
