//! Whatever is sent to Graph, the control API, the pages and the sign-in, the answer is theirs: never a
//! server error, and the process stays up.

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use crate::laboratory::Laboratory;

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
fn graph_never_ends_in_a_server_error() {
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
/// A path of everything that is not Graph, with `{tenant}` where a tenant belongs.
fn other_path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "clock",
        "replication",
        "throttling",
        "audit",
        "objects",
        "import",
        "tenants",
        "policies",
        "keys",
        "faults",
        "app-registrations",
        "enterprise-applications",
        "credentials",
        "permissions",
        "manifest",
        "{tenant}",
        "11111111-1111-4111-8111-111111111111",
        "%00",
        "%ff",
        "(x)",
    ]);
    let start = prop::sample::select(vec![
        "/_emulator",
        "/_portal",
        "/_portal/{tenant}",
        "/{tenant}/oauth2/v2.0/authorize",
        "/{tenant}/oauth2/authorize",
        "/{tenant}/oauth2/v2.0/token",
        "/{tenant}/oauth2/v2.0/devicecode",
        "/devicelogin",
        "/{tenant}/v2.0/.well-known/openid-configuration",
        "/common/discovery/instance",
        "/common/userrealm",
        "",
    ]);
    let below = vec(part, 0..4).prop_map(|parts| parts.join("/"));
    (start, below).prop_map(|(start, below)| format!("{start}/{below}"))
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec![
        "client_id",
        "response_type",
        "redirect_uri",
        "scope",
        "grant_type",
        "username",
        "password",
        "user_code",
        "name",
        "audience",
        "manifest",
        "description",
        "expires",
        "kind",
        "caller",
        "status",
    ]);
    vec((name.prop_map(str::to_owned), "\\PC{0,16}"), 0..6)
}

#[test]
fn nothing_else_ends_in_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let laboratory = runtime.block_on(Laboratory::start());
    let base = laboratory.running.base_url().to_owned();
    let tenant = laboratory.running.tenant_id().to_string();
    let methods = prop::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ]);
    let requests = (methods, other_path(), fields(), body(), any::<bool>());
    let config = ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&requests, |(method, path, fields, body, is_form)| {
            let target = format!("{base}{}", path.replace("{tenant}", &tenant));
            let mut url = url::Url::parse(&target).unwrap();
            if method == Method::GET {
                url.query_pairs_mut().extend_pairs(&fields);
            }
            let request = laboratory.http.request(method.clone(), url);
            let request = match (method == Method::GET, is_form) {
                (true, _) => request,
                (false, true) => request.form(&fields),
                (false, false) => request.json(&body),
            };
            let status = runtime.block_on(request.send()).unwrap().status();
            prop_assert!(!status.is_server_error(), "{method} {target}: {status}");
            Ok(())
        })
        .unwrap();
    runtime
        .block_on(laboratory.control(Method::GET, "/keys", None))
        .expect(200);
}
