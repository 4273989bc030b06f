//! The gateway and an authorization server that is none of ours. See `tests/it/main.rs`.
