//! A benchmark's results: a table for people, JSON for programs.

use std::path::PathBuf;

use serde::Serialize;

/// Written to `target/bench/NAME.json`.
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    pub(crate) name: &'static str,
    pub(crate) machine: Machine,
    pub(crate) cases: Vec<Case>,
}

/// Where it was measured.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    memory_kib: u64,
    kernel: String,
}

/// One measurement of one subject, compared with a baseline of the same run.
#[derive(Serialize)]
pub(crate) struct Case {
    #[serde(rename = "case")]
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// What 99 of 100 samples do not exceed.
    pub(crate) p99: f64,
    pub(crate) baseline: String,
    pub(crate) ratio: f64,
}

impl Case {
    /// Medians of both; `samples` and `baseline_samples` must not be empty.
    pub(crate) fn compare(
        case: &str,
        unit: &'static str,
        (subject, samples): (&str, &[f64]),
        (baseline, baseline_samples): (&str, &[f64]),
    ) -> Self {
        let median_of_baseline = median(baseline_samples);
        Self {
            name: case.to_owned(),
            subject: subject.to_owned(),
            unit,
            median: median(samples),
            min: samples.iter().copied().fold(f64::INFINITY, f64::min),
            max: samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            p99: p99(samples),
            baseline: baseline.to_owned(),
            ratio: median(samples) / median_of_baseline,
        }
    }
}

impl Report {
    pub(crate) fn new(name: &'static str, cases: Vec<Case>) -> Self {
        Self {
            name,
            machine: Machine::describe(),
            cases,
        }
    }

    pub(crate) fn print(&self) {
        println!(
            "\n{} on {} ({} cores)",
            self.name, self.machine.cpu, self.machine.cores
        );
        println!(
            "{:<28} {:<26} {:>10} {:>10} {:>10} {:>10} {:<6} {:>7}  baseline",
            "case", "subject", "median", "min", "max", "p99", "unit", "ratio"
        );
        for case in &self.cases {
            println!(
                "{:<28} {:<26} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:<6} {:>7.2}  {}",
                case.name,
                case.subject,
                case.median,
                case.min,
                case.max,
                case.p99,
                case.unit,
                case.ratio,
                case.baseline
            );
        }
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        write_json(self.name, self)
    }
}

impl Machine {
    pub(crate) fn describe() -> Self {
        let field = |file: &str, key: &str| {
            std::fs::read_to_string(file)
                .unwrap_or_default()
                .lines()
                .find_map(|line| {
                    line.strip_prefix(key)?
                        .trim_start()
                        .strip_prefix(':')
                        .map(str::trim)
                        .map(str::to_owned)
                })
                .unwrap_or_else(|| "unknown".to_owned())
        };
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_kib: field("/proc/meminfo", "MemTotal")
                .trim_end_matches(" kB")
                .parse()
                .unwrap_or_default(),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        }
    }
}

pub(crate) fn write_json(name: &str, results: &impl Serialize) -> Result<(), String> {
    let folder = PathBuf::from("target/bench");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(results).map_err(|error| error.to_string())?;
    std::fs::write(&file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))?;
    println!("written to {}", file.display());
    Ok(())
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

fn p99(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * 99).div_ceil(100);
    sorted[rank.max(1) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_compares_medians() {
        let case = Case::compare(
            "c",
            "ms",
            ("ours", &[3.0, 1.0, 2.0]),
            ("theirs", &[4.0, 4.0]),
        );
        assert!((case.median - 2.0).abs() < f64::EPSILON);
        assert!((case.ratio - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn one_sample_in_a_hundred_may_exceed_the_p99() {
        let samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert!((p99(&samples) - 198.0).abs() < f64::EPSILON);
        assert!((p99(&[4.0]) - 4.0).abs() < f64::EPSILON);
    }
}
