use std::net::Ipv4Addr;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;

/// PEM of a certificate for `localhost` and of its key.
fn identity() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles::named(&folder.join("tls.crt"), &folder.join("tls.key")).expect("named")
}

fn put(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("tls.crt"), certificate).expect("writable");
    std::fs::write(folder.join("tls.key"), key).expect("writable");
}

/// A whole handshake over TCP; whether a client that trusts only this certificate accepts the server.
async fn is_accepted(tls: &SharedTls, (certificate, _): &(String, String)) -> bool {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = tls.acceptor();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let _ = acceptor.accept(stream).await;
    });
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM"))
        .expect("a certificate");
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let accepted = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .is_ok();
    server.await.expect("the server ends");
    accepted
}

#[tokio::test]
async fn a_changed_certificate_is_used_for_the_next_handshake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (first, second) = (identity(), identity());
    put(folder.path(), &first);
    let mut watch = TlsWatch::new("test", files(folder.path()).paths());
    let tls = SharedTls::new(&files(folder.path()).load().expect("readable")).expect("usable");
    assert!(is_accepted(&tls, &first).await);
    assert!(!is_accepted(&tls, &second).await);

    put(folder.path(), &second);
    watch.look(|| tls.replace(&files(folder.path()).load()?));
    assert!(is_accepted(&tls, &second).await);
    assert!(!is_accepted(&tls, &first).await);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_the_old_one_until_a_good_one_comes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (first, second) = (identity(), identity());
    put(folder.path(), &first);
    let mut watch = TlsWatch::new("test", files(folder.path()).paths());
    let tls = SharedTls::new(&files(folder.path()).load().expect("readable")).expect("usable");

    // Half a change: the new certificate beside the old key.
    put(folder.path(), &(second.0.clone(), first.1.clone()));
    watch.look(|| tls.replace(&files(folder.path()).load()?));
    assert!(is_accepted(&tls, &first).await);

    std::fs::remove_file(folder.path().join("tls.key")).expect("removed");
    watch.look(|| tls.replace(&files(folder.path()).load()?));
    assert!(is_accepted(&tls, &first).await);

    put(folder.path(), &second);
    watch.look(|| tls.replace(&files(folder.path()).load()?));
    assert!(is_accepted(&tls, &second).await);
}

#[test]
fn files_that_did_not_change_are_not_read_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(folder.path(), &identity());
    let mut watch = TlsWatch::new("test", files(folder.path()).paths());
    watch.look(|| panic!("nothing is new"));
}

#[test]
fn each_file_that_changes_alone_is_noticed_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(folder.path(), &identity());
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, "").expect("writable");
    let mut watched = files(folder.path()).paths();
    watched.push(authorities);
    let mut watch = TlsWatch::new("test", watched.clone());
    let reloads = std::cell::Cell::new(0);
    let count = || {
        reloads.set(reloads.get() + 1);
        Ok(())
    };
    for (file, expected) in watched.iter().zip(1..) {
        std::fs::write(file, format!("{expected} is new")).expect("writable");
        watch.look(count);
        watch.look(count);
        assert_eq!(reloads.get(), expected, "{}", file.display());
    }
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let files = TlsFiles::named(Path::new("/dev/zero"), Path::new("/dev/zero")).expect("named");
    let Err(reason) = files.load() else {
        panic!("refused")
    };
    assert!(reason.contains("larger than 1 MiB"), "{reason}");
}
