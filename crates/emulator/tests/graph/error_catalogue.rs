//! Every error of Graph's catalogue (entra.md A.6), provoked; the rest stands beside its feature.

use emulator::EmulatorConfig;
use reqwest::Method;
use serde_json::json;

use crate::laboratory::{Caller, Laboratory, configuration};

#[tokio::test]
async fn tokens_that_graph_does_not_take() {
    let laboratory = Laboratory::start().await;
    let with = |token: &str| Caller {
        token: token.to_owned(),
        ..laboratory.administrator.clone()
    };
    let good = laboratory.administrator.token.clone();
    let tampered = format!("{}A{}", &good[..good.len() - 2], &good[good.len() - 1..]);
    for token in ["", "x", "a.b.c", &tampered, &"x.".repeat(5000)] {
        let caller = with(token);
        let reply = laboratory
            .call_with(&caller, Method::GET, "/applications", &[], None)
            .await;
        let reply = reply.refuses(401, "InvalidAuthenticationToken", "");
        assert!(
            reply.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer")
        );
    }
    let own = laboratory.administrator.app_id.clone();
    let secret = laboratory
        .running
        .administrator()
        .expose_secret()
        .to_owned();
    let other = laboratory
        .token(&own, &secret, &format!("{own}/.default"))
        .await
        .expect(200)
        .text("/access_token");
    laboratory
        .call_with(&with(&other), Method::GET, "/applications", &[], None)
        .await
        .refuses(401, "InvalidAuthenticationToken", "audience");
    laboratory
        .running
        .clock()
        .advance(jiff::SignedDuration::from_hours(3));
    laboratory
        .get("/applications")
        .await
        .refuses(401, "InvalidAuthenticationToken", "expired");
}

#[tokio::test]
async fn a_caller_without_a_service_principal_is_unknown() {
    let laboratory = Laboratory::start().await;
    let caller = laboratory.caller(&["Application.Read.All"]).await;
    laboratory
        .delete(&format!("/servicePrincipals/{}", caller.principal_id))
        .await
        .expect(204);
    laboratory
        .call_with(&caller, Method::GET, "/applications", &[], None)
        .await
        .refuses(
            401,
            "Authorization_IdentityNotFound",
            "The identity of the calling application could not be established.",
        );
}

#[tokio::test]
async fn bodies_that_do_not_fit_the_resource() {
    let laboratory = Laboratory::start().await;
    for (body, message) in [
        (
            json!({ "displayName": "x", "colour": "red" }),
            "Invalid property 'colour'.",
        ),
        (
            json!({ "displayName": "x", "appId": "y" }),
            "Property 'appId' is read-only and cannot be set.",
        ),
        (
            json!({ "displayName": "x", "uniqueName": "y" }),
            "Property 'uniqueName' is read-only",
        ),
        (
            json!({ "displayName": 5 }),
            "Invalid value specified for property 'displayName' of resource 'Application'.",
        ),
        (
            json!({ "displayName": "" }),
            "Invalid value specified for property 'displayName'",
        ),
        (
            json!({ "displayName": "x".repeat(257) }),
            "Invalid value specified for property 'displayName'",
        ),
        (
            json!({ "tags": "x" }),
            "Invalid value specified for property 'tags'",
        ),
        (json!({}), "A value is required for property 'displayName'"),
        (
            json!({ "displayName": "x", "signInAudience": "Everyone" }),
            "'signInAudience'",
        ),
        (
            json!({ "displayName": "x", "api": { "requestedAccessTokenVersion": 3 } }),
            "requestedAccessTokenVersion",
        ),
        (
            json!({ "displayName": "x", "api": { "colour": 3 } }),
            "Invalid property 'colour'.",
        ),
        (
            json!({ "displayName": "x", "appRoles": [{ "value": "a b" }] }),
            "Application",
        ),
        (
            json!({ "displayName": "x", "signInAudience": "PersonalMicrosoftAccount" }),
            "requestedAccessTokenVersion",
        ),
        (
            json!({ "displayName": "x", "passwordCredentials": [{ "secretText": "mine" }] }),
            "secretText",
        ),
        (
            json!({ "displayName": "x", "keyCredentials": [{ "type": "Symmetric" }] }),
            "key",
        ),
    ] {
        laboratory
            .post("/applications", body.clone())
            .await
            .refuses(400, "Request_BadRequest", message);
    }
    let target = format!(
        "/applications/{}",
        laboratory.application("x").await["id"].as_str().unwrap()
    );
    laboratory
        .patch(&target, json!({ "passwordCredentials": [] }))
        .await
        .refuses(400, "Request_BadRequest", "passwordCredentials");
}

#[tokio::test]
async fn app_id_uris_follow_microsofts_rules() {
    let laboratory = Laboratory::start().await;
    let created = laboratory.application("api").await;
    let app_id = created["appId"].as_str().unwrap();
    let tenant = laboratory.running.tenant_id();
    let target = format!("/applications/{}", created["id"].as_str().unwrap());
    let set = |uri: String| laboratory.patch(&target, json!({ "identifierUris": [uri] }));
    for good in [
        format!("api://{app_id}"),
        format!("api://{tenant}/{app_id}"),
        format!("api://{tenant}/orders"),
        format!("api://orders/{app_id}"),
        "https://fabrikamlab.onmicrosoft.com/orders".to_owned(),
        "https://orders.fabrikamlab.onmicrosoft.com".to_owned(),
    ] {
        set(good).await.expect(204);
    }
    set("api://orders".to_owned()).await.refuses(
        400,
        "Request_BadRequest",
        "Failed to add identifier URI api://orders.",
    );
    set("https://example.com/x".to_owned()).await.refuses(
        400,
        "HostNameNotOnVerifiedDomain",
        "Values of identifierUris property must use a verified domain of the organization or its subdomain",
    );
    set(format!("api://{app_id}/"))
        .await
        .refuses(400, "Request_BadRequest", "identifierUris");
    set("api://11111111-1111-4111-8111-111111111111".to_owned())
        .await
        .expect(400);
    set("not a uri".to_owned()).await.expect(400);
    let v2 =
        json!({ "api": { "requestedAccessTokenVersion": 2 }, "identifierUris": ["api://orders"] });
    laboratory.patch(&target, v2).await.expect(204);
    laboratory
        .patch(
            &target,
            json!({ "api": { "requestedAccessTokenVersion": 1 } }),
        )
        .await
        .refuses(400, "Request_BadRequest", "Failed to add identifier URI");
    let other = laboratory.application("other").await;
    let refused = laboratory
        .patch(
            &format!("/applications/{}", other["id"].as_str().unwrap()),
            json!({ "api": { "requestedAccessTokenVersion": 2 }, "identifierUris": ["api://orders"] }),
        )
        .await
        .refuses(400, "Request_BadRequest", "Another object with the same value for property identifierUris already exists.");
    assert_eq!(
        refused.body["error"]["details"][0]["code"],
        "ObjectConflict"
    );
}

#[tokio::test]
async fn paths_and_methods_that_lead_nowhere() {
    let laboratory = Laboratory::start().await;
    laboratory.get("/nothing").await.refuses(
        400,
        "BadRequest",
        "Resource not found for the segment 'nothing'.",
    );
    laboratory.get("/applications/not-a-guid").await.refuses(
        400,
        "Request_BadRequest",
        "Invalid object identifier",
    );
    laboratory
        .get("/applications(colour='x')")
        .await
        .refuses(400, "BadRequest", "colour");
    laboratory.get("/applications(appId='x").await.expect(400);
    let missing = "/applications/11111111-1111-4111-8111-111111111111";
    laboratory.get(missing).await.refuses(
        404,
        "Request_ResourceNotFound",
        "Resource '11111111-1111-4111-8111-111111111111' does not exist",
    );
    laboratory.delete("/applications").await.refuses(
        405,
        "Request_BadRequest",
        "Specified HTTP method is not allowed for the request target.",
    );
    laboratory
        .get(&format!("{missing}/nothing"))
        .await
        .expect(400);
    laboratory.get("/me").await.refuses(
        400,
        "BadRequest",
        "/me request is only valid with delegated authentication flow.",
    );
}

#[tokio::test]
async fn bodies_that_are_not_json_and_bodies_that_are_too_large() {
    let laboratory = Laboratory::start().await;
    let url = format!("{}/v1.0/applications", laboratory.running.base_url());
    let send = |content_type: Option<&'static str>, body: Vec<u8>| {
        let mut request = laboratory
            .http
            .post(&url)
            .bearer_auth(&laboratory.administrator.token)
            .body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        request.send()
    };
    for body in [
        &b"{"[..],
        b"[1",
        b"\xff\xfe",
        b"nope",
        b"{\"displayName\":\"x\"} trailing",
    ] {
        assert_eq!(
            send(Some("application/json"), body.to_vec())
                .await
                .unwrap()
                .status(),
            400
        );
    }
    assert_eq!(
        send(Some("application/json"), b"[]".to_vec())
            .await
            .unwrap()
            .status(),
        400
    );
    assert_eq!(
        send(Some("application/json"), Vec::new())
            .await
            .unwrap()
            .status(),
        400
    );
    assert_eq!(send(None, b"{}".to_vec()).await.unwrap().status(), 400);
    assert_eq!(
        send(Some("text/plain"), b"{}".to_vec())
            .await
            .unwrap()
            .status(),
        415
    );
    assert_eq!(
        send(Some("application/json"), vec![b' '; 2 * 1024 * 1024])
            .await
            .unwrap()
            .status(),
        413
    );
    let nested = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert_eq!(
        send(Some("application/json"), nested)
            .await
            .unwrap()
            .status(),
        400
    );
    laboratory.get("/applications").await.expect(200);
}

#[tokio::test]
async fn an_object_that_grows_too_large_is_refused() {
    let laboratory = Laboratory::start().await;
    let tags: Vec<_> = (0..1201).map(|number| format!("tag-{number}")).collect();
    laboratory
        .post("/applications", json!({ "displayName": "x", "tags": tags }))
        .await
        .refuses(
            403,
            "Directory_ResourceSizeExceeded",
            "The size of the object has exceeded its limit",
        );
}

#[tokio::test]
async fn a_throttled_caller_is_told_when_to_come_back_and_then_served() {
    let laboratory = Laboratory::with(EmulatorConfig {
        throttling: true,
        ..configuration()
    })
    .await;
    laboratory.running.clock().freeze();
    let item = |number: usize| json!({ "id": number.to_string(), "method": "GET", "url": "/applications" });
    let batch = json!({ "requests": (0..20).map(item).collect::<Vec<_>>() });
    let mut refused = None;
    for _ in 0..200 {
        let reply = laboratory.post("/$batch", batch.clone()).await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        reply.expect(200);
    }
    let refused =
        refused
            .expect("3500 resource units are used up")
            .refuses(429, "TooManyRequests", "");
    let seconds: i64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=10).contains(&seconds));
    laboratory
        .running
        .clock()
        .advance(jiff::SignedDuration::from_secs(seconds));
    laboratory.post("/$batch", batch).await.expect(200);
}

mod random_requests {
    //! Whatever is sent, Graph answers in its own words.

    use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
    use serde_json::{Value, json};

    use super::{Laboratory, Method};

    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => prop::sample::select(vec![
                "applications", "servicePrincipals", "directory", "deletedItems", "owners", "$ref", "$count",
                "addPassword", "removePassword", "addKey", "restore", "users", "me", "policies", "$batch",
                "oauth2PermissionGrants", "appRoleAssignedTo", "appRoleAssignments", "organization",
                "federatedIdentityCredentials", "defaultAppManagementPolicy", "microsoft.graph.application",
                "applications(appId='x')", "applications(uniqueName='y')", "a(b='c'", "%00", "%ff",
                "11111111-1111-4111-8111-111111111111", "00000003-0000-0000-c000-000000000000",
            ]).prop_map(str::to_owned),
            // No dots: a client resolves `..` before it sends.
            1 => "[a-zA-Z0-9()'=,%$-]{0,24}",
        ]
    }

    fn body() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            Just(json!("2026-01-01T00:00:00Z")),
            Just(json!("11111111-1111-4111-8111-111111111111")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = prop::sample::select(vec![
                "displayName",
                "passwordCredentials",
                "keyCredentials",
                "api",
                "appRoles",
                "id",
                "appId",
                "keyId",
                "identifierUris",
                "tags",
                "web",
                "requests",
                "method",
                "url",
                "body",
                "passwordCredential",
                "principalId",
                "resourceId",
                "appRoleId",
                "value",
                "optionalClaims",
                "applicationRestrictions",
                "@odata.id",
                "@odata.type",
                "signInAudience",
                "requiredResourceAccess",
                "name",
                "audiences",
            ]);
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((name, inner), 0..5).prop_map(|pairs| {
                    Value::Object(
                        pairs
                            .into_iter()
                            .map(|(name, value)| (name.to_owned(), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    #[test]
    fn never_end_in_a_server_error() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let laboratory = runtime.block_on(Laboratory::start());
        let off = Some(json!({ "enabled": false }));
        runtime
            .block_on(laboratory.control(Method::PUT, "/throttling", off))
            .expect(204);
        let methods = prop::sample::select(vec![
            Method::GET,
            Method::POST,
            Method::PATCH,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
        ]);
        let query = prop_oneof![
            Just(String::new()),
            "\\$(filter|search|select|top|orderby|count|skiptoken)=[a-zA-Z0-9 ()'/:,%\"]{0,30}",
        ];
        let requests = (methods, vec(part(), 0..5), query, body());
        let config = ProptestConfig {
            cases: 600,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config)
            .run(&requests, |(method, path, query, body)| {
                let target = format!("/{}?{query}", path.join("/"));
                let sent = body.is_object().then_some(body);
                let headers = [
                    ("ConsistencyLevel", "eventual"),
                    ("Prefer", "create-if-missing"),
                ];
                let caller = &laboratory.administrator;
                let call = laboratory.call_with(caller, method, &target, &headers, sent);
                let reply = runtime.block_on(call);
                prop_assert!(!reply.status.is_server_error(), "{target}: {}", reply.body);
                if reply.status.is_client_error() && reply.status != 404 {
                    prop_assert!(
                        !reply.code().is_empty(),
                        "{target}: {} {}",
                        reply.status,
                        reply.body
                    );
                }
                Ok(())
            })
            .unwrap();
        runtime
            .block_on(laboratory.get("/applications"))
            .expect(200);
    }
}
