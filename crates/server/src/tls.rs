//! TLS identities from PEM files, read within bounds, and read again when the files change.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsAcceptor;

use crate::file_version::FileVersion;
use crate::shutdown::ShutdownSignal;

/// No certificate chain is that long, and no key.
const LARGEST_FILE: u64 = 1024 * 1024;
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where a certificate chain and its key lie.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// Certificate chain and private key, PEM.
pub(crate) struct PemIdentity {
    pub(crate) certificate_chain: String,
    pub(crate) private_key: SecretString,
}

/// What tells one version of the files from the next; `None` while one of them cannot be looked at.
type Version = Option<Vec<FileVersion>>;

impl TlsFiles {
    /// `None` when no file is named. The settings' own rules make sure that both are named or neither.
    pub(crate) fn named(certificate: &Path, key: &Path) -> Option<Self> {
        (!certificate.as_os_str().is_empty()).then(|| Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    }

    /// An error names the file.
    pub(crate) fn load(&self) -> Result<PemIdentity, String> {
        Ok(PemIdentity {
            certificate_chain: read(&self.certificate)?,
            private_key: SecretString::from(read(&self.key)?),
        })
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        vec![self.certificate.clone(), self.key.clone()]
    }
}

impl PemIdentity {
    pub(crate) fn server_config(&self) -> Result<ServerConfig, String> {
        let chain = CertificateDer::pem_slice_iter(self.certificate_chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("the certificate chain cannot be read: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(self.private_key.expose_secret().as_bytes())
            .map_err(|error| format!("the private key cannot be read: {error}"))?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| format!("certificate and key cannot be used: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// A TLS identity that can be replaced while connections come in; those that stand keep theirs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedTls(Arc<RwLock<TlsAcceptor>>);

impl SharedTls {
    pub(crate) fn new(identity: &PemIdentity) -> Result<Self, String> {
        Ok(Self(Arc::new(RwLock::new(acceptor(identity)?))))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// An error leaves the old identity in use.
    pub(crate) fn replace(&self, identity: &PemIdentity) -> Result<(), String> {
        let new = acceptor(identity)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn acceptor(identity: &PemIdentity) -> Result<TlsAcceptor, String> {
    Ok(TlsAcceptor::from(Arc::new(identity.server_config()?)))
}

/// Looks at files and has them read again when one of them is new.
pub(crate) struct TlsWatch {
    what: &'static str,
    files: Vec<PathBuf>,
    seen: Version,
}

impl TlsWatch {
    /// To be made before the files are first loaded, so that no change falls between.
    pub(crate) fn new(what: &'static str, files: Vec<PathBuf>) -> Self {
        Self {
            what,
            seen: version(&files),
            files,
        }
    }

    /// Until shutdown. `reload` must keep what is in use when it refuses what is new.
    pub(crate) async fn run(
        mut self,
        reload: impl Fn() -> Result<(), String>,
        shutdown: ShutdownSignal,
    ) {
        look_often(|| self.look(&reload), shutdown).await;
    }

    /// A few small files: not worth a thread of their own. A version that cannot be used is told once.
    pub(crate) fn look(&mut self, reload: impl Fn() -> Result<(), String>) {
        let now = version(&self.files);
        if now == self.seen {
            return;
        }
        self.seen = now;
        match reload() {
            Ok(()) => tracing::info!(listener = self.what, "new TLS files in use"),
            Err(reason) => tracing::warn!(
                listener = self.what,
                reason,
                "the new TLS files cannot be used; the old ones stay in use"
            ),
        }
    }
}

/// Looks every ten seconds, until shutdown.
pub(crate) async fn look_often(mut look: impl FnMut(), shutdown: ShutdownSignal) {
    let mut stop = std::pin::pin!(shutdown.wait());
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LOOK_EVERY) => look(),
        }
    }
}

fn version(files: &[PathBuf]) -> Version {
    files.iter().map(|file| FileVersion::of(file)).collect()
}

/// A small text file, at most 1 MiB. An error names it.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    read_within(file, LARGEST_FILE)
}

/// A text file of at most `bytes`, whole MiB. An error names it.
pub(crate) fn read_within(file: &Path, bytes: u64) -> Result<String, String> {
    let unusable = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unusable)?;
    opened
        .take(bytes + 1)
        .read_to_string(&mut text)
        .map_err(unusable)?;
    if text.len() as u64 > bytes {
        let mebibytes = bytes >> 20;
        return Err(format!("{} is larger than {mebibytes} MiB", file.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
