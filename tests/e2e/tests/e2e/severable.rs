//! A line to another server that a test can cut and mend.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Severable {
    /// Where to connect instead.
    pub(crate) address: String,
    is_whole: watch::Sender<bool>,
}

impl Severable {
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (is_whole, state) = watch::channel(true);
        tokio::spawn(carry(listener, target.to_owned(), state));
        Self { address, is_whole }
    }

    /// Connections break, new ones are closed at once.
    pub(crate) fn sever(&self) {
        self.is_whole.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

async fn carry(listener: TcpListener, target: String, state: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let (target, mut state) = (target.clone(), state.clone());
        tokio::spawn(async move {
            if !*state.borrow_and_update() {
                return;
            }
            let Ok(mut far) = TcpStream::connect(&target).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = state.wait_for(|is_whole| !is_whole) => {}
            }
        });
    }
}
