//! A data folder outlives the process.

use emulator::EmulatorConfig;
use serde_json::json;

use crate::laboratory::{Laboratory, configuration};

#[tokio::test]
async fn a_data_folder_keeps_objects_administrator_and_ca() {
    let folder = tempfile::tempdir().unwrap();
    let config = || EmulatorConfig {
        data_folder: Some(folder.path().to_owned()),
        ..configuration()
    };
    let first = Laboratory::with(config()).await;
    let kept = first.application("kept").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let gone = first.application("gone").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    first
        .delete(&format!("/applications/{gone}"))
        .await
        .expect(204);
    first
        .patch(&format!("/applications/{kept}"), json!({ "notes": "n" }))
        .await
        .expect(204);
    let (ca, secret) = (
        first.running.ca_pem().to_owned(),
        first.running.administrator().expose_secret().to_owned(),
    );
    first.running.stop().await;

    // A process that was killed while it wrote leaves half a line.
    let journal = folder.path().join("directory.jsonl");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    assert!(!text.contains(&secret));
    text.push_str("{\"put\":{\"kind\":\"appl");
    std::fs::write(&journal, text).unwrap();

    let second = Laboratory::with(config()).await;
    assert_eq!(second.running.ca_pem(), ca);
    assert_eq!(second.running.administrator().expose_secret(), secret);
    assert_eq!(
        second
            .get(&format!("/applications/{kept}"))
            .await
            .expect(200)
            .text("/notes"),
        "n"
    );
    second
        .get(&format!("/applications/{gone}"))
        .await
        .expect(404);
    second
        .get(&format!("/directory/deletedItems/{gone}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_folder_is_exported_and_imported_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmulatorConfig {
        data_folder: Some(folder.path().to_owned()),
        ..configuration()
    };
    let laboratory = Laboratory::with(config).await;
    laboratory.application("exported").await;
    laboratory.running.stop().await;
    let text = emulator::export_folder(folder.path()).unwrap();
    let other = tempfile::tempdir().unwrap();
    assert!(emulator::export_folder(other.path()).is_err());
    assert!(emulator::import_folder(other.path(), "[{}]").is_err());
    let imported = emulator::import_folder(other.path(), &text).unwrap();
    assert_eq!(emulator::export_folder(other.path()).unwrap(), text);
    assert!(imported > 5);
}

#[tokio::test]
async fn a_damaged_data_folder_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("directory.jsonl"),
        "this is not a change\n",
    )
    .unwrap();
    let config = EmulatorConfig {
        data_folder: Some(folder.path().to_owned()),
        ..configuration()
    };
    let error = emulator::Emulator::start(config)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("data folder"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_refused_with_its_address() {
    let laboratory = Laboratory::start().await;
    let config = EmulatorConfig {
        listen: laboratory.running.address(),
        ..configuration()
    };
    let error = emulator::Emulator::start(config)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(&laboratory.running.address().to_string()),
        "{error}"
    );
}
