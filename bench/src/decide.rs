//! How `decide` and memory grow with the world, and how long a change takes to be effective.
//!
//! Everything through the library's [`Gateway`], in worlds that stand side by side and are asked in turns.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use domain::snapshot::{SnapshotChange, SnapshotRevision, SnapshotUpdate};
use gateway::{Gateway, GatewayConfig};
use serde::Serialize;

use crate::decision::Request;
use crate::node::{start, wait_for_keys};
use crate::prepare::now;
use crate::processor::resident;
use crate::token::Signer;
use crate::world::World;

/// Tokens that take turns in every world, so that the token cache weighs the same.
const TOKENS: usize = 1_000;
/// Subscriptions applied with one change.
const CLIENTS_AT_ONCE: usize = 500;
const CHANGES: usize = 2_000;

#[derive(Args)]
pub(crate) struct Decide {
    folder: PathBuf,
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

#[derive(Serialize)]
struct Figures {
    sizes: Vec<SizeFigures>,
    changes: ChangeFigures,
}

#[derive(Serialize)]
struct SizeFigures {
    apis: usize,
    subscriptions: usize,
    /// Nanoseconds of a decision whose token is known, a sample each round.
    hit_ns: Vec<f64>,
    /// Of the snapshot, where there are enough to tell.
    bytes_per_subscription: Option<f64>,
}

#[derive(Serialize)]
struct ChangeFigures {
    subscriptions: usize,
    /// Milliseconds from the change at hand to the first decision by it.
    effective_ms: Vec<f64>,
}

struct Measured {
    gateway: Gateway,
    world: World,
    requests: Vec<Request>,
    hit_ns: Vec<f64>,
    bytes_per_subscription: Option<f64>,
}

impl Decide {
    pub(crate) fn run(&self) -> Result<(), String> {
        let signer = Signer::publish(&self.folder)?;
        let sizes = [
            (10, 10),
            (10, 1_000_000),
            (200, 20_000),
            (200, 1_000_000),
            (10_000, 20_000),
        ];
        let mut measured = sizes
            .into_iter()
            .map(|(apis, subscriptions)| {
                Measured::prepare(&self.folder, &signer, World::of(apis, subscriptions))
            })
            .collect::<Result<Vec<_>, String>>()?;
        for _ in 0..self.rounds {
            for one in &mut measured {
                one.round()?;
            }
        }
        let changes = measured
            .iter()
            .max_by_key(|one| one.world.subscriptions() + one.world.apis)
            .ok_or("no world")?
            .changes()?;
        let sizes = measured
            .into_iter()
            .map(|one| SizeFigures {
                apis: one.world.apis,
                subscriptions: one.world.subscriptions(),
                hit_ns: one.hit_ns,
                bytes_per_subscription: one.bytes_per_subscription,
            })
            .collect();
        let text = serde_json::to_string(&Figures { sizes, changes })
            .map_err(|error| error.to_string())?;
        println!("{text}");
        Ok(())
    }
}

impl Measured {
    fn prepare(folder: &Path, signer: &Signer, world: World) -> Result<Self, String> {
        let mut config = GatewayConfig::default();
        config.listen.set_port(0);
        let gateway = start(folder, None, config)?;
        let update =
            world.without_subscriptions("http://127.0.0.1:9", "http://127.0.0.1:9/keys")?;
        let mut revision = update.revision;
        let apply = |update| {
            gateway
                .apply(update)
                .map_err(|error: gateway::OutOfOrder| error.to_string())
        };
        apply(update)?;
        let before = resident(std::process::id());
        let clients: Vec<usize> = (0..world.clients).collect();
        for some in clients.chunks(CLIENTS_AT_ONCE) {
            let mut changes = Vec::new();
            for &client in some {
                changes.extend(world.subscriptions_of(client)?);
            }
            let next = SnapshotRevision(revision.0 + 1);
            apply(SnapshotUpdate {
                base: Some(revision),
                revision: next,
                changes,
            })?;
            revision = next;
        }
        let bytes = (resident(std::process::id()) - before) * 1_024.0 * 1_024.0;
        let bytes_per_subscription =
            (world.subscriptions() >= 100_000).then(|| bytes / world.subscriptions() as f64);
        wait_for_keys(&gateway)?;
        let at = now()?;
        let requests = (0..TOKENS)
            .map(|index| {
                // Clients from all over the world.
                let client = index * world.clients / TOKENS;
                let token = signer.token(world, client + index * world.clients, at)?;
                Request::new(world.path_of(client), &token)
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            gateway,
            world,
            requests,
            hit_ns: Vec::new(),
            bytes_per_subscription,
        })
    }

    /// Every token is known after the first turn.
    fn round(&mut self) -> Result<(), String> {
        const TURNS: usize = 20;
        self.ask_all()?;
        let from = Instant::now();
        for _ in 0..TURNS {
            self.ask_all()?;
        }
        let count = (TURNS * self.requests.len()) as f64;
        self.hit_ns.push(from.elapsed().as_nanos() as f64 / count);
        Ok(())
    }

    fn ask_all(&self) -> Result<(), String> {
        for request in &self.requests {
            if !request.passes(&self.gateway) {
                return Err(format!("{} was refused", request.path));
            }
        }
        Ok(())
    }

    /// Takes a subscription away and gives it back, and looks each time when a decision shows it.
    fn changes(&self) -> Result<ChangeFigures, String> {
        let request = &self.requests[0];
        let put = self.world.subscriptions_of(0)?.swap_remove(0);
        let SnapshotChange::PutSubscription(entry) = &put else {
            return Err("a subscription is no subscription".to_owned());
        };
        let remove = SnapshotChange::RemoveSubscription(entry.id);
        let mut revision = self.gateway.revision();
        let mut effective_ms = Vec::with_capacity(CHANGES);
        for number in 0..CHANGES {
            let is_given = number % 2 == 1;
            let change = if is_given {
                put.clone()
            } else {
                remove.clone()
            };
            let next = SnapshotRevision(revision.0 + 1);
            let from = Instant::now();
            self.gateway
                .apply(SnapshotUpdate {
                    base: Some(revision),
                    revision: next,
                    changes: vec![change],
                })
                .map_err(|error| error.to_string())?;
            while request.passes(&self.gateway) != is_given {
                if from.elapsed() > Duration::from_secs(5) {
                    return Err("a change was never effective".to_owned());
                }
            }
            effective_ms.push(from.elapsed().as_secs_f64() * 1_000.0);
            revision = next;
        }
        Ok(ChangeFigures {
            subscriptions: self.world.subscriptions(),
            effective_ms,
        })
    }
}
