//! Nothing that a test knows to be secret may stand in a log, nor in an answer that does not deliver it.

use reqwest::Method;

use crate::http::Heard;

/// What a run may not have let out.
#[derive(Default)]
pub(crate) struct Secrets {
    /// Never shown to anybody: our own credentials.
    pub(crate) never_shown: Vec<String>,
    /// Shown once, in the answer to the POST that made them.
    pub(crate) shown_once: Vec<String>,
}

impl Secrets {
    /// The log holds none of them.
    pub(crate) fn absent_from_log(&self, whose: &str, log: &str) {
        assert!(!log.is_empty(), "the log of {whose} was captured");
        for secret in self.never_shown.iter().chain(&self.shown_once) {
            assert!(secret.len() >= 8, "too short to look for");
            if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
                panic!(
                    "{whose} logged a secret: {}",
                    line.replace(secret.as_str(), "<SECRET>")
                );
            }
        }
    }

    /// No answer of `server` holds any of them, but for POSTs, which deliver what is shown once.
    pub(crate) fn absent_from_answers(&self, server: &str, heard: &[Heard]) {
        let answers: Vec<_> = heard
            .iter()
            .filter(|heard| heard.url.starts_with(server))
            .collect();
        for answer in answers {
            let delivers = answer.method == Method::POST;
            let once = self.shown_once.iter().filter(|_| !delivers);
            for secret in self.never_shown.iter().chain(once) {
                assert!(
                    !answer.text.contains(secret.as_str()),
                    "{} {} answered with a secret",
                    answer.method,
                    answer.url
                );
            }
        }
    }

    /// What a token is known by in a log: its signature.
    pub(crate) fn add_token(&mut self, token: &str) {
        let signature = token.rsplit('.').next().unwrap_or(token);
        self.shown_once.push(signature.to_owned());
    }
}
