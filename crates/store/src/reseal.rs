//! Rotating the sealing key: seals anew what older keys sealed, so that those keys can be thrown away.
//!
//! The order in which an operator rotates: every node gets the new key as a previous one (it can open both),
//! then as its current one with the old key as previous, then this runs once, then the old key goes.

use std::sync::Arc;

use domain::Random;

use crate::error::StoreError;
use crate::open::{OpenError, StoreConfig, open_sql};
use crate::page::Page;
use crate::seal::{Place, SealingKey};
use crate::sql::{SqlStore, Statement, Table};
use crate::unit_of_work::Tx as _;

/// Why sealing anew stopped. What was done until then stays; running it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals with the current key whatever a previous one sealed; says how many values. Nodes may run meanwhile.
pub async fn reseal(
    config: &StoreConfig,
    sealing_key: SealingKey,
    random: Arc<dyn Random>,
) -> Result<u64, ResealError> {
    let store = open_sql(config, sealing_key, random).await?;
    let resealed = reseal_all(&store).await;
    store.close().await;
    Ok(resealed?)
}

async fn reseal_all(store: &SqlStore) -> Result<u64, StoreError> {
    let mut resealed = 0;
    for column in &SEALED_COLUMNS {
        resealed += reseal_column(store, column).await?;
    }
    Ok(resealed)
}

/// A column of sealed values. `select` lists them in the order of `id`; `update` leaves alone what somebody else
/// has sealed meanwhile.
struct SealedColumn {
    table: Table,
    column: &'static str,
    select: &'static str,
    update: &'static str,
}

/// The known value comes last: until then a start without the old key is refused.
static SEALED_COLUMNS: [SealedColumn; 3] = [
    SealedColumn {
        table: table("key_managers", "key manager"),
        column: "secrets",
        select: "SELECT id, secrets AS sealed FROM key_managers WHERE id > $1 ORDER BY id LIMIT $2",
        update: "UPDATE key_managers SET secrets = $1 WHERE id = $2 AND secrets = $3",
    },
    SealedColumn {
        table: table("key_mappings", "key mapping"),
        column: "consumer_secret",
        select: "SELECT id, consumer_secret AS sealed FROM key_mappings
                 WHERE id > $1 AND consumer_secret IS NOT NULL ORDER BY id LIMIT $2",
        update: "UPDATE key_mappings SET consumer_secret = $1 WHERE id = $2 AND consumer_secret = $3",
    },
    SealedColumn {
        table: table("sealing_check", "sealing check"),
        column: "known_value",
        select: "SELECT CAST(id AS TEXT) AS id, known_value AS sealed FROM sealing_check
                 WHERE CAST(id AS TEXT) > $1 ORDER BY id LIMIT $2",
        update: "UPDATE sealing_check SET known_value = $1
                 WHERE CAST(id AS TEXT) = $2 AND known_value = $3",
    },
];

const fn table(name: &'static str, noun: &'static str) -> Table {
    Table {
        name,
        noun,
        key: "id",
        unique: &[],
    }
}

/// A transaction for every page, so that other writers get their turn.
async fn reseal_column(store: &SqlStore, column: &'static SealedColumn) -> Result<u64, StoreError> {
    let mut resealed = 0;
    let mut after = String::new();
    loop {
        let mut tx = store.begin_writing().await?;
        let page = Statement::new(&column.table, column.select)
            .text(&after)
            .limit(Page::MOST);
        let rows = tx.fetch_all(page).await?;
        let Some(last) = rows.last() else {
            return Ok(resealed);
        };
        after = last.text("id")?;
        for row in &rows {
            let sealed = row.text("sealed")?;
            if store.seal.is_current(&sealed) {
                continue;
            }
            let id = row.text("id")?;
            let place = Place {
                table: column.table.name,
                column: column.column,
                row: &id,
            };
            let clear = store.seal.open(place, &sealed)?;
            let update = Statement::new(&column.table, column.update)
                .text(store.seal.seal_secret(place, &clear))
                .text(id.as_str())
                .text(sealed);
            resealed += tx.execute(update).await?;
        }
        Box::new(tx).commit().await?;
    }
}
