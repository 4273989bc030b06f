//! The documents as clients read them.

use serde_json::{Value, json};

use crate::config::{EmulatorConfig, TenantSeed};
use crate::directory::CloudProfile;
use crate::token_service::tests::{BASE, World};

async fn document(world: &World, path: &str) -> Value {
    let answer = world.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test]
async fn issuers_are_microsofts_and_endpoints_are_the_emulators() {
    let world = World::new();
    let tenant = world.tenant;
    let v2 = document(
        &world,
        &format!("/{tenant}/v2.0/.well-known/openid-configuration"),
    )
    .await;
    assert_eq!(
        v2["issuer"],
        format!("https://login.microsoftonline.com/{tenant}/v2.0")
    );
    assert_eq!(
        v2["token_endpoint"],
        format!("{BASE}/{tenant}/oauth2/v2.0/token")
    );
    assert_eq!(
        v2["jwks_uri"],
        format!("{BASE}/{tenant}/discovery/v2.0/keys")
    );
    assert_eq!(v2["msgraph_host"], "graph.microsoft.com");
    for absent in [
        "introspection_endpoint",
        "revocation_endpoint",
        "registration_endpoint",
    ] {
        assert!(v2.get(absent).is_none(), "{absent}");
    }
    let v1 = document(
        &world,
        &format!("/{tenant}/.well-known/openid-configuration"),
    )
    .await;
    assert_eq!(v1["issuer"], format!("https://sts.windows.net/{tenant}/"));
    assert_eq!(
        v1["token_endpoint"],
        format!("{BASE}/{tenant}/oauth2/token")
    );
}

#[tokio::test]
async fn a_domain_in_the_path_becomes_the_tenant_id_in_the_document() {
    let world = World::new();
    let by_domain = "/fabrikamlab.onmicrosoft.com/v2.0/.well-known/openid-configuration";
    let by_id = format!("/{}/v2.0/.well-known/openid-configuration", world.tenant);
    assert_eq!(
        document(&world, by_domain).await,
        document(&world, &by_id).await
    );
}

#[tokio::test]
async fn shared_authorities_have_an_issuer_template() {
    let world = World::new();
    for name in ["common", "organizations"] {
        let path = format!("/{name}/v2.0/.well-known/openid-configuration");
        let metadata = document(&world, &path).await;
        assert_eq!(
            metadata["issuer"],
            "https://login.microsoftonline.com/{tenantid}/v2.0"
        );
        assert_eq!(
            metadata["jwks_uri"],
            format!("{BASE}/{name}/discovery/v2.0/keys")
        );
        let v1 = document(&world, &format!("/{name}/.well-known/openid-configuration")).await;
        assert_eq!(v1["issuer"], "https://sts.windows.net/{tenantid}/");
    }
    let consumers = document(&world, "/consumers/v2.0/.well-known/openid-configuration").await;
    let issuer = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    assert_eq!(consumers["issuer"], issuer);
}

#[tokio::test]
async fn all_key_sets_hold_the_same_keys() {
    let world = World::new();
    let kids = |keys: Value| {
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["kid"].clone())
            .collect::<Vec<_>>()
    };
    let expected: Vec<Value> = world
        .state
        .keys
        .kids()
        .into_iter()
        .map(|kid| json!(kid))
        .collect();
    let tenant = world.tenant;
    for path in [
        "/common/discovery/keys".to_owned(),
        "/common/discovery/v2.0/keys".to_owned(),
        format!("/{tenant}/discovery/keys"),
        format!("/{tenant}/discovery/v2.0/keys?appid=ignored"),
    ] {
        assert_eq!(kids(document(&world, &path).await), expected, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_invalid_tenant() {
    let world = World::new();
    let path = format!(
        "/{}/v2.0/.well-known/openid-configuration",
        world.state.random.uuid()
    );
    world
        .get(&path)
        .await
        .assert_refused(400, "invalid_tenant", 90_002);
    world
        .get("/nonsense/discovery/keys")
        .await
        .assert_refused(400, "invalid_tenant", 900_023);
}

#[tokio::test]
async fn national_clouds_and_external_id_have_their_own_issuers() {
    let cases = [
        (
            CloudProfile::UnitedStates,
            "https://login.microsoftonline.us/{tid}/v2.0",
        ),
        (
            CloudProfile::China,
            "https://login.partner.microsoftonline.cn/{tid}/v2.0",
        ),
        (
            CloudProfile::ExternalId,
            "https://{tid}.ciamlogin.com/{tid}/v2.0",
        ),
    ];
    for (profile, issuer) in cases {
        let seed = TenantSeed {
            profile,
            ..TenantSeed::default()
        };
        let world = World::with(EmulatorConfig {
            tenants: vec![seed],
            ..EmulatorConfig::default()
        });
        let issuer = issuer.replace("{tid}", &world.tenant.to_string());
        let path = format!("/{}/v2.0/.well-known/openid-configuration", world.tenant);
        assert_eq!(document(&world, &path).await["issuer"], issuer);
        let client = world.client("orders");
        assert_eq!(world.own_token(&client).await.claims(&world)["iss"], issuer);
    }
}

#[tokio::test]
async fn instance_discovery_knows_the_emulator_and_microsofts_hosts() {
    let world = World::new();
    for host in ["localhost:4711", "localhost", "login.microsoftonline.com"] {
        let path = format!(
            "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://{host}/{}/oauth2/v2.0/authorize",
            world.tenant
        );
        let found = document(&world, &path).await;
        assert_eq!(
            found["tenant_discovery_endpoint"],
            format!(
                "{BASE}/{}/v2.0/.well-known/openid-configuration",
                world.tenant
            )
        );
        assert_eq!(found["api-version"], "1.1");
        let metadata = found["metadata"].as_array().unwrap();
        assert!(
            metadata
                .iter()
                .any(|cloud| cloud["preferred_network"] == "localhost:4711")
        );
    }
    let path = "/common/discovery/instance?authorization_endpoint=https://evil.example/common";
    world
        .get(path)
        .await
        .assert_refused(400, "invalid_instance", 50_049);
    world
        .get("/common/discovery/instance")
        .await
        .assert_refused(400, "invalid_request", 900_144);
}

#[tokio::test]
async fn every_domain_is_managed() {
    let world = World::new();
    let found = document(&world, "/common/userrealm/ada@fabrikamlab.onmicrosoft.com").await;
    assert_eq!(found["account_type"], "Managed");
    assert_eq!(found["domain_name"], "fabrikamlab.onmicrosoft.com");
}
