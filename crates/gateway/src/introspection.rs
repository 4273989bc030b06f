//! Asking key managers about tokens (RFC 7662): one question a token at a time, whoever waits for the answer.
//!
//! Owns the bounds of asking. The question itself needs the key manager's credentials, so `server` brings it; what
//! an answer means is `authenticate`'s business, remembering it the token cache's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use domain::SecretString;
use domain::id::KeyManagerId;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::claims::Claims;
use crate::config::IntrospectionConfig;
use crate::key_manager::KeyManager;
use crate::refusal::Reason;

/// Largest introspection response that is read, in bytes.
pub const LARGEST_INTROSPECTION: usize = 64 * 1024;

/// Asks a key manager about a token, with the key manager's own credentials.
#[async_trait]
pub trait TokenIntrospector: Send + Sync {
    /// The body of the introspection response (RFC 7662 section 2.2), at most [`LARGEST_INTROSPECTION`] bytes.
    async fn introspect(
        &self,
        key_manager: KeyManagerId,
        token: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError>;
}

#[derive(Debug, thiserror::Error)]
pub enum TokenIntrospectorError {
    /// This key manager cannot be asked: it has no introspection endpoint, or there is nobody who knows its
    /// credentials.
    #[error("this key manager cannot be asked about tokens")]
    Unsupported,
    /// Down, slow, refusing our credentials; the text is for operators.
    #[error("{0}")]
    Failed(String),
}

/// What a key manager said about a token.
#[derive(Debug)]
pub(crate) struct Introspected {
    pub(crate) key_manager: KeyManagerId,
    /// Of the key manager, when it was asked.
    pub(crate) generation: u64,
    /// The claims of an active token, `None` for an inactive one, or why there is no answer.
    pub(crate) outcome: Result<Option<Claims>, Reason>,
}

/// A key manager under its present settings, and the SHA-256 of a token.
type Question = (KeyManagerId, u64, [u8; 32]);

/// The questions that are under way.
pub(crate) struct Introspections {
    introspector: Arc<dyn TokenIntrospector>,
    /// Where they are asked: not on the workers, whose connections must outlive no worker.
    runtime: Handle,
    config: IntrospectionConfig,
    places: Semaphore,
    under_way: Mutex<HashMap<Question, watch::Receiver<Option<Arc<Introspected>>>>>,
    asked: AtomicU64,
    failed: AtomicU64,
}

/// Ends a question, whatever became of it.
struct UnderWay {
    all: Arc<Introspections>,
    question: Question,
}

impl Introspections {
    pub(crate) fn new(
        introspector: Arc<dyn TokenIntrospector>,
        runtime: Handle,
        config: IntrospectionConfig,
    ) -> Arc<Self> {
        Arc::new(Self {
            introspector,
            runtime,
            places: Semaphore::new(config.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            config,
            under_way: Mutex::default(),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// What the key manager says about the token now. Bounded in time; many callers share one question.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        key_manager: &KeyManager,
        token: &SecretString,
    ) -> Arc<Introspected> {
        let digest = digest_of(token.expose_secret());
        let question = (key_manager.id(), key_manager.generation, digest);
        let Some(mut answer) = self.start_or_join(question, key_manager, token) else {
            tracing::warn!(
                key_manager.name = key_manager.name(),
                "too many tokens wait for introspection"
            );
            return Arc::new(no_answer(question, Reason::IntrospectionFailed));
        };
        let found = answer.wait_for(Option::is_some).await;
        match found.as_deref() {
            Ok(Some(found)) => Arc::clone(found),
            // The gateway stops.
            Ok(None) | Err(_) => Arc::new(no_answer(question, Reason::IntrospectionFailed)),
        }
    }

    /// Questions asked, and those among them that failed, since the start.
    pub(crate) fn figures(&self) -> (u64, u64) {
        (
            self.asked.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }

    /// `None` when too many are under way.
    fn start_or_join(
        self: &Arc<Self>,
        question: Question,
        key_manager: &KeyManager,
        token: &SecretString,
    ) -> Option<watch::Receiver<Option<Arc<Introspected>>>> {
        let mut under_way = self.under_way();
        if let Some(known) = under_way.get(&question) {
            return Some(known.clone());
        }
        if under_way.len() >= self.config.waiting {
            return None;
        }
        let (tell, answer) = watch::channel(None);
        under_way.insert(question, answer.clone());
        let guard = UnderWay {
            all: Arc::clone(self),
            question,
        };
        let (name, token) = (key_manager.name().to_owned(), token.clone());
        self.runtime.spawn(async move {
            let answer = guard.all.ask_once(question, &name, &token).await;
            // Before it is told: who asks after that gets an answer of their own time.
            drop(guard);
            tell.send_replace(Some(Arc::new(answer)));
        });
        Some(answer)
    }

    async fn ask_once(&self, question: Question, name: &str, token: &SecretString) -> Introspected {
        let asking = async {
            // Waiting for a place counts as waiting.
            let _place = self.places.acquire().await;
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.introspector.introspect(question.0, token).await
        };
        let answered = timeout(self.config.timeout, asking).await;
        let error = match answered {
            Ok(Ok(body)) => match parse(&body) {
                Ok(outcome) => {
                    return Introspected {
                        outcome: Ok(outcome),
                        ..no_answer(question, Reason::IntrospectionFailed)
                    };
                }
                Err(wrong) => wrong.to_owned(),
            },
            Ok(Err(TokenIntrospectorError::Unsupported)) => {
                return no_answer(question, Reason::IntrospectionUnavailable);
            }
            Ok(Err(TokenIntrospectorError::Failed(error))) => error,
            Err(_) => "no answer in time".to_owned(),
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            key_manager.name = name,
            error,
            "a token could not be introspected"
        );
        no_answer(question, Reason::IntrospectionFailed)
    }

    fn under_way(
        &self,
    ) -> MutexGuard<'_, HashMap<Question, watch::Receiver<Option<Arc<Introspected>>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.under_way().remove(&self.question);
    }
}

fn no_answer(question: Question, reason: Reason) -> Introspected {
    Introspected {
        key_manager: question.0,
        generation: question.1,
        outcome: Err(reason),
    }
}

/// RFC 7662 section 2.2: `active` must be there and say true or false.
pub(crate) fn parse(body: &[u8]) -> Result<Option<Claims>, &'static str> {
    if body.len() > LARGEST_INTROSPECTION {
        return Err("the introspection response is too long");
    }
    let claims = Claims::parse(body)
        .map_err(|_| "the introspection response is no JSON object with every member once")?;
    match claims.get("active") {
        Some(Value::Bool(true)) => Ok(Some(claims)),
        Some(Value::Bool(false)) => Ok(None),
        _ => Err("the introspection response does not say whether the token is active"),
    }
}

fn digest_of(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_true_is_active() {
        assert!(matches!(parse(br#"{"active":true}"#), Ok(Some(_))));
        assert!(matches!(
            parse(br#"{"active":false,"scope":"a"}"#),
            Ok(None)
        ));
        for wrong in [
            &b""[..],
            b"{}",
            b"true",
            br#"{"active":"true"}"#,
            br#"{"active":1}"#,
            br#"{"active":null}"#,
            br#"{"active":false,"active":true}"#,
        ] {
            assert!(parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        let mut long = br#"{"active":true,"x":""#.to_vec();
        long.resize(LARGEST_INTROSPECTION, b'x');
        long.extend(br#""}"#);
        assert!(parse(&long).is_err());
    }
}
