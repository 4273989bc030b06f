//! Fault rules: trouble on demand for requests that fit, at Graph and the token service alike.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::random::Random;

const MAXIMUM_RULES: usize = 1000;
const MAXIMUM_DELAY: Duration = Duration::from_mins(2);

/// A rule. A request fits when everything that is set fits; the first rule that fits acts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FaultRule {
    /// Given by the emulator.
    #[serde(default)]
    pub id: Uuid,
    /// The HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// The path, `*` standing for any characters: `/v1.0/applications/*/addPassword`.
    #[serde(default)]
    pub path: Option<String>,
    /// The client id of the calling application.
    #[serde(default)]
    pub caller_app_id: Option<Uuid>,
    /// How many requests to let pass first.
    #[serde(default)]
    pub skip: u64,
    /// How often to act; without end when unset.
    #[serde(default)]
    pub count: Option<u64>,
    /// How likely to act when a request fits, 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// What to do.
    pub action: FaultAction,
    /// How often it acted.
    #[serde(default)]
    pub hits: u64,
}

/// What a rule does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "type")]
pub enum FaultAction {
    /// Answers without doing anything.
    #[serde(rename_all = "camelCase")]
    Respond {
        /// The status.
        status: u16,
        /// The body: text as it is, anything else as JSON.
        #[serde(default)]
        body: Option<Value>,
        /// `Retry-After`, as text because real ones are not always whole seconds.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Does what was asked, then answers with this instead of the answer.
    #[serde(rename_all = "camelCase")]
    RespondAfterEffect {
        /// The status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: Option<Value>,
    },
    /// Waits, then serves the request.
    #[serde(rename_all = "camelCase")]
    Delay {
        /// At most two minutes.
        milliseconds: u64,
    },
    /// Closes the connection without doing anything.
    CutBeforeEffect,
    /// Does what was asked, then closes the connection without an answer.
    CutAfterEffect,
}

/// What is known of a request when rules are asked.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) caller_app_id: Option<Uuid>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<FaultRule>>,
}

/// Why a rule is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("the status must be between 200 and 599")]
    Status,
    #[error("the probability must be between 0 and 1")]
    Probability,
    #[error("the delay must be at most 120000 milliseconds")]
    Delay,
    #[error("there are too many rules")]
    TooMany,
}

impl Faults {
    /// Adds a rule. Returns its id.
    ///
    /// # Errors
    /// When a value is out of its range.
    pub(crate) fn add(&self, mut rule: FaultRule, id: Uuid) -> Result<Uuid, RuleError> {
        rule.check()?;
        rule.id = id;
        rule.hits = 0;
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= MAXIMUM_RULES {
            return Err(RuleError::TooMany);
        }
        rules.push(rule);
        Ok(id)
    }

    /// The rules with how often they acted.
    pub(crate) fn list(&self) -> Vec<FaultRule> {
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Removes a rule; whether there was one.
    pub(crate) fn remove(&self, id: Uuid) -> bool {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let before = rules.len();
        rules.retain(|rule| rule.id != id);
        rules.len() < before
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// What is to happen to a request, and by which rule.
    pub(crate) fn decide(
        &self,
        subject: &Subject<'_>,
        random: &Random,
    ) -> Option<(Uuid, FaultAction)> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in rules.iter_mut().filter(|rule| rule.fits(subject)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule
                .probability
                .is_some_and(|probability| draw(random) >= probability)
            {
                continue;
            }
            rule.hits += 1;
            return Some((rule.id, rule.action.clone()));
        }
        None
    }
}

impl FaultRule {
    fn check(&self) -> Result<(), RuleError> {
        if self
            .probability
            .is_some_and(|probability| !(0.0..=1.0).contains(&probability))
        {
            return Err(RuleError::Probability);
        }
        match self.action {
            FaultAction::Respond { status, .. }
            | FaultAction::RespondAfterEffect { status, .. } => {
                let is_final = (200..600).contains(&status) && StatusCode::from_u16(status).is_ok();
                if is_final {
                    Ok(())
                } else {
                    Err(RuleError::Status)
                }
            }
            FaultAction::Delay { milliseconds }
                if Duration::from_millis(milliseconds) > MAXIMUM_DELAY =>
            {
                Err(RuleError::Delay)
            }
            _ => Ok(()),
        }
    }

    fn fits(&self, subject: &Subject<'_>) -> bool {
        self.count.is_none_or(|count| self.hits < count)
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(subject.method.as_str()))
            && self
                .path
                .as_ref()
                .is_none_or(|pattern| is_match(pattern, subject.path))
            && self
                .caller_app_id
                .is_none_or(|id| subject.caller_app_id == Some(id))
    }
}

/// A number in `0..1`, in steps of one millionth.
fn draw(random: &Random) -> f64 {
    const STEPS: u32 = 1_000_000;
    let step = u32::try_from(random.below(u64::from(STEPS))).unwrap_or(0);
    f64::from(step) / f64::from(STEPS)
}

/// Whether `text` fits a pattern in which `*` stands for any characters. Linear in the text for
/// each part of the pattern.
fn is_match(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(position) = rest.find(part) else {
            return false;
        };
        rest = &rest[position + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str) -> FaultRule {
        serde_json::from_value(serde_json::json!({
            "path": path, "method": "POST", "action": { "type": "cutAfterEffect" },
        }))
        .unwrap()
    }

    fn decides(faults: &Faults, path: &str) -> bool {
        let subject = Subject {
            method: &Method::POST,
            path,
            caller_app_id: None,
        };
        faults
            .decide(&subject, &Random::new(Some(1), "fault"))
            .is_some()
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(is_match(
            "/v1.0/applications/*/addPassword",
            "/v1.0/applications/7/addPassword"
        ));
        assert!(is_match("*token*", "/x/oauth2/v2.0/token"));
        assert!(is_match("/a*b*c", "/a-b-b-c"));
        assert!(!is_match("/v1.0/applications", "/v1.0/applications/7"));
        assert!(!is_match("/a*bb", "/ab"));
    }

    #[test]
    fn a_rule_acts_so_often_as_it_says_after_what_it_skips() {
        let faults = Faults::default();
        let rule = FaultRule {
            skip: 1,
            count: Some(2),
            ..rule("/x")
        };
        faults.add(rule, Uuid::from_u128(1)).unwrap();
        let acted: Vec<_> = (0..5).map(|_| decides(&faults, "/x")).collect();
        assert_eq!(acted, [false, true, true, false, false]);
        assert_eq!(faults.list()[0].hits, 2);
    }

    #[test]
    fn a_probability_acts_sometimes() {
        let faults = Faults::default();
        faults
            .add(
                FaultRule {
                    probability: Some(0.5),
                    ..rule("/x")
                },
                Uuid::from_u128(1),
            )
            .unwrap();
        let random = Random::new(Some(3), "fault");
        let subject = Subject {
            method: &Method::POST,
            path: "/x",
            caller_app_id: None,
        };
        let acted = (0..200)
            .filter(|_| faults.decide(&subject, &random).is_some())
            .count();
        assert!((50..150).contains(&acted), "{acted}");
    }

    #[test]
    fn rules_out_of_range_are_refused() {
        let faults = Faults::default();
        let with = |action| FaultRule {
            action,
            ..rule("/x")
        };
        let status = with(FaultAction::Respond {
            status: 99,
            body: None,
            retry_after: None,
        });
        assert_eq!(faults.add(status, Uuid::nil()), Err(RuleError::Status));
        let delay = with(FaultAction::Delay {
            milliseconds: 1_000_000,
        });
        assert_eq!(faults.add(delay, Uuid::nil()), Err(RuleError::Delay));
        let probability = FaultRule {
            probability: Some(f64::NAN),
            ..rule("/x")
        };
        assert_eq!(
            faults.add(probability, Uuid::nil()),
            Err(RuleError::Probability)
        );
    }
}
