//! Telling the journey: what is being done, that it held, and how long it took.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::terminal::say;

/// A step that did not hold, and why.
#[derive(Debug, thiserror::Error)]
#[error("step \"{step}\" did not hold: {reason}")]
pub(crate) struct StepFailed {
    pub(crate) step: String,
    pub(crate) reason: String,
}

/// What a step tells: a value for later steps, and a sentence for the person who watches.
pub(crate) struct Told<T> {
    pub(crate) value: T,
    pub(crate) sentence: String,
}

impl<T> Told<T> {
    pub(crate) fn new(value: T, sentence: impl Into<String>) -> Self {
        Self {
            value,
            sentence: sentence.into(),
        }
    }
}

/// A step's outcome: `Err` holds the reason in words.
pub(crate) type Outcome<T> = Result<Told<T>, String>;

pub(crate) struct Narration {
    begun: Instant,
    steps: u32,
}

/// No single step may hang the journey.
const STEP_LIMIT: Duration = Duration::from_mins(3);

impl Narration {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            steps: 0,
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "the narration is told through its one value"
    )]
    pub(crate) fn chapter(&self, title: &str) {
        say(&format!("\n{title}"));
    }

    pub(crate) async fn step<T>(
        &mut self,
        title: &str,
        doing: impl Future<Output = Outcome<T>>,
    ) -> Result<T, StepFailed> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(STEP_LIMIT, doing)
            .await
            .unwrap_or_else(|_| Err(format!("it took longer than {} s", STEP_LIMIT.as_secs())));
        let milliseconds = begun.elapsed().as_millis();
        match outcome {
            Ok(told) => {
                self.steps += 1;
                say(&format!("  ok   {title} ({milliseconds} ms)"));
                for line in told.sentence.lines() {
                    say(&format!("         {line}"));
                }
                Ok(told.value)
            }
            Err(reason) => {
                say(&format!(
                    "  FAIL {title} ({milliseconds} ms)\n         {reason}"
                ));
                Err(StepFailed {
                    step: title.to_owned(),
                    reason,
                })
            }
        }
    }

    pub(crate) fn end(&self) {
        say(&format!(
            "\nAll {} steps held, in {:.1} s.",
            self.steps,
            self.begun.elapsed().as_secs_f32()
        ));
    }
}
