//! `grpc.health.v1.Health`: whether to send checks here. Not before the first snapshot, and not once the end has
//! begun.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tonic::server::{ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};

use crate::message::{HealthRequest, HealthResponse, ServingStatus};

/// Empty is the server as a whole.
const SERVICES: [&str; 2] = ["", "envoy.service.auth.v3.Authorization"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// No snapshot yet.
    NotYet,
    Yes,
    /// The last word: streams of `Watch` end after it.
    Ending,
}

/// Says what the health service says. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health(watch::Sender<Serving>);

impl Health {
    /// Of a service that waits for its first snapshot.
    pub fn new() -> Self {
        Self(watch::Sender::new(Serving::NotYet))
    }

    /// [`Serving::Ending`] is final.
    pub fn set(&self, serving: Serving) {
        self.0.send_if_modified(|now| {
            let is_news = *now != serving && *now != Serving::Ending;
            if is_news {
                *now = serving;
            }
            is_news
        });
    }

    pub(crate) fn listener(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone)]
pub(crate) struct Listener(watch::Receiver<Serving>);

impl UnaryService<HealthRequest> for Listener {
    type Response = HealthResponse;
    type Future = Ready<Result<Response<HealthResponse>, Status>>;

    fn call(&mut self, request: Request<HealthRequest>) -> Self::Future {
        ready(if is_known(&request) {
            Ok(Response::new(answer(of(*self.0.borrow()))))
        } else {
            Err(Status::not_found("there is no such service"))
        })
    }
}

impl ServerStreamingService<HealthRequest> for Listener {
    type Response = HealthResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<HealthResponse, Status>> + Send>>;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<HealthRequest>) -> Self::Future {
        let states = self.0.clone();
        let is_known = is_known(&request);
        Box::pin(async move {
            let stream: Self::ResponseStream = if is_known {
                Box::pin(stream::unfold(Some((states, None)), next))
            } else {
                // It may become known, says the protocol; here it never does, and the stream stays open.
                Box::pin(stream::unfold(
                    Some((states, Some(ServingStatus::ServiceUnknown))),
                    unknown,
                ))
            };
            Ok(Response::new(stream))
        })
    }
}

type Told = Option<(watch::Receiver<Serving>, Option<ServingStatus>)>;

/// Tells each state once, and ends after the last.
async fn next(told: Told) -> Option<(Result<HealthResponse, Status>, Told)> {
    let (mut states, last) = told?;
    let state = *states
        .wait_for(|state| Some(of(*state)) != last)
        .await
        .ok()?;
    let status = of(state);
    let told = (state != Serving::Ending).then_some((states, Some(status)));
    Some((Ok(answer(status)), told))
}

async fn unknown(told: Told) -> Option<(Result<HealthResponse, Status>, Told)> {
    let (mut states, status) = told?;
    let Some(status) = status else {
        let _ = states.wait_for(|state| *state == Serving::Ending).await;
        return None;
    };
    Some((Ok(answer(status)), Some((states, None))))
}

fn is_known(request: &Request<HealthRequest>) -> bool {
    SERVICES.contains(&request.get_ref().service.as_str())
}

fn of(serving: Serving) -> ServingStatus {
    match serving {
        Serving::Yes => ServingStatus::Serving,
        Serving::NotYet | Serving::Ending => ServingStatus::NotServing,
    }
}

fn answer(status: ServingStatus) -> HealthResponse {
    HealthResponse {
        status: status as i32,
    }
}
