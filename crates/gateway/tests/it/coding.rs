//! The code table (`tests/code_table`) through the built-in proxy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use code_table::row::{CodeTable, Side};
use code_table::run::{DataPlane, run};
use code_table::surroundings::Surroundings;
use gateway::{
    Gateway, GatewayConfig, GatewayDependencies, Limits, Reason, Timeouts, TrustedProxies,
};

use crate::support::introspection::Introspection;
use crate::support::provider::OverHttp;
use crate::support::world::{HeldClock, NOW, id, test_config};

/// Runs the rows of one side.
async fn differences(side: Side, config: GatewayConfig) -> Vec<String> {
    let surroundings = Surroundings::start().await;
    let introspection = Introspection::start().await;
    introspection.serves(id(206));
    introspection.says_bytes("unanswered-token", b"{}".to_vec());
    let dependencies = GatewayDependencies {
        clock: Arc::new(HeldClock::at(NOW)),
        key_set_source: Arc::new(OverHttp),
        token_introspector: Arc::new(introspection),
        access_log: Box::new(std::io::sink()),
        tracing: None,
    };
    let gateway = Gateway::start(config, dependencies).expect("the gateway starts");
    gateway
        .apply(surroundings.snapshot())
        .expect("a whole snapshot");
    let plane = DataPlane {
        address: gateway.local_addr(),
        figures: async || gateway.metrics(),
        ignored_headers: &[],
    };
    let table = CodeTable::load();
    let rows = table.rows.iter().filter(|row| row.side == side);
    run(&table, rows, &plane, NOW).await
}

#[tokio::test]
async fn every_decision_is_answered_as_the_table_says() {
    for side in [Side::Decision, Side::Asked] {
        let found = differences(side, test_config()).await;
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[tokio::test]
async fn every_failure_on_the_way_is_answered_as_the_table_says() {
    let config = GatewayConfig {
        timeouts: Timeouts {
            // Well apart: a body that stops must be noticed first.
            response_head: Duration::from_secs(2),
            body_idle: Duration::from_millis(200),
            ..Timeouts::default()
        },
        limits: Limits {
            header_count: 16,
            ..Limits::default()
        },
        // Rows say for themselves from where they come.
        trusted_proxies: TrustedProxies {
            networks: vec!["127.0.0.0/8".parse().expect("a network")],
            ..TrustedProxies::default()
        },
        ..test_config()
    };
    let found = differences(Side::Proxy, config).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_reason_has_a_row() {
    let table = CodeTable::load();
    let known: BTreeSet<&str> = Reason::ALL
        .iter()
        // The table speaks plain HTTP, without certificates (`certificate_binding` and `handed_on_certificate` answer
        // for them), no request makes signing fail, and none knows the gateway's name (`proxying` asks in a circle).
        .filter(|reason| {
            ![
                Reason::CertificateOther,
                Reason::CertificateMalformed,
                Reason::BackendJwtUnavailable,
                Reason::RequestLoop,
            ]
            .contains(reason)
        })
        .map(|reason| reason.as_str())
        .collect();
    assert_eq!(table.reasons(), known);
}
