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

#[tokio::test]
async fn a_seeded_emulator_gives_no_identifier_out_twice_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let config = || EmulatorConfig {
        data_folder: Some(folder.path().to_owned()),
        ..configuration()
    };
    let mut ids = Vec::new();
    for _ in 0..3 {
        let laboratory = Laboratory::with(config()).await;
        for _ in 0..3 {
            let created = laboratory.application("x").await;
            ids.extend([created["id"].to_string(), created["appId"].to_string()]);
        }
        laboratory.running.stop().await;
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 18);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_to_a_second_emulator() {
    let folder = tempfile::tempdir().unwrap();
    let config = || EmulatorConfig {
        data_folder: Some(folder.path().to_owned()),
        ..configuration()
    };
    let laboratory = Laboratory::with(config()).await;
    let error = emulator::Emulator::start(config())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("in use by another emulator"), "{error}");
    laboratory.running.stop().await;
}

#[tokio::test]
async fn an_imported_directory_gets_an_administrator() {
    let source = Laboratory::start().await;
    let id = source.application("moves").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let export = source
        .control(reqwest::Method::GET, "/export", None)
        .await
        .body
        .to_string();
    let folder = tempfile::tempdir().unwrap();
    emulator::import_folder(folder.path(), &export).unwrap();
    let config = EmulatorConfig {
        data_folder: Some(folder.path().to_owned()),
        seed: Some(7),
        ..EmulatorConfig::default()
    };
    let laboratory = Laboratory::with(config).await;
    assert_eq!(laboratory.running.tenant_id(), source.running.tenant_id());
    laboratory
        .get(&format!("/applications/{id}"))
        .await
        .expect(200);
}
