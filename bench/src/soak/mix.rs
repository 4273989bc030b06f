//! What is asked in a soak: requests that pass and requests that do not, hardly one like another.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use crate::world::World;

const BODY: usize = 4_096;

pub(super) struct Mix {
    /// Token and the number of an API that its client is subscribed to.
    clients: Vec<(String, usize)>,
    body: Bytes,
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
            body: Bytes::from(vec![b'x'; BODY]),
        })
    }

    /// The request of that number.
    pub(super) fn request(&self, number: u64) -> Asked {
        let index = usize::try_from(number).unwrap_or_default();
        let (token, api) = &self.clients[index / 10 % self.clients.len()];
        // Half way round the world there are none of the client's subscriptions.
        let foreign = (api + World::STANDARD.apis / 2) % World::STANDARD.apis;
        let token = Some(token.as_str());
        let (path, credential, status) = match number % 10 {
            3 => (format!("/api{api}/1.0.0/items/{number}"), token, 200),
            // Answers longer than a socket takes at once.
            5 if number % 100 == 5 => (format!("/api{api}/1.0.0/large"), token, 200),
            5 => (format!("/api{api}/1.0.0/items"), None, 401),
            6 => (format!("/api{api}/1.0.0/items"), token, 401),
            7 => (format!("/nowhere/{number}"), token, 404),
            8 => (format!("/api{foreign}/1.0.0/items"), token, 403),
            9 => (format!("/api{api}/1.0.0/none/{number}"), token, 404),
            _ => (format!("/api{api}/1.0.0/items"), token, 200),
        };
        Asked {
            number,
            is_post: number % 10 == 4,
            path,
            credential: credential.map(|token| {
                if number % 10 == 6 {
                    format!("Bearer {}", forged(token, number))
                } else {
                    format!("Bearer {token}")
                }
            }),
            body: if number % 10 == 4 {
                self.body.clone()
            } else {
                Bytes::new()
            },
            status,
            // One client in a thousand comes anew.
            is_last: number % 1_000 == 4 || number % 1_000 == 505,
        }
    }

    /// One whose answer is longer than a socket takes at once.
    pub(super) fn large(&self) -> Asked {
        self.request(5)
    }
}

/// A request, and what must come of it.
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) is_post: bool,
    pub(super) path: String,
    pub(super) credential: Option<String>,
    pub(super) body: Bytes,
    pub(super) status: u16,
    /// Its client goes away with the answer.
    pub(super) is_last: bool,
}

/// A token whose signature is another for each number.
fn forged(token: &str, number: u64) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let kept = signature.len().saturating_sub(12);
    format!(
        "{signed}.{number:012}{}",
        &signature[signature.len() - kept..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_signatures_differ_from_the_true_one_and_from_each_other() {
        let forge = |number| forged("head.claims.signature-of-some-length", number);
        assert_eq!(forge(7), "head.claims.000000000007-some-length");
        assert_ne!(forge(7), forge(8));
    }

    #[test]
    fn one_request_in_ten_is_forged_and_one_in_ten_asks_for_what_there_is_not() {
        let mix = Mix {
            clients: vec![("head.claims.signature-of-some-length".to_owned(), 3)],
            body: Bytes::from_static(b"x"),
        };
        let asked: Vec<_> = (0..10).map(|number| mix.request(number)).collect();
        let statuses: Vec<_> = asked.iter().map(|one| one.status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 401, 404, 403, 404]);
        assert_eq!(mix.request(15).status, 401);
        assert!(asked[4].is_post && asked[4].is_last && !asked[5].is_post);
        assert_eq!(mix.request(15).credential, None);
        assert_ne!(asked[6].credential, asked[5].credential);
    }
}
