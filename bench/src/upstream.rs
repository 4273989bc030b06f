//! The endpoint behind every contestant: one thread, canned answers, keep-alive.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::http_stream::{HttpStream, Progress, content_length};

const LISTENER: Token = Token(0);
const SMALL: usize = 1_142;
const LARGE: usize = 102_413;

pub(crate) fn run(folder: &Path) -> Result<(), String> {
    let keys = fs::read(folder.join("keys.json")).map_err(|error| format!("keys.json: {error}"))?;
    serve(&keys).map_err(|error| format!("the upstream failed: {error}"))
}

fn serve(keys: &[u8]) -> io::Result<()> {
    let answers = Answers {
        small: answer(&json_of(SMALL)),
        large: answer(&json_of(LARGE)),
        keys: answer(keys),
    };
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut connections: HashMap<Token, HttpStream> = HashMap::new();
    let mut next = 1;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(next);
                    next += 1;
                    poll.registry().register(
                        &mut stream,
                        token,
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    connections.insert(token, HttpStream::new(stream));
                }
                continue;
            }
            let Some(connection) = connections.get_mut(&event.token()) else {
                continue;
            };
            if !matches!(answers.work(connection), Ok(Progress::Waiting)) {
                connections.remove(&event.token());
            }
        }
    }
}

struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
    keys: Vec<u8>,
}

impl Answers {
    fn work(&self, connection: &mut HttpStream) -> io::Result<Progress> {
        connection.flush()?;
        let wanted = std::cell::Cell::new(&self.small);
        connection.receive(
            |head| {
                let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
                wanted.set(if line.windows(6).any(|part| part == b"/large") {
                    &self.large
                } else if line.starts_with(b"GET /keys ") {
                    &self.keys
                } else {
                    &self.small
                });
                content_length(head).unwrap_or_default()
            },
            |output| output.extend_from_slice(wanted.get()),
        )
    }
}

fn answer(body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn json_of(length: usize) -> Vec<u8> {
    let (begin, end) = (r#"{"items":""#, r#""}"#);
    let mut body = String::from(begin);
    body.extend(std::iter::repeat_n('x', length - begin.len() - end.len()));
    body.push_str(end);
    body.into_bytes()
}
