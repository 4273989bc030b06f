//! The claim sets of access tokens, V1 and V2 (Microsoft: *Access token claims reference*).
//!
//! `aio`, `rh`, `uti` and the `xms_` claims are opaque: nobody may read meaning into them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::client::ClientAuthentication;
use super::resource::Resource;
use crate::directory::{ServicePrincipal, Tenant, User};
use crate::random::Random;

/// Whom a token speaks for.
pub(crate) enum Subject<'a> {
    /// The client itself, with the roles it was granted at the resource.
    Client { roles: Vec<String> },
    /// A person, within the scopes that were consented to.
    Person {
        user: &'a User,
        scopes: String,
        roles: Vec<String>,
    },
}

/// Everything that an access token says.
pub(crate) struct AccessToken<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) resource: &'a Resource,
    pub(crate) client_id: uuid::Uuid,
    /// The client's presence; public clients may have none.
    pub(crate) client: Option<&'a ServicePrincipal>,
    pub(crate) authentication: ClientAuthentication,
    pub(crate) subject: Subject<'a>,
    /// NumericDates: `iat` and `nbf` are the same instant.
    pub(crate) not_before: i64,
    pub(crate) expires_at: i64,
}

impl AccessToken<'_> {
    /// The claims of the version that the resource asks for.
    pub(crate) fn claims(&self, random: &Random) -> Map<String, Value> {
        let is_v2 = self.resource.wants_v2_tokens();
        let profile = self.tenant.profile;
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("aud", json!(self.resource.audience(self.tenant)));
        set("iat", json!(self.not_before));
        set("nbf", json!(self.not_before));
        set("exp", json!(self.expires_at));
        set("aio", json!(opaque(random, 36)));
        set("rh", json!(format!("1.{}.", opaque_url(random, 24))));
        set("tid", json!(self.tenant.id));
        set("uti", json!(opaque_url(random, 16)));
        set("xms_ftd", json!(opaque_url(random, 48)));
        if is_v2 {
            set("iss", json!(profile.v2_issuer(self.tenant.id)));
            set("azp", json!(self.client_id));
            set("azpacr", json!(self.authentication.class()));
            set("ver", json!("2.0"));
        } else {
            set("iss", json!(profile.v1_issuer(self.tenant.id)));
            set("appid", json!(self.client_id));
            set("appidacr", json!(self.authentication.class()));
            set("ver", json!("1.0"));
        }
        match &self.subject {
            Subject::Client { roles } => self.add_client(&mut claims, roles, is_v2),
            Subject::Person {
                user,
                scopes,
                roles,
            } => {
                self.add_person(&mut claims, user, scopes, roles, is_v2);
            }
        }
        claims
    }

    fn add_client(&self, claims: &mut Map<String, Value>, roles: &[String], is_v2: bool) {
        if let Some(principal) = self.client {
            claims.insert("oid".to_owned(), json!(principal.id));
            claims.insert("sub".to_owned(), json!(principal.id));
        }
        if !is_v2 {
            let issuer = self.tenant.profile.v1_issuer(self.tenant.id);
            claims.insert("idp".to_owned(), json!(issuer));
        }
        // Graph's registration asks for it; others get it only on request.
        if self.resource.is_graph() || self.resource.wants_claim("idtyp") {
            claims.insert("idtyp".to_owned(), json!("app"));
        }
        if self.resource.is_graph() {
            claims.insert("app_displayname".to_owned(), json!(self.client_name()));
        }
        add_roles(claims, roles);
    }

    fn add_person(
        &self,
        claims: &mut Map<String, Value>,
        user: &User,
        scopes: &str,
        roles: &[String],
        is_v2: bool,
    ) {
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("oid", json!(user.id));
        set(
            "sub",
            json!(pairwise_subject(user, self.resource.principal.app_id)),
        );
        set("name", json!(user.display_name));
        set("scp", json!(scopes));
        if is_v2 {
            set("preferred_username", json!(user.user_principal_name));
        } else {
            set("acr", json!("1"));
            set("amr", json!(["pwd"]));
            set("ipaddr", json!("127.0.0.1"));
            set("unique_name", json!(user.user_principal_name));
            set("upn", json!(user.user_principal_name));
            if let Some(name) = &user.given_name {
                set("given_name", json!(name));
            }
            if let Some(name) = &user.surname {
                set("family_name", json!(name));
            }
        }
        if self.resource.is_graph() || self.resource.wants_claim("idtyp") {
            set("idtyp", json!("user"));
        }
        if self.resource.is_graph() {
            set("app_displayname", json!(self.client_name()));
        }
        add_roles(claims, roles);
    }

    fn client_name(&self) -> Option<&str> {
        self.client.map(|principal| principal.display_name.as_str())
    }
}

/// A person's `sub`: the same for one resource, different between resources (`pairwise`).
pub(crate) fn pairwise_subject(user: &User, resource: uuid::Uuid) -> String {
    let seed = [user.id.as_bytes().as_slice(), resource.as_bytes()].concat();
    crate::keys::sha256_base64url(&seed)
}

fn add_roles(claims: &mut Map<String, Value>, roles: &[String]) {
    if !roles.is_empty() {
        claims.insert("roles".to_owned(), json!(roles));
    }
}

pub(crate) fn opaque(random: &Random, length: usize) -> String {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    STANDARD.encode(bytes)
}

pub(crate) fn opaque_url(random: &Random, length: usize) -> String {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
