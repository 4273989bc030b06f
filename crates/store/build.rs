//! Tells cargo that a new migration file changes this crate: `sqlx::migrate!` cannot see files that are new.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
