//! The gateway's key for backend JWTs: from a file, or made once and kept in the data folder; read again when it
//! changes.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use gateway::{BackendJwtAlgorithm, BackendJwtConfig, BackendJwtEncoding, Gateway};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::config::{self, BackendJwt};
use crate::file_version::FileVersion;
use crate::shutdown::ShutdownSignal;
use crate::tls;

/// Bound of the backend JWTs that are remembered, in bytes.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// `None` where they are not turned on. An error is a sentence for the operator.
pub(super) fn settings(
    settings: &BackendJwt,
    data_folder: &Path,
) -> Result<Option<BackendJwtConfig>, String> {
    if !settings.enabled {
        return Ok(None);
    }
    let algorithm = algorithm(settings);
    let key = if settings.key_file.as_os_str().is_empty() {
        obtain(algorithm, data_folder)?
    } else {
        SecretString::from(tls::read(&settings.key_file)?)
    };
    Ok(Some(BackendJwtConfig {
        header: settings.header.clone(),
        dialect: settings.dialect.clone(),
        issuer: settings.issuer.clone(),
        algorithm,
        lifetime: Duration::from_secs(settings.lifetime_seconds),
        encoding: match settings.encoding {
            config::BackendJwtEncoding::Base64Url => BackendJwtEncoding::Base64Url,
            config::BackendJwtEncoding::Base64 => BackendJwtEncoding::Base64,
        },
        key,
        previous_key: read_previous(&settings.previous_key_file)?,
        cache_bytes: CACHE_BYTES,
    }))
}

fn algorithm(settings: &BackendJwt) -> BackendJwtAlgorithm {
    match settings.algorithm {
        config::BackendJwtAlgorithm::RS256 => BackendJwtAlgorithm::RS256,
        config::BackendJwtAlgorithm::ES256 => BackendJwtAlgorithm::ES256,
    }
}

fn read_previous(file: &Path) -> Result<Option<SecretString>, String> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    tls::read(file).map(SecretString::from).map(Some)
}

fn own_file(algorithm: BackendJwtAlgorithm, data_folder: &Path) -> PathBuf {
    data_folder.join(match algorithm {
        BackendJwtAlgorithm::RS256 => "backend-jwt-rs256.pem",
        BackendJwtAlgorithm::ES256 => "backend-jwt-es256.pem",
    })
}

/// Notices when the files of the keys change.
pub(crate) struct BackendKeyWatch {
    key: PathBuf,
    /// Empty: there is none.
    previous: PathBuf,
    seen: [Option<FileVersion>; 2],
}

impl BackendKeyWatch {
    /// To be made before the files are first read, so that no change falls between. `None` where no backend JWTs are
    /// made.
    pub(super) fn new(settings: &BackendJwt, data_folder: &Path) -> Option<Self> {
        let key = if settings.key_file.as_os_str().is_empty() {
            own_file(algorithm(settings), data_folder)
        } else {
            settings.key_file.clone()
        };
        let previous = settings.previous_key_file.clone();
        settings.enabled.then(|| Self {
            seen: [FileVersion::of(&key), FileVersion::of(&previous)],
            key,
            previous,
        })
    }

    /// Until shutdown.
    pub(crate) async fn run(mut self, gateway: Arc<Gateway>, shutdown: ShutdownSignal) {
        tls::look_often(|| self.look(&gateway), shutdown).await;
    }

    /// Two small files: not worth a thread of their own. A version that cannot be used is told once.
    fn look(&mut self, gateway: &Gateway) {
        let now = [FileVersion::of(&self.key), FileVersion::of(&self.previous)];
        if now == self.seen {
            return;
        }
        self.seen = now;
        match self.apply(gateway) {
            Ok(()) => tracing::info!("the keys of backend JWTs were read again"),
            Err(reason) => tracing::warn!(
                reason,
                "the new key of backend JWTs cannot be used; the old one stays in use"
            ),
        }
    }

    fn apply(&self, gateway: &Gateway) -> Result<(), String> {
        let key = SecretString::from(tls::read(&self.key)?);
        gateway
            .replace_backend_jwt_keys(key, read_previous(&self.previous)?)
            .map_err(|error| error.to_string())
    }
}

fn obtain(algorithm: BackendJwtAlgorithm, data_folder: &Path) -> Result<SecretString, String> {
    let file = own_file(algorithm, data_folder);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => make(algorithm, &file),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn make(algorithm: BackendJwtAlgorithm, file: &Path) -> Result<SecretString, String> {
    let key = generate(algorithm).ok_or("a key for backend JWTs cannot be made")?;
    let text = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", key.to_vec())));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(file).and_then(|mut open| {
        open.write_all(text.as_bytes())?;
        open.sync_all()
    });
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(SecretString::from(text.as_str()))
}

/// PKCS #8.
fn generate(algorithm: BackendJwtAlgorithm) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = match algorithm {
        BackendJwtAlgorithm::RS256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            der.as_ref().to_vec()
        }
        BackendJwtAlgorithm::ES256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            pair.to_pkcs8v1().ok()?.as_ref().to_vec()
        }
    };
    Some(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use gateway::{Gateway, GatewayConfig, GatewayDependencies};
    use secrecy::ExposeSecret as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_each_algorithm_and_only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (algorithm, name) in [
            (config::BackendJwtAlgorithm::RS256, "backend-jwt-rs256.pem"),
            (config::BackendJwtAlgorithm::ES256, "backend-jwt-es256.pem"),
        ] {
            let wanted = BackendJwt {
                enabled: true,
                algorithm,
                ..BackendJwt::default()
            };
            let key = || {
                let made = settings(&wanted, folder.path()).expect("settings");
                made.expect("turned on").key.expose_secret().to_owned()
            };
            let first = key();
            assert!(first.starts_with("-----BEGIN PRIVATE KEY-----"));
            assert_eq!(key(), first);
            let kept = std::fs::metadata(folder.path().join(name)).expect("the file");
            assert_eq!(kept.permissions().mode() & 0o777, 0o600);
        }
        let off = settings(&BackendJwt::default(), folder.path()).expect("settings");
        assert!(off.is_none());
    }

    fn turned_on() -> BackendJwt {
        BackendJwt {
            enabled: true,
            ..BackendJwt::default()
        }
    }

    fn start(wanted: &BackendJwt, folder: &Path) -> Result<Gateway, gateway::StartError> {
        let config = GatewayConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            workers: Some(1),
            backend_jwts: settings(wanted, folder).expect("settings"),
            ..GatewayConfig::default()
        };
        let http =
            connectors::http::OutboundHttp::new(connectors::http::OutboundHttpConfig::default());
        let dependencies = GatewayDependencies {
            clock: std::sync::Arc::new(crate::system::SystemClock),
            key_set_source: std::sync::Arc::new(crate::node::key_set_source::OutboundKeySets(
                http.expect("a client"),
            )),
            token_introspector: std::sync::Arc::new(super::super::ControlIntrospector::new()),
            access_log: Box::new(std::io::sink()),
            tracing: None,
        };
        Gateway::start(config, dependencies)
    }

    /// How many keys the gateway lists.
    async fn listed(gateway: &Gateway) -> usize {
        let stream = TcpStream::connect(gateway.local_addr()).await;
        let mut stream = stream.expect("a connection");
        let request = b"GET /jwks HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.matches("\"kid\"").count()
    }

    #[tokio::test]
    async fn a_changed_key_file_is_taken_up_and_an_unusable_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("key.pem");
        let previous = folder.path().join("previous.pem");
        let replace = |file: &Path, text: &str| {
            // As an operator does: a new file under the old name.
            let new = folder.path().join("new.pem");
            std::fs::write(&new, text).expect("written");
            std::fs::rename(&new, file).expect("renamed");
        };
        let key = || {
            let made = generate(BackendJwtAlgorithm::RS256).expect("a key");
            pem::encode(&pem::Pem::new("PRIVATE KEY", made.to_vec()))
        };
        let (first, second) = (key(), key());
        replace(&file, &first);
        replace(&previous, &first);
        let wanted = BackendJwt {
            key_file: file.clone(),
            previous_key_file: previous.clone(),
            ..turned_on()
        };
        let mut watch = BackendKeyWatch::new(&wanted, folder.path()).expect("turned on");
        let gateway = start(&wanted, folder.path()).expect("it starts");
        watch.look(&gateway);
        assert_eq!(listed(&gateway).await, 1);
        for nonsense in ["", "nonsense", &second[..second.len() / 2]] {
            replace(&file, nonsense);
            watch.look(&gateway);
            assert_eq!(listed(&gateway).await, 1);
        }
        std::fs::remove_file(&file).expect("removed");
        watch.look(&gateway);
        assert_eq!(listed(&gateway).await, 1);
        replace(&file, &second);
        watch.look(&gateway);
        assert_eq!(listed(&gateway).await, 2);
        // The same again, and one that only the other file names.
        replace(&file, &second);
        watch.look(&gateway);
        assert_eq!(listed(&gateway).await, 2);
        replace(&previous, &key());
        watch.look(&gateway);
        assert_eq!(listed(&gateway).await, 3);
    }

    #[test]
    fn nobody_watches_keys_that_are_not_used() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(BackendKeyWatch::new(&BackendJwt::default(), folder.path()).is_none());
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_used_keeps_the_gateway_from_starting() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("backend-jwt-rs256.pem"), "nonsense").expect("written");
        let started = start(&turned_on(), folder.path());
        assert!(matches!(started, Err(gateway::StartError::BackendJwts(_))));
    }
}
