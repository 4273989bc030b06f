//! A fixed number of decisions. The count of instructions is the difference between two runs of different length,
//! so that the start does not matter.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::decision::{Request, undisturbed};
use crate::node::{start, wait_for_keys};
use crate::world::World;

#[derive(Args)]
pub(crate) struct Instructions {
    /// Where `prepare` wrote.
    folder: PathBuf,
    what: Decision,
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decision {
    /// The token is in the cache.
    Hit,
    /// There is no cache: the signature is verified every time.
    Miss,
}

impl Instructions {
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut config = undisturbed();
        if self.what == Decision::Miss {
            config.token_cache_bytes = 0;
        }
        let gateway = start(&self.folder, None, config)?;
        let world = World::of(20, 200);
        let update = world.whole("http://127.0.0.1:9", "http://127.0.0.1:9/keys")?;
        gateway.apply(update).map_err(|error| error.to_string())?;
        wait_for_keys(&gateway)?;

        let text = std::fs::read_to_string(self.folder.join("tokens"))
            .map_err(|error| format!("tokens: {error}"))?;
        // The first token is client 0's, whose first API is the first.
        let (_, token) = text
            .lines()
            .next()
            .and_then(|line| line.split_once(' '))
            .ok_or("no token")?;
        let request = Request::new(world.path_of(0), token)?;
        for _ in 0..self.count {
            if !request.passes(&gateway) {
                return Err("a decision was a refusal".to_owned());
            }
        }
        Ok(())
    }
}
