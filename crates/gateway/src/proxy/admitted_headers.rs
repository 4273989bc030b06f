//! Header lines of an admitted request and of its answer that are the same whichever proxy carries them, ours or
//! another.

use http::{HeaderMap, HeaderValue};

use crate::api::Api;
use crate::client_certificate;
use crate::decision::Admission;
use crate::engine::Engine;
use crate::mediation;
use crate::refusal::Reason;

/// What the API's publisher and the gateway say to the upstream, over what the client said.
pub(super) fn tell_upstream(
    engine: &Engine,
    admission: &Admission,
    headers: &mut HeaderMap,
) -> Result<(), Reason> {
    client_certificate::remove(&engine.config.trusted_proxies, headers);
    if let Some(edits) = &admission.edits {
        mediation::apply(&edits.request, headers);
    }
    // After the edits: nobody else speaks for the gateway.
    if let Some(tokens) = &engine.backend_jwts {
        tokens.write(admission, engine.clock.now().as_second(), headers)?;
    }
    Ok(())
}

/// Lets the page that asked read the answer, where the policy says so.
pub(super) fn make_readable(
    engine: &Engine,
    api: Option<&Api>,
    origin: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    if let Some(policy) = engine.cors(api) {
        policy.decorate(origin, headers);
    }
}
