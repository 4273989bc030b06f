//! `explain`: every check in order, with the fix, and never another answer than the gateway's.

use domain::api::Verb;
use domain::explanation::{CheckOutcome, ExplainedCheck, Explanation};
use domain::key_mapping::KeyType;
use domain::snapshot::SnapshotChange;
use domain::subscription::SubscriptionStatus;
use gateway::{ExplainRequest, ExplainTarget};
use serde_json::json;

use crate::support::signer::{FIRST, SECOND};
use crate::support::world::{
    NOW, World, claims, id, mapping, signed, subscription, token, v1_claims, v1_issuer, with,
    without,
};

fn failed(explanation: &Explanation) -> &ExplainedCheck {
    explanation
        .checks
        .iter()
        .find(|check| check.outcome == CheckOutcome::Failed)
        .expect("a failed check")
}

#[tokio::test]
async fn an_accepted_token_passes_every_check() {
    let world = World::start().await;
    let explanation = world.explain(&format!("Bearer {}", token())).await;
    assert!(explanation.accepted);
    assert_eq!(explanation.code, None);
    assert_eq!(explanation.application, Some(id(2)));
    let names: Vec<_> = explanation
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "route",
            "request_blocking",
            "credential",
            "format",
            "issuer",
            "algorithm",
            "key",
            "signature",
            "time",
            "revocation",
            "token_type",
            "audience",
            "consumer_key",
            "application",
            "subscription",
            "endpoint",
            "scopes",
            "caller_blocking",
            "throttling"
        ]
    );
    for check in &explanation.checks {
        assert_eq!(check.outcome, CheckOutcome::Passed, "{}", check.name);
    }
}

#[tokio::test]
async fn a_v1_token_on_a_v2_key_manager_is_named_as_such() {
    let world = World::start().await;
    let explanation = world.explain(&signed(&FIRST, &v1_claims())).await;
    assert!(!explanation.accepted);
    assert_eq!(explanation.code.as_deref(), Some("900901"));
    assert_eq!(explanation.reason.as_deref(), Some("issuer_v1_form"));
    let check = failed(&explanation);
    assert_eq!(check.name, "issuer");
    assert_eq!(check.seen.as_deref(), Some(v1_issuer().as_str()));
    assert!(
        check
            .expected
            .as_deref()
            .is_some_and(|expected| expected.contains("/v2.0"))
    );
    let fix = check.fix.as_deref().expect("a fix");
    assert!(
        fix.starts_with("this token is a V1 token: its issuer is https://sts.windows.net/"),
        "{fix}"
    );
    let after: Vec<_> = explanation
        .checks
        .iter()
        .skip_while(|check| check.name != "algorithm")
        .collect();
    assert!(
        after
            .iter()
            .all(|check| check.outcome == CheckOutcome::NotReached)
    );
}

#[tokio::test]
async fn graphs_own_token_is_recognised() {
    let world = World::start().await;
    let graph = with(claims(), "aud", json!("https://graph.microsoft.com"));
    let header = json!({"alg": "RS256", "kid": "first", "typ": "JWT", "nonce": "n"});
    let explanation = world
        .explain(&SECOND.token_with_header(&header, &graph))
        .await;
    assert_eq!(explanation.reason.as_deref(), Some("graph_token"));
    let fix = failed(&explanation).fix.as_deref().expect("a fix");
    assert!(
        fix.contains("Microsoft Graph") && fix.contains("/.default"),
        "{fix}"
    );
}

#[tokio::test]
async fn an_api_can_be_asked_about_without_a_path() {
    let world = World::start().await;
    let ask = |version: &str| ExplainRequest {
        token: token().into(),
        target: ExplainTarget::Api {
            context: "/exampleapi".to_owned(),
            version: version.to_owned(),
        },
    };
    let explanation = world.gateway.explain(&ask("1.0.0")).await;
    assert!(explanation.accepted);
    let mut checks = explanation.checks.iter();
    let scopes = checks.find(|check| check.name == "scopes");
    assert_eq!(scopes.expect("scopes").outcome, CheckOutcome::NotReached);
    let explanation = world.gateway.explain(&ask("9.9.9")).await;
    assert_eq!(explanation.reason.as_deref(), Some("api_unknown"));
    assert_eq!(explanation.code.as_deref(), Some("404"));
}

#[tokio::test]
async fn nothing_is_said_of_another_api_than_the_one_that_was_asked_about() {
    let world = World::start().await;
    let ask = |api| ExplainRequest {
        token: token().into(),
        target: ExplainTarget::Request {
            api: Some(api),
            verb: Verb::Get,
            path: "/exampleapi/1.0.0/items".to_owned(),
        },
    };
    assert!(world.gateway.explain(&ask(id(1))).await.accepted);
    let explanation = world.gateway.explain(&ask(id(99))).await;
    assert_eq!(explanation.reason.as_deref(), Some("api_unknown"));
    assert!(explanation.application.is_none());
}

#[tokio::test]
async fn an_explanation_is_what_the_gateway_answers() {
    let world = World::start().await;
    let tokens = [
        token(),
        "x".to_owned(),
        "x.y.z".to_owned(),
        signed(&FIRST, &without(claims(), "exp")),
        signed(&FIRST, &with(claims(), "exp", json!(NOW - 100))),
        signed(&SECOND, &claims()),
        signed(&FIRST, &without(claims(), "azp")),
        signed(&FIRST, &with(claims(), "azp", json!("nobody"))),
        signed(&FIRST, &v1_claims()),
    ];
    let worlds = [
        vec![],
        vec![SnapshotChange::PutSubscription(subscription(
            SubscriptionStatus::Blocked,
        ))],
        vec![SnapshotChange::RemoveSubscription(id(4))],
        vec![SnapshotChange::PutKeyMapping(mapping(KeyType::Sandbox))],
        vec![SnapshotChange::RemoveApplication(id(2))],
    ];
    for changes in worlds {
        world.change(changes);
        for token in &tokens {
            for path in [
                "/exampleapi/1.0.0/items",
                "/exampleapi/1.0.0/scoped",
                "/exampleapi/1.0.0/open",
                "/none",
            ] {
                let request = ExplainRequest {
                    token: token.clone().into(),
                    target: ExplainTarget::Request {
                        api: None,
                        verb: Verb::Get,
                        path: path.to_owned(),
                    },
                };
                let explanation = world.gateway.explain(&request).await;
                let answer = world.get(path, token).await;
                assert_eq!(explanation.accepted, answer.status == 200, "{path} {token}");
                let code = (answer.status != 200).then(|| answer.code());
                assert_eq!(explanation.code, code, "{path} {token}");
                if !explanation.accepted {
                    assert!(failed(&explanation).fix.is_some());
                }
            }
        }
    }
}
