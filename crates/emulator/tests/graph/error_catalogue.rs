//! Every error of Graph's catalogue (Microsoft: *Microsoft Graph error responses and resource types*), provoked; the rest stands beside its feature.

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
async fn a_tenant_holds_so_many_objects() {
    let laboratory = Laboratory::start().await;
    let tenant = laboratory.running.tenant_id();
    laboratory
        .control(
            Method::PUT,
            &format!("/tenants/{tenant}/policies"),
            Some(json!({ "objectsPerTenant": 4 })),
        )
        .await
        .expect(204);
    // The administrator application, its service principal and Graph's are there already.
    let last = laboratory.application("last").await;
    let refused = laboratory
        .post("/applications", json!({ "displayName": "one too many" }))
        .await;
    refused.refuses(
        403,
        "Directory_QuotaExceeded",
        "The directory object quota limit for the Tenant has been exceeded",
    );
    let id = last["id"].as_str().unwrap();
    laboratory
        .delete(&format!("/applications/{id}"))
        .await
        .expect(204);
    laboratory
        .delete(&format!("/directory/deletedItems/{id}"))
        .await
        .expect(204);
    laboratory.application("again").await;
}

#[tokio::test]
async fn a_uri_stays_taken_while_its_application_is_in_the_deleted_items() {
    let laboratory = Laboratory::start().await;
    let body = json!({ "displayName": "first", "api": { "requestedAccessTokenVersion": 2 },
        "identifierUris": ["api://orders"] });
    let first = laboratory
        .post("/applications", body.clone())
        .await
        .expect(201)
        .text("/id");
    laboratory
        .delete(&format!("/applications/{first}"))
        .await
        .expect(204);
    laboratory
        .post("/applications", body.clone())
        .await
        .refuses(
            400,
            "Request_BadRequest",
            "Another object with the same value for property identifierUris already exists.",
        );
    laboratory
        .delete(&format!("/directory/deletedItems/{first}"))
        .await
        .expect(204);
    laboratory.post("/applications", body).await.expect(201);
}

#[tokio::test]
async fn an_application_for_personal_accounts_has_tighter_limits() {
    let laboratory = Laboratory::start().await;
    let api = json!({ "requestedAccessTokenVersion": 2 });
    let audience = "AzureADandPersonalMicrosoftAccount";
    let with = |uris: Vec<String>, name: String| {
        laboratory.post(
            "/applications",
            json!({ "displayName": name, "api": api, "signInAudience": audience,
                "identifierUris": uris }),
        )
    };
    with(vec!["api://orders".to_owned()], "x".to_owned())
        .await
        .expect(201);
    let many = (0..51)
        .map(|number| format!("api://many-{number}"))
        .collect();
    with(many, "x".to_owned()).await.expect(400);
    let long = vec![format!("api://{}", "x".repeat(120))];
    with(long, "x".to_owned()).await.expect(400);
    with(Vec::new(), "x".repeat(91)).await.expect(400);
    let long = json!({ "displayName": "x", "api": api,
        "identifierUris": [format!("api://{}", "x".repeat(255))] });
    laboratory.post("/applications", long).await.expect(400);
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
