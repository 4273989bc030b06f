//! The gateway's TLS files on both sides: read at the start, and read again when one of them changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use control::error::chain;
use gateway::{ClientCertificates, Gateway, TlsIdentity, UpstreamTls};
use tokio::task::JoinHandle;

use crate::config::{ClientCertificatesSetting, GatewaySettings};
use crate::shutdown::ShutdownSignal;
use crate::tls::{TlsFiles, TlsWatch, read, read_within};

/// No bundle of certification authorities is that long.
const LONGEST_BUNDLE: u64 = 4 * 1024 * 1024;

/// What the files held at the start.
#[derive(Default)]
pub(crate) struct GatewayTls {
    pub(crate) identity: Option<TlsIdentity>,
    pub(crate) clients: ClientCertificates,
    pub(crate) upstream: UpstreamTls,
}

/// Notices when they change.
pub(crate) struct GatewayTlsWatch {
    settings: GatewaySettings,
    listener: Option<TlsWatch>,
    upstream: Option<TlsWatch>,
}

impl GatewayTls {
    /// An error names the file.
    pub(crate) fn load(settings: &GatewaySettings) -> Result<(Self, GatewayTlsWatch), String> {
        // The watch first, so that no change falls between.
        let watch = GatewayTlsWatch::new(settings);
        let loaded = Self {
            identity: listener_identity(settings)?,
            clients: client_certificates(settings)?,
            upstream: upstream_tls(settings)?,
        };
        Ok((loaded, watch))
    }
}

impl GatewayTlsWatch {
    fn new(settings: &GatewaySettings) -> Self {
        let watch =
            |what, files: Vec<PathBuf>| (!files.is_empty()).then(|| TlsWatch::new(what, files));
        Self {
            settings: settings.clone(),
            listener: watch("gateway", listener_files(settings)),
            upstream: watch("upstreams of the gateway", upstream_files(settings)),
        }
    }

    /// Until shutdown.
    pub(crate) fn run(
        self,
        gateway: &Arc<Gateway>,
        signal: &ShutdownSignal,
    ) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        if let Some(watch) = self.listener {
            let (gateway, settings) = (Arc::clone(gateway), self.settings.clone());
            let reload = move || reload_listener(&gateway, &settings);
            tasks.push(tokio::spawn(watch.run(reload, signal.clone())));
        }
        if let Some(watch) = self.upstream {
            let (gateway, settings) = (Arc::clone(gateway), self.settings);
            let reload = move || reload_upstreams(&gateway, &settings);
            tasks.push(tokio::spawn(watch.run(reload, signal.clone())));
        }
        tasks
    }
}

fn reload_listener(gateway: &Gateway, settings: &GatewaySettings) -> Result<(), String> {
    let Some(identity) = listener_identity(settings)? else {
        return Ok(());
    };
    gateway
        .reload_tls(&identity, &client_certificates(settings)?)
        .map_err(|error| chain(&error))
}

fn reload_upstreams(gateway: &Gateway, settings: &GatewaySettings) -> Result<(), String> {
    gateway
        .reload_upstream_tls(&upstream_tls(settings)?)
        .map_err(|error| chain(&error))
}

fn listener_files(settings: &GatewaySettings) -> Vec<PathBuf> {
    let own = TlsFiles::named(&settings.tls_certificate_file, &settings.tls_key_file);
    let Some(own) = own else {
        return Vec::new();
    };
    let mut files = own.paths();
    files.extend(client_authorities(settings).map(Path::to_owned));
    files
}

fn upstream_files(settings: &GatewaySettings) -> Vec<PathBuf> {
    let client = &settings.upstreams;
    let client = TlsFiles::named(&client.client_certificate_file, &client.client_key_file);
    let mut files = client.map(|files| files.paths()).unwrap_or_default();
    files.extend(given(&settings.upstream_authorities_file).map(Path::to_owned));
    files
}

fn listener_identity(settings: &GatewaySettings) -> Result<Option<TlsIdentity>, String> {
    identity(&settings.tls_certificate_file, &settings.tls_key_file)
        .map_err(|reason| format!("gateway.tls_certificate_file: {reason}"))
}

fn client_certificates(settings: &GatewaySettings) -> Result<ClientCertificates, String> {
    if settings.client_certificates == ClientCertificatesSetting::Off {
        return Ok(ClientCertificates::Off);
    }
    let Some(file) = client_authorities(settings) else {
        return Ok(ClientCertificates::Any);
    };
    read(file)
        .map(ClientCertificates::SignedBy)
        .map_err(|reason| format!("gateway.client_certificate_authorities_file: {reason}"))
}

/// Named, and clients are asked.
fn client_authorities(settings: &GatewaySettings) -> Option<&Path> {
    let is_asked = settings.client_certificates == ClientCertificatesSetting::Ask;
    given(&settings.client_certificate_authorities_file).filter(|_| is_asked)
}

fn upstream_tls(settings: &GatewaySettings) -> Result<UpstreamTls, String> {
    let client = &settings.upstreams;
    let authorities = given(&settings.upstream_authorities_file)
        .map(|file| read_within(file, LONGEST_BUNDLE))
        .transpose()
        .map_err(|reason| format!("gateway.upstream_authorities_file: {reason}"))?;
    Ok(UpstreamTls {
        authorities,
        identity: identity(&client.client_certificate_file, &client.client_key_file)
            .map_err(|reason| format!("gateway.upstreams.client_certificate_file: {reason}"))?,
    })
}

fn given(file: &Path) -> Option<&Path> {
    (!file.as_os_str().is_empty()).then_some(file)
}

fn identity(certificate: &Path, key: &Path) -> Result<Option<TlsIdentity>, String> {
    let Some(files) = TlsFiles::named(certificate, key) else {
        return Ok(None);
    };
    let read = files.load()?;
    Ok(Some(TlsIdentity {
        certificate_chain: read.certificate_chain,
        private_key: read.private_key,
    }))
}

#[cfg(test)]
mod tests;
