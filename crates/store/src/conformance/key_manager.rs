//! Key managers.

use domain::SecretString;
use domain::certificate::Certificates;
use domain::key_manager::{Endpoints, Permissions, TokenType};
use secrecy::ExposeSecret as _;

use super::samples::at;
use super::{
    Bench, Outcome, assert_duplicate, assert_reference, assert_same, assert_stale, refused,
};
use crate::error::StoreError;

const NOUN: &str = "key manager";

pub async fn what_is_inserted_is_found_by_id_and_by_name(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra");
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    let by_id = tx
        .key_managers()
        .find(key_manager.id)
        .await?
        .expect("it was stored");
    let by_name = tx
        .key_managers()
        .find_by_name("Entra")
        .await?
        .expect("it was stored");
    for found in [by_id, by_name] {
        assert_same(&found, &key_manager);
        let secret = &found.settings.secrets["azure_ad_client_secret"];
        assert_eq!(secret.expose_secret(), "management-secret-of-Entra");
    }
    Ok(())
}

pub async fn what_is_optional_may_be_missing(bench: &Bench) -> Outcome {
    let mut key_manager = bench.samples.key_manager("Bare");
    let settings = &mut key_manager.settings;
    settings.alias = None;
    settings.certificates = None;
    settings.endpoints = Endpoints::default();
    settings.claim_mappings.clear();
    settings.token_validation.clear();
    settings.permissions = Permissions::Public;
    settings.configuration.clear();
    settings.secrets.clear();
    settings.description.clear();
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    assert_same(
        &tx.key_managers().find(key_manager.id).await?,
        &Some(key_manager),
    );
    Ok(())
}

pub async fn one_that_is_not_there_is_not_found(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.key_managers()
        .insert(&bench.samples.key_manager("Entra"))
        .await?;
    let other = bench.samples.key_manager("Other");
    assert!(tx.key_managers().find(other.id).await?.is_none());
    // Names are compared exactly.
    assert!(tx.key_managers().find_by_name("entra").await?.is_none());
    assert!(tx.key_managers().find_by_name("Entra ").await?.is_none());
    Ok(())
}

pub async fn an_update_replaces_every_setting_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut key_manager = bench.samples.key_manager("Entra");
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    let settings = &mut key_manager.settings;
    *settings = bench.samples.key_manager("Okta").settings;
    settings.enabled = false;
    settings.global = false;
    settings.certificates = Some(Certificates::Pem("-----BEGIN".to_owned()));
    settings.token_type = TokenType::Exchanged;
    settings.permissions = Permissions::Allow(vec!["developer".to_owned()]);
    settings
        .secrets
        .insert("second".to_owned(), SecretString::from("another"));
    key_manager.updated_at = at(99);
    tx.key_managers().update(&key_manager).await?;
    key_manager.version = 2;
    let found = tx
        .key_managers()
        .find(key_manager.id)
        .await?
        .expect("it was stored");
    assert_same(&found, &key_manager);
    assert_eq!(found.settings.secrets["second"].expose_secret(), "another");
    tx.key_managers().update(&found).await?;
    assert!(tx.key_managers().find_by_name("Entra").await?.is_none());
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra");
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    tx.key_managers().update(&key_manager).await?;
    assert_stale(tx.key_managers().update(&key_manager).await, NOUN);
    Ok(())
}

pub async fn an_update_of_a_deleted_one_is_stale(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra");
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    tx.key_managers().delete(key_manager.id).await?;
    assert_stale(tx.key_managers().update(&key_manager).await, NOUN);
    Ok(())
}

pub async fn a_name_is_taken_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.key_managers()
        .insert(&bench.samples.key_manager("Entra"))
        .await?;
    tx.key_managers()
        .insert(&bench.samples.key_manager("entra"))
        .await?;
    let again = bench.samples.key_manager("Entra");
    assert_duplicate(tx.key_managers().insert(&again).await, NOUN, "name");
    Ok(())
}

pub async fn an_update_to_a_taken_name_is_refused(bench: &Bench) -> Outcome {
    let mut okta = bench.samples.key_manager("Okta");
    let mut tx = bench.begin().await?;
    tx.key_managers()
        .insert(&bench.samples.key_manager("Entra"))
        .await?;
    tx.key_managers().insert(&okta).await?;
    okta.settings.name = String::from("Entra");
    assert_duplicate(tx.key_managers().update(&okta).await, NOUN, "name");
    Ok(())
}

pub async fn an_id_is_taken_once(bench: &Bench) -> Outcome {
    let entra = bench.samples.key_manager("Entra");
    let mut okta = bench.samples.key_manager("Okta");
    okta.id = entra.id;
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&entra).await?;
    assert_duplicate(tx.key_managers().insert(&okta).await, NOUN, "id");
    Ok(())
}

pub async fn one_that_a_key_mapping_names_is_not_deleted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, _, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    assert_reference(tx.key_managers().delete(key_manager.id).await, NOUN);
    Ok(())
}

pub async fn one_that_is_deleted_is_gone_and_may_be_deleted_again(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra");
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    tx.key_managers().delete(key_manager.id).await?;
    tx.key_managers().delete(key_manager.id).await?;
    assert!(tx.key_managers().find(key_manager.id).await?.is_none());
    Ok(())
}

pub async fn they_are_listed_by_name_whatever_the_letter_case(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in [
        "okta",
        "Entra",
        "auth0",
        "Keycloak",
        "Österreich",
        "_internal",
        "-new",
    ] {
        tx.key_managers()
            .insert(&bench.samples.key_manager(name))
            .await?;
    }
    let listed = tx.key_managers().list().await?;
    let names: Vec<_> = listed
        .iter()
        .map(|listed| listed.settings.name.as_str())
        .collect();
    // Bytes decide, on both engines: not the language that the database was set up for.
    assert_eq!(
        names,
        [
            "-new",
            "_internal",
            "auth0",
            "Entra",
            "Keycloak",
            "okta",
            "Österreich"
        ]
    );
    Ok(())
}

pub async fn secrets_do_not_stand_in_the_database_in_clear(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.key_managers()
        .insert(&bench.samples.key_manager("Entra"))
        .await?;
    tx.commit().await?;
    let stored = bench.stored_text("SELECT secrets FROM key_managers").await;
    let [sealed] = stored.as_slice() else {
        panic!("one key manager was stored");
    };
    assert!(sealed.starts_with("v1:"), "{sealed}");
    assert!(!sealed.contains("management-secret") && !sealed.contains("azure_ad_client_secret"));
    let configuration = bench
        .stored_text("SELECT configuration FROM key_managers")
        .await;
    assert!(!configuration[0].contains("secret"));
    Ok(())
}

pub async fn a_sealed_secret_does_not_open_in_another_row(bench: &Bench) -> Outcome {
    let mine = bench.samples.key_manager("Mine");
    let mut tx = bench.begin().await?;
    tx.key_managers()
        .insert(&bench.samples.key_manager("Victim"))
        .await?;
    tx.key_managers().insert(&mine).await?;
    tx.commit().await?;
    bench
        .tamper(
            "UPDATE key_managers SET secrets = (SELECT secrets FROM key_managers WHERE name = 'Victim')
             WHERE name = 'Mine'",
        )
        .await;
    let opened = bench.read().await?.key_managers().find(mine.id).await;
    assert!(matches!(refused(opened), StoreError::Sealed));
    Ok(())
}

pub async fn a_value_that_cannot_be_read_is_named_by_table_and_column(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra");
    let mut tx = bench.begin().await?;
    tx.key_managers().insert(&key_manager).await?;
    tx.commit().await?;
    bench
        .tamper("UPDATE key_managers SET endpoints = 'hunter2'")
        .await;
    let error = refused(
        bench
            .read()
            .await?
            .key_managers()
            .find(key_manager.id)
            .await,
    );
    assert!(
        matches!(
            error,
            StoreError::Corrupt {
                table: "key_managers",
                column: "endpoints"
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    Ok(())
}
