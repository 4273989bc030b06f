//! The use-cases that need no authorization server (APIs, applications, subscriptions, identity, audit), over a
//! real SQLite database, with a clock that tests turn and a seeded random source.

#[cfg(test)]
mod api;
#[cfg(test)]
mod application;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod subscription;
#[cfg(test)]
mod support;
