//! The first contents of a tenant: Microsoft Graph, people, and the administrator application whose
//! client id and secret let scripts perform an administrator's manual steps.

use std::{fs, io, io::Write as _, path::Path};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    config::{EmulatorConfig, TenantSeed, UserSeed},
    directory::{
        AppRoleAssignment, Application, GRAPH_APP_ID, PasswordCredential, ServicePrincipal, Tenant,
        TenantPolicies, Transaction, User, graph_service_principal,
    },
    random::Random,
    replica::{Place, View},
    state::State,
};

const ADMINISTRATORS_FILE: &str = "administrators.json";
const PEOPLE_FILE: &str = "people.json";

/// What the administrator application may do at Graph.
const ADMINISTRATOR_ROLES: [&str; 5] = [
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Policy.ReadWrite.ApplicationConfiguration",
];

const SECRET_ALPHABET: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~.-";
const DIGITS: &[u8] = b"0123456789";
const SECRET_LIFE: SignedDuration = SignedDuration::from_hours(24 * 365 * 2);

/// The credentials of a tenant's administrator application.
#[derive(Clone, Debug)]
pub struct AdministratorCredentials {
    /// The tenant it administers.
    pub tenant_id: Uuid,
    /// Its client id.
    pub client_id: Uuid,
    /// Its secret.
    pub client_secret: SecretString,
}

/// The password of a person for whom the configuration gives none.
#[derive(Clone, Debug)]
pub struct PersonCredentials {
    /// The tenant they belong to.
    pub tenant_id: Uuid,
    /// The name to sign in with.
    pub user_principal_name: String,
    /// The password.
    pub password: SecretString,
}

/// What a tenant begins with and nobody else knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planted {
    pub(crate) administrators: Vec<AdministratorCredentials>,
    pub(crate) people: Vec<PersonCredentials>,
}

/// How the data folder keeps a person's credentials.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptPerson {
    tenant_id: Uuid,
    user_principal_name: String,
    password: String,
}

/// How the data folder keeps an administrator's credentials.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptAdministrator {
    tenant_id: Uuid,
    client_id: Uuid,
    client_secret: String,
}

/// Creates the configured tenants in an empty directory. In a kept one, finds their administrators
/// and people again (their secrets are in the data folder's `administrators.json` and
/// `people.json`), or gives each tenant of an imported one an administrator.
pub(crate) fn plant_all(config: &EmulatorConfig, state: &State) -> io::Result<Planted> {
    let folder = config.data_folder.as_deref();
    if let Some(kept) = folder.map(read).transpose()?.flatten() {
        return Ok(kept);
    }
    let now = state.now();
    let (random, existing) = (&state.random, tenants(state));
    let (planted, _) = state.write(|transaction| {
        let mut planted = Planted::default();
        if existing.is_empty() {
            for seed in &config.tenants {
                let (administrator, people) = plant(seed, transaction, random, now);
                planted.administrators.push(administrator);
                planted.people.extend(people);
            }
        }
        for tenant in &existing {
            let (id, secret) = (random.uuid(), new_secret(random));
            let administrator = plant_administrator(transaction, tenant, id, secret, random, now);
            planted.administrators.push(administrator);
        }
        planted
    });
    if let Some(folder) = folder {
        keep(folder, &planted)?;
    }
    Ok(planted)
}

fn tenants(state: &State) -> Vec<Tenant> {
    state
        .directory()
        .tenants()
        .map(|tenant| Tenant::clone(tenant))
        .collect()
}

/// Creates a tenant. Returns the credentials of its administrator application, and the passwords that
/// were made up here.
pub(crate) fn plant(
    seed: &TenantSeed,
    transaction: &mut Transaction<'_>,
    random: &Random,
    now: Timestamp,
) -> (AdministratorCredentials, Vec<PersonCredentials>) {
    let tenant_id = seed.id.unwrap_or_else(|| random.uuid());
    let tenant = transaction.put(Tenant {
        id: tenant_id,
        display_name: seed.display_name.clone(),
        domains: seed.domains.clone(),
        profile: seed.profile,
        policies: TenantPolicies::default(),
    });
    let mut people = Vec::new();
    for user in &seed.users {
        let password = user.password.clone().unwrap_or_else(|| {
            let password = new_secret(random);
            people.push(PersonCredentials {
                tenant_id,
                user_principal_name: user.user_principal_name.clone(),
                password: SecretString::from(password.clone()),
            });
            password
        });
        transaction.put(person(user, &password, tenant_id, random));
    }
    let client_id = seed
        .administrator_client_id
        .unwrap_or_else(|| random.uuid());
    let secret = seed
        .administrator_client_secret
        .clone()
        .unwrap_or_else(|| new_secret(random));
    let administrator = plant_administrator(transaction, &tenant, client_id, secret, random, now);
    (administrator, people)
}

/// Creates a tenant's administrator application, and Microsoft Graph where it is missing.
fn plant_administrator(
    transaction: &mut Transaction<'_>,
    tenant: &Tenant,
    client_id: Uuid,
    secret: String,
    random: &Random,
    now: Timestamp,
) -> AdministratorCredentials {
    let tenant_id = tenant.id;
    let view = View {
        place: Place::Primary,
        now,
    };
    let graph = transaction
        .directory()
        .service_principal_by_app_id(tenant_id, GRAPH_APP_ID, view)
        .unwrap_or_else(|| transaction.put(graph_service_principal(random.uuid(), tenant_id, now)));
    let name = "Emulator administrator";
    let mut administrator = Application::new(random.uuid(), client_id, tenant_id, name);
    administrator.created_date_time = Some(now);
    administrator.publisher_domain = Some(tenant.initial_domain().to_owned());
    administrator.password_credentials = vec![PasswordCredential {
        key_id: random.uuid(),
        display_name: Some("seed".to_owned()),
        hint: Some(secret.chars().take(3).collect()),
        start_date_time: now,
        end_date_time: now.checked_add(SECRET_LIFE).unwrap_or(Timestamp::MAX),
        secret_hash: PasswordCredential::hash_of(&secret),
    }];
    let mut principal = ServicePrincipal::of(&administrator, random.uuid(), tenant_id);
    principal.created_date_time = Some(now);
    principal.directory_roles = vec!["Cloud Application Administrator".to_owned()];
    transaction.put(administrator);
    let principal = transaction.put(principal);
    for role in &graph.app_roles {
        let is_wanted = role
            .value
            .as_deref()
            .is_some_and(|value| ADMINISTRATOR_ROLES.contains(&value));
        if !is_wanted {
            continue;
        }
        transaction.put(AppRoleAssignment {
            id: random.uuid(),
            tenant_id,
            app_role_id: role.id,
            created_date_time: Some(now),
            principal_id: principal.id,
            principal_display_name: principal.display_name.clone(),
            principal_type: "ServicePrincipal".to_owned(),
            resource_id: graph.id,
            resource_display_name: graph.display_name.clone(),
        });
    }
    AdministratorCredentials {
        tenant_id,
        client_id,
        client_secret: SecretString::from(secret),
    }
}

/// A client secret of Entra's shape: 40 characters, three, a digit, `Q~`, then the rest.
pub(crate) fn new_secret(random: &Random) -> String {
    let head = random.text(3, SECRET_ALPHABET);
    let digit = random.text(1, DIGITS);
    let tail = random.text(34, SECRET_ALPHABET);
    format!("{head}{digit}Q~{tail}")
}

/// What was kept; `None` when no administrators were, as in an imported directory.
fn read(folder: &Path) -> io::Result<Option<Planted>> {
    let Some(administrators) = read_list::<KeptAdministrator>(&folder.join(ADMINISTRATORS_FILE))?
    else {
        return Ok(None);
    };
    let people = read_list::<KeptPerson>(&folder.join(PEOPLE_FILE))?.unwrap_or_default();
    let administrators = administrators
        .into_iter()
        .map(|one| AdministratorCredentials {
            tenant_id: one.tenant_id,
            client_id: one.client_id,
            client_secret: SecretString::from(one.client_secret),
        });
    let people = people.into_iter().map(|one| PersonCredentials {
        tenant_id: one.tenant_id,
        user_principal_name: one.user_principal_name,
        password: SecretString::from(one.password),
    });
    Ok(Some(Planted {
        administrators: administrators.collect(),
        people: people.collect(),
    }))
}

fn read_list<T: DeserializeOwned>(file: &Path) -> io::Result<Option<Vec<T>>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Administrators last: a folder that has them has everything.
fn keep(folder: &Path, planted: &Planted) -> io::Result<()> {
    let people = planted.people.iter().map(|one| KeptPerson {
        tenant_id: one.tenant_id,
        user_principal_name: one.user_principal_name.clone(),
        password: one.expose_password().to_owned(),
    });
    write_list(&folder.join(PEOPLE_FILE), &people.collect::<Vec<_>>())?;
    let administrators = planted.administrators.iter().map(|one| KeptAdministrator {
        tenant_id: one.tenant_id,
        client_id: one.client_id,
        client_secret: one.expose_secret().to_owned(),
    });
    write_list(
        &folder.join(ADMINISTRATORS_FILE),
        &administrators.collect::<Vec<_>>(),
    )
}

fn write_list<T: Serialize>(file: &Path, list: &[T]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(file)?
        .write_all(&serde_json::to_vec_pretty(list)?)
}

fn person(seed: &UserSeed, password: &str, tenant_id: Uuid, random: &Random) -> User {
    User {
        id: random.uuid(),
        tenant_id,
        user_principal_name: seed.user_principal_name.clone(),
        display_name: seed.display_name.clone(),
        account_enabled: true,
        mail: Some(seed.user_principal_name.clone()),
        given_name: None,
        surname: None,
        directory_roles: seed.directory_roles.clone(),
        password_hash: PasswordCredential::hash_of(password),
    }
}

impl AdministratorCredentials {
    /// The secret's text, for the program that prints it.
    pub fn expose_secret(&self) -> &str {
        self.client_secret.expose_secret()
    }
}

impl PersonCredentials {
    /// The password's text, for the program that prints it.
    pub fn expose_password(&self) -> &str {
        self.password.expose_secret()
    }
}
