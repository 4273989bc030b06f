//! Tokens that clients get for themselves: answers, headers and claims of both versions.

use axum::body::Body;
use http::Request;
use jiff::SignedDuration;
use serde_json::json;

use super::{World, basic, names};
use crate::directory::{AppRole, AppRoleAssignment, OptionalClaim};

#[tokio::test]
async fn a_v2_token_has_exactly_the_captured_claims_and_header() {
    let world = World::new();
    let client = world.client("orders");
    let answer = world.own_token(&client).await;

    assert_eq!(
        names(&answer.body),
        ["access_token", "expires_in", "ext_expires_in", "token_type"]
    );
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(names(&answer.jose_header()), ["alg", "kid", "typ"]);
    let claims = answer.claims(&world);
    assert_eq!(
        names(&claims),
        [
            "aio", "aud", "azp", "azpacr", "exp", "iat", "iss", "nbf", "oid", "rh", "sub", "tid",
            "uti", "ver", "xms_ftd"
        ]
    );
    let tenant = world.tenant;
    assert_eq!(claims["aud"], json!(client.app_id));
    assert_eq!(claims["azp"], json!(client.app_id));
    assert_eq!(claims["azpacr"], "1");
    assert_eq!(
        claims["iss"],
        format!("https://login.microsoftonline.com/{tenant}/v2.0")
    );
    assert_eq!(claims["oid"], json!(client.principal));
    assert_eq!(claims["sub"], json!(client.principal));
    assert_eq!(claims["tid"], json!(tenant));
    assert_eq!(claims["ver"], "2.0");
    assert_eq!(claims["iat"], claims["nbf"]);
    assert_eq!(claims["iat"], json!(world.now().as_second() - 300));
    let expires_in = answer.body["expires_in"].as_i64().unwrap();
    assert_eq!(
        claims["exp"],
        json!(world.now().as_second() + expires_in + 1)
    );
    assert!((3599..=5399).contains(&expires_in));
}

#[tokio::test]
async fn a_v1_token_names_its_client_by_appid_and_its_audience_by_the_uri_that_was_asked_for() {
    let world = World::new();
    let client = world.client("orders");
    world.change_application(client.application, |application| {
        application.api.requested_access_token_version = None;
    });
    let answer = world.own_token(&client).await;

    let header = answer.jose_header();
    assert_eq!(header["x5t"], header["kid"]);
    let claims = answer.claims(&world);
    assert_eq!(
        names(&claims),
        [
            "aio", "appid", "appidacr", "aud", "exp", "iat", "idp", "iss", "nbf", "oid", "rh",
            "sub", "tid", "uti", "ver", "xms_ftd"
        ]
    );
    let issuer = format!("https://sts.windows.net/{}/", world.tenant);
    assert_eq!(claims["iss"], issuer);
    assert_eq!(claims["idp"], issuer);
    assert_eq!(claims["aud"], format!("api://{}", client.app_id));
    assert_eq!(claims["appid"], json!(client.app_id));
    assert_eq!(claims["ver"], "1.0");

    let by_id = world
        .token_for(&client, &format!("{}/.default", client.app_id))
        .await;
    assert_eq!(by_id.claims(&world)["aud"], json!(client.app_id));
}

#[tokio::test]
async fn the_v1_endpoint_answers_with_strings_and_the_resource_still_chooses_the_token_version() {
    let world = World::new();
    let client = world.client("orders");
    let (id, resource) = (
        client.app_id.to_string(),
        format!("api://{}", client.app_id),
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.as_str()),
        ("resource", resource.as_str()),
    ];
    let answer = world.post(&world.v1_endpoint(), &form).await;

    let claims = answer.claims(&world);
    assert_eq!(claims["ver"], "2.0");
    assert_eq!(
        names(&answer.body),
        [
            "access_token",
            "expires_in",
            "expires_on",
            "ext_expires_in",
            "not_before",
            "resource",
            "token_type"
        ]
    );
    assert_eq!(answer.body["resource"], resource);
    assert_eq!(answer.body["expires_on"], claims["exp"].to_string());
    assert_eq!(answer.body["not_before"], claims["nbf"].to_string());
    assert!(answer.body["expires_in"].is_string());
}

#[tokio::test]
async fn a_secret_is_accepted_by_http_basic() {
    let world = World::new();
    let client = world.client("orders");
    let scope = format!(
        "grant_type=client_credentials&scope={}/.default",
        client.app_id
    );
    let request = |secret: &str| {
        Request::post(world.v2_endpoint())
            .header("authorization", basic(&client.app_id.to_string(), secret))
            .body(Body::from(scope.clone()))
            .unwrap()
    };
    assert_eq!(
        world.send(request("secret-of-orders%7EQ8")).await.status,
        200
    );
    assert_eq!(
        world.send(request(&client.secret)).await.status,
        200,
        "literal `~` is safe"
    );
    world
        .send(request("wrong"))
        .await
        .assert_refused(401, "invalid_client", 7_000_215);
}

#[tokio::test]
async fn a_tenant_is_addressed_by_id_or_by_domain() {
    let world = World::new();
    let client = world.client("orders");
    let (id, scope) = (
        client.app_id.to_string(),
        format!("{}/.default", client.app_id),
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.as_str()),
        ("scope", scope.as_str()),
    ];
    let answer = world
        .post("/fabrikamlab.onmicrosoft.com/oauth2/v2.0/token", &form)
        .await;
    assert_eq!(answer.claims(&world)["tid"], json!(world.tenant));
}

#[tokio::test]
async fn roles_are_those_granted_at_the_resource_and_idtyp_comes_on_request() {
    let world = World::new();
    let (client, resource) = (world.client("orders"), world.client("api"));
    let role = world.state.random.uuid();
    world.change_application(resource.application, |application| {
        application.app_roles.push(AppRole {
            id: role,
            allowed_member_types: vec!["Application".into()],
            description: None,
            display_name: Some("Read orders".into()),
            is_enabled: true,
            origin: None,
            value: Some("Orders.Read".into()),
        });
    });
    let scope = format!("api://{}/.default", resource.app_id);
    let without = world.token_for(&client, &scope).await.claims(&world);
    assert!(without.get("roles").is_none());
    assert!(without.get("idtyp").is_none());

    assign(&world, &client, &resource, role);
    world.change_application(resource.application, |application| {
        application
            .optional_claims
            .get_or_insert_default()
            .access_token = vec![OptionalClaim {
            name: "idtyp".into(),
            source: None,
            essential: false,
            additional_properties: Vec::new(),
        }];
    });
    let with = world.token_for(&client, &scope).await.claims(&world);
    assert_eq!(with["roles"], json!(["Orders.Read"]));
    assert_eq!(with["idtyp"], "app");
    assert_eq!(with["aud"], json!(resource.app_id));
    assert!(
        world
            .own_token(&client)
            .await
            .claims(&world)
            .get("roles")
            .is_none()
    );
}

#[tokio::test]
async fn a_resource_that_insists_on_assignment_refuses_everybody_else() {
    let world = World::new();
    let (client, resource) = (world.client("orders"), world.client("api"));
    world.change_principal(resource.principal, |principal| {
        principal.app_role_assignment_required = true;
    });
    let scope = format!("api://{}/.default", resource.app_id);
    world
        .token_for(&client, &scope)
        .await
        .assert_refused(400, "invalid_grant", 501_051);
    assign(&world, &client, &resource, uuid::Uuid::nil());
    assert_eq!(world.token_for(&client, &scope).await.status, 200);
}

#[tokio::test]
async fn a_tenant_policy_sets_the_lifetime_within_its_bounds() {
    let world = World::new();
    let client = world.client("orders");
    for (policy, expires_in) in [(900, 899), (1, 599), (1_000_000, 86_399)] {
        world.change_tenant(|tenant| {
            tenant.policies.access_token_lifetime_seconds = Some(policy);
        });
        assert_eq!(
            world.own_token(&client).await.body["expires_in"],
            json!(expires_in)
        );
    }
}

#[tokio::test]
async fn an_app_may_ask_for_a_guid_audience() {
    let world = World::new();
    let client = world.client("orders");
    world.change_application(client.application, |application| {
        application.api.requested_access_token_version = Some(1);
        application
            .optional_claims
            .get_or_insert_default()
            .access_token = vec![OptionalClaim {
            name: "aud".into(),
            source: None,
            essential: false,
            additional_properties: vec!["use_guid".into()],
        }];
    });
    assert_eq!(
        world.own_token(&client).await.claims(&world)["aud"],
        json!(client.app_id)
    );
}

#[tokio::test]
async fn tokens_differ_and_follow_the_clock() {
    let world = World::new();
    let client = world.client("orders");
    let first = world.own_token(&client).await.claims(&world);
    world.advance(SignedDuration::from_secs(60));
    let second = world.own_token(&client).await.claims(&world);
    assert_ne!(first["uti"], second["uti"]);
    assert_eq!(
        second["iat"].as_i64().unwrap() - first["iat"].as_i64().unwrap(),
        60
    );
}

fn assign(
    world: &World,
    client: &super::TestClient,
    resource: &super::TestClient,
    role: uuid::Uuid,
) {
    let assignment = AppRoleAssignment {
        id: world.state.random.uuid(),
        tenant_id: world.tenant,
        app_role_id: role,
        created_date_time: Some(world.now()),
        principal_id: client.principal,
        principal_display_name: "orders".into(),
        principal_type: "ServicePrincipal".into(),
        resource_id: resource.principal,
        resource_display_name: "api".into(),
    };
    world.write(|transaction| transaction.put(assignment));
}
