//! Instructions of a decision, counted under callgrind and compared with the committed figure.
//!
//! The difference between a long and a short run leaves the start out; what is left hardly depends on the machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::bench::tools;
use crate::command::{Cases, run_program};
use crate::packages::install;

/// More than this over the committed figure fails.
const TOLERANCE: f64 = 1.05;

/// `bench/instructions.json`.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct Committed {
    /// The token is in the cache.
    hit: f64,
    /// The signature is verified.
    miss: f64,
}

/// `accept` writes the figures down instead of comparing them.
pub(crate) fn run(accept: bool) -> Result<Cases, String> {
    if !Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        install("valgrind", "valgrind")?;
    }
    let tools = tools()?;
    let folder = Path::new("target/bench/instructions");
    run_program(
        "bench prepare",
        Command::new(&tools)
            .arg("prepare")
            .arg(folder)
            .args(["--tokens", "1"]),
    )?;
    // So many that the start, which takes two million more or fewer from run to run, is below one in a hundred.
    let found = Committed {
        hit: per_decision(&tools, folder, "hit", 40_000)?,
        miss: per_decision(&tools, folder, "miss", 1_000)?,
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/instructions.json");
    if accept {
        let text = serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?;
        fs::write(&file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))?;
        println!(
            "instructions of a decision: hit {}, miss {}",
            found.hit, found.miss
        );
        return Ok(Cases {
            passed: 2,
            failed: 0,
        });
    }
    let committed =
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let committed: Committed =
        serde_json::from_str(&committed).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut cases = Cases::default();
    for (what, found, committed) in [
        ("hit", found.hit, committed.hit),
        ("miss", found.miss, committed.miss),
    ] {
        println!("instructions of a decision, {what}: {found}, committed {committed}");
        if is_worse(found, committed) {
            cases.failed += 1;
        } else {
            cases.passed += 1;
        }
    }
    if cases.failed == 0 {
        return Ok(cases);
    }
    Err("a decision takes more than 5 % more instructions than committed; if that is worth it: cargo xtask test instructions --accept".to_owned())
}

fn is_worse(found: f64, committed: f64) -> bool {
    found > committed * TOLERANCE
}

fn per_decision(tools: &Path, folder: &Path, what: &str, count: u32) -> Result<f64, String> {
    let short = collected(tools, folder, what, count)?;
    let long = collected(tools, folder, what, count * 2)?;
    Ok(((long - short) / f64::from(count)).round())
}

fn collected(tools: &Path, folder: &Path, what: &str, count: u32) -> Result<f64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(tools)
        .arg("instructions")
        .arg(folder)
        .args([what, &count.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(format!("valgrind failed: {printed}{said}"));
    }
    figure(&printed).ok_or_else(|| format!("valgrind printed no figure: {printed}"))
}

/// Reads `==1234== Collected : 5678`.
fn figure(printed: &str) -> Option<f64> {
    printed
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_found_in_what_valgrind_prints() {
        assert_eq!(
            figure("==9== Events    : Ir\n==9== Collected : 1234\n"),
            Some(1_234.0)
        );
        assert_eq!(figure("==9== Events    : Ir\n"), None);
    }

    #[test]
    fn a_twentieth_more_is_tolerated_and_no_more() {
        assert!(!is_worse(1_050.0, 1_000.0));
        assert!(is_worse(1_051.0, 1_000.0));
    }
}
