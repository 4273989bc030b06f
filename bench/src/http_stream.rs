//! One end of an HTTP/1.1 connection with keep-alive, for peers that we know: bytes in, messages out.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;

/// Longest message head.
const HEAD: usize = 16 * 1_024;

pub(crate) struct HttpStream {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    /// Bytes of the body that are still to come.
    body: usize,
    output: Vec<u8>,
    written: usize,
}

/// What reading came to.
pub(crate) enum Progress {
    /// Everything that was there was taken.
    Waiting,
    Closed,
}

impl HttpStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            input: vec![0; 256 * 1_024],
            filled: 0,
            body: 0,
            output: Vec::with_capacity(4_096),
            written: 0,
        }
    }

    /// Sends now what the socket takes, the rest when it is writable.
    pub(crate) fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.output.extend_from_slice(part);
        }
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads until nothing is left; `done` is called with the head of every message whose body has arrived.
    pub(crate) fn receive(
        &mut self,
        mut body_length: impl FnMut(&[u8]) -> usize,
        mut done: impl FnMut(&mut Vec<u8>),
    ) -> io::Result<Progress> {
        loop {
            let room = self.input.len() - self.filled;
            let count = match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Ok(Progress::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flush()?;
                    return Ok(Progress::Waiting);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.filled += count;
            self.take_messages(&mut body_length, &mut done)?;
            // A short read has emptied the socket.
            if count < room {
                self.flush()?;
                return Ok(Progress::Waiting);
            }
        }
    }

    fn take_messages(
        &mut self,
        body_length: &mut impl FnMut(&[u8]) -> usize,
        done: &mut impl FnMut(&mut Vec<u8>),
    ) -> io::Result<()> {
        let mut at = 0;
        while at < self.filled {
            if self.body > 0 {
                let taken = self.body.min(self.filled - at);
                self.body -= taken;
                at += taken;
                if self.body == 0 {
                    done(&mut self.output);
                }
                continue;
            }
            let Some(head) = end_of_head(&self.input[at..self.filled]) else {
                if self.filled - at > HEAD {
                    return Err(io::Error::from(io::ErrorKind::InvalidData));
                }
                break;
            };
            self.body = body_length(&self.input[at..at + head]);
            at += head;
            if self.body == 0 {
                done(&mut self.output);
            }
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}

/// Length of the head with its empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(offset) = bytes[from..].iter().position(|&byte| byte == b'\r') {
        let at = from + offset;
        if bytes[at..].starts_with(b"\r\n\r\n") {
            return Some(at + 4);
        }
        from = at + 1;
    }
    None
}

/// The value of a header field, without regard to case.
pub(crate) fn field<'h>(head: &'h [u8], name: &str) -> Option<&'h [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        (found.eq_ignore_ascii_case(name.as_bytes()) && value.first() == Some(&b':'))
            .then(|| value[1..].trim_ascii())
    })
}

/// `Content-Length`; `None` where the body is framed otherwise.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(field(head, "content-length")?)
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line() {
        assert_eq!(
            end_of_head(b"HTTP/1.1 200 OK\r\na: b\r\n\r\nbody"),
            Some(25)
        );
        assert_eq!(end_of_head(b"HTTP/1.1 200 OK\r\na: b\r\n"), None);
    }

    #[test]
    fn a_field_is_found_in_any_case() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-Length:  42\r\nx: y\r\n\r\n";
        assert_eq!(content_length(head), Some(42));
        assert_eq!(field(head, "X"), Some(&b"y"[..]));
        assert_eq!(field(head, "content"), None);
    }
}
