//! Keys and tokens: RS256 with 2048 bits, about 1.2 KB, claims as Entra ID writes them in version 2.

use std::fs;
use std::path::Path;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::{AUDIENCE, TENANT, World, consumer_key, issuer};

/// As many as Microsoft publishes.
pub(crate) const KEYS: usize = 3;

pub(crate) struct Signer {
    keys: Vec<RsaKeyPair>,
}

impl Signer {
    /// Reads the keys of an earlier run, or makes new ones and keeps them.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let keys = (0..KEYS).map(|number| {
            let file = folder.join(format!("key{number}.pkcs8"));
            if let Ok(kept) = fs::read(&file) {
                return RsaKeyPair::from_pkcs8(&kept)
                    .map_err(|error| format!("{}: {error}", file.display()));
            }
            let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|error| error.to_string())?;
            let document = key.as_der().map_err(|error| error.to_string())?;
            fs::write(&file, document.as_ref())
                .map_err(|error| format!("{}: {error}", file.display()))?;
            Ok(key)
        });
        Ok(Self {
            keys: keys.collect::<Result<_, String>>()?,
        })
    }

    /// [`Signer::open`] in a folder that may be missing, and the key set beside the keys, where a gateway finds it.
    pub(crate) fn publish(folder: &Path) -> Result<Self, String> {
        let describe = |error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(describe)?;
        let signer = Self::open(folder)?;
        fs::write(folder.join("keys.json"), signer.key_set().to_string()).map_err(describe)?;
        Ok(signer)
    }

    pub(crate) fn key_set(&self) -> Value {
        let keys = self.keys.iter().enumerate().map(|(number, key)| {
            json!({
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id(number),
                "n": URL_SAFE_NO_PAD.encode(key.public_key().modulus().big_endian_without_leading_zero()),
                "e": URL_SAFE_NO_PAD.encode(key.public_key().exponent().big_endian_without_leading_zero()),
            })
        });
        json!({"keys": keys.collect::<Vec<_>>()})
    }

    /// `SubjectPublicKeyInfo` in PEM, as haproxy wants a key.
    pub(crate) fn public_pem(&self, number: usize) -> Result<String, String> {
        let der = self.keys[number]
            .public_key()
            .as_der()
            .map_err(|error| error.to_string())?;
        Ok(pem::encode(&pem::Pem::new(
            "PUBLIC KEY",
            der.as_ref().to_vec(),
        )))
    }

    /// The token with this number, of the client whose turn it is.
    pub(crate) fn token(&self, world: World, number: usize, now: i64) -> Result<String, String> {
        let client = number % world.clients;
        let turn = number % self.keys.len();
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": key_id(turn)});
        let object = format!("0bec7000-0000-4000-8000-{client:012}");
        let claims = json!({
            "aud": AUDIENCE,
            "iss": issuer(),
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + 30 * 86_400,
            "aio": format!("k2RgYFjLHaHr/9tt2vKoz7s27nGeyrg2fH3S1iQvo9Rtm15pHg0A{number:08}"),
            "azp": consumer_key(client),
            "azpacr": "1",
            "idtyp": "app",
            "oid": object,
            "rh": "1.AXkAUQ88fX2fLkqPXGoKXpscER6cClsOb1ZKnQ8NnHpMLxAAAAA.",
            "roles": ["Items.Read.All", "Items.ReadWrite.All"],
            "sub": object,
            "tid": TENANT,
            "uti": format!("uti-{number:018}"),
            "ver": "2.0",
        });
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let key = &self.keys[turn];
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        )
        .map_err(|error| error.to_string())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// `path token`, a line each.
    pub(crate) fn lines(&self, world: World, count: usize, now: i64) -> Result<String, String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = count.div_ceil(threads);
        let parts: Vec<Result<String, String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|part| {
                    scope.spawn(move || {
                        let numbers = part * share..((part + 1) * share).min(count);
                        let mut lines = String::with_capacity(numbers.len() * 1_400);
                        for number in numbers {
                            lines.push_str(&world.path_of(number % world.clients));
                            lines.push(' ');
                            lines.push_str(&self.token(world, number, now)?);
                            lines.push('\n');
                        }
                        Ok(lines)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| Err("a signing thread ended badly".to_owned()))
                })
                .collect()
        });
        parts.into_iter().collect()
    }
}

fn key_id(number: usize) -> String {
    // As long as Microsoft's.
    format!("bench-key-{number:017}")
}
