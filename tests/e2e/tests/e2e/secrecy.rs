//! Nothing that a test knows to be secret may stand in a log, nor in an answer that does not deliver it.

use std::path::Path;

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

    /// No file of the folder holds any of them: what is kept is sealed or hashed.
    pub(crate) fn absent_from_folder(&self, folder: &Path) {
        let mut folders = vec![folder.to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a readable folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                files += 1;
                let content = std::fs::read(&path).expect("a readable file");
                let text = String::from_utf8_lossy(&content);
                for secret in self.never_shown.iter().chain(&self.shown_once) {
                    assert!(
                        !text.contains(secret.as_str()),
                        "{} holds a secret in clear",
                        path.display()
                    );
                }
            }
        }
        assert!(files > 0, "the folder holds files");
    }

    /// No answer holds any of them, but for POSTs, which deliver what is shown once.
    pub(crate) fn absent_from_answers<'a>(&self, heard: impl Iterator<Item = &'a Heard>) {
        for answer in heard {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets {
            never_shown: vec!["the administrator's".to_owned()],
            shown_once: vec!["the developer's".to_owned()],
        }
    }

    fn heard(method: Method, text: &str) -> Heard {
        Heard {
            method,
            url: "http://here/keys".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    #[should_panic(expected = "logged a secret: it is <SECRET>")]
    fn a_secret_in_a_log_is_found_and_not_repeated() {
        secrets().absent_from_log("someone", "a line\nit is the developer's\n");
    }

    #[test]
    fn the_answer_that_delivers_a_secret_may_hold_it() {
        let delivered = heard(Method::POST, "here is the developer's");
        secrets().absent_from_answers([delivered].iter());
    }

    #[test]
    #[should_panic(expected = "GET http://here/keys answered with a secret")]
    fn a_later_answer_may_not() {
        let repeated = heard(Method::GET, "here is the developer's");
        secrets().absent_from_answers([repeated].iter());
    }

    #[test]
    #[should_panic(expected = "POST http://here/keys answered with a secret")]
    fn what_is_never_shown_is_in_no_answer() {
        let shown = heard(Method::POST, "here is the administrator's");
        secrets().absent_from_answers([shown].iter());
    }

    #[test]
    #[should_panic(expected = "holds a secret in clear")]
    fn a_secret_in_a_file_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("database"), b"\xff\0the developer's\0")
            .expect("writable");
        secrets().absent_from_folder(folder.path());
    }
}
