use super::*;

fn orders() -> ApiSettings {
    ApiSettings {
        name: "Orders".to_owned(),
        context: "/orders".to_owned(),
        version: "1.0.0".to_owned(),
        description: String::new(),
        is_default_version: false,
        endpoints: ApiEndpoints::default(),
        operations: vec![Operation {
            verb: Verb::Get,
            target: "/orders/{id}".to_owned(),
            auth_required: true,
            scopes: Vec::new(),
            throttling_policy: None,
            mediation: Mediation::default(),
        }],
        scopes: Vec::new(),
        key_managers: KeyManagerSelection::All,
        audiences: Vec::new(),
        authorization_header: String::new(),
        policies: Vec::new(),
        api_throttling_policy: None,
        max_tps: MaxTps::default(),
        visibility: Visibility::Public,
        cors: None,
        mediation: Mediation::default(),
    }
}

/// The wire names of the fields that are refused after `change`.
fn refused(change: impl FnOnce(&mut ApiSettings)) -> Vec<String> {
    let mut settings = orders();
    change(&mut settings);
    match settings.validate() {
        Ok(()) => Vec::new(),
        Err(invalid) => invalid.0.into_iter().map(|error| error.field).collect(),
    }
}

#[test]
fn an_ordinary_api_is_valid() {
    assert_eq!(orders().validate(), Ok(()));
    assert_eq!(orders().base_path(), "/orders/1.0.0");
}

#[test]
fn a_context_is_a_plain_path() {
    for wrong in [
        "orders", "/orders/", "/a//b", "/a/../b", "/a b", "/a?b", "/",
    ] {
        let fields = refused(|api| wrong.clone_into(&mut api.context));
        assert!(fields.contains(&"context".to_owned()), "{wrong:?}");
    }
    assert!(refused(|api| "/shop/orders-v.2".clone_into(&mut api.context)).is_empty());
}

#[test]
fn a_parameter_fills_a_whole_segment_of_a_path_template() {
    for wrong in [
        "/a/{}",
        "/a/{b",
        "/a/b}",
        "/a/x{b}",
        "/a/{b{c}}",
        "a",
        "/a b",
    ] {
        let fields = refused(|api| wrong.clone_into(&mut api.operations[0].target));
        assert_eq!(fields, ["operations.target"], "{wrong:?}");
    }
    assert!(refused(|api| "/a/{b}/*".clone_into(&mut api.operations[0].target)).is_empty());
}

#[test]
fn an_operation_names_only_scopes_that_the_api_has() {
    let fields = refused(|api| api.operations[0].scopes.push("read".to_owned()));
    assert_eq!(fields, ["operations.scopes"]);
}

#[test]
fn an_operation_stands_in_an_api_once() {
    let fields = refused(|api| {
        let open = Operation {
            auth_required: false,
            ..api.operations[0].clone()
        };
        api.operations.insert(0, open);
    });
    assert_eq!(fields, ["operations"]);
}

#[test]
fn a_credential_header_has_a_name_that_http_allows() {
    for wrong in ["X Key", "X-Key:", "X-Kéy", "X-Key\r\nHost"] {
        let fields = refused(|api| wrong.clone_into(&mut api.authorization_header));
        assert_eq!(fields, ["authorizationHeader"], "{wrong:?}");
    }
    assert!(refused(|api| "X-Api-Token".clone_into(&mut api.authorization_header)).is_empty());
}

#[test]
fn an_endpoint_is_http_and_carries_no_password() {
    for wrong in [
        "ftp://backend/",
        "https://ann:secret@backend/",
        "http://ann@backend/",
    ] {
        let fields = refused(|api| {
            api.endpoints.sandbox = vec![Url::parse(wrong).expect("a URL")];
        });
        assert_eq!(fields, ["endpointConfig"], "{wrong:?}");
    }
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let fields = refused(|api| {
        api.name = String::new();
        api.version = "1/0".to_owned();
        api.operations.clear();
    });
    assert_eq!(fields, ["name", "version", "operations"]);
}

#[test]
fn only_open_events_lead_on_in_the_lifecycle() {
    use LifecycleState::{Blocked, Created, Deprecated, Published, Retired};
    assert_eq!(Created.after("Publish"), Some(Published));
    assert_eq!(Published.after("Block"), Some(Blocked));
    assert_eq!(Deprecated.after("Retire"), Some(Retired));
    assert_eq!(Created.after("Retire"), None);
    assert_eq!(Created.after("publish"), None);
    assert!(Retired.transitions().is_empty());
}

#[test]
fn every_state_can_be_left_towards_retirement() {
    for state in LifecycleState::ALL {
        let mut reached = vec![state];
        for step in 0.. {
            let Some(&here) = reached.get(step) else {
                break;
            };
            for &(_, next) in here.transitions() {
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
        }
        assert!(reached.contains(&LifecycleState::Retired), "{state:?}");
    }
}

#[test]
fn a_definition_has_at_most_10_mib() {
    assert_eq!(validate_definition(&"x".repeat(10 * 1024 * 1024)), Ok(()));
    let refused = validate_definition(&"x".repeat(10 * 1024 * 1024 + 1)).unwrap_err();
    assert_eq!(refused.0[0].field, "definition");
}

#[test]
fn what_the_endpoints_bear_is_a_rate_within_bounds() {
    let rate = |requests, unit| Some(RequestRate { requests, unit });
    assert!(refused(|settings| settings.max_tps.sandbox = rate(1, TimeUnit::Hour)).is_empty());
    assert_eq!(
        refused(|settings| settings.max_tps.production = rate(0, TimeUnit::Second)),
        ["maxTps.production"]
    );
    assert_eq!(
        refused(|settings| settings.max_tps.sandbox = rate(5, TimeUnit::Day)),
        ["maxTps.sandbox"]
    );
}
