//! One running node: store, control plane, gateway, and what carries data between them.

mod backend_jwts;
mod explainer;
mod gateway_config;
pub(crate) mod key_set_source;
pub(crate) mod monitoring;
mod opening;
mod own_gateway;
pub(crate) mod snapshot_carrier;
pub(crate) mod snapshot_copy;
pub(crate) mod token_introspector;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::contract::ConnectorEnvironment;
use connectors::http::OutboundHttp;
use connectors::registry::Registry;
use control::error::chain;
use control::identity::FirstUser;
use control::{Control, Dependencies};
use domain::{Clock, Random};
use gateway::Gateway;
use tokio::task::JoinHandle;
use web::{RunningPart, WebSettings};

use self::explainer::GatewayExplainer;
pub(crate) use self::gateway_config::trusted_proxies;
use self::monitoring::Monitored;
pub(crate) use self::opening::{NotOpened, make_folder, open_control, outbound};
use self::opening::{open_store, settings};
pub(crate) use self::own_gateway::{public_gateway_url, start_gateway};
use self::snapshot_carrier::Carrier;
use self::token_introspector::ControlIntrospector;
use crate::config::Config;
use crate::listener::{Bound, Lasting};
use crate::shutdown::Shutdown;
use crate::system::{SystemClock, SystemRandom};
use crate::telemetry::span_export::SpanExport;
use crate::tls::{SharedTls, TlsFiles, TlsWatch};

/// How long background work may take to finish at shutdown.
const STOP_LIMIT: Duration = Duration::from_secs(35);
/// While somebody still asks a gateway that is to stop.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

pub(crate) struct Node {
    control_url: String,
    gateway_url: String,
    is_ending: Arc<AtomicBool>,
    /// The REST APIs and the probes.
    control_listener: Lasting,
    gateway: Arc<Gateway>,
    first_users: Vec<FirstUser>,
    span_export: Option<SpanExport>,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts everything. An error is a sentence for the operator.
    pub(crate) async fn start(config: &Config) -> Result<Self, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom::new());
        make_folder(&config.data_folder)?;
        let store = open_store(config, &random).await?;
        let http = OutboundHttp::new(outbound(&config.outbound)?).map_err(|error| chain(&error))?;
        let control_files = TlsFiles::named(
            &config.control.tls_certificate_file,
            &config.control.tls_key_file,
        );
        let control_watch = control_files
            .as_ref()
            .map(|files| TlsWatch::new("control plane", files.paths()));
        let tls = control_files
            .as_ref()
            .map(|files| SharedTls::new(&files.load()?))
            .transpose()?;
        let bound = Bound::bind("control plane", config.control.listen, tls.clone()).await?;
        let introspector = ControlIntrospector::new();
        let span_export = SpanExport::start(&config.telemetry, &http, &*random)?;
        let tracing = span_export.as_ref().map(|export| export.tracing(&random));
        let (gateway, watches) = start_gateway(config, &clock, &http, &introspector, tracing)?;

        let gateway_url = public_gateway_url(config, &gateway);
        let has_snapshot = Arc::new(AtomicBool::new(false));
        let is_ending = Arc::new(AtomicBool::new(false));
        let monitored = Monitored {
            store: Some(Arc::clone(&store)),
            gateway: Arc::downgrade(&gateway),
            has_snapshot: Arc::clone(&has_snapshot),
            is_ending: Arc::clone(&is_ending),
        };
        let control = Control::new(Dependencies {
            store,
            connector_types: Arc::new(Registry::standard()),
            environment: ConnectorEnvironment {
                http,
                clock,
                random: Arc::clone(&random),
            },
            settings: settings(config, &gateway_url),
        })
        .with_explainer(Arc::new(GatewayExplainer(Arc::downgrade(&gateway))));
        introspector.connect(control.clone());
        let first_users = control
            .identity()
            .first_start()
            .await
            .map_err(|error| chain(&error))?;

        let (shutdown, signal) = Shutdown::new();
        let control_url = bound.url();
        let web_settings = WebSettings {
            is_ending: Arc::clone(&is_ending),
            ..web_settings(config, &random, &gateway_url)
        };
        let router =
            web::router(control.clone(), web_settings).merge(monitoring::router(monitored));
        let control_listener = bound.serve_until_ended(router);
        let mut tasks = vec![
            tokio::spawn(
                Carrier::new(&gateway, &has_snapshot).carry(control.clone(), signal.clone()),
            ),
            tokio::spawn({
                let (control, signal) = (control.clone(), signal.clone());
                async move { control.revocations().run(signal.wait()).await }
            }),
            tokio::spawn({
                let (control, signal) = (control.clone(), signal.clone());
                async move { control.jobs().run(signal.wait()).await }
            }),
        ];
        if let (Some(files), Some(watch), Some(tls)) = (control_files, control_watch, tls) {
            let reload = move || tls.replace(&files.load()?);
            tasks.push(tokio::spawn(watch.run(reload, signal.clone())));
        }
        tasks.extend(watches.run(&gateway, &signal));
        let node = Self {
            control_url,
            gateway_url,
            is_ending,
            control_listener,
            gateway,
            first_users: first_users.unwrap_or_default(),
            span_export,
            shutdown,
            tasks,
        };
        Ok(node)
    }

    pub(crate) fn control_url(&self) -> &str {
        &self.control_url
    }

    pub(crate) fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    /// Users with generated passwords, at the very first start; the passwords are not kept anywhere else.
    pub(crate) fn first_users(&self) -> &[FirstUser] {
        &self.first_users
    }

    /// Lets accepted requests and running steps finish, within bounds; says meanwhile that it is not ready.
    pub(crate) async fn stop(self) {
        self.is_ending.store(true, Ordering::Release);
        stop(self.shutdown, self.tasks, self.gateway, self.span_export).await;
        self.control_listener.end().await;
    }
}

/// Tells everything to finish, waits for it within bounds: the gateway after the tasks, and its spans last.
pub(crate) async fn stop(
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
    gateway: Arc<Gateway>,
    span_export: Option<SpanExport>,
) {
    shutdown.begin();
    for task in tasks {
        if tokio::time::timeout(STOP_LIMIT, task).await.is_err() {
            tracing::warn!("a task did not finish in time");
        }
    }
    if let Ok(gateway) = tokio::time::timeout(STOP_LIMIT, sole(gateway)).await {
        gateway.stop().await;
    } else {
        tracing::warn!("the gateway is still in use and ends with the process");
    }
    if let Some(export) = span_export {
        export.finish().await;
    }
}

/// Waits for those who are just asking the gateway something.
async fn sole(mut gateway: Arc<Gateway>) -> Gateway {
    loop {
        match Arc::try_unwrap(gateway) {
            Ok(gateway) => return gateway,
            Err(shared) => gateway = shared,
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

fn web_settings(config: &Config, random: &Arc<dyn Random>, gateway_url: &str) -> WebSettings {
    let patience = Duration::from_secs(config.control.request_patience_seconds);
    WebSettings {
        request_timeout: patience + Duration::from_mins(1),
        running: vec![RunningPart {
            name: "Gateway".to_owned(),
            description: "Validates access tokens and lets subscribed applications through."
                .to_owned(),
            address: Some(gateway_url.to_owned()),
        }],
        ..WebSettings::new(Arc::clone(random))
    }
}
