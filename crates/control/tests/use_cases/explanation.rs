//! "Why was my token rejected?": who is told what. The gateway's own answer is the gateway's matter; here it is
//! given.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use control::Error;
use control::error::Noun;
use control::explanation::{ApiReference, ExplainToken, Explainer, Question};
use domain::explanation::{CheckOutcome, ExplainedCheck, Explanation};
use domain::id::ApplicationId;

use crate::installation::Installation;
use crate::support::{PIZZA, admin, ann, bob, publisher, secret};

/// A gateway that finds the token's application to lack a subscription.
struct NotSubscribed {
    application: ApplicationId,
    asked: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Explainer for NotSubscribed {
    async fn explain(&self, question: &Question) -> Explanation {
        let asked = (question.context.clone(), question.version.clone());
        self.asked.lock().unwrap().push(asked);
        let check = |name: &str, outcome, seen: &str| ExplainedCheck {
            name: name.to_owned(),
            outcome,
            seen: Some(seen.to_owned()),
            expected: None,
            fix: None,
        };
        Explanation {
            accepted: false,
            code: Some("900908".to_owned()),
            reason: Some("not_subscribed".to_owned()),
            checks: vec![
                check("issuer", CheckOutcome::Passed, "https://login.example/"),
                check("signature", CheckOutcome::Passed, "kid 1"),
                check("subscription", CheckOutcome::Failed, "weather of ann"),
            ],
            application: Some(self.application),
        }
    }
}

fn question(api: ApiReference) -> ExplainToken {
    ExplainToken {
        token: secret("a.b.c"),
        api,
        verb: None,
        path: None,
    }
}

async fn published_pizza(installation: &Installation) -> ApiReference {
    let apis = installation.control.apis();
    let overrides = control::api::ImportApi::default();
    let api = apis
        .import(&publisher(), PIZZA.to_owned(), overrides)
        .await
        .unwrap();
    apis.change_lifecycle(&publisher(), api.id, "Publish")
        .await
        .unwrap();
    ApiReference::Id(api.id)
}

#[tokio::test]
async fn only_the_owner_and_administrators_are_told_about_an_application() {
    let installation = Installation::without_runner().await;
    let api = published_pizza(&installation).await;
    let application = installation.creates_application(&ann()).await.id;
    let gateway = Arc::new(NotSubscribed {
        application,
        asked: Mutex::default(),
    });
    let control = installation.control.clone().with_explainer(gateway.clone());
    for who in [ann(), admin()] {
        let told = control
            .explanations()
            .explain(&who, question(api.clone()))
            .await;
        let told = told.unwrap();
        assert_eq!(told.code.as_deref(), Some("900908"));
        assert_eq!(told.checks[2].seen.as_deref(), Some("weather of ann"));
    }
    let told = control
        .explanations()
        .explain(&bob(), question(api.clone()))
        .await
        .unwrap();
    assert_eq!(told.code, None);
    assert_eq!(told.reason.as_deref(), Some("not_your_application"));
    assert_eq!(told.checks[1].outcome, CheckOutcome::Passed);
    assert_eq!(told.checks[2].outcome, CheckOutcome::NotReached);
    assert!(!format!("{told:?}").contains("ann"));
    assert_eq!(gateway.asked.lock().unwrap()[0].1, "1.0.0");
}

#[tokio::test]
async fn an_api_that_a_developer_cannot_see_is_not_explained() {
    let installation = Installation::without_runner().await;
    let apis = installation.control.apis();
    let api = apis
        .import(
            &publisher(),
            PIZZA.to_owned(),
            control::api::ImportApi::default(),
        )
        .await
        .unwrap();
    let application = installation.creates_application(&ann()).await.id;
    let gateway = Arc::new(NotSubscribed {
        application,
        asked: Mutex::default(),
    });
    let control = installation.control.clone().with_explainer(gateway.clone());
    let references = [
        ApiReference::Id(api.id),
        ApiReference::ContextAndVersion {
            context: api.settings.context,
            version: api.settings.version,
        },
        ApiReference::ContextAndVersion {
            context: "/nothing".to_owned(),
            version: "1".to_owned(),
        },
    ];
    for reference in references {
        let refused = control
            .explanations()
            .explain(&ann(), question(reference))
            .await;
        assert!(matches!(refused.unwrap_err(), Error::NotFound(Noun::Api)));
    }
    assert!(gateway.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_or_endless_token_is_refused() {
    let installation = Installation::without_runner().await;
    let api = published_pizza(&installation).await;
    for token in [String::new(), "x".repeat(1_000_000)] {
        let mut wanted = question(api.clone());
        wanted.token = secret(&token);
        let refused = installation
            .control
            .explanations()
            .explain(&ann(), wanted)
            .await;
        assert!(matches!(refused.unwrap_err(), Error::Invalid(_)));
    }
}

#[tokio::test]
async fn a_path_that_is_not_below_the_api_is_refused() {
    let installation = Installation::without_runner().await;
    let api = published_pizza(&installation).await;
    for path in [".1/items", "items", "", &format!("/{}", "x".repeat(8_192))] {
        let mut wanted = question(api.clone());
        wanted.path = Some(path.to_owned());
        let refused = installation
            .control
            .explanations()
            .explain(&ann(), wanted)
            .await;
        let Error::Invalid(invalid) = refused.unwrap_err() else {
            panic!("{path}");
        };
        assert_eq!(invalid.0[0].field, "path");
    }
}
