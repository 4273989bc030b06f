//! How an emulator is set up: where it listens, what it keeps, which tenants it begins with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{directory::CloudProfile, fault::FaultRule, replica::ReplicationDelays};

/// How an emulator is set up. Also the form of the start-up file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EmulatorConfig {
    /// Where the directory, the signing keys and the development CA are kept; nothing is kept without.
    pub data_folder: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Makes identifiers, secrets, replication and faults reproducible. Never set it where secrets matter.
    pub seed: Option<u64>,
    /// Where the clock begins, standing still; it follows the system clock without.
    pub frozen_at: Option<Timestamp>,
    /// How late writes become visible.
    pub replication: ReplicationDelays,
    /// Whether Graph enforces its resource-unit limits.
    pub throttling: bool,
    /// Fault rules in force from the start.
    pub faults: Vec<FaultRule>,
    /// Tenants that are created when the data folder holds none.
    pub tenants: Vec<TenantSeed>,
}

/// A tenant to begin with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TenantSeed {
    /// The tenant id; random without.
    pub id: Option<Uuid>,
    /// What pages call it.
    pub display_name: String,
    /// Verified domains; the first should be the `….onmicrosoft.com` one.
    pub domains: Vec<String>,
    /// Which cloud's issuers and hosts its documents show.
    pub profile: CloudProfile,
    /// People who can sign in.
    pub users: Vec<UserSeed>,
    /// Client id of the administrator application; random without.
    pub administrator_client_id: Option<Uuid>,
    /// Secret of the administrator application; random without.
    pub administrator_client_secret: Option<String>,
}

/// A person to begin with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserSeed {
    /// The name to sign in with, `someone@domain`.
    pub user_principal_name: String,
    /// What pages call them.
    pub display_name: String,
    /// The password; random without, and then shown at the start.
    #[serde(default)]
    pub password: Option<String>,
    /// Directory roles by display name.
    #[serde(default)]
    pub directory_roles: Vec<String>,
}

impl Default for EmulatorConfig {
    fn default() -> Self {
        Self {
            data_folder: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: None,
            frozen_at: None,
            replication: ReplicationDelays::default(),
            throttling: true,
            faults: Vec::new(),
            tenants: vec![TenantSeed::default()],
        }
    }
}

impl Default for TenantSeed {
    fn default() -> Self {
        Self {
            id: None,
            display_name: "Fabrikam Lab".to_owned(),
            domains: vec!["fabrikamlab.onmicrosoft.com".to_owned()],
            profile: CloudProfile::Global,
            users: vec![UserSeed {
                user_principal_name: "admin@fabrikamlab.onmicrosoft.com".to_owned(),
                display_name: "Fabrikam Administrator".to_owned(),
                password: None,
                directory_roles: vec!["Global Administrator".to_owned()],
            }],
            administrator_client_id: None,
            administrator_client_secret: None,
        }
    }
}
