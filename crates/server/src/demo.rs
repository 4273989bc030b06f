//! `claviger demo`: everything in one process, the journey performed and told, and then there to be used.

mod credentials;
pub(crate) mod journey;
mod ports;
mod sample_api;

use std::path::Path;

use connectors::http::{OutboundHttp, OutboundHttpConfig, PrivateTargets};
use emulator::{
    Delay, Emulator, EmulatorConfig, ReplicationDelays, RunningEmulator, TokenServiceDelays,
};
use secrecy::ExposeSecret;

use self::credentials::Credentials;
use self::journey::{Cast, EntraClient, Places, Remains};
use self::ports::{Ports, loopback, port_of};
use crate::cli::Demo;
use crate::config::{self, Config};
use crate::listener::Bound;
use crate::node::{Node, make_folder};
use crate::shutdown::{Shutdown, StopSignals};
use crate::terminal::say;

/// Ends with `Err` when something cannot start or a step does not hold.
pub(crate) async fn run(demo: Demo) -> Result<(), String> {
    let stop = StopSignals::listen()?;
    make_folder(&demo.data)?;
    let ports = if demo.any_port {
        Ports::remembered(&demo.data)
    } else {
        Ports::USUAL
    };
    let entra = start_entra(&demo, ports).await?;
    let outcome = run_against(&demo, ports, &entra, stop).await;
    entra.stop().await;
    outcome
}

async fn run_against(
    demo: &Demo,
    ports: Ports,
    entra: &RunningEmulator,
    stop: StopSignals,
) -> Result<(), String> {
    let (shutdown, signal) = Shutdown::new();
    let sample = Bound::bind("sample API", loopback(ports.sample_api), None).await?;
    let sample_url = sample.url();
    let sample_task = sample.serve(sample_api::router(), signal);
    let node = Node::start(&node_config(demo, ports)?).await?;
    let taken = Ports {
        control: port_of(node.control_url()),
        gateway: port_of(node.gateway_url()),
        entra: port_of(entra.base_url()),
        sample_api: port_of(&sample_url),
    };
    taken.remember(&demo.data)?;
    let credentials = Credentials::obtain(&demo.data, node.first_users())?;
    say(&format!(
        "Ready. Control plane {}, gateway {}, Entra ID {}",
        node.control_url(),
        node.gateway_url(),
        entra.base_url()
    ));

    let outcome = tokio::select! {
        () = stop.wait() => Ok(()),
        outcome = show(demo, entra, &node, sample_url, &credentials) => outcome,
    };
    node.stop().await;
    shutdown.begin();
    let _ = sample_task.await;
    outcome
}

/// Performs the journey as asked. Returns only when the process is to end by itself.
async fn show(
    demo: &Demo,
    entra: &RunningEmulator,
    node: &Node,
    upstream: String,
    credentials: &Credentials,
) -> Result<(), String> {
    if !demo.no_journey {
        let remains = perform(entra, node, upstream, credentials).await?;
        if demo.exit {
            return Ok(());
        }
        invite(node, entra, credentials, &remains, &demo.data);
    }
    std::future::pending().await
}

async fn perform(
    entra: &RunningEmulator,
    node: &Node,
    upstream: String,
    credentials: &Credentials,
) -> Result<Remains, String> {
    let http = OutboundHttp::new(OutboundHttpConfig {
        extra_ca_pem: vec![entra.ca_pem().to_owned()],
        allow_private_targets: PrivateTargets::Allowed,
        timeout: std::time::Duration::from_mins(2),
        ..OutboundHttpConfig::default()
    })
    .map_err(|error| error.to_string())?;
    let places = Places {
        control: node.control_url().to_owned(),
        gateway: node.gateway_url().to_owned(),
        entra: entra.base_url().to_owned(),
        tenant_id: entra.tenant_id().to_string(),
        upstream,
    };
    let administrator = entra.administrator();
    let cast = Cast {
        administrator: credentials.administrator.clone(),
        publisher: credentials.publisher.clone(),
        developer: credentials.developer.clone(),
        entra_administrator: EntraClient {
            client_id: administrator.client_id.to_string(),
            client_secret: administrator.client_secret.clone(),
        },
    };
    journey::perform(http, places, cast)
        .await
        .map_err(|failed| failed.to_string())
}

/// What a person can do next.
fn invite(
    node: &Node,
    entra: &RunningEmulator,
    credentials: &Credentials,
    remains: &Remains,
    data: &Path,
) {
    let ca = data.join("entra-ca.pem");
    say("\nIt stays up; Ctrl-C ends it. Have a look:");
    say(&format!("  control plane   {}/", node.control_url()));
    say(&format!("  API console     {}/console", node.control_url()));
    say(&format!(
        "  Entra ID        {}/ (its CA: {})",
        entra.base_url(),
        ca.display()
    ));
    for login in [
        &credentials.administrator,
        &credentials.publisher,
        &credentials.developer,
    ] {
        say(&format!(
            "  user            {:<10} password {}",
            login.username,
            login.password.expose_secret()
        ));
    }
    say("\nA token, and a call with it:");
    say(&format!(
        "  TOKEN=$(curl -s --cacert {} {} \\\n    --data-urlencode client_id={} \\\n    --data-urlencode client_secret={} \\\n    --data-urlencode grant_type=client_credentials \\\n    --data-urlencode scope=api://{}/.default | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')",
        ca.display(),
        remains.token_endpoint,
        remains.client.client_id,
        remains.client.client_secret.expose_secret(),
        remains.client.client_id
    ));
    say(&format!(
        "  curl -i -H \"Authorization: Bearer $TOKEN\" {}",
        remains.api_url
    ));
    say(&format!(
        "  curl -i {}     # refused: no token",
        remains.api_url
    ));
}

async fn start_entra(demo: &Demo, ports: Ports) -> Result<RunningEmulator, String> {
    let config = EmulatorConfig {
        data_folder: Some(demo.data.join("entra")),
        listen: loopback(ports.entra),
        replication: visible_late(),
        ..EmulatorConfig::default()
    };
    let entra = Emulator::start(config)
        .await
        .map_err(|error| format!("Entra ID: {}", control::error::chain(&error)))?;
    let file = demo.data.join("entra-ca.pem");
    std::fs::write(&file, entra.ca_pem())
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(entra)
}

/// Late enough that creation without polling fails, soon enough that nobody is bored.
fn visible_late() -> ReplicationDelays {
    ReplicationDelays {
        replicas: 2,
        create: Delay::between(100, 600),
        update: Delay::between(50, 300),
        delete: Delay::between(50, 300),
        list: Delay::between(100, 600),
        search: Delay::between(300, 900),
        token_service: TokenServiceDelays {
            application: Delay::between(200, 800),
            service_principal: Delay::between(200, 800),
            credential: Delay::between(300, 1_500),
            uri: Delay::between(200, 800),
            role: Delay::between(200, 800),
        },
        ..ReplicationDelays::default()
    }
}

fn node_config(demo: &Demo, ports: Ports) -> Result<Config, String> {
    let mut config = config::load(None, []).map_err(|error| error.to_string())?;
    config.data_folder = demo.data.join("claviger");
    config.database.url = demo.database_url.clone().unwrap_or_default();
    config.control.listen = loopback(ports.control);
    config.gateway.listen = loopback(ports.gateway);
    config.outbound.extra_ca_files = vec![demo.data.join("entra-ca.pem")];
    // The demonstration's Entra ID listens on loopback, which Import refuses otherwise.
    config.outbound.private_targets = config::PrivateTargetsSetting::Allowed;
    Ok(config)
}
