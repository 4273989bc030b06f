//! A gateway that runs out of file descriptors: it neither dies nor spins, and goes on when there are some again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway_alone::{addresses, gateway, snapshot, write};
use crate::operation::get;
use crate::polling::eventually;
use crate::program::Running;
use crate::upstream::Upstream;

const PATIENCE: Duration = Duration::from_mins(1);
const DESCRIPTORS: usize = 96;
const FLOOD: usize = 400;
const COMPLAINT: &str = "a connection could not be accepted";
/// The gateway waits 50 ms after each connection that it could not accept.
const COMPLAINTS_PER_SECOND: f64 = 20.0;
/// What the kernel counts processor time in, `USER_HZ`: the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The same command with at most [`DESCRIPTORS`] open files.
fn limited(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd"))
        .expect("it runs")
        .count()
}

/// Seconds that it has run on a processor, with threads that have ended.
fn processor_time(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, fields) = text.rsplit_once(") ").expect("a name in parentheses");
    // The 14th and 15th of all: in user space, in the kernel. The third follows the name.
    let ticks: u32 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u32>().expect("ticks"))
        .sum();
    f64::from(ticks) / TICKS_PER_SECOND
}

/// Asks on a kept connection; the status line.
fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /weather/1.0.0/forecast/oslo HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("the request is sent");
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).expect("an answer");
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_descriptors_serves_whom_it_has_and_takes_others_when_some_have_gone() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(
        &folder.path().join("snapshot.json"),
        &snapshot(1, &upstream.url, false).to_string(),
    );
    let running = Running::start(&mut limited(&gateway(
        folder.path(),
        &["--snapshot", "snapshot.json"],
    )));
    let (address, monitoring) = addresses(&running);
    let complaints = || running.transcript().text().matches(COMPLAINT).count();
    let mut kept = TcpStream::connect(&address).expect("a connection");
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    let at_rest = descriptors(running.id());

    let flooded = Instant::now();
    let flood: Vec<_> = (0..FLOOD)
        .map(|_| TcpStream::connect(&address).expect("the backlog has room"))
        .collect();
    let exhausted = || async { (complaints() > 0).then_some(()) };
    eventually("the descriptors are used up", PATIENCE, exhausted).await;

    // Whoever has a connection is served: its upstream's is there as well. Meanwhile nothing spins.
    let (begun, used) = (Instant::now(), processor_time(running.id()));
    while begun.elapsed() < Duration::from_secs(1) {
        assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let used = processor_time(running.id()) - used;
    let seconds = begun.elapsed().as_secs_f64();
    assert!(
        used < seconds / 2.0,
        "{used} s of processor time in {seconds} s"
    );
    // Counted before the clock is read, from before the flood: a slow machine makes the figure smaller only.
    let said = u32::try_from(complaints()).expect("not that many");
    let seconds = flooded.elapsed().as_secs_f64();
    assert!(
        f64::from(said) <= seconds * COMPLAINTS_PER_SECOND + 1.0,
        "{said} complaints in {seconds} s"
    );

    drop(flood);
    let recovered = || async { (descriptors(running.id()) <= at_rest).then_some(()) };
    eventually("the descriptors are given back", PATIENCE, recovered).await;
    assert!(get(&address, "/weather/1.0.0/forecast/oslo").starts_with("HTTP/1.1 200"));
    assert!(get(&monitoring, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    assert!(running.terminate().success());
}
