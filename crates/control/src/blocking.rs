//! Work that takes long on a core (hashing passwords, parsing documents) runs beside the async threads.

use crate::Error;

/// Runs `work` where blocking is allowed.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| Error::Internal(Box::new(panicked)))
}
