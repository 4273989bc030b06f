//! Sends the gateway's spans to a collector (OTLP over HTTP, protobuf), in batches, off every request's path.
//!
//! Bounded throughout: a full queue or a collector that stays away loses spans, and they are counted. How a span
//! is written is `otlp.rs`'s business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connectors::http::{FetchError, OutboundHttp};
use domain::Random;
use gateway::{RequestSpan, SpanSink, Tracing};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use super::otlp;
use crate::config::Telemetry;
use crate::shutdown::{Shutdown, ShutdownSignal};

/// Requests whose spans wait to be sent.
const QUEUE: usize = 4_096;
/// Requests in one message, and how long the first of them waits for company.
const BATCH: usize = 512;
const BATCH_DELAY: Duration = Duration::from_secs(1);
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// Times that a message is offered, and the pause after the first; it doubles.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A collector that asks for more patience than that loses the message.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// For all that waits when the process ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// What a client can make long is cut to this many bytes before it waits in the queue.
const LONGEST_TEXT: usize = 2_048;
/// No collector needs more to say what it rejects.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The running export. Ends by [`Self::finish`], after the gateway's last request.
pub(crate) struct SpanExport {
    queue: Arc<SpanQueue>,
    stop: Shutdown,
    task: JoinHandle<()>,
    sample_ratio: f64,
}

impl SpanExport {
    /// `None` where no collector is named. An error is a sentence for the operator.
    pub(crate) fn start(
        settings: &Telemetry,
        http: &OutboundHttp,
        random: &dyn Random,
    ) -> Result<Option<Self>, String> {
        let Some(url) = traces_url(settings)? else {
            return Ok(None);
        };
        let (queue, waiting) = SpanQueue::new(QUEUE);
        let queue = Arc::new(queue);
        let sender = Sender {
            http: http.clone(),
            url,
            resource: otlp::resource(&settings.service_name, &random.hex::<16>()),
            lost: Arc::clone(&queue.lost),
            is_failing: false,
        };
        let (stop, signal) = Shutdown::new();
        Ok(Some(Self {
            queue,
            stop,
            task: tokio::spawn(run(sender, waiting, signal)),
            sample_ratio: settings.sample_ratio,
        }))
    }

    /// What the gateway traces by.
    pub(crate) fn tracing(&self, random: &Arc<dyn Random>) -> Tracing {
        Tracing {
            sink: Arc::clone(&self.queue) as Arc<dyn SpanSink>,
            random: Arc::clone(random),
            sample_ratio: self.sample_ratio,
        }
    }

    /// Sends what waits, within bounds.
    pub(crate) async fn finish(self) {
        self.stop.begin();
        if timeout(FLUSH_LIMIT, self.task).await.is_err() {
            tracing::warn!("the last spans could not be sent in time");
        }
    }
}

/// Where spans go; `None` where nothing is said. The setting's value is not repeated in the error.
pub(crate) fn traces_url(settings: &Telemetry) -> Result<Option<Url>, String> {
    if settings.otlp_endpoint.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: &str| Err(format!("telemetry.otlp_endpoint {reason}"));
    let Ok(mut url) = Url::parse(&settings.otlp_endpoint) else {
        return wrong("must be a URL such as http://collector.internal:4318");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return wrong("must begin with https:// or http:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("must not hold a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("must not hold a query or a fragment");
    }
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/v1/traces") {
        return wrong("must be the collector's base address: /v1/traces is added to it");
    }
    url.set_path(&format!("{path}/v1/traces"));
    Ok(Some(url))
}

/// Where the gateway's threads leave their spans.
struct SpanQueue {
    sender: mpsc::Sender<RequestSpan>,
    lost: Arc<AtomicU64>,
}

impl SpanQueue {
    fn new(size: usize) -> (Self, mpsc::Receiver<RequestSpan>) {
        let (sender, waiting) = mpsc::channel(size);
        let lost = Arc::default();
        (Self { sender, lost }, waiting)
    }
}

impl SpanSink for SpanQueue {
    fn take(&self, mut span: RequestSpan) {
        shorten(&mut span);
        let count = otlp::count(&span);
        if self.sender.try_send(span).is_err() {
            add(&self.lost, count);
        }
    }

    fn dropped(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// So that the queue's bound in spans is one in bytes too.
fn shorten(span: &mut RequestSpan) {
    if span.path.len() > LONGEST_TEXT {
        span.path
            .truncate(span.path.floor_char_boundary(LONGEST_TEXT));
        span.path.shrink_to_fit();
    }
    // Half a state is none (W3C Trace Context, 3.3.1.5).
    span.trace_state.take_if(|state| state.len() > LONGEST_TEXT);
    if let Some(beginning) = span.method.as_str().as_bytes().get(..LONGEST_TEXT)
        && let Ok(method) = Method::from_bytes(beginning)
    {
        span.method = method;
    }
}

/// Collects and sends until told to stop; then sends what is left.
async fn run(mut sender: Sender, mut waiting: mpsc::Receiver<RequestSpan>, stop: ShutdownSignal) {
    let mut stopped = std::pin::pin!(stop.wait());
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            () = &mut stopped => break,
            () = fill(&mut waiting, &mut batch) => {}
        }
        if batch.is_empty() {
            return;
        }
        let message = sender.message(&batch);
        batch.clear();
        tokio::select! {
            () = sender.deliver(&message) => {}
            () = &mut stopped => {
                sender.offer_last(&message).await;
                break;
            }
        }
    }
    waiting.close();
    while !batch.is_empty() || waiting.recv_many(&mut batch, BATCH).await > 0 {
        let message = sender.message(&batch);
        sender.offer_last(&message).await;
        batch.clear();
    }
}

/// A whole batch, or what came within its time. Stays empty when nobody can send any more.
async fn fill(waiting: &mut mpsc::Receiver<RequestSpan>, batch: &mut Vec<RequestSpan>) {
    if waiting.recv_many(batch, BATCH).await == 0 {
        return;
    }
    let deadline = Instant::now() + BATCH_DELAY;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        match timeout_at(deadline, waiting.recv_many(batch, room)).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

struct Sender {
    http: OutboundHttp,
    url: Url,
    resource: Resource,
    lost: Arc<AtomicU64>,
    is_failing: bool,
}

struct SpanMessage {
    body: Vec<u8>,
    count: usize,
}

/// Why a message was not taken.
struct Refused {
    reason: FetchError,
    /// When the collector wants it again, if it says so.
    again_after: Option<Duration>,
}

impl Sender {
    fn message(&self, batch: &[RequestSpan]) -> SpanMessage {
        let mut spans = Vec::with_capacity(batch.iter().map(otlp::count).sum());
        for span in batch {
            otlp::add(&mut spans, span);
        }
        SpanMessage {
            count: spans.len(),
            body: otlp::request(self.resource.clone(), spans).encode_to_vec(),
        }
    }

    /// Offers a message until it is taken, or it is of no use.
    async fn deliver(&mut self, message: &SpanMessage) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let Err(refused) = self.offer(message).await else {
                return self.recovered();
            };
            let pause_wanted = refused.again_after.unwrap_or(pause);
            let is_last = attempt == ATTEMPTS || pause_wanted > LONGEST_PAUSE;
            if is_last || !may_succeed_later(&refused.reason) {
                return self.lose(message, &refused.reason);
            }
            sleep(pause_wanted).await;
            pause *= 2;
        }
    }

    /// Once: the process ends.
    async fn offer_last(&mut self, message: &SpanMessage) {
        if let Err(refused) = self.offer(message).await {
            self.lose(message, &refused.reason);
        }
    }

    async fn offer(&self, message: &SpanMessage) -> Result<(), Refused> {
        let request = self
            .http
            .request(Method::POST, &self.url)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .timeout(SEND_LIMIT)
            .body(message.body.clone());
        let answer = self
            .http
            .send(request, LONGEST_ANSWER)
            .await
            .map_err(|reason| Refused {
                reason,
                again_after: None,
            })?;
        if !answer.status.is_success() {
            let seconds = answer
                .headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok());
            return Err(Refused {
                reason: FetchError::Status(answer.status.as_u16()),
                again_after: seconds
                    .and_then(|text| text.parse().ok())
                    .map(Duration::from_secs),
            });
        }
        // A collector may take a message and reject a part of it. An answer in another form says nothing.
        let rejected = ExportTraceServiceResponse::decode(answer.body.as_slice())
            .ok()
            .and_then(|answer| answer.partial_success)
            .and_then(|partial| usize::try_from(partial.rejected_spans).ok())
            .unwrap_or_default();
        add(&self.lost, rejected.min(message.count));
        Ok(())
    }

    fn lose(&mut self, message: &SpanMessage, reason: &FetchError) {
        add(&self.lost, message.count);
        if !self.is_failing {
            let reason = reason.to_string();
            tracing::warn!(reason, "spans are lost: the collector does not take them");
        }
        self.is_failing = true;
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("the collector takes spans again");
        }
    }
}

/// The answers that OTLP calls retryable, and no answer at all.
fn may_succeed_later(reason: &FetchError) -> bool {
    match reason {
        FetchError::Status(status) => matches!(status, 429 | 502 | 503 | 504),
        reason => reason.is_transient(),
    }
}

fn add(lost: &AtomicU64, count: usize) {
    lost.fetch_add(count.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
