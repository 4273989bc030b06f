//! An offline Microsoft Entra ID and Microsoft Graph: tokens, keys, discovery, directory, errors and
//! the troubles of the real thing, on one HTTPS listener.
//!
//! It shares no code with the connectors that are tested against it, so that one mistake cannot
//! stand on both sides of a test. Start it with [`Emulator::start`], or as the program
//! `entra-emulator`.

mod audit;
mod clock;
mod cloud;
mod config;
mod control_api;
mod directory;
mod discovery;
mod fault;
mod graph;
mod journal;
mod keys;
mod middleware;
mod pages;
mod random;
mod replica;
mod running;
mod seed;
mod state;
mod tls;
mod token_service;

pub use clock::Clock;
pub use config::{EmulatorConfig, TenantSeed, UserSeed};
pub use directory::{CloudProfile, Kind};
pub use fault::{FaultAction, FaultRule};
pub use journal::{export_folder, import_folder};
pub use random::Random;
pub use replica::{Delay, ReplicationDelays, TokenServiceDelays, WriteDelays};
pub use running::{Emulator, RunningEmulator, StartError};
pub use seed::{AdministratorCredentials, PersonCredentials};
pub use tls::DevelopmentAuthority;
