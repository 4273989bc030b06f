//! A row of either engine, read column by column; what cannot be read is `Corrupt`.

use std::str::FromStr;

use domain::SecretString;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StringDeserializer};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::statement::Table;
use crate::error::StoreError;
use crate::seal::{Place, Seal};

pub(crate) struct Row {
    table: &'static Table,
    columns: Columns,
}

enum Columns {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn sqlite(table: &'static Table, row: SqliteRow) -> Self {
        let columns = Columns::Sqlite(row);
        Self { table, columns }
    }

    pub(super) fn postgres(table: &'static Table, row: PgRow) -> Self {
        let columns = Columns::Postgres(row);
        Self { table, columns }
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match &self.columns {
            Columns::Sqlite(row) => row.try_get(column),
            Columns::Postgres(row) => row.try_get(column),
        }
        .map_err(|_| self.corrupt(column))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.optional_text(column)?
            .ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match &self.columns {
            Columns::Sqlite(row) => row.try_get(column),
            Columns::Postgres(row) => row.try_get(column),
        }
        .map_err(|_| self.corrupt(column))
    }

    pub(crate) fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.optional_integer(column)?
            .ok_or_else(|| self.corrupt(column))
    }

    /// A number that is never negative.
    pub(crate) fn unsigned<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.integer(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.corrupt(column)),
        }
    }

    pub(crate) fn optional_time(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.optional_integer(column)?
            .map(|microseconds| {
                Timestamp::from_microsecond(microseconds).map_err(|_| self.corrupt(column))
            })
            .transpose()
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.optional_time(column)?
            .ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn id<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.optional_text(column)?
            .map(|text| serde_json::from_str(&text).map_err(|_| self.corrupt(column)))
            .transpose()
    }

    /// A unit variant by its name.
    pub(crate) fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let word = StringDeserializer::<WordError>::new(self.text(column)?);
        T::deserialize(word).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_sealed(
        &self,
        seal: &Seal,
        place: Place<'_>,
    ) -> Result<Option<SecretString>, StoreError> {
        self.optional_text(place.column)?
            .map(|text| seal.open(place, &text))
            .transpose()
    }

    pub(crate) fn sealed(&self, seal: &Seal, place: Place<'_>) -> Result<SecretString, StoreError> {
        self.optional_sealed(seal, place)?
            .ok_or_else(|| self.corrupt(place.column))
    }

    pub(crate) fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt {
            table: self.table.name,
            column,
        }
    }
}
