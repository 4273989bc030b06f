//! What an engine's error means to the caller.

use sqlx::error::ErrorKind;

use super::statement::Table;
use crate::error::StoreError;

/// No answer, a full pool, a lock that was not given in time, a statement that the engine refused.
pub(crate) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

pub(super) fn of_statement(error: sqlx::Error, table: &'static Table) -> StoreError {
    let Some(violation) = error.as_database_error() else {
        return unavailable(error);
    };
    match violation.kind() {
        ErrorKind::UniqueViolation => {
            let broken = table.unique.iter().find(|unique| {
                violation.constraint() == Some(unique.constraint)
                    || violation
                        .message()
                        .strip_prefix("UNIQUE constraint failed: ")
                        == Some(unique.columns)
            });
            StoreError::Duplicate {
                noun: table.noun,
                key: broken.map_or(table.key, |unique| unique.key),
            }
        }
        ErrorKind::ForeignKeyViolation => StoreError::Reference { noun: table.noun },
        _ => unavailable(error),
    }
}
