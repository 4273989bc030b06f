//! A statement and its values, before any engine sees them.

use std::fmt::Display;

use domain::SecretString;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::query::Query;
use sqlx::{Database, Encode, SqlStr, Type};

use crate::page::Page;
use crate::seal::{Place, Seal};

/// What errors say about the rows of a noun.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// As a person reads it in [`crate::StoreError`].
    pub(crate) noun: &'static str,
    /// The primary key, as `Duplicate` names it.
    pub(crate) key: &'static str,
    pub(crate) unique: &'static [Unique],
}

/// A uniqueness rule: PostgreSQL reports its name, SQLite its columns.
#[derive(Debug)]
pub(crate) struct Unique {
    pub(crate) constraint: &'static str,
    /// As SQLite writes them: `table.column, table.column`.
    pub(crate) columns: &'static str,
    pub(crate) key: &'static str,
}

/// SQL with `$1`, `$2`, … and their values, in order.
pub(crate) struct Statement {
    table: &'static Table,
    sql: &'static str,
    values: Vec<Value>,
}

enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
}

impl Statement {
    pub(crate) fn new(table: &'static Table, sql: &'static str) -> Self {
        Self {
            table,
            sql,
            values: Vec::new(),
        }
    }

    pub(crate) fn table(&self) -> &'static Table {
        self.table
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.values.push(Value::Text(Some(text.into())));
        self
    }

    pub(crate) fn optional_text(mut self, text: Option<String>) -> Self {
        self.values.push(Value::Text(text));
        self
    }

    pub(crate) fn id(self, id: impl Display) -> Self {
        self.text(id.to_string())
    }

    /// Identifiers are never empty, so that empty stands before all of them.
    pub(crate) fn after(self, id: Option<impl Display>) -> Self {
        self.text(id.map(|id| id.to_string()).unwrap_or_default())
    }

    pub(crate) fn integer(mut self, number: i64) -> Self {
        self.values.push(Value::Integer(Some(number)));
        self
    }

    pub(crate) fn flag(self, flag: bool) -> Self {
        self.integer(i64::from(flag))
    }

    pub(crate) fn time(self, time: Timestamp) -> Self {
        self.integer(time.as_microsecond())
    }

    pub(crate) fn optional_time(mut self, time: Option<Timestamp>) -> Self {
        self.values
            .push(Value::Integer(time.map(Timestamp::as_microsecond)));
        self
    }

    /// Binds limit and offset, in this order; a limit out of bounds is brought into them.
    pub(crate) fn page(self, page: Page) -> Self {
        self.limit(page.limit).integer(page.offset.into())
    }

    /// 1 to [`Page::MOST`].
    pub(crate) fn limit(self, limit: u32) -> Self {
        self.integer(limit.clamp(1, Page::MOST).into())
    }

    pub(crate) fn json(self, value: &impl Serialize) -> Self {
        self.text(json(value))
    }

    pub(crate) fn optional_json(self, value: Option<&impl Serialize>) -> Self {
        self.optional_text(value.map(json))
    }

    /// A unit variant as its name, without the quotes that JSON would put around it.
    pub(crate) fn word(self, value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(serde_json::Value::String(word)) => self.text(word),
            other => unreachable!("{other:?} is not the name of a unit variant"),
        }
    }

    pub(crate) fn sealed(self, seal: &Seal, place: Place<'_>, clear: &str) -> Self {
        self.text(seal.seal(place, clear))
    }

    pub(crate) fn optional_sealed(
        self,
        seal: &Seal,
        place: Place<'_>,
        secret: Option<&SecretString>,
    ) -> Self {
        self.optional_text(secret.map(|secret| seal.seal_secret(place, secret)))
    }

    pub(super) fn into_query<Db: Database>(self) -> Query<'static, Db, Db::Arguments>
    where
        Option<String>: Encode<'static, Db> + Type<Db>,
        Option<i64>: Encode<'static, Db> + Type<Db>,
    {
        let query = sqlx::query::<Db>(SqlStr::from_static(self.sql));
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Text(text) => query.bind(text),
                Value::Integer(number) => query.bind(number),
            })
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the domain's types have text keys and always serialise")
}

/// A pattern for `… LIKE $n ESCAPE '~'` over a folded column: contains `text` in any letter case.
pub(crate) fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '~') {
            pattern.push('~');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
