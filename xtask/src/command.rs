//! Running other programs and counting the test cases they report.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What a suite did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cases {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl std::ops::AddAssign for Cases {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The `cargo` that runs us, so that the pinned toolchain is used throughout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs to the end with our own output; fails on any other exit status than 0.
pub(crate) fn run_program(what: &str, command: &mut Command) -> Result<(), String> {
    println!("\n-- {what}");
    let status = command
        .status()
        .map_err(|error| format!("cannot start {what}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{what} failed ({status})"))
    }
}

/// Runs `cargo test …`, shows its output and adds up its `test result:` lines.
pub(crate) fn run_tests(what: &str, command: &mut Command) -> Result<Cases, String> {
    run_counted(what, command, cases_of)
}

/// Runs a test runner, shows its output and adds up the cases that `count` finds in its lines.
/// Fails when the runner does, and when it ran nothing.
pub(crate) fn run_counted(
    what: &str,
    command: &mut Command,
    count: fn(&str) -> Option<Cases>,
) -> Result<Cases, String> {
    println!("\n-- {what}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {what}: {error}"))?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let mut cases = Cases::default();
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("cannot read the output of {what}: {error}"))?;
        println!("{line}");
        if let Some(result) = count(&line) {
            cases += result;
        }
    }
    let status = child.wait().map_err(|error| format!("{what}: {error}"))?;
    if !status.success() {
        return Err(format!(
            "{what} failed ({status}): {} passed, {} failed",
            cases.passed, cases.failed
        ));
    }
    if cases.passed == 0 {
        return Err(format!("{what} ran no test case"));
    }
    Ok(cases)
}

/// Reads `test result: ok. 12 passed; 0 failed; …`.
fn cases_of(line: &str) -> Option<Cases> {
    let counts = line
        .trim()
        .strip_prefix("test result: ")?
        .split_once(". ")?
        .1;
    let count = |word: &str| {
        counts
            .split("; ")
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
    };
    Some(Cases {
        passed: count("passed")?,
        failed: count("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_line_of_the_test_runner_is_counted() {
        let line = "test result: ok. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            cases_of(line),
            Some(Cases {
                passed: 12,
                failed: 1
            })
        );
    }

    #[test]
    fn other_lines_are_not_counted() {
        assert_eq!(cases_of("test a_test ... ok"), None);
    }
}
