//! Blocking conditions, and whose address it is that they look at.

use domain::blocking_condition::BlockedSubject;
use domain::key_mapping::KeyType;
use domain::snapshot::{BlockingConditionEntry, SnapshotChange};
use gateway::{ForwardedHeader, GatewayConfig, TrustedProxies};
use http::{Request, header};
use serde_json::json;

use crate::support::http::{Answer, full};
use crate::support::signer::FIRST;
use crate::support::world::{World, claims, id, mapping, signed, test_config, token, with};

fn blocks(number: u32, subject: BlockedSubject) -> SnapshotChange {
    SnapshotChange::PutBlockingCondition(BlockingConditionEntry {
        id: id(number),
        subject,
    })
}

fn address(text: &str, inverted: bool) -> BlockedSubject {
    BlockedSubject::ip(text.parse().expect("an address"), inverted)
}

fn behind_a_proxy(header: ForwardedHeader) -> GatewayConfig {
    GatewayConfig {
        trusted_proxies: TrustedProxies {
            networks: vec!["127.0.0.0/8".parse().expect("a network")],
            header,
            ..TrustedProxies::default()
        },
        ..test_config()
    }
}

async fn from(world: &World, lines: &[(&str, &str)]) -> Answer {
    let mut request = Request::get("/exampleapi/1.0.0/items?x=1")
        .header(header::HOST, "gateway.example")
        .header(header::AUTHORIZATION, format!("Bearer {}", token()));
    for (name, line) in lines {
        request = request.header(*name, *line);
    }
    world.send(request.body(full("")).expect("a request")).await
}

#[tokio::test]
async fn a_blocked_address_is_refused_before_its_token_is_looked_at() {
    let world = World::start().await;
    world.change(vec![blocks(700, address("127.0.0.1", false))]);
    for token in ["", "nonsense", &token()] {
        let answer = world.call(token).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.header("www-authenticate"), "");
        assert_eq!(
            answer.json(),
            json!({
                "code": "900805",
                "message": "Message blocked",
                "description": "You have been blocked from accessing the resource",
            })
        );
    }
    let open = world.get("/exampleapi/1.0.0/open", "").await;
    assert_eq!(
        (open.status.as_u16(), open.code().as_str()),
        (403, "900805")
    );
    assert!(world.received.lock().expect("a lock").is_empty());

    world.change(vec![SnapshotChange::RemoveBlockingCondition(id(700))]);
    world.passes(&token()).await;
}

#[tokio::test]
async fn an_inverted_condition_lets_only_its_own_address_through() {
    let world = World::start().await;
    world.change(vec![blocks(700, address("127.0.0.1", true))]);
    world.passes(&token()).await;
    world.change(vec![blocks(700, address("192.0.2.1", true))]);
    assert_eq!(world.refusal(&token()).await, (403, "900805".to_owned()));
}

#[tokio::test]
async fn an_api_is_blocked_whatever_the_credential_and_another_version_is_not() {
    let world = World::start().await;
    let other = BlockedSubject::Api("/exampleapi/2.0.0".to_owned());
    world.change(vec![blocks(700, other)]);
    world.passes(&token()).await;
    let this = BlockedSubject::Api("/exampleapi/1.0.0".to_owned());
    world.change(vec![blocks(701, this)]);
    assert_eq!(world.refusal("nonsense").await, (403, "900805".to_owned()));
    assert_eq!(world.reason(&token()).await, "blocking_condition_api");
    // By its context alone as well.
    world.change_api(|api| api.is_default_version = true);
    let answer = world.get("/exampleapi/items", &token()).await;
    assert_eq!(answer.code(), "900805");
}

#[tokio::test]
async fn a_caller_is_blocked_by_application_user_owner_or_subscription() {
    let world = World::start().await;
    let person = signed(&FIRST, &with(claims(), "upn", json!("mallory@example.com")));
    let subscription = |application: &str| BlockedSubject::Subscription {
        context: "/exampleapi".to_owned(),
        version: "1.0.0".to_owned(),
        application: application.to_owned(),
    };
    let application = |owner: &str, name: &str| BlockedSubject::Application {
        owner: owner.to_owned(),
        name: name.to_owned(),
    };
    let user = |name: &str| BlockedSubject::User(name.to_owned());
    for (subject, reason) in [
        (
            application("ann", "weather"),
            "blocking_condition_application",
        ),
        (application("bob", "weather"), "accepted"),
        (application("ann", "Weather"), "accepted"),
        (user("mallory@example.com"), "blocking_condition_user"),
        (user("s"), "blocking_condition_user"),
        (user("ann"), "blocking_condition_user"),
        (user("bob"), "accepted"),
        (
            subscription("ann-weather"),
            "blocking_condition_subscription",
        ),
        (
            subscription("ann-weather-PRODUCTION"),
            "blocking_condition_subscription",
        ),
        (subscription("ann-weather-SANDBOX"), "accepted"),
        (subscription("bob-weather"), "accepted"),
    ] {
        let text = format!("{subject:?}");
        world.change(vec![blocks(700, subject)]);
        assert_eq!(world.reason(&person).await, reason, "{text}");
        // Twice: once the token is verified, once it is remembered.
        for _ in 0..2 {
            if reason == "accepted" {
                world.passes(&person).await;
            } else {
                assert_eq!(
                    world.refusal(&person).await,
                    (403, "900805".to_owned()),
                    "{text}"
                );
            }
        }
    }
    // What is refused for its token is not told that its application is blocked.
    world.change(vec![blocks(700, application("ann", "weather"))]);
    let forged = format!("{}AAAA", &person[..person.len() - 4]);
    assert_eq!(world.refusal(&forged).await, (401, "900901".to_owned()));
}

#[tokio::test]
async fn a_sandbox_key_is_blocked_apart_from_the_production_key() {
    let world = World::start().await;
    let endpoints = world.api.endpoints.production.clone();
    world.change_api(|api| api.endpoints.sandbox = endpoints);
    world.change(vec![
        SnapshotChange::PutKeyMapping(mapping(KeyType::Sandbox)),
        blocks(
            700,
            BlockedSubject::Subscription {
                context: "/exampleapi".to_owned(),
                version: "1.0.0".to_owned(),
                application: "ann-weather-SANDBOX".to_owned(),
            },
        ),
    ]);
    assert_eq!(world.refusal(&token()).await, (403, "900805".to_owned()));
    world.change(vec![SnapshotChange::PutKeyMapping(mapping(
        KeyType::Production,
    ))]);
    world.passes(&token()).await;
}

#[tokio::test]
async fn explain_names_the_condition_and_whom_to_ask() {
    let world = World::start().await;
    world.change(vec![blocks(700, BlockedSubject::User("ann".to_owned()))]);
    let explanation = world.explain(&token()).await;
    let failed: Vec<_> = explanation
        .checks
        .iter()
        .filter(|check| check.fix.is_some())
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].name, "caller_blocking");
    assert!(
        failed[0]
            .fix
            .as_deref()
            .is_some_and(|fix| fix.contains("ask the administrator"))
    );
    // Nobody calls when a token is explained: addresses are beside the point.
    world.change(vec![
        SnapshotChange::RemoveBlockingCondition(id(700)),
        blocks(701, address("192.0.2.1", true)),
    ]);
    assert_eq!(world.reason(&token()).await, "accepted");
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_one_that_it_names() {
    let world = World::start_with(
        behind_a_proxy(ForwardedHeader::XForwardedFor),
        &[FIRST.jwk()],
    )
    .await;
    let range = BlockedSubject::ip_range(
        "203.0.113.0".parse().expect("an address"),
        "203.0.113.255".parse().expect("an address"),
        false,
    );
    world.change(vec![
        blocks(700, range.expect("a range")),
        blocks(701, address("2001:db8::1", false)),
    ]);
    for (lines, status) in [
        (&[][..], 200),
        (&[("x-forwarded-for", "203.0.113.7")], 403),
        (&[("x-forwarded-for", "[2001:db8::1]:4711")], 403),
        (&[("x-forwarded-for", "203.0.113.7, 127.0.0.9")], 403),
        // What a client writes itself neither blocks nor frees it.
        (&[("x-forwarded-for", "203.0.113.7, 192.0.2.1")], 200),
        (&[("x-forwarded-for", "192.0.2.1, 203.0.113.7")], 403),
        (&[("forwarded", "for=203.0.113.7")], 200),
        (&[("x-forwarded-for", "nonsense")], 200),
    ] {
        let answer = from(&world, lines).await;
        assert_eq!(answer.status, status, "{lines:?}");
    }
}

#[tokio::test]
async fn a_stranger_cannot_say_where_it_comes_from() {
    let world = World::start().await;
    world.change(vec![blocks(700, address("127.0.0.1", false))]);
    for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let answer = from(&world, &[(name, "192.0.2.1")]).await;
        assert_eq!(answer.status, 403, "{name}");
    }
}

#[tokio::test]
async fn a_trusted_proxys_words_are_added_to_and_what_it_only_passed_on_is_dropped() {
    let lines = [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.2"),
        ("x-forwarded-proto", "https"),
    ];
    let seen = async |config| {
        let world = World::start_with(config, &[FIRST.jwk()]).await;
        assert_eq!(from(&world, &lines).await.status, 200);
        let received = world.received.lock().expect("a lock");
        let headers = &received[0].headers;
        ["x-forwarded-for", "forwarded", "x-forwarded-proto"].map(|name| {
            let line = headers.get(name).map(|line| line.to_str().expect("text"));
            line.unwrap_or_default().to_owned()
        })
    };
    assert_eq!(
        seen(behind_a_proxy(ForwardedHeader::XForwardedFor)).await,
        ["192.0.2.1, 127.0.0.1", "", "https"]
    );
    assert_eq!(
        seen(behind_a_proxy(ForwardedHeader::Forwarded)).await,
        ["127.0.0.1", "for=192.0.2.2", "https"]
    );
    assert_eq!(seen(test_config()).await, ["127.0.0.1", "", "http"]);
}

#[tokio::test]
async fn ten_thousand_conditions_are_told_apart() {
    let world = World::start().await;
    let changes = (0..10_000u32).map(|number| {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + 2 * number);
        blocks(10_000 + number, BlockedSubject::ip(address.into(), false))
    });
    world.change(changes.collect());
    assert_eq!(world.gateway.status().blocking_conditions, 10_000);
    world.passes(&token()).await;
    world.change(vec![blocks(20_000, address("127.0.0.1", false))]);
    assert_eq!(world.refusal(&token()).await, (403, "900805".to_owned()));
    world.change(
        (0..10_001)
            .map(|number| SnapshotChange::RemoveBlockingCondition(id(10_000 + number)))
            .collect(),
    );
    assert_eq!(world.gateway.status().blocking_conditions, 0);
    world.passes(&token()).await;
}
