//! "Why was my token rejected?": the same `decide` as requests, listened to, with a fix for every reason.
//!
//! Owns the words for people. Makes no check of its own, so it cannot disagree with the gateway.

use std::sync::Arc;

use domain::SecretString;
use domain::api::{Operation, Verb};
use domain::explanation::{CheckOutcome, ExplainedCheck, Explanation};
use domain::id::ApiId;
use domain::key_mapping::KeyType;
use domain::token_profile::AudienceRule;
use jiff::Timestamp;

use crate::api::Api;
use crate::application::Mapping;
use crate::certificate_binding::Confirmation;
use crate::check::{Check, CheckObserver, Fact};
use crate::claims::Claims;
use crate::identity::{ConsumerKey, Identity};
use crate::key_manager::KeyManager;
use crate::key_manager_choice::Choice;
use crate::key_set::KeySource;
use crate::refusal::{Reason, Refusal};
use crate::snapshot::Snapshot;
use crate::subscription::Subscription;
use crate::token::Header;

/// A token, and where somebody wants to use it.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// With or without `Bearer` before it. Never stored.
    pub token: SecretString,
    pub target: ExplainTarget,
}

#[derive(Clone, Debug)]
pub enum ExplainTarget {
    /// An API as a whole: resource scopes are not looked at.
    Api { context: String, version: String },
    /// One request, path with context and version. With `api`, a path that leads to another API leads nowhere.
    Request {
        api: Option<ApiId>,
        verb: Verb,
        path: String,
    },
}

/// Writes down what `decide` says.
#[derive(Default)]
pub(crate) struct Recorder {
    outcomes: Vec<(Check, Option<Reason>)>,
    api: Option<Arc<Api>>,
    operation: Option<Operation>,
    header: Option<Header>,
    claims: Option<Claims>,
    key_manager: Option<(Arc<KeyManager>, Choice)>,
    identity: Option<Identity>,
    mapping: Option<Mapping>,
    subscription: Option<Subscription>,
    /// Business plan.
    plan: Option<Arc<str>>,
    key_type: Option<KeyType>,
}

impl CheckObserver for Recorder {
    fn saw(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Api(api) => self.api = Some(Arc::clone(api)),
            Fact::Operation(operation) => self.operation = Some(operation.clone()),
            Fact::Header(header) => self.header = Some(header.clone()),
            Fact::Claims(claims) => self.claims = Some(claims.clone()),
            Fact::KeyManager(one, choice) => self.key_manager = Some((Arc::clone(one), choice)),
            Fact::Identity(identity) => self.identity = Some(identity.clone()),
            Fact::Mapping(mapping) => self.mapping = Some(mapping.clone()),
            Fact::Subscription(one, plan) => {
                self.subscription = Some(one.clone());
                self.plan = plan.cloned();
            }
            Fact::KeyType(key_type) => self.key_type = Some(key_type),
        }
    }

    fn passed(&mut self, check: Check) {
        self.outcomes.push((check, None));
    }

    fn failed(&mut self, check: Check, reason: Reason) {
        self.outcomes.push((check, Some(reason)));
    }
}

impl Recorder {
    /// `refusal` is what `decide` ended with.
    pub(crate) fn explanation(
        &self,
        refusal: Option<&Refusal>,
        snapshot: &Snapshot,
        now: i64,
    ) -> Explanation {
        let checks = Check::ALL
            .into_iter()
            .filter(|check| self.concerns(*check))
            .map(|check| {
                let outcome = self.outcomes.iter().rev().find(|(made, _)| *made == check);
                match outcome {
                    None => bare(check, CheckOutcome::NotReached),
                    Some((_, None)) => ExplainedCheck {
                        seen: self.seen(check),
                        ..bare(check, CheckOutcome::Passed)
                    },
                    Some((_, Some(reason))) => ExplainedCheck {
                        seen: self.seen(check),
                        expected: self.expected(check, snapshot, now),
                        fix: Some(self.fix(*reason)),
                        ..bare(check, CheckOutcome::Failed)
                    },
                }
            })
            .collect();
        Explanation {
            accepted: refusal.is_none(),
            code: refusal.map(|refusal| refusal.code().to_owned()),
            reason: refusal.map(|refusal| refusal.reason.as_str().to_owned()),
            checks,
            application: self.mapping.as_ref().map(|mapping| mapping.application_id),
        }
    }

    /// Whether the check belongs to the way that this token takes.
    fn concerns(&self, check: Check) -> bool {
        let was_made = |wanted| self.outcomes.iter().any(|(made, _)| *made == wanted);
        match check {
            Check::Algorithm | Check::Key | Check::Signature => !was_made(Check::Introspection),
            Check::Introspection | Check::Certificate => was_made(check),
            _ => true,
        }
    }

    fn key_manager(&self) -> Option<&KeyManager> {
        self.key_manager.as_ref().map(|(one, _)| one.as_ref())
    }

    fn seen(&self, check: Check) -> Option<String> {
        match check {
            Check::Route => self.api.as_ref().map(|api| match &self.operation {
                Some(operation) => {
                    format!(
                        "{} {} of {}",
                        operation.verb.as_str(),
                        operation.target,
                        api.base_path()
                    )
                }
                None => api.base_path().to_owned(),
            }),
            // An explanation has no connection, and so no certificate.
            Check::Credential
            | Check::Format
            | Check::Signature
            | Check::Introspection
            | Check::Certificate
            | Check::CallerBlocking
            | Check::Throttling => None,
            Check::RequestBlocking => self.api.as_ref().map(|api| api.base_path().to_owned()),
            Check::Revocation => self.seen_by_revocations(),
            Check::KeyManager => Some(self.seen_key_manager()),
            Check::Algorithm => Some(self.header.as_ref()?.algorithm.clone()),
            Check::Key => {
                let header = self.header.as_ref()?;
                header
                    .key_id
                    .clone()
                    .or_else(|| header.certificate_thumbprint.clone())
            }
            Check::Time => self.seen_times(),
            Check::TokenType => Some(format!("{:?}", self.key_manager()?.entry.token_type)),
            Check::Audience => Some(self.claims.as_ref()?.texts("aud").join(", ")),
            Check::ConsumerKey => Some(self.seen_consumer_keys()),
            Check::Application => match &self.identity.as_ref()?.consumer_key {
                ConsumerKey::Known(key) => Some(format!("consumer key {key}")),
                ConsumerKey::Missing | ConsumerKey::Ambiguous => None,
            },
            Check::Subscription => self.subscription.as_ref().map(|subscription| {
                format!(
                    "{} under {}",
                    subscription.status.as_str(),
                    self.plan.as_deref().unwrap_or("no plan")
                )
            }),
            Check::Endpoint => self.key_type.map(|key_type| key_type.as_str().to_owned()),
            Check::Scopes => Some(self.identity.as_ref()?.scopes.join(" ")),
        }
        .filter(|text| !text.is_empty())
    }

    fn expected(&self, check: Check, snapshot: &Snapshot, now: i64) -> Option<String> {
        let profile = self.key_manager().map(KeyManager::profile);
        match check {
            Check::KeyManager => {
                let accepted = snapshot
                    .key_managers()
                    .filter(|one| self.api.as_ref().is_none_or(|api| api.accepts(one)));
                let mut issuers: Vec<_> = accepted
                    .flat_map(|one| one.profile().issuers.clone())
                    .collect();
                issuers.sort();
                issuers.dedup();
                Some(format!("one of {}", issuers.join(", ")))
            }
            Check::Algorithm => {
                let names: Vec<_> = profile?.algorithms.iter().map(|one| one.as_str()).collect();
                Some(format!("one of {}", names.join(", ")))
            }
            Check::Key => match &self.key_manager()?.keys {
                KeySource::Remote(set) => Some(format!(
                    "one of {} (from {})",
                    set.keys().ids().join(", "),
                    set.url()
                )),
                KeySource::Certificates(certificates) => Some(format!(
                    "one of {} configured certificates",
                    certificates.len()
                )),
                KeySource::None => None,
            },
            Check::Time => Some(format!("valid at {}", written(now))),
            Check::Introspection => Some(format!("{} says active", self.key_manager()?.name())),
            Check::Certificate => match self.identity.as_ref()?.confirmation {
                Confirmation::Certificate(digest) => {
                    Some(format!("a client certificate with the SHA-256 {digest}"))
                }
                Confirmation::None | Confirmation::Unknown => None,
            },
            Check::Audience => {
                let own = match &profile?.audience {
                    AudienceRule::Any => None,
                    AudienceRule::OwnClient => {
                        Some("the consumer key, or api:// before it".to_owned())
                    }
                    AudienceRule::OneOf(accepted) => Some(accepted.join(", ")),
                };
                let demanded = self.api.as_ref().map(|api| api.entry.audiences.join(", "));
                let all: Vec<_> = own
                    .into_iter()
                    .chain(demanded.filter(|list| !list.is_empty()))
                    .collect();
                Some(all.join("; and for this API "))
            }
            Check::ConsumerKey => Some(format!(
                "claim {}",
                profile?.consumer_key_claims.join(" or ")
            )),
            Check::Subscription => {
                let api = self.api.as_ref()?;
                Some(format!(
                    "an unblocked subscription to {} {}",
                    api.entry.name, api.entry.version
                ))
            }
            Check::Scopes => Some(format!(
                "one of {}",
                self.operation.as_ref()?.scopes.join(" ")
            )),
            Check::Route
            | Check::RequestBlocking
            | Check::Credential
            | Check::Format
            | Check::Signature
            | Check::Revocation
            | Check::TokenType
            | Check::Application
            | Check::Endpoint
            | Check::CallerBlocking
            | Check::Throttling => None,
        }
    }

    /// The issuer, and who took the token where others might have.
    fn seen_key_manager(&self) -> String {
        let issuer = self.claims.as_ref().and_then(|claims| claims.text("iss"));
        let mut text = issuer.unwrap_or_default().to_owned();
        if let Some((key_manager, choice)) = &self.key_manager {
            let name = key_manager.name();
            match (issuer, choice) {
                (None, _) => text = format!("no issuer, taken by key manager {name}"),
                (Some(_), Choice::Only) => {}
                (Some(_), Choice::KnowsClient) => {
                    text.push_str(", taken by key manager ");
                    text.push_str(name);
                    text.push_str(", which knows the token's client");
                }
                (Some(_), Choice::Oldest) => {
                    text.push_str(", taken by key manager ");
                    text.push_str(name);
                    text.push_str(", the oldest of several: none knows the token's client");
                }
            }
        }
        text
    }

    /// The token's own claims: what it was verified to be is told later.
    fn seen_by_revocations(&self) -> Option<String> {
        let claims = self.claims.as_ref()?;
        let issued = match claims.time("iat") {
            crate::claims::TimeClaim::At(at) => format!("issued {}", written(at)),
            _ => "issued at no known time".to_owned(),
        };
        let token_id = ["jti", "uti"].iter().find_map(|name| claims.text(name));
        Some(token_id.map_or(issued.clone(), |id| format!("{issued}, id {id}")))
    }

    fn seen_times(&self) -> Option<String> {
        let claims = self.claims.as_ref()?;
        let times: Vec<_> = [("nbf", "from"), ("exp", "until")]
            .iter()
            .filter_map(|(name, word)| match claims.time(name) {
                crate::claims::TimeClaim::At(at) => Some(format!("{word} {}", written(at))),
                crate::claims::TimeClaim::Absent => None,
                crate::claims::TimeClaim::Malformed => Some(format!("{name} is no time")),
            })
            .collect();
        Some(times.join(" "))
    }

    fn seen_consumer_keys(&self) -> String {
        let (Some(claims), Some(key_manager)) = (&self.claims, self.key_manager()) else {
            return String::new();
        };
        let names = &key_manager.profile().consumer_key_claims;
        let is_answer = self.outcomes.contains(&(Check::Introspection, None));
        let found: Vec<_> = names
            .iter()
            .map(String::as_str)
            .chain(is_answer.then_some("client_id"))
            .filter_map(|name| Some(format!("{name} = {}", claims.get(name)?)))
            .collect();
        found.join(", ")
    }

    /// What to do, in one sentence.
    fn fix(&self, reason: Reason) -> String {
        let issuer = self
            .claims
            .as_ref()
            .and_then(|claims| claims.text("iss"))
            .unwrap_or("none");
        match reason {
            Reason::PathAmbiguous => "send the path without dot segments, empty segments and encoded slashes".to_owned(),
            Reason::ApiUnknown => "check context and version in the URL, and that the API is deployed on this gateway".to_owned(),
            Reason::ResourceUnknown => "call a path that the API's definition has, or add the resource to the API and deploy it".to_owned(),
            Reason::VerbUnknown => "use a verb that the resource offers, or add the operation to the API and deploy it".to_owned(),
            Reason::ApiBlocked => "ask the API's publisher: the API is blocked in its lifecycle".to_owned(),
            Reason::CredentialMissing => "send the header 'Authorization: Bearer <access token>'".to_owned(),
            Reason::CredentialMalformed => "send one header line with the word Bearer, one space and the token, nothing else".to_owned(),
            Reason::TokenTooLong => "ask for a token with fewer claims, or raise the gateway's token size limit".to_owned(),
            Reason::TokenEmpty => "the token is empty: check the variable that should hold it".to_owned(),
            Reason::TokenOpaque => "this is no JWT, and no key manager of the API takes such tokens: ask the authorization server for a JWT access token, or give the key manager a token handling option of type REFERENCE".to_owned(),
            Reason::TokenPartCount => "a signed JWT has exactly three parts with dots between them: check that the token was copied whole, and that it is not encrypted".to_owned(),
            Reason::TokenNotBase64Url => "the token was changed on its way (line breaks, padding or other characters): copy it again".to_owned(),
            Reason::TokenHeaderMalformed | Reason::TokenClaimsMalformed => "the token is damaged: get a new one from the token endpoint".to_owned(),
            Reason::TokenHeaderCritical => "the token demands an extension (crit) that the gateway does not know: ask for a plain one".to_owned(),
            Reason::TokenKind => "this JWT is not an access token by its typ: use the access_token of the token response".to_owned(),
            Reason::IssuerMissing => "the token has no iss claim: use an access token of a configured key manager".to_owned(),
            Reason::IssuerUnknown => format!("no key manager has the issuer {issuer}: set the key manager's issuer to exactly this value, or get the token from a configured key manager"),
            Reason::IssuerV1Form => format!("this token is a V1 token: its issuer is {issuer}; set requestedAccessTokenVersion to 2 in the app's manifest, or accept V1 on this key manager"),
            Reason::IssuerV2Form => format!("this token is a V2 token: its issuer is {issuer}; accept V2 on this key manager, or set requestedAccessTokenVersion to 1"),
            Reason::KeyManagerNotAllowed => "the API does not accept tokens of this key manager: add it to the API's key managers and deploy".to_owned(),
            Reason::TokenNotHandled => "the token handling options of the issuer's key managers do not take this token: change their claim patterns".to_owned(),
            Reason::IntrospectionUnavailable => "this key manager wants introspection and cannot be asked (Entra has no introspection endpoint): turn on self-validation for JWTs".to_owned(),
            Reason::IntrospectionFailed => "the key manager gave no usable answer about the token: check its introspection endpoint and credentials, and the gateway's log".to_owned(),
            Reason::TokenInactive => "the key manager says that the token is not active (unknown to it, expired or revoked): get a new one".to_owned(),
            Reason::CertificateMissing => "the token is bound to a client certificate: call over TLS with that certificate, and let the gateway ask for it (gateway.client_certificates), or the trusted proxy before it hand it on (gateway.client_certificate_header)".to_owned(),
            Reason::CertificateOther => "the token is bound to another client certificate: use the one that the token was requested with".to_owned(),
            Reason::CertificateMalformed => "the proxy before the gateway hands on a client certificate that cannot be read: let it write one header line, as RFC 9440 says or as percent-encoded PEM, and drop what clients write there".to_owned(),
            Reason::ConfirmationUnknown => "the token is bound to a proof (cnf) that the gateway does not know: ask for a bearer token or one that is bound to a certificate".to_owned(),
            Reason::AlgorithmNotAllowed => "let the authorization server sign with an algorithm that the key manager allows".to_owned(),
            Reason::AlgorithmNotOfKey => "the token's algorithm does not belong to the kind of key that it names: the token was not made by this authorization server".to_owned(),
            Reason::KeyIdMissing => "the token names no key (kid): it cannot be verified with a key set; use certificates on the key manager if its tokens never do".to_owned(),
            Reason::KeyIdUnknown => "the key set does not have the token's key: check the key manager's JWKS address; right after a key rollover wait until the next refresh".to_owned(),
            Reason::KeySetUnavailable => "the gateway has no keys of this key manager: check its JWKS address or certificates, and that the gateway can reach them".to_owned(),
            Reason::KeyOfOtherIssuer => "the key belongs to another tenant's issuer: use the JWKS address of the token's tenant".to_owned(),
            Reason::SignatureInvalid => "the signature is not made by the named key: the token was changed, or comes from somebody else; get a new one".to_owned(),
            Reason::GraphToken => "this token is for Microsoft Graph and only Graph can verify it: request one with scope api://<client id>/.default".to_owned(),
            Reason::ExpiryMissing => "the token never expires (no exp): let the authorization server set a lifetime".to_owned(),
            Reason::TimeMalformed => "exp, nbf and iat must be numbers (seconds since 1970)".to_owned(),
            Reason::Expired => "the token is too old: get a new one".to_owned(),
            Reason::NotYetValid | Reason::IssuedInFuture => "the token begins later: compare the clocks of gateway and authorization server".to_owned(),
            Reason::TokenRevoked => "the token was revoked: get a new one".to_owned(),
            Reason::ConsumerKeyRevoked => "all tokens of this client that were issued until a certain time were revoked: get a new one (Entra ID dates its tokens five minutes back: wait as long)".to_owned(),
            Reason::ApiCondition => "a blocking condition stops all requests to this API: ask the administrator".to_owned(),
            Reason::AddressCondition => "a blocking condition stops requests from this address: ask the administrator".to_owned(),
            Reason::ApplicationCondition => "a blocking condition stops this application: ask the administrator".to_owned(),
            Reason::UserCondition => "a blocking condition stops the token's user or the application's owner: ask the administrator".to_owned(),
            Reason::SubscriptionCondition => "a blocking condition stops this application at this API: ask the administrator".to_owned(),
            Reason::TokenTypeExchanged => "this key manager's tokens must be exchanged first: exchange the token, or set the token type to DIRECT".to_owned(),
            Reason::Audience => "the token is meant for another API: request it with the scope of this one (for Entra: api://<client id>/.default)".to_owned(),
            Reason::ConsumerKeyMissing => "the token does not name its client: set the key manager's consumer key claim to the claim that does (for Entra: azp in V2, appid in V1)".to_owned(),
            Reason::ConsumerKeyAmbiguous => "the token's client claims contradict each other: the authorization server must write the same client into each".to_owned(),
            Reason::ClientUnmapped => "no application has this consumer key for this key manager: generate keys, or provide the existing client's keys, in the developer portal".to_owned(),
            Reason::NotSubscribed => "subscribe the application to this API in the developer portal".to_owned(),
            Reason::SubscriptionBlocked => "the subscription is blocked: ask the API's publisher".to_owned(),
            Reason::SubscriptionInactive => "the subscription is waiting for approval or was rejected: ask the API's publisher".to_owned(),
            Reason::KeyTypeWithoutEndpoint => "the API has no endpoint for this key type: use keys of the other type, or add the endpoint to the API".to_owned(),
            Reason::ScopeMissing => "request a token with one of the resource's scopes, or have the role assigned to the client".to_owned(),
            Reason::ApiLimit | Reason::ResourceLimit | Reason::SubscriptionLimit | Reason::ApplicationLimit | Reason::SubscriptionBurst | Reason::ApplicationBurst => "wait until the time in the answer, or subscribe under a wider plan".to_owned(),
            Reason::BackendJwtUnavailable => "the token is not the matter: look at the gateway's log and its signing key for backend JWTs".to_owned(),
            Reason::BackendLimit => "the API's endpoints bear no more for now: try again later, or ask the API's publisher to raise maxTps".to_owned(),
            Reason::ThrottlingPolicyUnknown => "the API, the application or the subscription names a throttling policy that is not there: give it another one".to_owned(),
            Reason::RequestUnreadable | Reason::RequestHeadTooLarge | Reason::RequestTooLarge | Reason::RequestTimeout | Reason::RequestAborted | Reason::HostInvalid | Reason::RequestLoop | Reason::UpstreamUnreachable | Reason::UpstreamBroken | Reason::UpstreamTimeout => "the token is not the matter: look at the request's size and the API's endpoint".to_owned(),
        }
    }
}

fn bare(check: Check, outcome: CheckOutcome) -> ExplainedCheck {
    ExplainedCheck {
        name: check.as_str().to_owned(),
        outcome,
        seen: None,
        expected: None,
        fix: None,
    }
}

fn written(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
