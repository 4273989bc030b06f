//! Does a contestant do the work at all? Asked before it is measured: who refuses nothing is fast.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::case::{Case, Front};
use super::contestant::Contestant;
use super::place::Place;
use super::process::{Running, pause};

pub(super) fn passes(
    place: &Place,
    contestant: Contestant,
    case: &Case,
    running: &Running,
) -> Result<(), String> {
    // The same configuration speaks HTTP/1.1 in other cases; h2load counts failures itself.
    if case.front != Front::Http1 {
        pause(700);
        return Ok(());
    }
    let (path, token) = place.first_token()?;
    let begun = Instant::now();
    loop {
        match status(running, &path, &token) {
            Ok(200) => break,
            // Key sets may still be on their way.
            _ if begun.elapsed() < Duration::from_secs(5) => pause(20),
            other => return Err(format!("a good request is answered with {other:?}")),
        }
    }
    if !contestant.authenticates() {
        return Ok(());
    }
    let (head, signature) = token.rsplit_once('.').ok_or("no token")?;
    let begins_with_a = signature.starts_with('A');
    let forged = format!(
        "{head}.{}{}",
        if begins_with_a { "B" } else { "A" },
        &signature[1..]
    );
    for (what, path, token) in [
        ("a forged token", path.as_str(), forged.as_str()),
        ("no token", path.as_str(), ""),
        // The first client's subscriptions are to the first twenty APIs.
        ("an API without subscription", "/api100/1.0.0/items", &token),
        ("an unknown API", "/nothing/1.0.0/items", &token),
    ] {
        let status = status(running, path, token)?;
        if !matches!(status, 401 | 403 | 404) {
            return Err(format!("{what} is answered with {status}"));
        }
    }
    Ok(())
}

fn status(running: &Running, path: &str, token: &str) -> Result<u16, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(running.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        let authorization = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: gateway.example\r\n{authorization}Connection: close\r\n\r\n"
        )?;
        let mut answer = vec![0; 64];
        let count = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
    };
    let answer = ask().map_err(|error| error.to_string())?;
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(format!("no answer: {answer:?}"))
}
