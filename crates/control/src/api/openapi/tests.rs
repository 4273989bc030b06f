use std::fmt::Write as _;

use domain::api::{Operation, Verb};
use serde_json::{Value, json};

use super::{DefinitionReport, generate, read, with_servers};

const PIZZA_SHACK: &str = r#"
openapi: 3.0.0
info:
  title: Pizza Shack API
  version: 1.0.0
  description: Orders pizza.
servers:
  - url: https://{region}.example.com/pizza
    variables:
      region:
        default: eu
security:
  - company: [order:read]
paths:
  /menu:
    get:
      security: []
      responses: {'200': {description: OK}}
  /order/{orderId}:
    parameters:
      - name: orderId
        in: path
        required: true
        schema: {type: string}
    get:
      responses: {'200': {description: OK}}
    put:
      security:
        - company: [order:write, order:admin]
      x-throttling-tier: 10KPerMin
      responses: {'200': {description: OK}}
    trace:
      responses: {'200': {description: OK}}
  /health:
    get:
      x-auth-type: None
      responses: {'200': {description: OK}}
components:
  securitySchemes:
    company:
      type: oauth2
      flows:
        clientCredentials:
          tokenUrl: https://login.example.com/token
          scopes:
            order:read: Look at orders
            order:write: Change orders
          x-scopes-bindings:
            order:write: "admin, manager"
"#;

fn operation<'a>(report: &'a DefinitionReport, verb: Verb, target: &str) -> &'a Operation {
    report
        .operations
        .iter()
        .find(|operation| operation.verb == verb && operation.target == target)
        .unwrap()
}

fn document(paths: Value) -> String {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Orders", "version": "2" },
        "security": [{ "company": [] }],
        "paths": paths,
        "components": { "securitySchemes": {
            "company": { "type": "oauth2", "flows": {} },
            "key": { "type": "apiKey", "in": "header", "name": "X-Key" },
        } },
    })
    .to_string()
}

#[test]
fn a_yaml_document_is_read_with_its_operations_scopes_and_endpoint() {
    let report = read(PIZZA_SHACK);
    assert_eq!(report.errors, []);
    assert!(report.valid);
    assert_eq!(report.name, "PizzaShackAPI");
    assert_eq!(report.context, "/pizzashackapi");
    assert_eq!(report.version, "1.0.0");
    assert_eq!(report.openapi_version, "3.0.0");
    let production: Vec<&str> = report
        .endpoints
        .production
        .iter()
        .map(url::Url::as_str)
        .collect();
    assert_eq!(production, ["https://eu.example.com/pizza"]);
    assert_eq!(report.operations.len(), 4, "TRACE cannot be offered");

    let put = operation(&report, Verb::Put, "/order/{orderId}");
    assert!(put.auth_required);
    assert_eq!(put.scopes, ["order:write", "order:admin"]);
    assert_eq!(put.throttling_policy.as_deref(), Some("10KPerMin"));

    let names: Vec<&str> = report.scopes.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["order:admin", "order:read", "order:write"]);
    assert_eq!(report.scopes[2].bindings, ["admin", "manager"]);
    assert_eq!(report.scopes[1].description, "Look at orders");
}

#[test]
fn an_operation_without_security_of_its_own_takes_the_documents() {
    let report = read(PIZZA_SHACK);
    let get = operation(&report, Verb::Get, "/order/{orderId}");
    assert!(get.auth_required);
    assert_eq!(get.scopes, ["order:read"]);
}

#[test]
fn empty_security_and_auth_type_none_open_an_operation() {
    let report = read(PIZZA_SHACK);
    for target in ["/menu", "/health"] {
        let open = operation(&report, Verb::Get, target);
        assert!(!open.auth_required, "{target}");
        assert!(open.scopes.is_empty(), "{target}");
    }
}

#[test]
fn a_document_that_says_nothing_about_security_needs_a_token_everywhere() {
    let text =
        r#"{"openapi":"3.0.3","info":{"title":"A","version":"1"},"paths":{"/a":{"get":{}}}}"#;
    let report = read(text);
    assert!(report.valid, "{:?}", report.errors);
    assert!(report.operations[0].auth_required);
}

#[test]
fn optional_security_stays_closed() {
    let report = read(&document(
        json!({ "/a": { "get": { "security": [{}, { "company": [] }] } } }),
    ));
    assert!(report.operations[0].auth_required);
    let report = read(&document(json!({ "/a": { "get": { "security": [{}] } } })));
    assert!(!report.operations[0].auth_required);
}

#[test]
fn what_an_api_key_scheme_lists_is_no_scope() {
    let report = read(&document(
        json!({ "/a": { "get": { "security": [{ "key": ["role"] }] } } }),
    ));
    assert!(report.operations[0].scopes.is_empty());
    assert!(report.operations[0].auth_required);
    assert!(report.scopes.is_empty());
}

#[test]
fn swagger_2_is_read_with_its_host_and_definitions() {
    let text = r"
swagger: 2.0
info: {title: Old, version: 1.5}
host: backend.example.com
basePath: /v1
schemes: [http]
x-wso2-basePath: /old/{version}
securityDefinitions:
  company:
    type: oauth2
    flow: application
    tokenUrl: https://login.example.com/token
    scopes: {read: Reading}
paths:
  /a:
    post:
      security: [{company: [read]}]
";
    let report = read(text);
    assert!(report.valid, "{:?}", report.errors);
    assert_eq!(report.version, "1.5");
    assert_eq!(report.context, "/old");
    assert_eq!(
        report.endpoints.production[0].as_str(),
        "http://backend.example.com/v1"
    );
    assert_eq!(report.operations[0].scopes, ["read"]);
}

#[test]
fn wso2_endpoint_extensions_win_over_servers() {
    let text = json!({
        "openapi": "3.0.1",
        "info": { "title": "A", "version": "1" },
        "servers": [{ "url": "/" }, { "url": "https://ignored.example.com" }],
        "x-wso2-production-endpoints": { "urls": ["https://p.example.com"], "type": "http" },
        "x-wso2-sandbox-endpoints": { "urls": ["https://s.example.com", "ftp://no.example.com"] },
        "paths": { "/a": { "get": {} } },
    });
    let report = read(&text.to_string());
    assert_eq!(report.endpoints.production.len(), 1);
    assert_eq!(report.endpoints.sandbox.len(), 1);
    assert_eq!(
        report.endpoints.sandbox[0].as_str(),
        "https://s.example.com/"
    );
}

#[test]
fn local_references_are_followed_and_external_ones_are_errors() {
    let mut root: Value = serde_json::from_str(&document(json!({
        "/local": { "$ref": "#/components/pathItems/shared" },
        "/outside": { "$ref": "https://example.com/paths.json#/a" },
        "/circle": { "$ref": "#/components/pathItems/circle" },
    })))
    .unwrap();
    root["components"]["pathItems"] = json!({
        "shared": { "get": {} },
        "circle": { "$ref": "#/components/pathItems/circle" },
    });
    let report = read(&root.to_string());
    assert_eq!(report.operations.len(), 1);
    assert_eq!(report.operations[0].target, "/local");
    let places: Vec<&str> = report
        .errors
        .iter()
        .map(|error| error.at.as_str())
        .collect();
    assert_eq!(places, ["/paths/~1circle", "/paths/~1outside"]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, place) in [
        ("", ""),
        ("[]", ""),
        ("{", ""),
        ("a: [", ""),
        ("just words", ""),
        ("{}", ""),
        (r#"{"openapi":"4.0.0"}"#, "/openapi"),
        (r#"{"openapi":"3.0.0","paths":{"/a":{"get":{}}}}"#, "/info"),
        (r#"{"swagger":"1.2"}"#, "/swagger"),
        (
            r#"{"openapi":"3.0.0","info":{"title":"A","version":"1"}}"#,
            "/paths",
        ),
        (
            r#"{"openapi":"3.0.0","info":{"title":"A","version":"1"},"paths":{"a":{"get":{}}}}"#,
            "/paths/a",
        ),
    ] {
        let report = read(text);
        assert!(!report.valid, "{text}");
        assert!(!report.errors.is_empty(), "{text}");
        assert!(
            report.errors.iter().any(|error| error.at == place),
            "{text}: {:?}",
            report.errors
        );
    }
}

#[test]
fn a_document_over_the_limit_is_refused_unread() {
    let text = " ".repeat(super::LONGEST_DEFINITION + 1);
    assert!(read(&text).errors[0].message.contains("at most"));
}

#[test]
fn a_yaml_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let message = &read(&text).errors[0].message;
    assert!(message.starts_with("neither JSON nor YAML"), "{message}");
}

#[test]
fn developers_see_the_gateway_instead_of_the_backend() {
    let servers = ["https://gateway.example.com/pizza/1.0.0".to_owned()];
    let shown = with_servers(PIZZA_SHACK, &servers).unwrap();
    assert!(!shown.contains("eu.example.com"));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["servers"], json!([{ "url": servers[0] }]));

    let swagger = r#"{"swagger":"2.0","host":"backend","basePath":"/","paths":{}}"#;
    let shown: Value = serde_json::from_str(&with_servers(swagger, &servers).unwrap()).unwrap();
    assert_eq!(shown["host"], "gateway.example.com");
    assert_eq!(shown["basePath"], "/pizza/1.0.0");
    assert_eq!(shown["schemes"], json!(["https"]));
}

#[test]
fn a_generated_document_reads_back_as_the_same_operations() {
    let report = read(PIZZA_SHACK);
    let settings = domain::api::ApiSettings {
        name: report.name.clone(),
        context: report.context.clone(),
        version: report.version.clone(),
        description: report.description.clone(),
        is_default_version: false,
        endpoints: report.endpoints.clone(),
        operations: report
            .operations
            .iter()
            .cloned()
            .map(|operation| Operation {
                throttling_policy: None,
                ..operation
            })
            .collect(),
        scopes: report.scopes.clone(),
        key_managers: domain::api::KeyManagerSelection::All,
        audiences: Vec::new(),
        authorization_header: String::new(),
        policies: Vec::new(),
        api_throttling_policy: None,
        max_tps: domain::api::MaxTps::default(),
        visibility: domain::api::Visibility::Public,
        cors: None,
        mediation: domain::mediation::Mediation::default(),
    };
    let again = read(&generate(&settings));
    assert!(again.valid, "{:?}", again.errors);
    assert_eq!(again.operations.len(), settings.operations.len());
    for wanted in &settings.operations {
        assert_eq!(operation(&again, wanted.verb, &wanted.target), wanted);
    }
}
