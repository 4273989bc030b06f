//! The gateway beside nginx, haproxy and Envoy: each on one core with one worker, load and upstream on the other.
//!
//! Owns the rounds: every contestant of a case is started anew, checked, measured and ended, one after the other, as
//! often as there are rounds. Medians are compared.

mod case;
mod check;
mod contestant;
pub(crate) mod place;
mod process;
mod table;

use clap::Args;

use self::case::{Case, Drive, cases};
use self::contestant::Contestant;
use self::place::Place;
use self::process::Figures;
use self::table::{Row, Table};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Of the gateway's comparison: how often every contestant is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that a measurement of the gateway's comparison takes.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before it that do not count.
    #[arg(long, default_value_t = 1.5)]
    warm_up: f64,
    /// Only these cases of the gateway's comparison.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// The gateway library alone instead of `claviger gateway`: quicker to build.
    #[arg(long)]
    library: bool,
    /// Takes the programs as they were built last.
    #[arg(long)]
    no_build: bool,
    /// What `claviger` is built with.
    #[arg(long, default_value = "dist")]
    profile: String,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let wanted: Vec<Case> = cases()
        .into_iter()
        .filter(|case| {
            options.cases.is_empty() || options.cases.iter().any(|name| name == case.name)
        })
        .collect();
    if wanted.is_empty() {
        let names: Vec<_> = cases().iter().map(|case| case.name).collect();
        return Err(format!(
            "there is no such case; there are: {}",
            names.join(", ")
        ));
    }
    let tokens = wanted.iter().map(Case::tokens).max().unwrap_or(1);
    let place = Place::prepare(
        options,
        tokens,
        wanted.iter().flat_map(|case| &case.contestants),
    )?;
    let mut table = Table::new(options.rounds);
    for case in wanted {
        println!("\n-- {}: {}", case.name, case.about);
        let mut rows: Vec<Row> = case.contestants.iter().map(|one| Row::new(*one)).collect();
        for round in 1..=options.rounds {
            for row in &mut rows {
                let figures =
                    measure(&place, &case, row.contestant, options).map_err(|reason| {
                        format!("{}, {}: {reason}", case.name, row.contestant.name())
                    })?;
                println!(
                    "   {round}/{} {:<22} {:>9.0} requests/s  p50 {:>7.0} us  p99 {:>7.0} us  {:>6.1} us cpu  core {:>3.0} %",
                    options.rounds,
                    row.contestant.name(),
                    figures.requests_per_second,
                    figures.p50_us,
                    figures.p99_us,
                    figures.process_us_per_request,
                    figures.core0_busy * 100.0
                );
                row.figures.push(figures);
            }
        }
        table.add(case, rows);
    }
    table.print();
    table.write()
}

fn measure(
    place: &Place,
    case: &Case,
    contestant: Contestant,
    options: &Options,
) -> Result<Figures, String> {
    let running = contestant.start(place, case.front)?;
    check::passes(place, contestant, case, &running)?;
    let idle_mib = place.resident(&running)?;
    let figures = match &case.drive {
        Drive::Load(arguments) => place.load(&running, options, arguments)?,
        Drive::H2load(arguments) => place.h2load(&running, options, case.front, arguments)?,
    };
    if figures.failed > 0 {
        return Err(format!("{} requests failed", figures.failed));
    }
    Ok(Figures {
        idle_mib,
        ..figures
    })
}
