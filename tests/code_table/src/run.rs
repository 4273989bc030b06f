//! Asks a data plane row after row. Requests are written by hand: no client stands between the row and the wire.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::http::Answer;
use crate::row::{CodeTable, RequestBody, Row};

/// Longer than any answer takes, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);
const LARGEST_ANSWER: usize = 1024 * 1024;

/// A data plane that serves the table's snapshot.
pub struct DataPlane<F> {
    pub address: SocketAddr,
    /// Its figures in Prometheus' text format: they tell the reason of a refusal, which its answer does not.
    pub figures: F,
    /// Header lines that it adds of its own, for example `server`.
    pub ignored_headers: &'static [&'static str],
}

/// Asks each of `rows`; `now` is the data plane's time in seconds since 1970. Returns what was different.
pub async fn run<F: AsyncFn() -> String>(
    table: &CodeTable,
    rows: impl IntoIterator<Item = &Row>,
    plane: &DataPlane<F>,
    now: i64,
) -> Vec<String> {
    let mut differences = Vec::new();
    for row in rows {
        let mut found = match ask(table, row, plane, now).await {
            Ok(found) => found,
            Err(error) => vec![format!("no answer: {error}")],
        };
        differences.extend(found.drain(..).map(|what| format!("{}: {what}", row.name)));
    }
    differences
}

async fn ask<F: AsyncFn() -> String>(
    table: &CodeTable,
    row: &Row,
    plane: &DataPlane<F>,
    now: i64,
) -> io::Result<Vec<String>> {
    let token = table.token.edited(&row.token, now);
    let request = request(row, &token);
    let mut connection = Connection::open(plane.address).await?;
    let mut before = reasons(&plane.figures).await;
    let mut answer = connection.ask(&request).await?;
    let mut passed = 0;
    while answer.status == StatusCode::OK && passed < row.at_most {
        passed += 1;
        answer = connection.ask(&request).await?;
    }
    if passed > 0 {
        *before.entry(String::new()).or_default() += u64::from(passed);
    }
    *before
        .entry(row.reason.clone().unwrap_or_default())
        .or_default() += 1;

    let expected = &table.answers[&row.answer];
    let mut found = expected.differences(row, &answer, plane.ignored_headers);
    // The request is counted when its answer is over, which the client may see first.
    let mut after = reasons(&plane.figures).await;
    for _ in 0..2_000 {
        if after == before {
            return Ok(found);
        }
        sleep(Duration::from_millis(5)).await;
        after = reasons(&plane.figures).await;
    }
    found.push(format!(
        "requests by reason: {after:?} instead of {before:?}"
    ));
    Ok(found)
}

fn request(row: &Row, token: &str) -> Vec<u8> {
    let mut lines = vec![
        format!("{} {} HTTP/1.1", row.method, row.path),
        "Host: gateway.example".to_owned(),
    ];
    let authorization = row.authorization.iter();
    lines.extend(
        authorization.map(|line| format!("Authorization: {}", line.replace("{token}", token))),
    );
    lines.extend(
        row.headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    let (frame, body) = match row.body {
        RequestBody::None => ("", ""),
        RequestBody::Huge => ("Content-Length: 1099511627776", ""),
        RequestBody::Stalls => ("Content-Length: 10", "half"),
        RequestBody::Garbled => ("Transfer-Encoding: chunked", "4\r\nhalf\r\nnonsense\r\n"),
    };
    if !frame.is_empty() {
        lines.push(frame.to_owned());
    }
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

/// Requests so far, by reason; what passed stands under no word.
async fn reasons<F: AsyncFn() -> String>(figures: &F) -> BTreeMap<String, u64> {
    let mut by_reason = BTreeMap::new();
    for line in figures().await.lines() {
        let Some(labels) = line.strip_prefix("claviger_gateway_requests_total{") else {
            continue;
        };
        let reason = labels
            .split("reason=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let count = line
            .rsplit(' ')
            .next()
            .and_then(|count| count.parse::<u64>().ok());
        if let (Some(reason), Some(count)) = (reason, count) {
            *by_reason.entry(reason.to_owned()).or_default() += count;
        }
    }
    by_reason
}

/// A connection of a client, kept while the server keeps it.
struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    is_kept: bool,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            address,
            stream: TcpStream::connect(address).await?,
            is_kept: true,
        })
    }

    async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        if !self.is_kept {
            *self = Self::open(self.address).await?;
        }
        self.stream.write_all(request).await?;
        timeout(PATIENCE, self.answer())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut read = Vec::new();
        let head_end = loop {
            if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more(&mut read).await?;
        };
        let (status, headers) = head(&read[..head_end]).ok_or(io::ErrorKind::InvalidData)?;
        let length = headers
            .get("content-length")
            .and_then(|length| length.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        while read.len() < head_end + length {
            self.read_more(&mut read).await?;
        }
        self.is_kept = headers.get("connection").is_none_or(|word| word != "close");
        Ok(Answer {
            status,
            headers,
            body: Bytes::from(read.split_off(head_end)),
        })
    }

    async fn read_more(&mut self, read: &mut Vec<u8>) -> io::Result<()> {
        if read.len() > LARGEST_ANSWER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.stream.read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn head(bytes: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_str(value.trim()).ok()?,
        );
    }
    Some((status, headers))
}
