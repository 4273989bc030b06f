//! Results: medians, ratios, and whether the aims were reached; for people and as JSON.

use serde::Serialize;

use super::case::{Case, Measure};
use super::contestant::Contestant;
use super::process::Figures;
use crate::bench::report::{Machine, median, write_json};

/// Below this the contestant's core was not what limited it.
const BUSY: f64 = 0.95;

pub(super) struct Row {
    pub(super) contestant: Contestant,
    pub(super) figures: Vec<Figures>,
}

#[derive(Serialize)]
pub(super) struct Table {
    machine: Machine,
    rounds: usize,
    results: Vec<CaseResult>,
}

#[derive(Serialize)]
struct CaseResult {
    case: &'static str,
    about: &'static str,
    contestants: Vec<ContestantResult>,
    aims: Vec<AimResult>,
}

#[derive(Serialize)]
struct ContestantResult {
    contestant: &'static str,
    #[serde(flatten)]
    median: Figures,
    least_requests_per_second: f64,
    most_requests_per_second: f64,
    /// Its core was busy in every round, or was not meant to be.
    is_bottleneck: bool,
    rounds: Vec<Figures>,
}

#[derive(Serialize)]
struct AimResult {
    against: &'static str,
    measure: &'static str,
    aim: f64,
    ratio: f64,
    is_reached: bool,
}

impl Row {
    pub(super) const fn new(contestant: Contestant) -> Self {
        Self {
            contestant,
            figures: Vec::new(),
        }
    }

    fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        median(&self.figures.iter().map(of).collect::<Vec<_>>())
    }

    fn result(&self, saturates: bool) -> ContestantResult {
        let rates = || self.figures.iter().map(|one| one.requests_per_second);
        ContestantResult {
            contestant: self.contestant.name(),
            median: Figures {
                requests_per_second: self.median(|one| one.requests_per_second),
                failed: self.figures.iter().map(|one| one.failed).sum(),
                p50_us: self.median(|one| one.p50_us),
                p99_us: self.median(|one| one.p99_us),
                core0_busy: self.median(|one| one.core0_busy),
                core1_busy: self.median(|one| one.core1_busy),
                process_us_per_request: self.median(|one| one.process_us_per_request),
                resident_mib: self.median(|one| one.resident_mib),
                idle_mib: self.median(|one| one.idle_mib),
            },
            least_requests_per_second: rates().fold(f64::INFINITY, f64::min),
            most_requests_per_second: rates().fold(0.0, f64::max),
            is_bottleneck: !saturates || self.figures.iter().all(|one| one.core0_busy >= BUSY),
            rounds: self.figures.clone(),
        }
    }
}

impl Table {
    pub(super) fn new(rounds: usize) -> Self {
        Self {
            machine: Machine::describe(),
            rounds,
            results: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, case: Case, rows: Vec<Row>) {
        let saturates = case.saturates();
        let contestants: Vec<_> = rows.iter().map(|row| row.result(saturates)).collect();
        let of = |wanted: Contestant| {
            contestants
                .iter()
                .find(|one| one.contestant == wanted.name())
        };
        let aims = case.aims.iter().filter_map(|aim| {
            let (ours, theirs) = (&contestants.first()?.median, &of(aim.against)?.median);
            let (measure, ratio) = match aim.measure {
                Measure::Throughput => (
                    "requests/s",
                    ours.requests_per_second / theirs.requests_per_second,
                ),
                Measure::Latency => ("p99", ours.p99_us / theirs.p99_us),
            };
            Some(AimResult {
                against: aim.against.name(),
                measure,
                aim: aim.ratio,
                ratio,
                is_reached: match aim.measure {
                    Measure::Throughput => ratio >= aim.ratio,
                    Measure::Latency => ratio <= aim.ratio,
                },
            })
        });
        let aims = aims.collect();
        self.results.push(CaseResult {
            case: case.name,
            about: case.about,
            contestants,
            aims,
        });
    }

    pub(super) fn print(&self) {
        println!(
            "\ngateway on {} ({} cores), medians of {} rounds; * marks a contestant whose core was not the bottleneck",
            self.machine.cpu, self.machine.cores, self.rounds
        );
        for result in &self.results {
            println!("\n{}: {}", result.case, result.about);
            println!(
                "  {:<22} {:>10} {:>19} {:>9} {:>9} {:>8} {:>6} {:>15}",
                "",
                "requests/s",
                "least-most",
                "p50 us",
                "p99 us",
                "us cpu",
                "core",
                "MiB idle-loaded"
            );
            for one in &result.contestants {
                let figures = &one.median;
                println!(
                    "  {:<22} {:>10.0} {:>19} {:>9.0} {:>9.0} {:>8.1} {:>5.0}%{} {:>14}",
                    one.contestant,
                    figures.requests_per_second,
                    format!(
                        "{:.0}-{:.0}",
                        one.least_requests_per_second, one.most_requests_per_second
                    ),
                    figures.p50_us,
                    figures.p99_us,
                    figures.process_us_per_request,
                    figures.core0_busy * 100.0,
                    if one.is_bottleneck { " " } else { "*" },
                    format!("{:.0}-{:.0}", figures.idle_mib, figures.resident_mib),
                );
            }
            for aim in &result.aims {
                println!(
                    "  {:<6} {} {:.2} of {} (aim {:.2})",
                    if aim.is_reached { "ok" } else { "MISSED" },
                    aim.measure,
                    aim.ratio,
                    aim.against,
                    aim.aim
                );
            }
        }
    }

    pub(super) fn write(&self) -> Result<(), String> {
        write_json("gateway", self)
    }
}
