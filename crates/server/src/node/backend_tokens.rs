//! The gateway's key for backend tokens: from a file, or made once and kept in the data folder.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use gateway::{BackendTokenAlgorithm, BackendTokenConfig, BackendTokenEncoding};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::config::{BackendJwt, BackendJwtAlgorithm, BackendJwtEncoding};
use crate::tls;

/// Bound of the backend tokens that are remembered, in bytes.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// `None` where they are not turned on. An error is a sentence for the operator.
pub(super) fn settings(
    settings: &BackendJwt,
    data_folder: &Path,
) -> Result<Option<BackendTokenConfig>, String> {
    if !settings.enabled {
        return Ok(None);
    }
    let algorithm = match settings.algorithm {
        BackendJwtAlgorithm::RS256 => BackendTokenAlgorithm::RS256,
        BackendJwtAlgorithm::ES256 => BackendTokenAlgorithm::ES256,
    };
    let given = |file: &Path| (!file.as_os_str().is_empty()).then(|| tls::read(file));
    let key = match given(&settings.key_file) {
        Some(key) => SecretString::from(key?),
        None => obtain(algorithm, data_folder)?,
    };
    Ok(Some(BackendTokenConfig {
        header: settings.header.clone(),
        dialect: settings.dialect.clone(),
        issuer: settings.issuer.clone(),
        algorithm,
        lifetime: Duration::from_secs(settings.lifetime_seconds),
        encoding: match settings.encoding {
            BackendJwtEncoding::Base64Url => BackendTokenEncoding::Base64Url,
            BackendJwtEncoding::Base64 => BackendTokenEncoding::Base64,
        },
        key,
        previous_key: given(&settings.previous_key_file)
            .transpose()?
            .map(SecretString::from),
        cache_bytes: CACHE_BYTES,
    }))
}

fn obtain(algorithm: BackendTokenAlgorithm, data_folder: &Path) -> Result<SecretString, String> {
    let file = data_folder.join(match algorithm {
        BackendTokenAlgorithm::RS256 => "backend-jwt-rs256.pem",
        BackendTokenAlgorithm::ES256 => "backend-jwt-es256.pem",
    });
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => make(algorithm, &file),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn make(algorithm: BackendTokenAlgorithm, file: &Path) -> Result<SecretString, String> {
    let key = generate(algorithm).ok_or("a key for backend tokens cannot be made")?;
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
fn generate(algorithm: BackendTokenAlgorithm) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = match algorithm {
        BackendTokenAlgorithm::RS256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            der.as_ref().to_vec()
        }
        BackendTokenAlgorithm::ES256 => {
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

    use super::*;

    #[test]
    fn a_key_is_made_once_for_each_algorithm_and_only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (algorithm, name) in [
            (BackendJwtAlgorithm::RS256, "backend-jwt-rs256.pem"),
            (BackendJwtAlgorithm::ES256, "backend-jwt-es256.pem"),
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

    #[tokio::test]
    async fn a_key_that_cannot_be_used_keeps_the_gateway_from_starting() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("backend-jwt-rs256.pem"), "nonsense").expect("written");
        let wanted = BackendJwt {
            enabled: true,
            ..BackendJwt::default()
        };
        let config = GatewayConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            workers: Some(1),
            backend_tokens: settings(&wanted, folder.path()).expect("settings"),
            ..GatewayConfig::default()
        };
        let http =
            connectors::http::OutboundHttp::new(connectors::http::OutboundHttpConfig::default());
        let dependencies = GatewayDependencies {
            clock: std::sync::Arc::new(crate::system::SystemClock),
            key_set_source: std::sync::Arc::new(super::super::OutboundKeySets(
                http.expect("a client"),
            )),
            token_introspector: std::sync::Arc::new(super::super::ControlIntrospector::new()),
            access_log: Box::new(std::io::sink()),
            tracing: None,
        };
        let started = Gateway::start(config, dependencies);
        assert!(matches!(
            started,
            Err(gateway::StartError::BackendTokens(_))
        ));
    }
}
