//! What is asked in a soak: requests that pass and requests that do not, hardly one like another.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::world::World;

const BODY: usize = 4_096;
const HOST: &str = "Host: gateway.example\r\nUser-Agent: soak\r\n";

pub(super) struct Mix {
    /// Token and the number of an API that its client is subscribed to.
    clients: Vec<(String, usize)>,
    body: String,
}

impl Mix {
    /// From the tokens that `prepare` wrote.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join("tokens");
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let clients = text
            .lines()
            .map(|line| {
                let (path, token) = line.split_once(' ')?;
                let api = path.strip_prefix("/api")?.split('/').next()?.parse().ok()?;
                Some((token.to_owned(), api))
            })
            .collect::<Option<Vec<_>>>()
            .filter(|clients| !clients.is_empty())
            .ok_or_else(|| format!("{}: holds no tokens", file.display()))?;
        Ok(Self {
            clients,
            body: "x".repeat(BODY),
        })
    }

    /// Writes the request of that number, and tells the status of its answer.
    pub(super) fn request(&self, number: u64, text: &mut String) -> u16 {
        let index = usize::try_from(number).unwrap_or_default();
        let (token, api) = &self.clients[index / 10 % self.clients.len()];
        // Half way round the world there are none of the client's subscriptions.
        let foreign = (api + World::STANDARD.apis / 2) % World::STANDARD.apis;
        let (line, credential, status) = match number % 10 {
            0..=2 => (format!("GET /api{api}/1.0.0/items"), Some(token), 200),
            3 => (
                format!("GET /api{api}/1.0.0/items/{number}"),
                Some(token),
                200,
            ),
            4 => (format!("POST /api{api}/1.0.0/items"), Some(token), 200),
            // Answers longer than a socket takes at once.
            5 if number % 100 == 5 => (format!("GET /api{api}/1.0.0/large"), Some(token), 200),
            5 => (format!("GET /api{api}/1.0.0/items"), None, 401),
            6 => return forged(token, *api, number, text),
            7 => (format!("GET /nowhere/{number}"), Some(token), 404),
            8 => (format!("GET /api{foreign}/1.0.0/items"), Some(token), 403),
            _ => (
                format!("GET /api{api}/1.0.0/none/{number}"),
                Some(token),
                404,
            ),
        };
        let _ = write!(text, "{line} HTTP/1.1\r\n{HOST}");
        if let Some(token) = credential {
            let _ = write!(text, "Authorization: Bearer {token}\r\n");
        }
        // One client in a thousand comes anew.
        if number % 1_000 == 4 || number % 1_000 == 505 {
            text.push_str("Connection: close\r\n");
        }
        let _ = if number % 10 == 4 {
            write!(text, "Content-Length: {BODY}\r\n\r\n{}", self.body)
        } else {
            write!(text, "\r\n")
        };
        status
    }

    /// What somebody says who leaves: half a head, or a request whose answer nobody will read.
    pub(super) fn last_words(&self, number: u64) -> String {
        let mut text = String::new();
        if number.is_multiple_of(2_000) {
            let (token, api) = &self.clients[0];
            let _ = write!(
                text,
                "GET /api{api}/1.0.0/large HTTP/1.1\r\n{HOST}Authorization: Bearer {token}\r\n\r\n"
            );
        } else {
            let _ = write!(text, "GET /api0/1.0.0/items HTTP/1.1\r\n{HOST}Authoriz");
        }
        text
    }
}

/// A token whose signature is another for each number.
fn forged(token: &str, api: usize, number: u64, text: &mut String) -> u16 {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let kept = signature.len().saturating_sub(12);
    let _ = write!(
        text,
        "GET /api{api}/1.0.0/items HTTP/1.1\r\n{HOST}Authorization: Bearer {signed}.{number:012}{}\r\n\r\n",
        &signature[signature.len() - kept..],
    );
    401
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_signatures_differ_from_the_true_one_and_from_each_other() {
        let forge = |number| {
            let mut text = String::new();
            assert_eq!(
                forged("head.claims.signature-of-some-length", 1, number, &mut text),
                401
            );
            text
        };
        assert!(forge(7).contains("head.claims.000000000007-some-length\r\n"));
        assert_ne!(forge(7), forge(8));
    }
}
