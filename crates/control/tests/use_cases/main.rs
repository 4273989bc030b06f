//! The use-cases over a real database (SQLite, or PostgreSQL where the environment names one), with a clock that
//! tests turn and a seeded random source.

#[cfg(test)]
mod api;
#[cfg(test)]
mod application;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod blocking_condition;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod database;
#[cfg(test)]
mod explanation;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod interruption;
#[cfg(test)]
mod key_manager;
#[cfg(test)]
mod key_mapping;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod subscription;
#[cfg(test)]
mod support;
#[cfg(test)]
mod throttling_policy;
