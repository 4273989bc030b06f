//! WebSockets through the gateway, to an upstream that echoes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw::{RawUpstream, connect, head, read_head};
use super::world::World;

/// Switches to WebSocket and echoes.
pub(crate) async fn echoing() -> RawUpstream {
    RawUpstream::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
            .await;
        let mut buffer = [0; 1_024];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            let _ = stream.write_all(&buffer[..read]).await;
        }
    })
    .await
}

pub(crate) async fn websocket(world: &World) -> TcpStream {
    let mut stream = connect(world.gateway.local_addr()).await;
    let request = head("GET", "connection: upgrade\r\nupgrade: websocket\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

pub(crate) async fn is_echoed(stream: &mut TcpStream) {
    stream.write_all(b"hello").await.expect("sent");
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).await.expect("an echo");
    assert_eq!(&echo, b"hello");
}
