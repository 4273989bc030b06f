//! Outbound HTTP, built in one place.
