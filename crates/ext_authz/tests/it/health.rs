//! Whether to send checks: not before the first snapshot, not once the end has begun.

use ext_authz::Serving;
use ext_authz::message::{HealthRequest, HealthResponse, ServingStatus};

use crate::support::{Reply, Service};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const NOT_FOUND: i32 = 5;

fn question(service: &str) -> HealthRequest {
    HealthRequest {
        service: service.to_owned(),
    }
}

async fn is(service: &Service, expected: ServingStatus) {
    for name in ["", "envoy.service.auth.v3.Authorization"] {
        let reply: Reply<HealthResponse> = service.ask(CHECK, &question(name)).await;
        let said: Vec<_> = reply.messages.iter().map(HealthResponse::status).collect();
        assert_eq!((reply.status, said), (0, vec![expected]), "{name:?}");
    }
}

#[tokio::test]
async fn it_serves_from_the_first_snapshot_to_the_beginning_of_the_end() {
    let service = Service::start_empty().await;
    is(&service, ServingStatus::NotServing).await;
    service.health.set(Serving::Yes);
    is(&service, ServingStatus::Serving).await;
    service.health.set(Serving::Ending);
    is(&service, ServingStatus::NotServing).await;
    // A snapshot that still comes in does not undo the end.
    service.health.set(Serving::Yes);
    is(&service, ServingStatus::NotServing).await;
}

#[tokio::test]
async fn who_watches_is_told_of_the_end_and_is_let_go() {
    let service = Service::start().await;
    let question = question("");
    let watching = service.ask::<HealthResponse>(WATCH, &question);
    let ending = async {
        // The stream may have begun by then or not: it ends with NOT_SERVING either way.
        tokio::task::yield_now().await;
        service.health.set(Serving::Ending);
    };
    let (reply, ()) = tokio::join!(watching, ending);
    assert_eq!(reply.status, 0);
    let last = reply.messages.last().expect("a state");
    assert_eq!(last.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn an_unknown_service_is_said_to_be_unknown() {
    let service = Service::start().await;
    let reply: Reply<HealthResponse> = service.ask(CHECK, &question("elsewhere")).await;
    assert_eq!(reply.status, NOT_FOUND);
    service.health.set(Serving::Ending);
    let reply: Reply<HealthResponse> = service.ask(WATCH, &question("elsewhere")).await;
    let said: Vec<_> = reply.messages.iter().map(HealthResponse::status).collect();
    assert_eq!(said, [ServingStatus::ServiceUnknown]);
}
