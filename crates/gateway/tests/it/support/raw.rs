//! Both ends of the wire by hand: a client that writes bytes, and an upstream that does as the test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use url::Url;

use super::world::token;

/// Longer than anything takes that ends, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// An upstream whose connections are in the test's hands.
pub(crate) struct RawUpstream {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl RawUpstream {
    /// `behave` gets each connection and its number, from 0.
    pub(crate) async fn start<F, R>(behave: F) -> Self
    where
        F: Fn(TcpStream, usize) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(behave(stream, number));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Answers each request head with the same bytes, then closes.
    pub(crate) async fn answering(reply: impl Into<Vec<u8>>) -> Self {
        let reply: Arc<[u8]> = reply.into().into();
        Self::start(move |mut stream, _| {
            let reply = Arc::clone(&reply);
            async move {
                read_head(&mut stream).await;
                let _ = stream.write_all(&reply).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}/backend", self.address)
            .parse()
            .expect("a URL")
    }

    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Bytes up to and with the empty line, or up to the end.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A request head that passes; `lines` end with CR LF each.
pub(crate) fn head(method: &str, lines: &str) -> String {
    format!(
        "{method} /exampleapi/1.0.0/items HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer {}\r\n{lines}\r\n",
        token()
    )
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a connection")
}

/// Writes, and reads all that comes until the other side closes.
pub(crate) async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address).await;
    // The other side may have had enough before it has all.
    let _ = stream.write_all(request.as_ref()).await;
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = timeout(PATIENCE, reading)
        .await
        .expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}
