use control::Error;
use control::api::ImportApi;
use control::api::revision::DeploymentTarget;
use control::error::{NotPossible, Noun};
use control::identity::authorization::anonymous;
use domain::api::{
    ApiEndpoints, ApiScope, KeyManagerSelection, LifecycleState, Operation, Verb, Visibility,
};
use domain::cors::CorsPolicy;
use domain::mediation::{HeaderEdit, Mediation};
use domain::snapshot::SnapshotChange;
use domain::user::Actor;
use store::Page;
use store::api::ApiQuery;

use crate::support::{PIZZA, World, actor, admin, ann, publisher};

fn target(environment: &str) -> DeploymentTarget {
    DeploymentTarget {
        environment: environment.to_owned(),
        vhost: String::new(),
        display_on_devportal: true,
    }
}

fn refused_fields(refused: Result<impl std::fmt::Debug, Error>) -> Vec<String> {
    let Err(Error::Invalid(invalid)) = refused else {
        panic!("{refused:?}");
    };
    invalid.0.into_iter().map(|error| error.field).collect()
}

#[tokio::test]
async fn an_import_takes_what_the_document_says_and_what_the_publisher_says_wins() {
    let world = World::start().await;
    let overrides = ImportApi {
        name: Some("PizzaShack".to_owned()),
        context: Some("pizzashack".to_owned()),
        policies: Some(vec!["Gold".to_owned()]),
        ..ImportApi::default()
    };
    let api = world
        .control
        .apis()
        .import(&publisher(), PIZZA.to_owned(), overrides)
        .await
        .unwrap();
    assert_eq!(api.provider, "paula");
    assert_eq!(api.lifecycle, LifecycleState::Created);
    assert_eq!(api.settings.name, "PizzaShack");
    assert_eq!(api.settings.base_path(), "/pizzashack/1.0.0");
    assert_eq!(api.settings.policies, ["Gold"]);
    assert_eq!(api.settings.operations.len(), 3);
    assert_eq!(
        api.settings.endpoints.production[0].as_str(),
        "https://backend.example.com/pizza"
    );
    let definition = world.control.apis().definition(&publisher(), api.id).await;
    assert_eq!(definition.unwrap(), PIZZA);
}

#[tokio::test]
async fn an_import_keeps_what_the_publisher_says_of_operations_and_scopes() {
    let world = World::start().await;
    let said = |verb, target: &str| Operation {
        verb,
        target: target.to_owned(),
        auth_required: true,
        scopes: Vec::new(),
        throttling_policy: Some("10KPerMin".to_owned()),
        mediation: Mediation::default(),
    };
    let overrides = ImportApi {
        operations: vec![said(Verb::Get, "/menu"), said(Verb::Get, "/order/{id}")],
        scopes: vec![ApiScope {
            name: "order:write".to_owned(),
            display_name: "Orders".to_owned(),
            description: String::new(),
            bindings: vec!["Internal/subscriber".to_owned()],
        }],
        ..ImportApi::default()
    };
    let apis = world.control.apis();
    let api = apis
        .import(&publisher(), PIZZA.to_owned(), overrides)
        .await
        .unwrap();
    let operation = |verb, target| {
        let operations = &mut api.settings.operations.iter();
        operations.find(|one| one.verb == verb && one.target == target)
    };
    let menu = operation(Verb::Get, "/menu").unwrap();
    assert!(!menu.auth_required, "open in the document");
    assert_eq!(menu.throttling_policy.as_deref(), Some("10KPerMin"));
    let order = operation(Verb::Get, "/order/{id}").unwrap();
    assert_eq!(order.scopes, ["order:read"]);
    let deletion = operation(Verb::Delete, "/order/{id}").unwrap();
    assert_eq!(deletion.throttling_policy, None);
    let scope = |name| api.settings.scopes.iter().find(|one| one.name == name);
    assert_eq!(scope("order:write").unwrap().bindings.len(), 1);
    assert!(scope("order:read").unwrap().bindings.is_empty());

    let unknown = ImportApi {
        name: Some("Other".to_owned()),
        operations: vec![said(Verb::Put, "/menu")],
        ..ImportApi::default()
    };
    let refused = apis.import(&publisher(), PIZZA.to_owned(), unknown).await;
    assert_eq!(refused_fields(refused), ["operations"]);
}

#[tokio::test]
async fn a_broken_document_and_unknown_names_are_refused_by_field() {
    let world = World::start().await;
    let apis = world.control.apis();
    let refused = apis
        .import(&publisher(), "{}".to_owned(), ImportApi::default())
        .await;
    assert_eq!(refused_fields(refused), ["definition"]);

    let overrides = ImportApi {
        policies: Some(vec!["Platinum".to_owned()]),
        key_managers: Some(KeyManagerSelection::Only(vec!["NoSuch".to_owned()])),
        visibility: Some(Visibility::Restricted(vec!["nobodys".to_owned()])),
        api_throttling_policy: Some("Gold".to_owned()),
        ..ImportApi::default()
    };
    let refused = apis.import(&publisher(), PIZZA.to_owned(), overrides).await;
    assert_eq!(
        refused_fields(refused),
        [
            "policies",
            "apiThrottlingPolicy",
            "keyManagers",
            "visibleRoles"
        ]
    );
    let refused = apis
        .import(&ann(), PIZZA.to_owned(), ImportApi::default())
        .await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
}

#[tokio::test]
async fn name_and_context_are_taken_once_per_version() {
    let world = World::start().await;
    world.imports_pizza().await;
    let apis = world.control.apis();
    for overrides in [
        ImportApi::default(),
        ImportApi {
            name: Some("Other".to_owned()),
            ..ImportApi::default()
        },
        ImportApi {
            context: Some("/other".to_owned()),
            ..ImportApi::default()
        },
    ] {
        let refused = apis.import(&publisher(), PIZZA.to_owned(), overrides).await;
        assert!(matches!(
            refused.unwrap_err(),
            Error::AlreadyExists(Noun::Api)
        ));
    }
    let next = ImportApi {
        version: Some("2.0.0".to_owned()),
        ..ImportApi::default()
    };
    apis.import(&publisher(), PIZZA.to_owned(), next)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_default_version_moves_when_another_one_is_deployed() {
    let world = World::start().await;
    let apis = world.control.apis();
    let mut ids = Vec::new();
    for version in ["1.0.0", "2.0.0"] {
        let overrides = ImportApi {
            version: Some(version.to_owned()),
            is_default_version: Some(true),
            ..ImportApi::default()
        };
        let api = apis
            .import(&publisher(), PIZZA.to_owned(), overrides)
            .await
            .unwrap();
        let revision = apis
            .create_revision(&publisher(), api.id, String::new())
            .await
            .unwrap();
        ids.push((api.id, revision.id));
    }
    for (api, revision) in &ids {
        let before = apis.get(&publisher(), ids[0].0).await.unwrap();
        assert!(before.settings.is_default_version);
        apis.deploy(&publisher(), *api, *revision, vec![target("Default")])
            .await
            .unwrap();
    }
    let first = apis.get(&publisher(), ids[0].0).await.unwrap();
    let second = apis.get(&publisher(), ids[1].0).await.unwrap();
    assert!(!first.settings.is_default_version);
    assert!(second.settings.is_default_version);
}

#[tokio::test]
async fn an_update_keeps_name_context_and_version() {
    let world = World::start().await;
    let api = world.imports_pizza().await;
    let apis = world.control.apis();
    let mut settings = api.settings.clone();
    settings.name = "Pasta".to_owned();
    settings.version = "9".to_owned();
    let refused = apis.update(&publisher(), api.id, settings).await;
    assert_eq!(refused_fields(refused), ["name", "version"]);

    let mut settings = api.settings.clone();
    settings.description = "Better pizza.".to_owned();
    let updated = apis.update(&publisher(), api.id, settings).await.unwrap();
    assert_eq!(updated.settings.description, "Better pizza.");
    let definition = apis.definition(&publisher(), api.id).await;
    assert_eq!(definition.unwrap(), PIZZA);

    // Without operations they are those of the document.
    let mut settings = api.settings.clone();
    settings.operations = Vec::new();
    let updated = apis.update(&publisher(), api.id, settings).await.unwrap();
    assert_eq!(updated.settings.operations, api.settings.operations);
}

#[tokio::test]
async fn another_document_replaces_operations_and_scopes() {
    let world = World::start().await;
    let api = world.imports_pizza().await;
    let document = r#"{"openapi":"3.0.3","info":{"title":"x","version":"y"},
        "paths":{"/only":{"post":{}}}}"#;
    let replaced = world
        .control
        .apis()
        .replace_definition(&publisher(), api.id, document.to_owned())
        .await
        .unwrap();
    assert_eq!(replaced.settings.name, "Pizza");
    assert_eq!(replaced.settings.operations.len(), 1);
    assert!(replaced.settings.scopes.is_empty());
    let stored = world.control.apis().definition(&publisher(), api.id).await;
    assert_eq!(stored.unwrap(), document);
}

#[tokio::test]
async fn a_deployed_api_takes_its_cors_policy_and_header_edits_to_gateways() {
    let world = World::start().await;
    let apis = world.control.apis();
    let mut settings = world.imports_pizza().await.settings;
    settings.version = "2.0.0".to_owned();
    settings.cors = Some(CorsPolicy::default());
    let edits = |value: &str| Mediation {
        request: vec![HeaderEdit::Set {
            name: "X-Tenant".to_owned(),
            value: value.to_owned(),
        }],
        ..Mediation::default()
    };
    settings.mediation = edits("the api's");
    settings.operations[0].mediation = edits("the operation's");
    let api = apis.create(&publisher(), settings.clone()).await.unwrap();
    // A document knows nothing of it; what stays keeps it.
    let document = apis.definition(&publisher(), api.id).await.unwrap();
    let api = apis
        .replace_definition(&publisher(), api.id, document)
        .await
        .unwrap();
    assert_eq!(api.settings.mediation, settings.mediation);
    let wanted = &settings.operations[0];
    assert!(api.settings.operations.contains(wanted));

    let revision = apis
        .create_revision(&publisher(), api.id, String::new())
        .await
        .unwrap();
    apis.deploy(&publisher(), api.id, revision.id, vec![target("Default")])
        .await
        .unwrap();
    let update = world.control.snapshots().subscribe().next().await;
    let served = update.changes.iter().find_map(|change| match change {
        SnapshotChange::PutApi(entry) if entry.id == api.id => Some(entry),
        _ => None,
    });
    let served = served.expect("the API is served");
    assert_eq!(served.cors, settings.cors);
    assert_eq!(served.mediation, settings.mediation);
    assert!(served.operations.contains(wanted));
}

#[tokio::test]
async fn an_api_without_a_document_gets_one_that_says_the_same() {
    let world = World::start().await;
    let apis = world.control.apis();
    let mut settings = world.imports_pizza().await.settings;
    settings.version = "2.0.0".to_owned();
    let created = apis.create(&publisher(), settings.clone()).await.unwrap();
    let document = apis.definition(&publisher(), created.id).await.unwrap();
    let report = apis.validate_definition(&document).await.unwrap();
    assert!(report.valid, "{:?}", report.errors);
    let count = settings.operations.len();
    assert_eq!(report.operations.len(), count);
    assert!(
        settings
            .operations
            .iter()
            .all(|wanted| report.operations.contains(wanted))
    );
}

#[tokio::test]
async fn the_lifecycle_takes_only_open_events() {
    let world = World::start().await;
    let api = world.imports_pizza().await;
    let apis = world.control.apis();
    let refused = apis.change_lifecycle(&publisher(), api.id, "Retire").await;
    let Err(Error::NotPossible(NotPossible::LifecycleTransition(reason))) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("Publish"), "{reason}");
    for (event, state) in [
        ("Publish", LifecycleState::Published),
        ("Block", LifecycleState::Blocked),
        ("Re-Publish", LifecycleState::Published),
        ("Deprecate", LifecycleState::Deprecated),
        ("Retire", LifecycleState::Retired),
    ] {
        let led_to = apis.change_lifecycle(&publisher(), api.id, event).await;
        assert_eq!(led_to.unwrap(), state);
    }
}

#[tokio::test]
async fn an_api_that_leads_nowhere_cannot_be_published_or_deployed() {
    let world = World::start().await;
    let apis = world.control.apis();
    let overrides = ImportApi {
        endpoints: Some(ApiEndpoints::default()),
        ..ImportApi::default()
    };
    let api = apis
        .import(&publisher(), PIZZA.to_owned(), overrides)
        .await
        .unwrap();
    let refused = apis.change_lifecycle(&publisher(), api.id, "Publish").await;
    assert!(matches!(
        refused.unwrap_err(),
        Error::NotPossible(NotPossible::LifecycleTransition(_))
    ));
    let revision = apis
        .create_revision(&publisher(), api.id, String::new())
        .await
        .unwrap();
    let refused = apis
        .deploy(&publisher(), api.id, revision.id, vec![target("Default")])
        .await;
    assert_eq!(refused_fields(refused), ["endpointConfig"]);
}

#[tokio::test]
async fn a_revision_is_deployed_replaced_and_taken_down() {
    let world = World::start().await;
    let api = world.imports_pizza().await;
    let apis = world.control.apis();
    let mut revisions = Vec::new();
    for description in ["first", "second"] {
        let revision = apis
            .create_revision(&publisher(), api.id, description.to_owned())
            .await
            .unwrap();
        revisions.push(revision);
    }
    assert_eq!(revisions[1].display_name(), "Revision 2");
    for revision in &revisions {
        let deployed = apis
            .deploy(&publisher(), api.id, revision.id, vec![target("Default")])
            .await
            .unwrap();
        assert_eq!(deployed[0].vhost, "localhost");
    }
    let views = apis.revisions(&publisher(), api.id).await.unwrap();
    assert!(views[0].deployments.is_empty());
    assert_eq!(views[1].deployments.len(), 1);

    let in_use = apis
        .delete_revision(&publisher(), api.id, revisions[1].id)
        .await;
    assert!(matches!(
        in_use.unwrap_err(),
        Error::InUse {
            noun: Noun::Revision,
            ..
        }
    ));
    let environments = ["Default".to_owned()];
    let not_deployed = apis
        .undeploy(&publisher(), api.id, revisions[0].id, &environments)
        .await;
    assert!(matches!(
        not_deployed.unwrap_err(),
        Error::NotFound(Noun::Deployment)
    ));
    apis.undeploy(&publisher(), api.id, revisions[1].id, &environments)
        .await
        .unwrap();
    apis.delete_revision(&publisher(), api.id, revisions[1].id)
        .await
        .unwrap();
    let again = apis
        .create_revision(&publisher(), api.id, String::new())
        .await
        .unwrap();
    assert_eq!(again.number, 3, "numbers are never used again");
}

#[tokio::test]
async fn an_unknown_environment_or_foreign_vhost_is_refused() {
    let world = World::start().await;
    let api = world.imports_pizza().await;
    let apis = world.control.apis();
    let revision = apis
        .create_revision(&publisher(), api.id, String::new())
        .await
        .unwrap();
    let foreign = DeploymentTarget {
        vhost: "evil.example.com".to_owned(),
        ..target("Default")
    };
    for (targets, field) in [
        (vec![], "name"),
        (vec![target("Nowhere")], "name"),
        (vec![target("Default"), foreign], "vhost"),
    ] {
        let refused = apis
            .deploy(&publisher(), api.id, revision.id, targets)
            .await;
        assert_eq!(refused_fields(refused), [field]);
    }
    let deployments = apis.deployments(&publisher(), api.id).await.unwrap();
    assert!(deployments.is_empty(), "all targets or none");
}

#[tokio::test]
async fn a_sixth_revision_is_refused() {
    let world = World::start().await;
    let api = world.imports_pizza().await;
    let apis = world.control.apis();
    for _ in 0..5 {
        apis.create_revision(&publisher(), api.id, String::new())
            .await
            .unwrap();
    }
    let refused = apis
        .create_revision(&publisher(), api.id, String::new())
        .await;
    assert!(matches!(
        refused.unwrap_err(),
        Error::NotPossible(NotPossible::TooManyRevisions(5))
    ));
}

async fn sees(world: &World, actor: &Actor) -> Vec<String> {
    let listed = world
        .control
        .apis()
        .list_visible(actor, &ApiQuery::default(), Page::FIRST)
        .await
        .unwrap();
    assert_eq!(listed.total, listed.items.len() as u64);
    listed
        .items
        .into_iter()
        .map(|api| api.settings.name)
        .collect()
}

#[tokio::test]
async fn the_catalogue_shows_everyone_what_is_meant_for_them() {
    let world = World::start().await;
    let apis = world.control.apis();
    world.imports_pizza().await;
    let partner_and_more = actor("pat", &["subscriber", "admin"]);
    for (name, visibility) in [
        ("Public", Visibility::Public),
        ("Private", Visibility::Private),
        (
            "Restricted",
            Visibility::Restricted(vec!["publisher".to_owned()]),
        ),
    ] {
        let overrides = ImportApi {
            name: Some(name.to_owned()),
            context: Some(format!("/{name}")),
            visibility: Some(visibility),
            ..ImportApi::default()
        };
        let api = apis
            .import(&publisher(), PIZZA.to_owned(), overrides)
            .await
            .unwrap();
        apis.change_lifecycle(&publisher(), api.id, "Publish")
            .await
            .unwrap();
        if name == "Restricted" {
            let hidden = apis.get_visible(&ann(), api.id).await;
            assert!(matches!(hidden.unwrap_err(), Error::NotFound(Noun::Api)));
        }
    }
    let second = Page {
        offset: 1,
        limit: 1,
    };
    let listed = apis
        .list_visible(&ann(), &ApiQuery::default(), second)
        .await;
    let listed = listed.unwrap();
    assert_eq!(listed.total, 2);
    assert_eq!(listed.items[0].settings.name, "Public");
    assert_eq!(listed.items.len(), 1);
    assert_eq!(sees(&world, &anonymous()).await, ["Public"]);
    assert_eq!(sees(&world, &ann()).await, ["Private", "Public"]);
    let all = ["Private", "Public", "Restricted"];
    assert_eq!(sees(&world, &publisher()).await, all);
    assert_eq!(sees(&world, &partner_and_more).await, all);
    assert_eq!(sees(&world, &admin()).await, all);
}

#[tokio::test]
async fn developers_read_the_document_with_the_gateways_address() {
    let world = World::start().await;
    let api = world.publishes_pizza().await;
    let apis = world.control.apis();
    let revision = apis
        .create_revision(&publisher(), api.id, String::new())
        .await
        .unwrap();
    apis.deploy(&publisher(), api.id, revision.id, vec![target("Default")])
        .await
        .unwrap();
    let visible = apis.get_visible(&anonymous(), api.id).await.unwrap();
    let url = "http://localhost:8280/pizza/1.0.0";
    assert_eq!(
        visible.gateway_urls,
        [("Default".to_owned(), url.to_owned())]
    );
    let document = apis.visible_definition(&anonymous(), api.id).await.unwrap();
    assert!(document.contains(url));
    assert!(!document.contains("backend.example.com"));
}

#[tokio::test]
async fn an_api_with_subscriptions_is_not_deleted() {
    let world = World::start().await;
    let api = world.publishes_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = control::subscription::NewSubscription {
        application_id: application.id,
        api_id: api.id,
        throttling_policy: "Unlimited".to_owned(),
    };
    world
        .control
        .subscriptions()
        .create(&ann(), new)
        .await
        .unwrap();
    let refused = world.control.apis().delete(&publisher(), api.id).await;
    assert!(matches!(
        refused.unwrap_err(),
        Error::InUse {
            noun: Noun::Api,
            ..
        }
    ));
}
