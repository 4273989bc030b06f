//! Tests over the real binaries, from outside, as a person or a script meets them. See `tests/e2e/main.rs`.
