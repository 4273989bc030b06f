//! Who used the processor: whole cores from `/proc/stat`, one process from its threads' `schedstat`.

use std::fs;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

#[derive(Args)]
pub(crate) struct Watch {
    #[arg(long)]
    seconds: f64,
    #[arg(long = "process")]
    processes: Vec<u32>,
}

/// What was seen meanwhile.
#[derive(Serialize)]
struct Figures {
    /// Between 0 and 1.
    core0_busy: f64,
    core1_busy: f64,
    /// The processes' share of one core.
    process_busy: f64,
    resident_mib: f64,
}

impl Watch {
    pub(crate) fn run(&self) -> Result<(), String> {
        let time = || self.processes.iter().copied().map(time_of).sum::<u64>();
        let cores = [CoreTicks::read(0), CoreTicks::read(1)];
        let (from, used) = (Instant::now(), time());
        std::thread::sleep(Duration::from_secs_f64(self.seconds));
        let figures = Figures {
            process_busy: (time() - used) as f64 / from.elapsed().as_nanos() as f64,
            core0_busy: CoreTicks::read(0).busy_since(cores[0]),
            core1_busy: CoreTicks::read(1).busy_since(cores[1]),
            resident_mib: self.processes.iter().copied().map(resident).sum(),
        };
        let text = serde_json::to_string(&figures).map_err(|error| error.to_string())?;
        println!("{text}");
        Ok(())
    }
}

/// Ticks of one core since the machine started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CoreTicks {
    busy: u64,
    total: u64,
}

impl CoreTicks {
    pub(crate) fn read(core: usize) -> Self {
        let name = format!("cpu{core}");
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = text
            .lines()
            .map(str::split_whitespace)
            .find_map(|mut words| (words.next() == Some(&name)).then(|| words.collect::<Vec<_>>()))
            .unwrap_or_default()
            .into_iter()
            // Guest time is part of user time.
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let total: u64 = ticks.iter().sum();
        // idle and iowait
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Self {
            busy: total - idle,
            total,
        }
    }

    /// Between 0 and 1.
    pub(crate) fn busy_since(self, earlier: Self) -> f64 {
        let total = (self.total - earlier.total).max(1);
        (self.busy - earlier.busy) as f64 / total as f64
    }
}

/// Nanoseconds that a process has run on a processor, its threads together.
pub(crate) fn time_of(process: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Resident memory in MiB.
pub(crate) fn resident(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kibibytes: f64 = text
        .lines()
        .find_map(|line| {
            let (number, _) = line.strip_prefix("VmRSS:")?.trim().split_once(' ')?;
            number.parse().ok()
        })
        .unwrap_or_default();
    kibibytes / 1_024.0
}
