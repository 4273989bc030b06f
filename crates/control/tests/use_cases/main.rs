//! The use-cases over a real SQLite database, with a clock that tests turn and a seeded random source.

mod api;
mod application;
mod audit;
mod identity;
mod subscription;
mod support;
