//! What the process tells about itself: log output here, spans of the gateway's requests in `span_export.rs`. Its figures
//! are `node/monitoring.rs`'s business.

mod otlp;
pub(crate) mod span_export;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Sends log lines to standard error (standard output belongs to what a person asked for). Once a process.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = check_filter(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    }
    .map_err(|error| error.to_string())
}

/// The directives understood, or a sentence that says which is not.
pub(crate) fn check_filter(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| format!("log.filter: {error}"))
}
