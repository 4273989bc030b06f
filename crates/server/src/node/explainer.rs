//! Lets control ask the gateway what it makes of a token.

use std::sync::Arc;

use gateway::Gateway;

pub(crate) struct GatewayExplainer(pub(crate) Arc<Gateway>);
