//! The client of a soak: kept connections, as many requests at once on each as its front takes, and every answer is
//! looked at.

use std::cell::Cell;
use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::front::{Front, Way};
use super::mix::{Asked, Mix};

/// Without its answer for this long the gateway has failed.
const PATIENCE: Duration = Duration::from_mins(2);
/// Of how many requests one is followed by somebody who leaves.
const LEAVING: u64 = 1_000;
const HOST_NAME: &str = "gateway.example";

pub(super) struct Client {
    way: Way,
    mix: Mix,
    connections: Vec<Connection>,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub(super) async fn connect(way: Way, mix: Mix) -> Result<Self, String> {
        let (width, _) = way.front.width();
        let connections = try_join_all((0..width).map(|_| Connection::open(&way))).await?;
        Ok(Self {
            way,
            mix,
            connections,
        })
    }

    /// Returns when all of them are answered as they must be.
    pub(super) async fn ask(&mut self, numbers: Range<u64>) -> Result<(), String> {
        let (way, mix, numbers) = (&self.way, &self.mix, &Cell::new(numbers));
        let asking = self.connections.iter_mut().map(|connection| async move {
            while let Some(some) = next(numbers, way.front) {
                ask_at_once(way, mix, connection, some).await?;
            }
            Ok::<(), String>(())
        });
        try_join_all(asking).await.map(|_| ())
    }
}

/// As many as one connection takes.
fn next(numbers: &Cell<Range<u64>>, front: Front) -> Option<Range<u64>> {
    let all = numbers.take();
    let (_, at_once) = front.width();
    let until = (all.start + at_once).min(all.end);
    let some = all.start..until;
    numbers.set(until..all.end);
    (!some.is_empty()).then_some(some)
}

async fn ask_at_once(
    way: &Way,
    mix: &Mix,
    connection: &mut Connection,
    numbers: Range<u64>,
) -> Result<(), String> {
    if !connection.is_ready().await {
        *connection = Connection::open(way).await?;
    }
    let leaving = numbers
        .clone()
        .find(|number| number.is_multiple_of(LEAVING));
    let answers = numbers.map(|number| {
        let asked = mix.request(number);
        let response = connection.send(&asked);
        asked.until_answered(response)
    });
    let answers: Vec<_> = answers.collect();
    let ends = try_join_all(answers).await?;
    if let Some(number) = leaving {
        leave(way, mix, connection, number).await?;
    }
    if ends.contains(&true) {
        *connection = Connection::open(way).await?;
    }
    Ok(())
}

/// Half a beginning, or a request whose answer is not read to its end.
async fn leave(
    way: &Way,
    mix: &Mix,
    connection: &mut Connection,
    number: u64,
) -> Result<(), String> {
    if !number.is_multiple_of(2 * LEAVING) {
        let beginning: &[u8] = if way.front.is_secure() {
            // A record of a handshake that would go on.
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        } else {
            b"GET /api0/1.0.0/items HTTP/1.1\r\nHost: gateway.example\r\nAuthoriz"
        };
        let mut stream = TcpStream::connect(way.address).await.map_err(no_way_in)?;
        return stream.write_all(beginning).await.map_err(no_way_in);
    }
    // A stream of HTTP/2 is left while its connection stays.
    let head = match connection {
        Connection::Http2(_) => connection.send(&mix.large()).await,
        Connection::Http1(_) => Connection::open(way).await?.send(&mix.large()).await,
    };
    head.map(drop)
        .map_err(|error| format!("the answer after request {number} has no head: {error}"))
}

fn no_way_in(error: impl Display) -> String {
    format!("the gateway takes no connection: {error}")
}

impl Connection {
    async fn open(way: &Way) -> Result<Self, String> {
        let stream = TokioIo::new(way.connect().await.map_err(no_way_in)?);
        if way.front == Front::Http2 {
            let handshake = http2::handshake(TokioExecutor::new(), stream).await;
            let (sender, connection) = handshake.map_err(no_way_in)?;
            tokio::spawn(connection);
            return Ok(Self::Http2(sender));
        }
        let (sender, connection) = http1::handshake(stream).await.map_err(no_way_in)?;
        tokio::spawn(connection);
        Ok(Self::Http1(sender))
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    fn send(&mut self, asked: &Asked) -> BoxFuture<'static, hyper::Result<Response<Incoming>>> {
        match self {
            Self::Http1(sender) => {
                let mut request = asked.to_request(&asked.path);
                let headers = request.headers_mut();
                headers.insert(HOST, http::HeaderValue::from_static(HOST_NAME));
                if asked.is_last {
                    headers.insert(CONNECTION, http::HeaderValue::from_static("close"));
                }
                sender.send_request(request).boxed()
            }
            Self::Http2(sender) => {
                let request = asked.to_request(&format!("https://{HOST_NAME}{}", asked.path));
                sender.send_request(request).boxed()
            }
        }
    }
}

impl Asked {
    fn to_request(&self, target: &str) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        if self.is_post {
            *request.method_mut() = Method::POST;
        }
        *request.uri_mut() = target.parse().expect("the mix has no other targets");
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, http::HeaderValue::from_static("soak"));
        if let Some(credential) = &self.credential {
            let value = credential.parse().expect("tokens are text");
            headers.insert(AUTHORIZATION, value);
        }
        request
    }

    /// Whether the connection ends with the answer.
    async fn until_answered(
        self,
        response: BoxFuture<'static, hyper::Result<Response<Incoming>>>,
    ) -> Result<bool, String> {
        let number = self.number;
        let answer = timeout(PATIENCE, async {
            let (head, body) = response.await?.into_parts();
            Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes()))
        });
        let (head, body) = answer
            .await
            .map_err(|_| format!("request {number} was not answered for {PATIENCE:?}"))?
            .map_err(|error| format!("request {number} was not answered whole: {error}"))?;
        self.judge(head.status.as_u16(), &head.headers, body.len())
            .map(|()| self.is_last || says_close(&head.headers))
    }

    fn judge(&self, status: u16, headers: &HeaderMap, length: usize) -> Result<(), String> {
        let told = headers.get(CONTENT_LENGTH).and_then(|value| {
            let told: usize = value.to_str().ok()?.parse().ok()?;
            Some(told)
        });
        if status == self.status && told == Some(length) {
            return Ok(());
        }
        Err(format!(
            "request {}: {} was expected with its length, this came: {status}, {length} bytes, {headers:?}",
            self.number, self.status
        ))
    }
}

fn says_close(headers: &HeaderMap) -> bool {
    headers
        .get(CONNECTION)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16) -> Asked {
        Asked {
            number: 1,
            is_post: false,
            path: "/".to_owned(),
            credential: None,
            body: Bytes::new(),
            status,
            is_last: false,
        }
    }

    #[test]
    fn another_status_or_length_than_the_expected_one_is_a_complaint() {
        let mut headers = HeaderMap::new();
        assert!(asked(200).judge(200, &headers, 0).is_err());
        headers.insert(CONTENT_LENGTH, 3.into());
        assert!(asked(200).judge(200, &headers, 3).is_ok());
        assert!(asked(200).judge(200, &headers, 2).is_err());
        assert!(asked(401).judge(200, &headers, 3).is_err());
    }

    #[test]
    fn the_last_of_the_numbers_are_taken_once() {
        let numbers = Cell::new(0..10);
        assert_eq!(next(&numbers, Front::Http2), Some(0..8));
        assert_eq!(next(&numbers, Front::Http2), Some(8..10));
        assert_eq!(next(&numbers, Front::Http2), None);
    }
}
