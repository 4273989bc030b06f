//! Opening a database: what works, and what an operator reads when it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use domain::Random;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use store::snapshot_change::ChangedNoun;
use store::{OpenError, SealingKey, Store, StoreConfig, StoreError, open};

/// Counts up: enough for nonces that differ, and the same in every run.
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn open_with(url: &str, key: SealingKey) -> Result<Arc<dyn Store>, OpenError> {
    open(&StoreConfig::new(url), key, Arc::new(Counting(0.into()))).await
}

fn key() -> SealingKey {
    SealingKey::from_bytes([7; 32])
}

fn a_change() -> ChangedNoun {
    ChangedNoun::Api(
        "0190b6d0-0000-7000-8000-000000000000"
            .parse()
            .expect("a UUID"),
    )
}

fn at() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn refusal(result: Result<Arc<dyn Store>, OpenError>) -> OpenError {
    match result {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_file_is_made_with_its_folder_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/claviger.db");
    let url = format!("sqlite:{}", path.display());
    for _ in 0..2 {
        open_with(&url, key()).await.unwrap().ping().await.unwrap();
    }
    assert!(path.is_file());
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_file_its_log_or_its_folder() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = open_with(&format!("sqlite:{}/claviger.db", data.display()), key())
        .await
        .unwrap();
    store.ping().await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("claviger.db")), 0o600);
    assert_eq!(mode(&data.join("claviger.db-wal")), 0o600);
}

#[tokio::test]
async fn the_file_log_is_a_write_ahead_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    let _store = open_with(&format!("sqlite:{}", path.display()), key())
        .await
        .unwrap();
    let header = std::fs::read(&path).unwrap();
    // SQLite's file format, section 1.3: bytes 18 and 19 are 2 for WAL.
    assert_eq!(header[18..20], [2, 2]);
}

#[tokio::test]
async fn a_folder_in_the_files_place_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    let error = refusal(open_with(&url, key()).await);
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&folder.path().display().to_string())
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    let letter = "Dear reader, this is not a database. ".repeat(40);
    std::fs::write(&path, &letter).unwrap();
    let error = refusal(open_with(&format!("sqlite:{}", path.display()), key()).await);
    assert!(matches!(error, OpenError::SqliteFile { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}

#[tokio::test]
async fn another_sealing_key_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
    open_with(&url, key()).await.unwrap();
    let error = refusal(open_with(&url, SealingKey::from_bytes([8; 32])).await);
    assert!(matches!(error, OpenError::SealingKey), "{error:?}");
    // A key that was rotated in still knows the one before.
    open_with(&url, SealingKey::from_bytes([8; 32]).with_previous([7; 32]))
        .await
        .unwrap();
}

/// Two processes on one file are two stores here: SQLite's locks do not know the difference between them.
#[tokio::test]
async fn two_processes_write_one_file_and_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
    let one = open_with(&url, key()).await.unwrap();
    let other = open_with(&url, key()).await.unwrap();
    let write = async |store: &Arc<dyn Store>| {
        for _ in 0..20 {
            let mut tx = store.begin().await.unwrap();
            // Read, then write: what a deferred transaction is refused for.
            let before = tx.snapshot_changes().newest().await.unwrap();
            tokio::task::yield_now().await;
            let revision = tx
                .snapshot_changes()
                .record(&[a_change()], at())
                .await
                .unwrap();
            assert_eq!(revision.0, before.0 + 1);
            tx.commit().await.unwrap();
        }
    };
    tokio::join!(write(&one), write(&other));
    let newest = one
        .read()
        .await
        .unwrap()
        .snapshot_changes()
        .newest()
        .await
        .unwrap();
    assert_eq!(newest.0, 40);
}

#[tokio::test]
async fn a_writer_that_another_process_keeps_out_is_told_so_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
    let holder = open_with(&url, key()).await.unwrap();
    let mut config = StoreConfig::new(url.as_str());
    config.acquire_timeout = std::time::Duration::from_millis(100);
    let waiting = open(&config, key(), Arc::new(Counting(0.into())))
        .await
        .unwrap();
    let held = holder.begin().await.unwrap();
    let refused = waiting.begin().await.err().expect("the file is held");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    // Readers are not kept out, and the next writer is not either.
    waiting
        .read()
        .await
        .unwrap()
        .snapshot_changes()
        .newest()
        .await
        .unwrap();
    drop(held);
    waiting.begin().await.unwrap().commit().await.unwrap();
}

/// Runs one statement behind the store's back.
async fn tamper(path: &std::path::Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .expect("the file takes it");
    connection
        .execute(statement)
        .await
        .expect("the file takes it");
    connection.close().await.expect("the file takes it");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    let url = format!("sqlite:{}", path.display());
    open_with(&url, key()).await.unwrap();
    tamper(
        &path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, X'00', 0)",
    )
    .await;
    let error = refusal(open_with(&url, key()).await);
    assert!(
        matches!(error, OpenError::Newer { migration: 9999 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_was_applied_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    let url = format!("sqlite:{}", path.display());
    open_with(&url, key()).await.unwrap();
    tamper(
        &path,
        "UPDATE _sqlx_migrations SET checksum = X'00' WHERE version = 1",
    )
    .await;
    let error = refusal(open_with(&url, key()).await);
    assert!(
        matches!(error, OpenError::Changed { migration: 1 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_url_of_no_known_engine_is_refused_without_repeating_it() {
    for url in [
        "",
        "sqlite:",
        "mysql://root:hunter2@localhost/claviger",
        "claviger.db",
    ] {
        let error = refusal(open_with(url, key()).await);
        assert!(matches!(error, OpenError::Url), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_by_address_and_never_with_the_password() {
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://claviger:hunter2@127.0.0.1:{port}/claviger");
    let mut config = StoreConfig::new(url.as_str());
    config.acquire_timeout = std::time::Duration::from_secs(1);
    let error = refusal(open(&config, key(), Arc::new(Counting(0.into()))).await);
    assert!(matches!(error, OpenError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")));
    assert!(!format!("{error:?} {config:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_database_in_memory_keeps_what_is_committed() {
    let store = open_with("sqlite::memory:", key()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let revision = tx
        .snapshot_changes()
        .record(&[a_change()], at())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let newest = store
        .read()
        .await
        .unwrap()
        .snapshot_changes()
        .newest()
        .await
        .unwrap();
    assert_eq!(newest, revision);
}
