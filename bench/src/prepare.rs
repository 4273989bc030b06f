//! Everything that the contestants read: tokens, key sets, certificates, maps of subscriptions, the snapshot.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::token::{KEYS, Signer};
use crate::world::{REQUESTS_PER_MINUTE, World, consumer_key};

/// Tokens live for 30 days.
const RENEW_AFTER: Duration = Duration::from_hours(20 * 24);

pub(crate) fn run(folder: &Path, tokens: usize) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let world = World::STANDARD;
    let file = folder.join("tokens");
    if !is_enough(&file, tokens) {
        // The keys go with the tokens: files of another run are of no use.
        let signer = Signer::open(folder)?;
        write(&file, signer.lines(world, tokens, now()?)?)?;
    }
    let signer = Signer::publish(folder)?;
    for number in 0..KEYS {
        write(
            &folder.join(format!("key{number}.pem")),
            signer.public_pem(number)?,
        )?;
    }
    maps(folder, world)?;
    certificate(folder)
}

pub(crate) fn snapshot(folder: &Path, upstream: SocketAddr) -> Result<(), String> {
    let update = World::STANDARD.whole(
        &format!("http://{upstream}"),
        &format!("http://{upstream}/keys"),
    )?;
    let text = serde_json::to_string(&update).map_err(|error| error.to_string())?;
    write(&folder.join("snapshot.json"), text)
}

pub(crate) fn now() -> Result<i64, String> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|error| error.to_string())?;
    i64::try_from(since.as_secs()).map_err(|error| error.to_string())
}

fn is_enough(file: &Path, tokens: usize) -> bool {
    let is_young = fs::metadata(file)
        .and_then(|data| data.modified())
        .is_ok_and(|at| at.elapsed().is_ok_and(|age| age < RENEW_AFTER));
    is_young && fs::read_to_string(file).is_ok_and(|text| text.lines().count() >= tokens)
}

/// For haproxy: path to API, client and API to the requests allowed. For Envoy: a Lua table of the same.
fn maps(folder: &Path, world: World) -> Result<(), String> {
    let mut apis = String::new();
    for api in 0..world.apis {
        let _ = writeln!(apis, "/api{api}/1.0.0/ api{api}");
    }
    write(&folder.join("apis.map"), apis)?;
    let (mut map, mut table) = (String::new(), String::from("subscriptions = {\n"));
    for client in 0..world.clients {
        let key = consumer_key(client);
        for api in world.apis_of(client) {
            let _ = writeln!(map, "{key}|api{api} {REQUESTS_PER_MINUTE}");
            let _ = writeln!(table, "[\"{key}|api{api}\"]=true,");
        }
    }
    table.push_str("}\n");
    write(&folder.join("subscriptions.map"), map)?;
    write(&folder.join("subscriptions.lua"), table)
}

/// For the fronts with TLS; the same for every contestant.
fn certificate(folder: &Path) -> Result<(), String> {
    if folder.join("tls.pem").exists() {
        return Ok(());
    }
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
        .map_err(|error| error.to_string())?;
    write(&folder.join("tls.pem"), made.cert.pem())?;
    write(&folder.join("tls.key"), made.signing_key.serialize_pem())
}

fn write(file: &Path, text: String) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
