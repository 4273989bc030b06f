//! `claviger serve`: one node, until it is told to stop.

use secrecy::ExposeSecret;

use crate::config::Config;
use crate::node::Node;
use crate::shutdown::StopSignals;
use crate::terminal::say;

pub(crate) async fn run(config: Config) -> Result<(), String> {
    let stop = StopSignals::listen()?;
    let node = Node::start(&config).await?;
    for user in node.first_users() {
        say(&format!(
            "First start: user {:<10} password {}",
            user.username,
            user.password.expose_secret()
        ));
    }
    say(&format!(
        "Ready. Control plane {}, gateway {}",
        node.control_url(),
        node.gateway_url()
    ));
    stop.wait().await;
    tracing::info!("stopping");
    node.stop().await;
    Ok(())
}
