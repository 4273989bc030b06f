//! Thousands of connections at once: the gateway answers among them, and nothing of them stays.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::raw::{PATIENCE, connect, head, read_head};
use crate::support::world::{World, test_config, token, until};

const WAVES: usize = 20;
/// Both ends are ours, and the upstream as well: a wave stays below the thousand descriptors that are usual.
const CONNECTIONS: usize = 150;

fn open_connections(world: &World) -> u64 {
    let metrics = world.gateway.metrics();
    metrics
        .lines()
        .find_map(|line| line.strip_prefix("claviger_gateway_connections "))
        .expect("the figure")
        .parse()
        .expect("a number")
}

/// What a client of the storm does, by its number; `None` if it has gone.
async fn behave(world: &World, number: usize) -> Option<TcpStream> {
    let mut stream = connect(world.gateway.local_addr()).await;
    match number % 5 {
        0 => return None,
        // Gone with a reset, while its request is under way.
        1 => {
            stream.set_zero_linger().expect("an option");
            let _ = stream.write_all(head("GET", "").as_bytes()).await;
            return None;
        }
        2 => {
            let request = head("GET", "");
            let half = &request.as_bytes()[..request.len() / 2];
            stream.write_all(half).await.expect("sent");
        }
        3 => {}
        _ => {
            stream
                .write_all(head("GET", "").as_bytes())
                .await
                .expect("sent");
            let answer = read_head(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
    Some(stream)
}

#[tokio::test]
async fn a_storm_of_connections_is_survived_and_leaves_nothing_behind() {
    let mut config = test_config();
    // Those that say nothing stay as long as they like: it is their leaving that is looked at.
    config.timeouts.request_head = PATIENCE;
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;
    world.passes(&token()).await;
    for _ in 0..WAVES {
        let storm =
            futures_util::future::join_all((0..CONNECTIONS).map(|number| behave(&world, number)));
        let meanwhile = async {
            for _ in 0..5 {
                world.passes(&token()).await;
            }
        };
        let (held, ()) = tokio::join!(storm, meanwhile);
        let held: Vec<_> = held.into_iter().flatten().collect();
        let silent = u64::try_from(held.len()).expect("few");
        assert_eq!(held.len(), CONNECTIONS / 5 * 3, "connections that stay");
        until("all that stay are accepted", || {
            open_connections(&world) >= silent
        })
        .await;
        world.passes(&token()).await;
        drop(held);
    }
    world.passes(&token()).await;
    until("every connection is closed", || {
        open_connections(&world) == 0
    })
    .await;
    until("no request is left", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
}
