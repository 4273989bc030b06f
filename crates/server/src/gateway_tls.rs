//! The gateway's TLS files on both sides: read at the start, and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use control::error::chain;
use gateway::{Gateway, TlsIdentity, UpstreamTls};
use tokio::task::JoinHandle;

use crate::config::GatewaySettings;
use crate::node::gateway_config::authorities;
use crate::node::tls_identity;
use crate::shutdown::ShutdownSignal;
use crate::tls::{PemIdentity, TlsWatch};

/// What the files held at the start.
#[derive(Default)]
pub(crate) struct GatewayTls {
    pub(crate) identity: Option<TlsIdentity>,
    pub(crate) upstream: UpstreamTls,
}

/// Notices when they change.
pub(crate) struct GatewayTlsWatch {
    identity: Option<TlsWatch>,
    upstream: Option<TlsWatch>,
    authorities: PathBuf,
}

impl GatewayTls {
    /// An error names the file.
    pub(crate) fn load(settings: &GatewaySettings) -> Result<(Self, GatewayTlsWatch), String> {
        let (identity_watch, identity) = tls_identity(
            "gateway",
            &settings.tls_certificate_file,
            &settings.tls_key_file,
        )?
        .unzip();
        let upstream = &settings.upstreams;
        let (upstream_watch, client) = tls_identity(
            "upstreams of the gateway",
            &upstream.client_certificate_file,
            &upstream.client_key_file,
        )?
        .unzip();
        let loaded = Self {
            identity: identity.as_ref().map(identity_of),
            upstream: upstream_tls(&settings.upstream_authorities_file, client.as_ref())?,
        };
        let watch = GatewayTlsWatch {
            identity: identity_watch,
            upstream: upstream_watch,
            authorities: settings.upstream_authorities_file.clone(),
        };
        Ok((loaded, watch))
    }
}

impl GatewayTlsWatch {
    /// Until shutdown.
    pub(crate) fn run(
        self,
        gateway: &Arc<Gateway>,
        signal: &ShutdownSignal,
    ) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        if let Some(watch) = self.identity {
            let gateway = Arc::clone(gateway);
            let apply = move |identity: &PemIdentity| {
                gateway
                    .reload_tls(&identity_of(identity))
                    .map_err(|error| chain(&error))
            };
            tasks.push(tokio::spawn(watch.run(apply, signal.clone())));
        }
        if let Some(watch) = self.upstream {
            let (gateway, file) = (Arc::clone(gateway), self.authorities);
            let apply = move |identity: &PemIdentity| {
                gateway
                    .reload_upstream_tls(&upstream_tls(&file, Some(identity))?)
                    .map_err(|error| chain(&error))
            };
            tasks.push(tokio::spawn(watch.run(apply, signal.clone())));
        }
        tasks
    }
}

fn upstream_tls(
    authorities_file: &Path,
    client: Option<&PemIdentity>,
) -> Result<UpstreamTls, String> {
    Ok(UpstreamTls {
        authorities: authorities(authorities_file)?,
        identity: client.map(identity_of),
    })
}

fn identity_of(identity: &PemIdentity) -> TlsIdentity {
    TlsIdentity {
        certificate_chain: identity.certificate_chain.clone(),
        private_key: identity.private_key.clone(),
    }
}
