//! From an OpenAPI document to the developer's catalogue.

use serde_json::{Value, json};

use crate::support::{DEVPORTAL, PUBLISHER, TestApp, api};

const PIZZA: &str = r#"{
    "openapi": "3.0.3",
    "info": {"title": "Pizza", "version": "1.0.0", "description": "Orders pizza."},
    "servers": [{"url": "https://backend.example/pizza"}],
    "security": [{"company": ["order:read"]}],
    "paths": {
        "/menu": {"get": {"security": [], "responses": {"200": {"description": "ok"}}}},
        "/order/{id}": {"get": {"responses": {"200": {"description": "ok"}}}}
    },
    "components": {"securitySchemes": {"company": {"type": "oauth2", "flows": {"clientCredentials": {
        "tokenUrl": "https://login.example/token", "scopes": {"order:read": "Look"}}}}}}
}"#;

fn properties() -> Value {
    json!({
        "name": "PizzaShack", "version": "1.0.0", "context": "/pizzashack", "policies": ["Unlimited"],
        "endpointConfig": {"endpoint_type": "http",
            "production_endpoints": {"url": "https://backend.example/"},
            "sandbox_endpoints": {"url": "https://sandbox.example/"}},
        "keyManagers": ["all"], "visibility": "PUBLIC", "tags": ["pizza"]
    })
}

#[tokio::test]
async fn a_document_becomes_an_api_in_the_catalogue() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let report = publisher
        .post_multipart(
            &format!("{PUBLISHER}/apis/validate-openapi?returnContent=true"),
            &[("file", PIZZA)],
        )
        .await;
    assert_eq!(report.status, 200, "{}", report.text);
    assert_eq!(report.json["isValid"], true);
    assert_eq!(report.json["info"]["name"], "Pizza");
    assert_eq!(report.json["content"], PIZZA);

    let imported = publisher
        .post_multipart(
            &format!("{PUBLISHER}/apis/import-openapi"),
            &[
                ("file", PIZZA),
                ("additionalProperties", &properties().to_string()),
            ],
        )
        .await;
    assert_eq!(imported.status, 201, "{}", imported.text);
    assert_eq!(imported.json["context"], "/pizzashack");
    assert_eq!(imported.json["lifeCycleStatus"], "CREATED");
    assert_eq!(imported.json["operations"][0]["authType"], "None");
    assert_eq!(imported.json["scopes"][0]["scope"]["name"], "order:read");
    let id = imported.string("id");
    let path = format!("{PUBLISHER}/apis/{id}");
    assert_eq!(imported.header("location"), path);

    // Not yet published: developers do not see it.
    let nobody = app.nobody();
    assert_eq!(
        nobody.get(&format!("{DEVPORTAL}/apis")).await.json["count"],
        0
    );

    let revision = publisher
        .post(
            &format!("{path}/revisions"),
            &json!({"description": "first"}),
        )
        .await;
    assert_eq!(revision.status, 201, "{}", revision.text);
    assert_eq!(revision.json["displayName"], "Revision 1");
    let revision = revision.string("id");
    let deployed = publisher
        .post(
            &format!("{path}/deploy-revision?revisionId={revision}"),
            &json!([{"name": "Default", "vhost": "localhost", "displayOnDevportal": true}]),
        )
        .await;
    assert_eq!(deployed.status, 201, "{}", deployed.text);
    assert_eq!(deployed.json[0]["revisionUuid"], revision.as_str());
    let published = publisher
        .post(
            &format!("{PUBLISHER}/apis/change-lifecycle?apiId={id}&action=Publish"),
            &Value::Null,
        )
        .await;
    assert_eq!(
        published.json["lifecycleState"]["state"], "Published",
        "{}",
        published.text
    );

    let seen = nobody
        .get(&format!("{DEVPORTAL}/apis?query=name:pizza"))
        .await;
    assert_eq!(seen.json["count"], 1, "{}", seen.text);
    let one = nobody.get(&format!("{DEVPORTAL}/apis/{id}")).await;
    assert_eq!(
        one.json["endpointURLs"][0]["URLs"]["http"],
        "http://localhost:8280/pizzashack/1.0.0"
    );
    assert!(
        !one.text.contains("backend.example"),
        "developers do not see the backend"
    );
    let document = nobody.get(&format!("{DEVPORTAL}/apis/{id}/swagger")).await;
    assert_eq!(
        document.json["servers"][0]["url"],
        "http://localhost:8280/pizzashack/1.0.0"
    );
}

#[tokio::test]
async fn revisions_and_deployments_are_kept_apart() {
    let app = TestApp::start().await;
    let id = app.published_api("Pizza").await;
    let publisher = app.publisher().await;
    let path = format!("{PUBLISHER}/apis/{id}");
    let list = publisher
        .get(&format!("{path}/revisions?query=deployed:true"))
        .await;
    assert_eq!(list.json["count"], 1, "{}", list.text);
    let revision = list.json["list"][0]["id"].as_str().unwrap().to_owned();
    let deployed = publisher.get(&format!("{path}/deployments")).await;
    assert_eq!(deployed.json["list"][0]["name"], "Default");

    let in_use = publisher
        .delete(&format!("{path}/revisions/{revision}"))
        .await;
    assert_eq!(in_use.status, 412, "{}", in_use.text);
    let down = publisher
        .post(
            &format!("{path}/undeploy-revision?revisionId={revision}&allEnvironments=true"),
            &json!([]),
        )
        .await;
    assert_eq!(
        (down.status, &down.json),
        (201, &json!([])),
        "{}",
        down.text
    );
    let removed = publisher
        .delete(&format!("{path}/revisions/{revision}"))
        .await;
    assert_eq!((removed.status, &removed.json["count"]), (200, &json!(0)));
    let state = publisher.get(&format!("{path}/lifecycle-state")).await;
    assert_eq!(state.json["state"], "Published");
    assert_eq!(state.json["availableTransitions"][0]["event"], "Block");
}

#[tokio::test]
async fn an_api_is_changed_with_what_was_read_and_deleted() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let created = publisher
        .post(&format!("{PUBLISHER}/apis"), &api("Pizza"))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    let path = created.header("location").to_owned();
    let mut whole = created.json.clone();
    whole["description"] = json!("Orders pizza.");
    let updated = publisher.put(&path, &whole).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(updated.json["description"], "Orders pizza.");
    assert_eq!(updated.json["operations"], created.json["operations"]);
    whole["name"] = json!("Other");
    assert_eq!(publisher.put(&path, &whole).await.status, 400);

    let taken = publisher
        .post(&format!("{PUBLISHER}/apis"), &api("Pizza"))
        .await;
    assert_eq!(taken.status, 409, "{}", taken.text);
    assert_eq!(publisher.delete(&path).await.status, 200);
    assert_eq!(publisher.get(&path).await.status, 404);
}

#[tokio::test]
async fn an_api_with_subscriptions_is_not_deleted() {
    let app = TestApp::start().await;
    let id = app.published_api("Pizza").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let body = json!({"applicationId": application, "apiId": id, "throttlingPolicy": "Unlimited"});
    assert_eq!(
        ann.post(&format!("{DEVPORTAL}/subscriptions"), &body)
            .await
            .status,
        201
    );
    let refused = app
        .publisher()
        .await
        .delete(&format!("{PUBLISHER}/apis/{id}"))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.text);
}

#[tokio::test]
async fn what_is_wrong_with_an_api_is_told() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let path = format!("{PUBLISHER}/apis");
    for (member, value, code) in [
        ("keyManagers", json!("all"), 903_203),
        ("keyManagers", json!([1]), 400),
        ("type", json!("SOAP"), 400),
        (
            "endpointConfig",
            json!({"production_endpoints": {"url": "nowhere"}}),
            400,
        ),
        ("operations", json!([{"target": "/x", "verb": "FLY"}]), 400),
        ("context", json!("no slash/../"), 400),
        ("colour", json!("red"), 400),
    ] {
        let mut body = api("Pizza");
        body[member] = value.clone();
        let answer = publisher.post(&path, &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, code),
            "{member}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn an_apis_cors_policy_and_header_policies_come_back_as_they_were_sent() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let cors = json!({
        "corsConfigurationEnabled": true,
        "accessControlAllowOrigins": ["https://shop.example", "http://localhost:3000"],
        "accessControlAllowCredentials": true,
        "accessControlAllowHeaders": ["authorization"],
        "accessControlAllowMethods": ["GET", "DELETE"],
        "accessControlExposeHeaders": ["X-Page"],
    });
    let policy = |name: &str, parameters: Value| {
        json!({"policyName": name, "policyVersion": "v1", "policyType": "common", "policyId": null,
               "parameters": parameters})
    };
    let policies = json!({
        "request": [
            policy("addHeader", json!({"headerName": "X-Tenant", "headerValue": "blue"})),
            policy("removeHeader", json!({"headerName": "Cookie"})),
        ],
        "response": [policy("renameHeader", json!({"headerName": "X-Old", "newHeaderName": "X-New"}))],
        "fault": [],
    });
    let mut body = api("Pizza");
    body["corsConfiguration"] = cors.clone();
    body["apiPolicies"] = policies.clone();
    body["operations"][0]["operationPolicies"] = policies.clone();
    let created = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let path = created.header("location").to_owned();
    // And once more with what was read.
    let updated = publisher.put(&path, &created.json).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    for answer in [created, updated, publisher.get(&path).await] {
        assert_eq!(answer.json["corsConfiguration"], cors);
        assert_eq!(answer.json["apiPolicies"], policies);
        assert_eq!(answer.json["operations"][0]["operationPolicies"], policies);
    }

    body["corsConfiguration"] = json!({"corsConfigurationEnabled": false,
        "accessControlAllowOrigins": ["*"], "accessControlAllowCredentials": true});
    body["apiPolicies"] = Value::Null;
    let updated = publisher.put(&path, &body).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(
        updated.json["corsConfiguration"]["corsConfigurationEnabled"],
        false
    );
    assert_eq!(
        updated.json["apiPolicies"],
        json!({"request": [], "response": [], "fault": []})
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_applied_is_refused_by_its_name() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let cors = |name: &str, value: Value| {
        let mut cors = json!({"corsConfigurationEnabled": true});
        cors[name] = value;
        ("corsConfiguration", cors)
    };
    let policy = |policy: Value| ("apiPolicies", json!({"request": [policy]}));
    let named = |name: &str, parameters: Value| {
        policy(json!({"policyName": name, "parameters": parameters}))
    };
    let add = |name: &str, value: &str| {
        named(
            "addHeader",
            json!({"headerName": name, "headerValue": value}),
        )
    };
    for ((member, value), word) in [
        (
            cors("accessControlAllowCredentials", json!(true)),
            "credentials",
        ),
        (cors("accessControlAllowOrigins", json!(["null"])), "null"),
        (
            cors("accessControlAllowOrigins", json!(["https://a.example/"])),
            "https://a.example/",
        ),
        (cors("accessControlAllowOrigins", json!("*")), "sequence"),
        (cors("accessControlAllowMethods", json!(["FLY"])), "FLY"),
        (cors("accessControlAllowHeaders", json!(["a b"])), "a b"),
        (cors("colour", json!("red")), "colour"),
        (named("jsonToXML", json!({})), "jsonToXML"),
        (
            named("addHeader", json!({"headerName": "X-A"})),
            "headerValue",
        ),
        (
            named("addHeader", json!({"headerName": "X-A", "headerValue": 1})),
            "headerValue",
        ),
        (
            named(
                "removeHeader",
                json!({"headerName": "X-A", "colour": "red"}),
            ),
            "colour",
        ),
        (
            policy(
                json!({"policyName": "removeHeader", "policyVersion": "v9", "parameters": {"headerName": "X-A"}}),
            ),
            "v9",
        ),
        (policy(json!({"parameters": {}})), "policyName"),
        (add("Host", "x"), "Host"),
        (add("content-length", "1"), "content-length"),
        (add("Authorization", "Bearer x"), "Authorization"),
        (add("X-Forwarded-For", "x"), "X-Forwarded-For"),
        (add("X A", "x"), "X A"),
        (add("X-A", "a\r\nX-B: b"), "printable"),
        (add("X-A", &"a".repeat(2_049)), "2048"),
        (("apiPolicies", json!("x")), "apiPolicies"),
    ] {
        let mut body = api("Pizza");
        body[member] = value.clone();
        let answer = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
        assert_eq!(answer.status, 400, "{value}: {}", answer.text);
        assert!(answer.text.contains(word), "{value}: {}", answer.text);
    }
    // The API's own credential header, whatever it is called; of an operation too.
    let mut body = api("Pizza");
    body["authorizationHeader"] = json!("X-Token");
    let (_, policies) = add("x-token", "x");
    body["operations"][0]["operationPolicies"] = policies;
    let answer = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("operationPolicies"), "{}", answer.text);
}

#[tokio::test]
async fn a_broken_document_is_reported_and_not_imported() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let report = publisher
        .post_multipart(
            &format!("{PUBLISHER}/apis/validate-openapi"),
            &[("inlineAPIDefinition", "openapi: [")],
        )
        .await;
    assert_eq!(
        (report.status, &report.json["isValid"]),
        (200, &json!(false)),
        "{}",
        report.text
    );
    assert!(!report.json["errors"].as_array().unwrap().is_empty());
    let import = format!("{PUBLISHER}/apis/import-openapi");
    for fields in [
        &[("file", "openapi: [")][..],
        &[("url", "https://api.example/openapi.json")][..],
        &[("additionalProperties", "{}")][..],
        &[("file", PIZZA), ("additionalProperties", "{broken")][..],
        &[("file", PIZZA), ("additionalProperties", "{\"colour\":1}")][..],
    ] {
        let refused = publisher.post_multipart(&import, fields).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
}

#[tokio::test]
async fn the_publishers_settings_name_the_gateway_environments() {
    let app = TestApp::start().await;
    let settings = app
        .publisher()
        .await
        .get(&format!("{PUBLISHER}/settings"))
        .await;
    assert_eq!(
        settings.json["environment"][0]["name"], "Default",
        "{}",
        settings.text
    );
    assert_eq!(
        settings.json["environment"][0]["vhosts"][0]["httpPort"],
        8280
    );
}
