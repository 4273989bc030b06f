//! `Authorization/Check`: one request decided.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::time::Duration;

use gateway::Gateway;
use tonic::server::UnaryService;
use tonic::{Request, Response, Status};

use crate::deadline;
use crate::message::{CheckRequest, CheckResponse};
use crate::request::described;
use crate::response::check_response;

/// Longest wait for a decision: a key set may have to be fetched. Envoy's own deadline counts when it is shorter.
const PATIENCE: Duration = Duration::from_secs(15);

/// Does not keep the gateway alive: its owner alone decides when it stops.
#[derive(Clone)]
pub(crate) struct Check(pub(crate) Weak<Gateway>);

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Response<CheckResponse>, Status>> + Send>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let gateway = self.0.upgrade();
        Box::pin(async move {
            let gateway = gateway.ok_or_else(|| Status::unavailable("the gateway is stopping"))?;
            let patience =
                deadline::of(request.metadata()).map_or(PATIENCE, |asked| asked.min(PATIENCE));
            let described = described(request.into_inner()).map_err(|incomplete| {
                tracing::warn!(reason = incomplete.0, "a check cannot be understood");
                Status::invalid_argument(incomplete.0)
            })?;
            match tokio::time::timeout(patience, gateway.judge(described)).await {
                Ok(verdict) => Ok(Response::new(check_response(verdict))),
                Err(_) => Err(Status::deadline_exceeded("no decision in time")),
            }
        })
    }
}
