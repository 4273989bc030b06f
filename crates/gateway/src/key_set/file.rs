//! A key set's copy on disk: with it a restart works while the provider is down.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Jwk, KeptKey, Keys, LARGEST_KEY_SET, trusted};

/// The form of the file. Public keys only: nothing in it is secret.
#[derive(Serialize, Deserialize)]
struct Saved {
    url: Url,
    fetched_at: i64,
    keys: Vec<SavedKey>,
}

#[derive(Serialize, Deserialize)]
struct SavedKey {
    jwk: Jwk,
    last_seen: i64,
}

/// What an earlier run saved of this address; empty when there is nothing usable.
pub(super) fn load(folder: &Path, url: &Url) -> Keys {
    let path = path_of(folder, url);
    let is_bounded = std::fs::metadata(&path)
        .is_ok_and(|file| file.len() <= 4 * u64::try_from(LARGEST_KEY_SET).unwrap_or(u64::MAX));
    if !is_bounded {
        return Keys::default();
    }
    let saved = std::fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok())
        .filter(|saved| saved.url == *url);
    let Some(saved) = saved else {
        tracing::warn!(path = %path.display(), "a saved key set is unreadable and ignored");
        return Keys::default();
    };
    let by_id = saved
        .keys
        .into_iter()
        .filter_map(|kept| {
            let (id, key) = trusted(kept.jwk)?;
            let key = Arc::new(key);
            Some((
                id,
                KeptKey {
                    key,
                    last_seen: kept.last_seen,
                },
            ))
        })
        .collect::<HashMap<_, _>>();
    Keys {
        by_id,
        fetched_at: Some(saved.fetched_at),
    }
}

/// Written beside and renamed: a crash leaves the old file or the new one.
pub(super) fn save(folder: &Path, url: &Url, keys: &Keys) -> io::Result<()> {
    let saved = Saved {
        url: url.clone(),
        fetched_at: keys.fetched_at.unwrap_or_default(),
        keys: keys
            .by_id
            .values()
            .map(|kept| SavedKey {
                jwk: kept.key.jwk.clone(),
                last_seen: kept.last_seen,
            })
            .collect(),
    };
    std::fs::create_dir_all(folder)?;
    let path = path_of(folder, url);
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec(&saved)?)?;
    std::fs::rename(&beside, &path)
}

fn path_of(folder: &Path, url: &Url) -> PathBuf {
    use std::fmt::Write as _;
    let mut name = String::with_capacity(70);
    for byte in digest(&SHA256, url.as_str().as_bytes()).as_ref() {
        write!(name, "{byte:02x}").expect("writing to a String cannot fail");
    }
    folder.join(name + ".json")
}
