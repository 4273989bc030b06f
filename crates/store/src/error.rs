//! The one error of the store.

/// What can go wrong in a repository. A `StoreError` ends the unit of work: after it only dropping the `Tx` is
/// meaningful (PostgreSQL aborts the transaction).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row was changed or removed since it was read (optimistic concurrency).
    #[error("{noun} was changed by somebody else meanwhile")]
    Stale { noun: &'static str },
    /// A uniqueness rule refused the row.
    #[error("{noun} with the same {key} already exists")]
    Duplicate {
        noun: &'static str,
        key: &'static str,
    },
    /// A row refers to something that is not there, or is referred to.
    #[error("{noun} is referred to, or refers to something that does not exist")]
    Reference { noun: &'static str },
    /// A stored value cannot be read back: names table and column, never the value.
    #[error("stored value in {table}.{column} cannot be read")]
    Corrupt {
        table: &'static str,
        column: &'static str,
    },
    /// The sealing key does not fit the stored secrets.
    #[error("a stored secret cannot be opened: is this the sealing key that it was stored with?")]
    Sealed,
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
