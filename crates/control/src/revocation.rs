//! Revocations: an administrator ends a token or all tokens of a client, a developer those of their own keys.
//!
//! A token is digested and forgotten at once. Authorization servers are not told: their tokens carry their own end,
//! and it is the gateway that stops believing them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::{ApplicationId, KeyManagerId, KeyMappingId, RevocationId};
use domain::revocation::{
    LONGEST_LEEWAY_SECONDS, MOST_REVOCATIONS, Revocation, RevokedSubject, revocable_part,
};
use domain::user::Actor;
use domain::{Invalid, SecretString};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::snapshot_change::ChangedNoun;
use store::{Listed, Page, StoreError, Tx};

use crate::application::find_owned;
use crate::error::{NotPossible, Noun};
use crate::explanation::LONGEST_TOKEN;
use crate::identity::authorization::require;
use crate::identity::sha256_hex;
use crate::key_mapping::KEYS;
use crate::transaction::repeat_when_overtaken;
use crate::{Control, Error};

/// REST scopes that may see and make revocations.
const ADMINISTRATION: &[&str] = &["apim:admin", "apim:keymanagers_manage"];

/// How often expired revocations are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// How many of them are removed in one transaction.
const SWEPT_AT_ONCE: u32 = 500;

/// Characters of a token's identifier or a consumer key.
const LONGEST_NAME: usize = 512;

/// What an administrator revokes.
#[derive(Clone, Debug)]
pub enum Revoke {
    /// A token as it was sent, with or without `Bearer` before it.
    Token(SecretString),
    TokenId {
        /// Id or name.
        key_manager: String,
        token_id: String,
        /// When the token ends, where that is known; without it the revocation is kept until somebody deletes it.
        expires_at: Option<Timestamp>,
    },
    ConsumerKey {
        /// Id or name.
        key_manager: String,
        consumer_key: String,
        /// Not later than now, which it is when it is missing.
        issued_before: Option<Timestamp>,
    },
}

/// A revocation as people see it.
#[derive(Clone, Debug)]
pub struct RevocationView {
    pub revocation: Revocation,
    /// Name of its key manager; the id where that is gone.
    pub key_manager: Option<String>,
}

#[derive(Clone, Copy)]
pub struct Revocations<'a> {
    control: &'a Control,
}

impl<'a> Revocations<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Newest first.
    pub async fn list(&self, actor: &Actor, page: Page) -> Result<Listed<RevocationView>, Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.store().read().await?;
        let listed = tx.revocations().list(page).await?;
        let mut items = Vec::with_capacity(listed.items.len());
        for revocation in listed.items {
            items.push(view(&mut *tx, revocation).await?);
        }
        Ok(Listed {
            items,
            total: listed.total,
        })
    }

    /// Gateways refuse it from their next snapshot on. What is revoked already stays so; of a client the later
    /// instant counts. `Invalid` names the wrong field, a token that has expired included.
    pub async fn create(&self, actor: &Actor, wanted: Revoke) -> Result<RevocationView, Error> {
        require(actor, ADMINISTRATION)?;
        let now = self.control.clock().now();
        let (subject, expires_at) = match &wanted {
            Revoke::Token(token) => of_token(token.expose_secret(), now)?,
            Revoke::TokenId {
                key_manager,
                token_id,
                expires_at,
            } => {
                check_name("tokenId", token_id)?;
                let expires_at = expires_at.map(kept_until);
                if expires_at.is_some_and(|at| at <= now) {
                    return Err(Invalid::field("expiresAt", "must lie in the future").into());
                }
                let subject = RevokedSubject::TokenId {
                    key_manager_id: self.key_manager(key_manager).await?,
                    token_id: token_id.clone(),
                };
                (subject, expires_at)
            }
            Revoke::ConsumerKey {
                key_manager,
                consumer_key,
                issued_before,
            } => {
                check_name("consumerKey", consumer_key)?;
                let issued_before = issued_before.unwrap_or(now);
                if issued_before > now {
                    return Err(Invalid::field("issuedBefore", "must not lie in the future").into());
                }
                let subject = RevokedSubject::ConsumerKey {
                    key_manager_id: self.key_manager(key_manager).await?,
                    consumer_key: consumer_key.clone(),
                    issued_before,
                };
                (subject, None)
            }
        };
        self.put(actor, subject, expires_at).await
    }

    /// A developer ends all tokens that were issued to these keys until now; new ones pass. For Entra ID that begins
    /// five minutes later: it dates its tokens back by so much.
    pub async fn create_for_key(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<RevocationView, Error> {
        require(actor, KEYS)?;
        let mut tx = self.control.store().read().await?;
        find_owned(&mut *tx, actor, application).await?;
        let mapping = tx.key_mappings().find_in(application, id).await?;
        let mapping = mapping.ok_or(Error::NotFound(Noun::KeyMapping))?;
        drop(tx);
        let consumer_key = mapping.consumer_key.ok_or(NotPossible::ClientNotFound)?;
        let subject = RevokedSubject::ConsumerKey {
            key_manager_id: mapping.key_manager_id,
            consumer_key,
            issued_before: self.control.clock().now(),
        };
        self.put(actor, subject, None).await
    }

    /// What it concerned is believed again.
    pub async fn delete(&self, actor: &Actor, id: RevocationId) -> Result<(), Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.begin().await?;
        let found = tx.revocations().find(id).await?;
        let revocation = found.ok_or(Error::NotFound(Noun::Revocation))?;
        tx.revocations().delete(id).await?;
        let details = audit_details(&revocation.subject);
        tx.record_audit(&actor.username, "revocation.delete", id, details)
            .await?;
        tx.changed(ChangedNoun::Revocation(id));
        tx.commit().await
    }

    /// Sweeps until `shutdown`. Several nodes may do so at once.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            if let Err(error) = self.sweep().await {
                tracing::error!(
                    error = %crate::error::chain(&error), "expired revocations cannot be removed"
                );
            }
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }

    /// Removes the revocations of what has ended by itself, here and from the gateways; says how many.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let now = self.control.clock().now();
        let mut swept = 0;
        loop {
            // Most of the time there is nothing, and writers need not wait to learn that.
            let mut tx = self.control.store().read().await?;
            let expired = tx.revocations().list_expired(now, SWEPT_AT_ONCE).await?;
            drop(tx);
            if expired.is_empty() {
                return Ok(swept);
            }
            let mut tx = self.control.begin().await?;
            for id in &expired {
                tx.revocations().delete(*id).await?;
                tx.changed(ChangedNoun::Revocation(*id));
            }
            tx.commit().await?;
            swept += expired.len();
        }
    }

    async fn key_manager(&self, reference: &str) -> Result<KeyManagerId, Error> {
        let mut tx = self.control.store().read().await?;
        let found = crate::key_manager::resolve(&mut *tx, reference).await?;
        found
            .map(|key_manager| key_manager.id)
            .ok_or_else(|| Invalid::field("keyManager", "is not known").into())
    }

    async fn put(
        &self,
        actor: &Actor,
        subject: RevokedSubject,
        expires_at: Option<Timestamp>,
    ) -> Result<RevocationView, Error> {
        repeat_when_overtaken(|| self.try_to_put(actor, &subject, expires_at)).await
    }

    async fn try_to_put(
        &self,
        actor: &Actor,
        subject: &RevokedSubject,
        expires_at: Option<Timestamp>,
    ) -> Result<RevocationView, Error> {
        let mut tx = self.control.begin().await?;
        if let Some(known) = tx.revocations().find_by_key(&subject.key()).await? {
            if !goes_further(subject, expires_at, &known) {
                return view(&mut *tx, known).await;
            }
            tx.revocations().delete(known.id).await?;
            tx.changed(ChangedNoun::Revocation(known.id));
        } else if tx.revocations().count().await? >= MOST_REVOCATIONS {
            return Err(Error::InUse {
                noun: Noun::Revocation,
                reason: format!("There are {MOST_REVOCATIONS} revocations; delete one first."),
            });
        }
        let revocation = Revocation {
            id: RevocationId::generate(self.control.clock(), self.control.random()),
            subject: subject.clone(),
            expires_at,
            created_by: actor.username.clone(),
            created_at: self.control.clock().now(),
        };
        let inserted = tx.revocations().insert(&revocation).await;
        inserted.map_err(|error| match error {
            // Somebody else was first: theirs is found the next time round.
            StoreError::Duplicate { .. } => Error::Stale(Noun::Revocation),
            other => other.into(),
        })?;
        let details = audit_details(subject);
        tx.record_audit(&actor.username, "revocation.create", revocation.id, details)
            .await?;
        tx.changed(ChangedNoun::Revocation(revocation.id));
        let view = view(&mut *tx, revocation).await?;
        tx.commit().await?;
        Ok(view)
    }
}

/// Whether the new one concerns more tokens, or concerns them longer.
fn goes_further(
    subject: &RevokedSubject,
    expires_at: Option<Timestamp>,
    known: &Revocation,
) -> bool {
    if let (
        RevokedSubject::ConsumerKey { issued_before, .. },
        RevokedSubject::ConsumerKey {
            issued_before: before,
            ..
        },
    ) = (subject, &known.subject)
    {
        return issued_before > before;
    }
    match (expires_at, known.expires_at) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(new), Some(old)) => new > old,
    }
}

async fn view(tx: &mut dyn Tx, revocation: Revocation) -> Result<RevocationView, Error> {
    let key_manager = match revocation.subject.key_manager_id() {
        None => None,
        Some(id) => {
            let found = tx.key_managers().find(id).await?;
            Some(found.map_or_else(|| id.to_string(), |one| one.settings.name))
        }
    };
    Ok(RevocationView {
        revocation,
        key_manager,
    })
}

/// The token's own word about its end is good enough: whoever changed it has another token.
fn of_token(token: &str, now: Timestamp) -> Result<(RevokedSubject, Option<Timestamp>), Error> {
    let token = token.trim();
    let token = match token.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer") => rest.trim(),
        None if token.eq_ignore_ascii_case("Bearer") => "",
        _ => token,
    };
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        let message = format!("must have 1 to {LONGEST_TOKEN} bytes, has {}", token.len());
        return Err(Invalid::field("token", message).into());
    }
    let expires_at = expiry(token).map(kept_until);
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Invalid::field("token", "has expired: nothing is left to revoke").into());
    }
    let subject = RevokedSubject::Token {
        digest: sha256_hex(revocable_part(token)),
    };
    Ok((subject, expires_at))
}

/// `exp` of a JWT, unverified (RFC 7519 section 4.1.4); `None` where there is none that a clock could reach.
fn expiry(token: &str) -> Option<Timestamp> {
    /// The year 9999; what is beyond the calendar is as good as never.
    const LATEST: f64 = 253_402_300_799.0;
    let payload = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let expires_at = claims.get("exp")?;
    let seconds = expires_at.as_f64()?.ceil();
    if !(0.0..=LATEST).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the lines before"
    )]
    Timestamp::from_second(seconds as i64).ok()
}

/// With the difference of clocks that a gateway may forgive.
fn kept_until(end: Timestamp) -> Timestamp {
    let leeway = SignedDuration::from_secs(LONGEST_LEEWAY_SECONDS);
    end.checked_add(leeway).unwrap_or(end)
}

fn check_name(field: &str, name: &str) -> Result<(), Invalid> {
    let mut check = domain::validation::Check::default();
    check.length(field, name, 1, LONGEST_NAME).that(
        !name.chars().any(char::is_control),
        field,
        "must not hold control characters",
    );
    check.finish()
}

fn audit_details(subject: &RevokedSubject) -> Value {
    match subject {
        RevokedSubject::Token { digest } => json!({ "tokenDigest": digest }),
        RevokedSubject::TokenId {
            key_manager_id,
            token_id,
        } => json!({ "keyManagerId": key_manager_id, "tokenId": token_id }),
        RevokedSubject::ConsumerKey {
            key_manager_id,
            consumer_key,
            issued_before,
        } => json!({
            "keyManagerId": key_manager_id,
            "consumerKey": consumer_key,
            "issuedBefore": issued_before.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_end_of_a_token_is_read_from_it_where_it_says_so() {
        let at = |second| Timestamp::from_second(second).ok();
        for (claims, expected) in [
            (r#"{"exp":1700000000}"#, at(1_700_000_000)),
            (r#"{"exp":1700000000.2}"#, at(1_700_000_001)),
            (r#"{"exp":"1700000000"}"#, None),
            (r#"{"exp":1e300}"#, None),
            (r#"{"exp":9223372036854775807}"#, None),
            ("{}", None),
            ("[]", None),
            ("no json", None),
        ] {
            assert_eq!(expiry(&jwt(claims)), expected, "{claims}");
        }
        assert_eq!(expiry("opaque"), None);
    }

    #[test]
    fn a_token_that_has_ended_needs_no_revocation_but_one_within_the_leeway_does() {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        assert!(of_token(&jwt(r#"{"exp":1699999399}"#), now).is_err());
        assert!(of_token(&jwt(r#"{"exp":1699999401}"#), now).is_ok());
    }

    #[test]
    fn a_pasted_header_is_the_token_in_it() {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let bare = of_token("opaque", now).expect("a subject");
        let pasted = of_token("  bearer  opaque\n", now).expect("a subject");
        assert_eq!(bare, pasted);
        assert!(of_token("Bearer ", now).is_err());
        assert!(of_token("   ", now).is_err());
    }
}
