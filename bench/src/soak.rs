//! A million requests, some over each front: every answer is as it must be, descriptors and memory stay flat.
//!
//! Owns the verdict. Each front has a gateway that is a process of its own, so that nothing of ours is in its figures;
//! what is asked stands in `soak/mix.rs`, over what in `soak/front.rs`, how in `soak/client.rs`.

mod client;
mod front;
mod mix;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use self::client::Client;
use self::front::{Front, Way};
use self::mix::Mix;
use crate::prepare;
use crate::processor::resident;

/// Caches, pools and buffers have their size by then.
const SETTLED: u64 = 100_000;
const STEP: u64 = 50_000;
/// MiB that may come after that. Among a million requests a leak of 11 bytes a request is more over HTTP/1.1, one of 16
/// over the others: no allocation takes less.
const GROWTH: f64 = 3.0;
/// Descriptors that may come: connections to the upstream are kept, never more of them than there are requests at once.
const KEPT: usize = 32;
/// Connections that clients have left are given this long to be noticed.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Args)]
pub(crate) struct Soak {
    /// Where `prepare` wrote.
    folder: PathBuf,
    /// Of all fronts together, in hundred thousands, more than four of them.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
}

/// The gateway at rest.
struct Sample {
    descriptors: usize,
    resident_mib: f64,
}

/// A process that is ended with us.
struct Companion {
    child: Child,
    address: SocketAddr,
}

impl Soak {
    pub(crate) fn run(&self) -> Result<(), String> {
        let upstream = Companion::start("upstream", &self.folder, &[])?;
        prepare::snapshot(&self.folder, upstream.address)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        for front in Front::ALL {
            let requests = self.requests / 10 * front.share();
            runtime
                .block_on(self.run_front(front, requests))
                .map_err(|reason| format!("{}: {reason}", front.name()))?;
        }
        Ok(())
    }

    async fn run_front(&self, front: Front, requests: u64) -> Result<(), String> {
        if requests <= SETTLED {
            return Err(format!("there is nothing to see below {SETTLED} requests"));
        }
        let mix = Mix::read(&self.folder)?;
        let mut arguments = vec!["--log", "/dev/null"];
        if front.is_secure() {
            arguments.push("--tls");
        }
        let gateway = Companion::start("node", &self.folder, &arguments)?;
        let way = Way::new(front, gateway.address, &self.folder)?;
        let mut client = Client::connect(way, mix).await?;
        let mut settled: Option<Sample> = None;
        let mut sent = 0;
        println!("{}", front.name());
        while sent < requests {
            let until = (sent + STEP).min(requests);
            client.ask(sent..until).await?;
            sent = until;
            let sample = match &settled {
                None => gateway.sample()?,
                Some(settled) => gateway.sample_at_rest(settled).await?,
            };
            println!(
                "{sent:>9} requests  {:>4} descriptors  {:>7.2} MiB",
                sample.descriptors, sample.resident_mib
            );
            if let Some(settled) = &settled {
                settled.judge(&sample)?;
            } else if sent >= SETTLED {
                settled = Some(sample);
            }
        }
        Ok(())
    }
}

impl Sample {
    fn is_flat(&self, later: &Self) -> bool {
        later.descriptors <= self.descriptors + KEPT
    }

    fn judge(&self, later: &Self) -> Result<(), String> {
        if !self.is_flat(later) {
            return Err(format!(
                "descriptors leak: {} were open, now {} are",
                self.descriptors, later.descriptors
            ));
        }
        if later.resident_mib > self.resident_mib + GROWTH {
            return Err(format!(
                "memory leaks: {:.2} MiB were resident, now {:.2} are",
                self.resident_mib, later.resident_mib
            ));
        }
        Ok(())
    }
}

impl Companion {
    /// One of our own tools; the last word of its first line is where it listens.
    fn start(tool: &str, folder: &Path, arguments: &[&str]) -> Result<Self, String> {
        let describe = |error: std::io::Error| format!("{tool}: {error}");
        let mut child = Command::new(std::env::current_exe().map_err(describe)?)
            .arg(tool)
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(describe)?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let mut companion = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .map_err(describe)?;
        let word = line.split_whitespace().last().unwrap_or_default();
        companion.address = word
            .trim_start_matches("http://")
            .trim_start_matches("https://")
            .parse()
            .map_err(|_| format!("{tool} said: {line}"))?;
        Ok(companion)
    }

    fn sample(&self) -> Result<Sample, String> {
        let process = self.child.id();
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"))
            .map_err(|error| format!("the gateway has ended: {error}"))?
            .count();
        Ok(Sample {
            descriptors,
            resident_mib: resident(process),
        })
    }

    /// The client's own connections go on ending meanwhile.
    async fn sample_at_rest(&self, settled: &Sample) -> Result<Sample, String> {
        let begun = Instant::now();
        loop {
            let sample = self.sample()?;
            if settled.is_flat(&sample) || begun.elapsed() > PATIENCE {
                return Ok(sample);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLED: Sample = Sample {
        descriptors: 80,
        resident_mib: 30.0,
    };

    #[test]
    fn a_descriptor_for_each_of_four_thousand_requests_is_a_leak() {
        let later = Sample {
            descriptors: 160,
            ..SETTLED
        };
        assert!(SETTLED.judge(&later).is_err());
        assert!(SETTLED.judge(&SETTLED).is_ok());
    }

    #[test]
    fn eleven_bytes_for_each_request_are_a_leak() {
        let later = Sample {
            resident_mib: 30.0 + 300_000.0 * 11.0 / 1_048_576.0,
            ..SETTLED
        };
        assert!(SETTLED.judge(&later).is_err());
    }

    #[test]
    fn every_request_goes_over_one_of_the_fronts() {
        assert_eq!(
            Front::ALL.iter().map(|front| front.share()).sum::<u64>(),
            10
        );
    }
}
