//! Sealing keys and their rotation.

use secrecy::ExposeSecret as _;

use super::bench::KEY;
use super::{Bench, Outcome};
use crate::error::StoreError;
use crate::open::OpenError;
use crate::seal::SealingKey;
use crate::unit_of_work::Store as _;

const NEW_KEY: [u8; 32] = [0xa7; 32];

fn rotated() -> SealingKey {
    SealingKey::from_bytes(NEW_KEY).with_previous(KEY)
}

pub async fn another_key_is_refused_when_the_database_is_opened(bench: &Bench) -> Outcome {
    let opened = bench.open_again(SealingKey::from_bytes(NEW_KEY)).await;
    assert!(matches!(opened.err(), Some(OpenError::SealingKey)));
    assert!(bench.open_again(SealingKey::from_bytes(KEY)).await.is_ok());
    assert!(bench.open_again(rotated()).await.is_ok());
    Ok(())
}

pub async fn after_resealing_the_old_key_is_no_longer_needed(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let mut without = bench.samples.key_mapping(
        &bench.samples.application("ann", "other"),
        domain::key_mapping::KeyType::Sandbox,
        &key_manager,
    );
    without.application_id = mapping.application_id;
    without.consumer_secret = None;
    tx.key_mappings().insert(&without).await?;
    tx.commit().await?;

    // The key manager, the one secret that is there, and the known value.
    assert_eq!(bench.reseal(rotated()).await.ok(), Some(3));
    let store = bench
        .open_again(SealingKey::from_bytes(NEW_KEY))
        .await
        .expect("the new key alone");
    let mut tx = store.read().await?;
    let found = tx
        .key_managers()
        .find(key_manager.id)
        .await?
        .expect("it was stored");
    let secret = &found.settings.secrets["azure_ad_client_secret"];
    assert_eq!(secret.expose_secret(), "management-secret-of-weather");
    assert_eq!(
        found.version, key_manager.version,
        "nobody's update becomes stale by it"
    );
    let found = tx
        .key_mappings()
        .find(mapping.id)
        .await?
        .expect("it was stored");
    assert_eq!(
        found.consumer_secret.expect("it had one").expose_secret(),
        mapping
            .consumer_secret
            .expect("samples have one")
            .expose_secret()
    );
    drop(tx);
    // And the old key is of no use any more.
    let stale = bench
        .read()
        .await?
        .key_managers()
        .find(key_manager.id)
        .await;
    assert!(matches!(stale, Err(StoreError::Sealed)));
    Ok(())
}

pub async fn resealing_again_changes_nothing(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    tx.commit().await?;
    assert_eq!(bench.reseal(rotated()).await.ok(), Some(3));
    let before = bench.stored_text("SELECT secrets FROM key_managers").await;
    assert_eq!(bench.reseal(rotated()).await.ok(), Some(0));
    assert_eq!(
        bench.stored_text("SELECT secrets FROM key_managers").await,
        before
    );
    Ok(())
}

pub async fn a_previous_key_that_is_missing_stops_the_resealing(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    tx.commit().await?;
    let before = bench.stored_text("SELECT secrets FROM key_managers").await;
    assert!(bench.reseal(SealingKey::from_bytes(NEW_KEY)).await.is_err());
    assert_eq!(
        bench.stored_text("SELECT secrets FROM key_managers").await,
        before
    );
    Ok(())
}
