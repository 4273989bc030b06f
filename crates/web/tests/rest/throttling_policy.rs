//! Throttling policies: administrators define them, portals list them, what names none that is there is refused.

use serde_json::{Value, json};

use crate::support::{ADMIN, DEVPORTAL, PUBLISHER, TestApp, api};

fn path(level: &str) -> String {
    format!("{ADMIN}/throttling/policies/{level}")
}

fn policy(name: &str, kind: &str) -> Value {
    json!({
        "policyName": name, "displayName": name, "description": "", "isDeployed": false, "type": kind,
        "defaultLimit": {
            "type": "REQUESTCOUNTLIMIT",
            "requestCount": {"timeUnit": "min", "unitTime": 2, "requestCount": 30},
            "bandwidth": null, "eventCount": null
        }
    })
}

fn plan(name: &str) -> Value {
    let mut body = policy(name, "SubscriptionThrottlePolicy");
    body["rateLimitCount"] = json!(5);
    body["rateLimitTimeUnit"] = json!("sec");
    body["stopOnQuotaReach"] = json!(true);
    body["billingPlan"] = json!("COMMERCIAL");
    body["customAttributes"] = json!([{"name": "region", "value": "eu"}]);
    body["graphQLMaxComplexity"] = json!(0);
    body["graphQLMaxDepth"] = json!(0);
    body["subscriberCount"] = json!(0);
    body["permissions"] = Value::Null;
    body["monetization"] =
        json!({"monetizationPlan": "FIXEDRATE", "properties": {"currencyType": ""}});
    body
}

#[tokio::test]
async fn a_policy_of_every_level_is_created_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut bandwidth = policy("Narrow", "AdvancedThrottlePolicy");
    bandwidth["defaultLimit"] = json!({
        "type": "BANDWIDTHLIMIT",
        "bandwidth": {"timeUnit": "hour", "unitTime": 1, "dataAmount": 7, "dataUnit": "MB"}
    });
    let mut bursty = policy("Narrow", "ApplicationThrottlePolicy");
    bursty["burstLimit"] = json!({"rateLimitCount": 3, "rateLimitTimeUnit": "min"});
    for (level, body, built_in) in [
        ("advanced", bandwidth, 4),
        ("application", bursty, 4),
        ("subscription", plan("Narrow"), 5),
    ] {
        let created = admin.post(&path(level), &body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let location = created.header("location").to_owned();
        assert_eq!(
            location,
            format!("{}/{}", path(level), created.string("policyId"))
        );
        let read = admin.get(&location).await;
        assert_eq!(read.json, created.json);
        for member in [
            "policyName",
            "burstLimit",
            "rateLimitCount",
            "customAttributes",
        ] {
            assert_eq!(read.json[member], body[member], "{level} {member}");
        }
        let limit = |json: &Value| {
            let limit = &json["defaultLimit"];
            (limit["requestCount"].clone(), limit["bandwidth"].clone())
        };
        assert_eq!(limit(&read.json), limit(&body));

        // What was read is sent back, with something changed.
        let mut changed = read.json.clone();
        changed["description"] = json!("narrow");
        let updated = admin.put(&location, &changed).await;
        assert_eq!(updated.status, 200, "{}", updated.text);
        assert_eq!(updated.json, changed);

        let list = admin.get(&path(level)).await;
        assert_eq!(list.json["count"], built_in + 1);
        assert_eq!(admin.delete(&location).await.status, 200);
        assert_eq!(admin.get(&location).await.status, 404);
    }
}

#[tokio::test]
async fn portals_list_what_administrators_define() {
    let app = TestApp::start().await;
    let created = app
        .admin()
        .await
        .post(&path("subscription"), &plan("Platinum"))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    let developer = app.developer("ann").await;
    let publisher = app.publisher().await;
    for (person, base) in [(&developer, DEVPORTAL), (&publisher, PUBLISHER)] {
        let list = person
            .get(&format!("{base}/throttling-policies/subscription"))
            .await;
        assert_eq!(list.json["count"], 6, "{}", list.text);
        let one = person
            .get(&format!("{base}/throttling-policies/subscription/Platinum"))
            .await;
        assert_eq!(one.status, 200, "{}", one.text);
        assert_eq!(one.json["requestCount"], 30);
        assert_eq!(one.json["unitTime"], 120_000);
        assert_eq!(one.json["rateLimitCount"], 5);
        assert_eq!(one.json["rateLimitTimeUnit"], "sec");
        assert_eq!(one.json["tierPlan"], "COMMERCIAL");
        assert_eq!(one.json["attributes"], json!({"region": "eu"}));
    }
    let levels = publisher
        .get(&format!("{PUBLISHER}/throttling-policies/api"))
        .await;
    assert_eq!(levels.json["count"], 4);
    let unknown = publisher
        .get(&format!("{PUBLISHER}/throttling-policies/application"))
        .await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn what_no_gateway_here_enforces_is_refused_by_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let condition = json!([{"conditions": [], "limit": {}}]);
    for (level, member, value) in [
        ("advanced", "conditionalGroups", condition),
        ("advanced", "rateLimitCount", json!(5)),
        ("subscription", "graphQLMaxDepth", json!(3)),
        ("subscription", "subscriberCount", json!(3)),
        (
            "subscription",
            "permissions",
            json!({"permissionType": "DENY", "roles": ["x"]}),
        ),
        (
            "subscription",
            "monetization",
            json!({"monetizationPlan": "FIXEDRATE", "properties": {"fixedPrice": "1"}}),
        ),
        ("subscription", "burstLimit", json!({"rateLimitCount": 1})),
        ("subscription", "rateLimitTimeUnit", json!("year")),
        ("subscription", "type", json!("AdvancedThrottlePolicy")),
        ("application", "billingPlan", json!("COMMERCIAL")),
        ("application", "policyName", json!("with space")),
        ("application", "policyName", json!("x".repeat(61))),
        (
            "application",
            "defaultLimit",
            json!({"type": "EVENTCOUNTLIMIT", "eventCount": {"eventCount": 1}}),
        ),
        (
            "application",
            "defaultLimit",
            json!({"type": "REQUESTCOUNTLIMIT"}),
        ),
    ] {
        let mut body = if level == "subscription" {
            plan("Own")
        } else {
            let mut body = policy("Own", "");
            body.as_object_mut().unwrap().remove("type");
            body
        };
        body[member] = value;
        let refused = admin.post(&path(level), &body).await;
        assert_eq!(refused.status, 400, "{level} {member}: {}", refused.text);
        let named = refused.json["error"].to_string();
        assert!(named.contains(member), "{level} {member}: {named}");
    }
    // Wrong types, numbers that are none, what is too much.
    for (member, value) in [
        ("requestCount", json!("thirty")),
        ("requestCount", json!(-1)),
        ("requestCount", json!(0)),
        ("requestCount", json!(1_u64 << 60)),
        ("unitTime", json!(0)),
        ("unitTime", json!(1_u64 << 40)),
        ("timeUnit", json!("fortnight")),
    ] {
        let mut body = policy("Own", "ApplicationThrottlePolicy");
        body["defaultLimit"]["requestCount"][member] = value.clone();
        let refused = admin.post(&path("application"), &body).await;
        assert_eq!(refused.status, 400, "{member} {value}: {}", refused.text);
    }
    let unknown = admin.post(&path("custom"), &policy("Own", "")).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
}

#[tokio::test]
async fn a_policy_in_use_and_a_built_in_one_are_not_deleted_and_it_is_said_why() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let created = admin.post(&path("subscription"), &plan("Platinum")).await;
    let location = created.header("location").to_owned();
    let taken = admin.post(&path("subscription"), &plan("Platinum")).await;
    assert_eq!(taken.status, 409, "{}", taken.text);

    let publisher = app.publisher().await;
    let mut body = api("Weather");
    body["policies"] = json!(["Platinum"]);
    let made = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let refused = admin.delete(&location).await;
    assert_eq!(refused.status, 412, "{}", refused.text);
    assert!(refused.text.contains("Weather 1.0.0"), "{}", refused.text);

    let list = admin.get(&path("application")).await;
    let built_in = list.json["list"][0]["policyId"].as_str().unwrap();
    let refused = admin
        .delete(&format!("{}/{built_in}", path("application")))
        .await;
    assert_eq!(refused.status, 412, "{}", refused.text);
    // By its own level only.
    let other = admin
        .get(&format!("{}/{built_in}", path("subscription")))
        .await;
    assert_eq!(other.status, 404);
}

#[tokio::test]
async fn nothing_is_saved_that_names_an_unknown_policy() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    for (member, value) in [
        ("policies", json!(["NoSuch"])),
        ("apiThrottlingPolicy", json!("NoSuch")),
        (
            "operations",
            json!([{"target": "/menu", "verb": "GET", "throttlingPolicy": "NoSuch"}]),
        ),
    ] {
        let mut body = api("Weather");
        body[member] = value;
        let refused = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
        assert_eq!(refused.status, 400, "{member}: {}", refused.text);
        assert!(refused.text.contains("NoSuch"), "{}", refused.text);
    }
}

#[tokio::test]
async fn what_endpoints_bear_is_kept_and_checked() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let mut body = api("Weather");
    body["maxTps"] = json!({"production": 1000, "productionTimeUnit": "MINUTE", "sandbox": null});
    let created = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.json["maxTps"]["production"], 1_000);
    assert_eq!(created.json["maxTps"]["productionTimeUnit"], "MINUTE");
    for wrong in [
        json!({"production": 0}),
        json!({"sandbox": -5}),
        json!({"production": 5, "productionTimeUnit": "DAY"}),
        json!({"tokenBasedThrottlingConfiguration": {"isTokenBasedThrottlingEnabled": true}}),
        json!({"colour": 1}),
    ] {
        let mut body = api("Other");
        body["maxTps"] = wrong.clone();
        let refused = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }
}
