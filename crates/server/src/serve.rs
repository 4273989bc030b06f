//! `claviger serve`: one node, until it is told to stop.

use secrecy::ExposeSecret;

use crate::config::Config;
use crate::demo::journey::say;
use crate::node::Node;
use crate::shutdown::asked_by_the_operating_system;

pub(crate) async fn run(config: Config) -> Result<(), String> {
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
    asked_by_the_operating_system().await?;
    tracing::info!("stopping");
    node.stop().await;
    Ok(())
}
