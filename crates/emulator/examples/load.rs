//! Loads an emulator with applications over HTTPS and prints what each request took, as JSON: samples
//! in milliseconds by operation, and resident memory. `cargo xtask bench emulator` reports on it.
//!
//! `cargo run --release -p emulator --example load [APPLICATIONS]`; without a number, 10 000.

use std::{error::Error, io::Write as _, time::Duration};

use emulator::{Emulator, EmulatorConfig};
use serde_json::{Value, json};
use tokio::time::Instant;

const SAMPLES: usize = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args()
        .nth(1)
        .map_or(Ok(10_000), |text| text.parse::<usize>())?;
    let config = EmulatorConfig {
        throttling: false,
        ..EmulatorConfig::default()
    };
    let running = Emulator::start(config).await?;
    let http = client(running.ca_pem())?;
    let base = format!("{}/v1.0", running.base_url());
    let administrator = running.administrator();
    let token = format!(
        "{}/{}/oauth2/v2.0/token",
        running.base_url(),
        running.tenant_id()
    );
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", administrator.client_id.to_string()),
        ("client_secret", administrator.expose_secret().to_owned()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ];
    let answer: Value = http.post(token).form(&form).send().await?.json().await?;
    let token = answer["access_token"]
        .as_str()
        .ok_or("no token")?
        .to_owned();

    let empty = resident();
    let mut create = Vec::new();
    let mut app_ids = Vec::new();
    for number in 0..wanted {
        let body = json!({
            "displayName": format!("application {number}"), "tags": [format!("load:{number}")],
            "api": { "requestedAccessTokenVersion": 2 }, "passwordCredentials": [{}],
        });
        let request = http
            .post(format!("{base}/applications"))
            .bearer_auth(&token)
            .json(&body);
        let (took, answer) = timed(request).await?;
        create.push(took);
        app_ids.push(answer["appId"].as_str().ok_or("no application")?.to_owned());
    }
    let (mut get, mut by_tag, mut by_name) = (Vec::new(), Vec::new(), Vec::new());
    let mut discovery = Vec::new();
    let document = format!(
        "{}/{}/v2.0/.well-known/openid-configuration",
        running.base_url(),
        running.tenant_id()
    );
    for sample in 0..SAMPLES.min(wanted) {
        let number = sample * wanted / SAMPLES.min(wanted);
        discovery.push(timed(http.get(&document)).await?.0);
        let read = |target: String| http.get(format!("{base}{target}")).bearer_auth(&token);
        let target = format!("/applications(appId='{}')", app_ids[number]);
        get.push(timed(read(target)).await?.0);
        let target = format!("/applications?$filter=tags/any(t:t eq 'load:{number}')");
        by_tag.push(found(timed(read(target)).await?)?);
        let target = format!("/applications?$filter=displayName eq 'application {number}'");
        by_name.push(found(timed(read(target)).await?)?);
    }
    let report = json!({
        "applications": wanted,
        "milliseconds": {
            "discovery document": milliseconds(discovery), "create": milliseconds(create),
            "get by appId": milliseconds(get), "filter by tag": milliseconds(by_tag),
            "filter by name": milliseconds(by_name),
        },
        "residentMebibytes": { "empty": empty, "loaded": resident() },
    });
    writeln!(std::io::stdout(), "{report}")?;
    running.stop().await;
    Ok(())
}

async fn timed(request: reqwest::RequestBuilder) -> Result<(Duration, Value), Box<dyn Error>> {
    let start = Instant::now();
    let answer = request.send().await?.error_for_status()?.json().await?;
    Ok((start.elapsed(), answer))
}

fn found((took, answer): (Duration, Value)) -> Result<Duration, Box<dyn Error>> {
    let found = answer["value"].as_array().map_or(0, Vec::len);
    if found == 1 {
        Ok(took)
    } else {
        Err(format!("found {found} instead of 1").into())
    }
}

fn milliseconds(samples: Vec<Duration>) -> Vec<f64> {
    let of = |sample: Duration| sample.as_secs_f64() * 1000.0;
    samples.into_iter().map(of).collect()
}

/// Resident memory of this process, server and client together; `null` where it cannot be read.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the load's own client, which trusts our CA"
)]
fn client(ca_pem: &str) -> Result<reqwest::Client, reqwest::Error> {
    let certificate = reqwest::Certificate::from_pem(ca_pem.as_bytes())?;
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([certificate])
        .build()
}
