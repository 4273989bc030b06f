//! How a decision and the memory of the snapshot grow with the world; how soon a change is effective.

use std::process::Command;

use serde::Deserialize;

use super::gateway::place::{json, output_of, tools};
use super::report::{Case, Report};

/// What the tool prints.
#[derive(Deserialize)]
struct Figures {
    sizes: Vec<Size>,
    changes: Changes,
}

#[derive(Deserialize)]
struct Size {
    apis: usize,
    subscriptions: usize,
    hit_ns: Vec<f64>,
    bytes_per_subscription: Option<f64>,
}

#[derive(Deserialize)]
struct Changes {
    subscriptions: usize,
    effective_ms: Vec<f64>,
}

pub(crate) fn run() -> Result<Report, String> {
    let tools = tools()?;
    let figures: Figures = json(&output_of(
        Command::new("taskset")
            .args(["-c", "0"])
            .arg(tools)
            .args(["decide", "target/bench/decide"]),
    )?)?;
    let name = |size: &Size| format!("{} APIs, {} subscriptions", size.apis, size.subscriptions);
    let smallest = figures.sizes.first().ok_or("no size was measured")?;
    let baseline = name(smallest);
    let mut cases: Vec<Case> = figures
        .sizes
        .iter()
        .map(|size| {
            Case::compare(
                "decision, token known",
                "ns",
                (&name(size), &size.hit_ns),
                (&baseline, &smallest.hit_ns),
            )
        })
        .collect();
    for size in &figures.sizes {
        if let Some(bytes) = size.bytes_per_subscription {
            cases.push(Case::compare(
                "memory of a subscription",
                "bytes",
                (&name(size), &[bytes]),
                ("aim", &[200.0]),
            ));
        }
    }
    cases.push(Case::compare(
        "a change is effective",
        "ms",
        (
            &format!("{} subscriptions", figures.changes.subscriptions),
            &figures.changes.effective_ms,
        ),
        ("aim", &[100.0]),
    ));
    Ok(Report::new("decide", cases))
}
