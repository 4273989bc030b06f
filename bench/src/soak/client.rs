//! The client of a soak: kept connections, one request at a time on each, and every status is looked at.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::ops::Range;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::mix::Mix;
use crate::http_stream::{HttpStream, Progress, content_length, field};

pub(super) const CONNECTIONS: usize = 32;
/// Without any answer for this long the gateway has failed.
const PATIENCE: Duration = Duration::from_mins(2);
/// Of how many requests one is followed by somebody who leaves.
const LEAVING: u64 = 1_000;

pub(super) struct Client {
    gateway: SocketAddr,
    mix: Mix,
    poll: Poll,
    connections: Vec<Connection>,
    /// The request that is being written down.
    text: String,
}

struct Connection {
    http: HttpStream,
    asked: Option<Asked>,
}

/// A request whose answer is awaited, and what has come of it.
struct Asked {
    number: u64,
    status: u16,
    /// The connection ends with this answer.
    is_last: bool,
    /// What was wrong with the head.
    complaint: Option<String>,
}

impl Client {
    pub(super) fn connect(gateway: SocketAddr, mix: Mix) -> io::Result<Self> {
        let mut client = Self {
            gateway,
            mix,
            poll: Poll::new()?,
            connections: Vec::with_capacity(CONNECTIONS),
            text: String::new(),
        };
        for index in 0..CONNECTIONS {
            let connection = client.open(index)?;
            client.connections.push(connection);
        }
        Ok(client)
    }

    /// Returns when all of them are answered as they must be.
    pub(super) fn ask(&mut self, mut numbers: Range<u64>) -> Result<(), String> {
        let mut open = 0;
        for index in 0..CONNECTIONS {
            open += self.next(index, &mut numbers)?;
        }
        let mut events = Events::with_capacity(CONNECTIONS);
        while open > 0 {
            match self.poll.poll(&mut events, Some(PATIENCE)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome.map_err(|error| format!("cannot wait: {error}"))?,
            }
            if events.is_empty() {
                return Err(format!("no answer for {PATIENCE:?}, {open} are missing"));
            }
            for event in &events {
                if self.work(event.token().0)? {
                    open -= 1;
                    open += self.next(event.token().0, &mut numbers)?;
                }
            }
        }
        Ok(())
    }

    fn open(&self, index: usize) -> io::Result<Connection> {
        let stream = Blocking::connect(self.gateway)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok(Connection {
            http: HttpStream::new(stream),
            asked: None,
        })
    }

    fn reopen(&mut self, index: usize) -> Result<(), String> {
        self.connections[index] = self
            .open(index)
            .map_err(|error| format!("the gateway takes no connection: {error}"))?;
        Ok(())
    }

    /// Sends the next request, if there is one; returns how many were sent.
    fn next(&mut self, index: usize, numbers: &mut Range<u64>) -> Result<usize, String> {
        let Some(number) = numbers.next() else {
            return Ok(0);
        };
        self.text.clear();
        let status = self.mix.request(number, &mut self.text);
        let connection = &mut self.connections[index];
        connection.asked = Some(Asked {
            number,
            status,
            is_last: false,
            complaint: None,
        });
        connection
            .http
            .send(&[self.text.as_bytes()])
            .map_err(|error| format!("request {number} cannot be sent: {error}"))?;
        if number.is_multiple_of(LEAVING) {
            Blocking::connect(self.gateway)
                .and_then(|mut stream| stream.write_all(self.mix.last_words(number).as_bytes()))
                .map_err(|error| format!("the gateway takes no connection: {error}"))?;
        }
        Ok(1)
    }

    /// Takes what has come; whether an answer is complete.
    fn work(&mut self, index: usize) -> Result<bool, String> {
        let connection = &mut self.connections[index];
        let Some(mut asked) = connection.asked.take() else {
            let rest = connection.http.receive(|_| 0, |_| ());
            if !matches!(rest, Ok(Progress::Waiting)) {
                self.reopen(index)?;
            }
            return Ok(false);
        };
        let mut is_whole = false;
        let progress = connection.http.flush().and_then(|()| {
            connection
                .http
                .receive(|head| asked.take_head(head), |_| is_whole = true)
        });
        if let Some(complaint) = asked.complaint {
            return Err(complaint);
        }
        let is_open = matches!(progress, Ok(Progress::Waiting));
        if is_whole {
            if !is_open || asked.is_last {
                self.reopen(index)?;
            }
            return Ok(true);
        }
        if !is_open {
            return Err(format!(
                "request {} was not answered whole: its connection has ended",
                asked.number
            ));
        }
        connection.asked = Some(asked);
        Ok(false)
    }
}

impl Asked {
    /// Returns the length of the body.
    fn take_head(&mut self, head: &[u8]) -> usize {
        let length = content_length(head);
        let expected = format!("HTTP/1.1 {} ", self.status);
        if !head.starts_with(expected.as_bytes()) || length.is_none() {
            self.complaint = Some(format!(
                "request {}: {} was expected with a length, this came: {}",
                self.number,
                self.status,
                String::from_utf8_lossy(head)
            ));
        }
        self.is_last =
            field(head, "connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        length.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16) -> Asked {
        Asked {
            number: 1,
            status,
            is_last: false,
            complaint: None,
        }
    }

    #[test]
    fn another_status_than_the_expected_one_is_a_complaint() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nConnection: close\r\n\r\n";
        let mut good = asked(200);
        assert_eq!(good.take_head(head), 3);
        assert!(good.complaint.is_none() && good.is_last);
        let mut bad = asked(401);
        bad.take_head(head);
        assert!(bad.complaint.is_some());
    }
}
