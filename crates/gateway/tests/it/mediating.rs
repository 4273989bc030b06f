//! Header edits of APIs and operations, seen from both ends.

use domain::api::{Operation, Verb};
use domain::mediation::{HeaderEdit, Mediation};
use http::Request;

use crate::support::http::full;
use crate::support::world::{World, operation, token};

fn set(name: &str, value: &str) -> HeaderEdit {
    HeaderEdit::Set {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn remove(name: &str) -> HeaderEdit {
    HeaderEdit::Remove {
        name: name.to_owned(),
    }
}

fn rename(name: &str, to: &str) -> HeaderEdit {
    HeaderEdit::Rename {
        name: name.to_owned(),
        to: to.to_owned(),
    }
}

/// Sends a request with header lines of its own; returns the answer.
async fn call(world: &World, path: &str) -> crate::support::http::Answer {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {}", token()))
        .header("x-secret", "from the client")
        .header("x-tenant", "chosen by the client")
        .header("x-old", "1")
        .header("x-old", "2")
        .body(full(""))
        .expect("a request");
    world.send(request).await
}

#[tokio::test]
async fn an_api_changes_headers_of_requests_and_answers() {
    let world = World::start().await;
    world.change_api(|api| {
        api.mediation = Mediation {
            request: vec![
                set("X-Tenant", "blue"),
                remove("x-secret"),
                rename("x-old", "x-new"),
            ],
            response: vec![
                rename("x-upstream", "x-served-by"),
                set("cache-control", "no-store"),
            ],
            fault: vec![set("x-fault", "yes")],
        };
    });
    let answer = call(&world, "/exampleapi/1.0.0/items").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-served-by"), "yes");
    assert_eq!(answer.header("x-upstream"), "");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-fault"), "");
    let received = world.received.lock().expect("a lock");
    let headers = &received[0].headers;
    assert_eq!(headers["x-tenant"], "blue");
    assert!(!headers.contains_key("x-secret"));
    assert!(!headers.contains_key("x-old"));
    let renamed: Vec<_> = headers.get_all("x-new").iter().collect();
    assert_eq!(renamed, ["1", "2"]);
}

#[tokio::test]
async fn an_operation_has_the_last_word() {
    let world = World::start().await;
    world.change_api(|api| {
        api.mediation.request = vec![set("x-tenant", "the api's"), set("x-a", "a")];
        api.operations = vec![
            Operation {
                mediation: Mediation {
                    request: vec![set("x-tenant", "the operation's")],
                    ..Mediation::default()
                },
                ..operation(Verb::Get, "/one/{id}", &[])
            },
            operation(Verb::Get, "/two/{id}", &[]),
        ];
    });
    assert_eq!(call(&world, "/exampleapi/1.0.0/one/1").await.status, 200);
    assert_eq!(call(&world, "/exampleapi/1.0.0/two/1").await.status, 200);
    let received = world.received.lock().expect("a lock");
    assert_eq!(received[0].headers["x-tenant"], "the operation's");
    assert_eq!(received[0].headers["x-a"], "a");
    assert_eq!(received[1].headers["x-tenant"], "the api's");
}

#[tokio::test]
async fn what_the_gateway_itself_says_is_not_edited_whatever_the_snapshot_says() {
    let world = World::start().await;
    world.change_api(|api| {
        api.mediation = Mediation {
            request: vec![
                set("host", "evil.example"),
                set("content-length", "5"),
                set("transfer-encoding", "chunked"),
                set("authorization", "Bearer stolen"),
                set("x-forwarded-for", "10.0.0.1"),
                rename("x-old", "x-jwt-assertion"),
                set("x-broken", "a\r\nx-injected: b"),
            ],
            response: vec![set("content-length", "1"), set("connection", "x-upstream")],
            fault: Vec::new(),
        };
    });
    let answer = call(&world, "/exampleapi/1.0.0/items").await;
    assert_eq!(answer.text(), "GET /backend/items 0");
    assert_eq!(answer.header("x-upstream"), "yes");
    let received = world.received.lock().expect("a lock");
    let headers = &received[0].headers;
    assert_ne!(headers["host"], "evil.example");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    for name in [
        "authorization",
        "transfer-encoding",
        "x-jwt-assertion",
        "x-broken",
        "x-injected",
    ] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn an_answer_of_the_gateway_itself_is_edited_as_a_fault_only() {
    let world = World::start().await;
    world.change_api(|api| {
        api.mediation = Mediation {
            response: vec![set("x-response", "yes")],
            fault: vec![set("x-fault", "yes")],
            ..Mediation::default()
        };
        api.endpoints.production = vec!["http://127.0.0.1:1/".parse().expect("a URL")];
    });
    let answer = call(&world, "/exampleapi/1.0.0/items").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (502, "101503")
    );
    assert_eq!(answer.header("x-fault"), "yes");
    assert_eq!(answer.header("x-response"), "");
    // Who is refused never reached the API.
    let answer = world.call("x.y.z").await;
    assert_eq!(answer.header("x-fault"), "");
}
