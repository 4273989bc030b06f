//! Reads Prometheus' text format (0.0.4) and takes nothing on trust: an exposition that a scraper could stumble
//! over is a failed test. Where OpenMetrics is stricter (counters' names, order of families), so is this.

use std::collections::{BTreeMap, BTreeSet};

/// The figures by series: `name{label="value",…}` as written.
pub(crate) type Figures = BTreeMap<String, f64>;

type Labels = Vec<(String, String)>;

/// Name, labels, value.
type Sample = (String, Labels, f64);

/// A family of series under one name.
#[derive(Default)]
struct Family {
    kind: String,
    /// In the order of the text.
    samples: Vec<Sample>,
}

/// Panics at the first line that breaks a rule.
pub(crate) fn parse(text: &str) -> Figures {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families: Vec<(String, Family)> = Vec::new();
    let mut known = BTreeSet::new();
    let mut figures = Figures::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a name and words");
            assert!(is_name(name) && !words.is_empty(), "{line}");
            assert!(known.insert(name.to_owned()), "{name} comes twice");
            let kind = lines.next().expect("a type after the help");
            let kind = kind
                .strip_prefix(&format!("# TYPE {name} "))
                .unwrap_or_else(|| panic!("{line} is followed by {kind}"));
            let kinds = ["counter", "gauge", "histogram", "summary"];
            assert!(kinds.contains(&kind), "{kind}");
            let is_total = name.ends_with("_total");
            assert_eq!(is_total, kind == "counter", "{name} is a {kind}");
            let family = Family {
                kind: kind.to_owned(),
                samples: Vec::new(),
            };
            families.push((name.to_owned(), family));
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let value: f64 = value
            .parse()
            .unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = labels_of(series);
        let (family_name, family) = families.last_mut().expect("a type before a sample");
        let rest = name.strip_prefix(family_name.as_str());
        let suffixes: &[&str] = match family.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["_sum", "_count"],
            _ => &[""],
        };
        assert!(
            rest.is_some_and(|rest| suffixes.contains(&rest)),
            "{line} stands under {family_name}"
        );
        assert!(value >= 0.0 || family.kind == "gauge", "{line}");
        assert!(
            figures.insert(series.to_owned(), value).is_none(),
            "{series} comes twice"
        );
        family.samples.push((name, labels, value));
    }
    for (name, family) in &families {
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
    }
    figures
}

fn check_histogram(name: &str, family: &Family) {
    let bound = |labels: &[(String, String)]| {
        let (_, text) = labels
            .iter()
            .find(|(name, _)| name == "le")
            .expect("a bound");
        text.replace("+Inf", "inf")
            .parse::<f64>()
            .expect("a number")
    };
    let buckets: Vec<(f64, f64)> = family
        .samples
        .iter()
        .filter(|(sample, ..)| sample.ends_with("_bucket"))
        .map(|(_, labels, value)| (bound(labels), *value))
        .collect();
    assert!(
        buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1),
        "{name}: {buckets:?}"
    );
    let (last, all) = buckets.last().expect("buckets");
    assert!(last.is_infinite(), "{name} ends in +Inf");
    let count = family
        .samples
        .iter()
        .find(|(sample, ..)| sample.ends_with("_count"))
        .expect("a count");
    assert!((count.2 - all).abs() < f64::EPSILON, "{name}");
    assert!(
        family
            .samples
            .iter()
            .any(|(sample, ..)| sample.ends_with("_sum")),
        "{name}"
    );
}

fn labels_of(series: &str) -> (String, Labels) {
    let Some((name, rest)) = series.split_once('{') else {
        assert!(is_name(series), "{series}");
        return (series.to_owned(), Vec::new());
    };
    assert!(is_name(name), "{series}");
    let mut rest = rest.strip_suffix('}').expect("a closing brace");
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect("a label");
        assert!(is_name(label) && !label.contains(':'), "{series}");
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => match letters.next().expect("an escaped letter").1 {
                    'n' => value.push('\n'),
                    letter @ ('\\' | '"') => value.push(letter),
                    other => panic!("\\{other} is no escape: {series}"),
                },
                (_, letter) => value.push(letter),
            }
        };
        labels.push((label.to_owned(), value));
        rest = &after[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').expect("a comma between labels");
        }
    }
    let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), labels.len(), "{series}");
    (name.to_owned(), labels)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')
}
