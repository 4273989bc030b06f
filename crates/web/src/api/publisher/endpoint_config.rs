//! WSO2's `endpointConfig`: `{"endpoint_type", "production_endpoints", "sandbox_endpoints"}`, where either side
//! is one `{"url"}` or a list of them.

use domain::api::ApiEndpoints;
use domain::validation::Check;
use serde_json::{Value, json};
use url::Url;

pub(super) fn read(config: &Value, check: &mut Check) -> ApiEndpoints {
    let kind = config.get("endpoint_type").and_then(Value::as_str);
    check.that(
        matches!(
            kind,
            None | Some("http" | "load_balance" | "failover" | "address")
        ),
        "endpointConfig.endpoint_type",
        "must be http or load_balance",
    );
    ApiEndpoints {
        production: side(config, "production_endpoints", check),
        sandbox: side(config, "sandbox_endpoints", check),
    }
}

pub(super) fn write(endpoints: &ApiEndpoints) -> Value {
    let is_balanced = endpoints.production.len() > 1 || endpoints.sandbox.len() > 1;
    let mut config = json!({
        "endpoint_type": if is_balanced { "load_balance" } else { "http" },
    });
    for (name, urls) in [
        ("production_endpoints", &endpoints.production),
        ("sandbox_endpoints", &endpoints.sandbox),
    ] {
        let mut listed: Vec<Value> = urls.iter().map(|url| json!({ "url": url })).collect();
        if is_balanced && !listed.is_empty() {
            config[name] = Value::Array(listed);
        } else if let Some(only) = listed.pop() {
            config[name] = only;
        }
    }
    config
}

fn side(config: &Value, name: &str, check: &mut Check) -> Vec<Url> {
    let entries = match config.get(name) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(entry) => std::slice::from_ref(entry),
    };
    let field = format!("endpointConfig.{name}");
    check.that(entries.len() <= 20, &field, "at most 20");
    entries
        .iter()
        .filter_map(|entry| {
            let text = entry.get("url").and_then(Value::as_str).map(str::trim);
            // Portals send an empty side along.
            if text == Some("") {
                return None;
            }
            let url = text.and_then(|text| Url::parse(text).ok());
            check.that(
                url.is_some(),
                &field,
                "must be {\"url\": an http or https URL}",
            );
            url
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        for config in [
            json!({"endpoint_type": "http", "production_endpoints": {"url": "https://a.example/"}}),
            json!({"endpoint_type": "load_balance",
                   "production_endpoints": [{"url": "https://a.example/"}, {"url": "https://b.example/"}],
                   "sandbox_endpoints": [{"url": "https://s.example/"}]}),
        ] {
            let mut check = Check::default();
            let endpoints = read(&config, &mut check);
            assert!(check.finish().is_ok());
            assert_eq!(write(&endpoints), config);
        }
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let mut check = Check::default();
        read(
            &json!({"sandbox_endpoints": {"url": "nowhere"}}),
            &mut check,
        );
        let invalid = check.finish().expect_err("no address");
        assert_eq!(invalid.0[0].field, "endpointConfig.sandbox_endpoints");
    }
}
