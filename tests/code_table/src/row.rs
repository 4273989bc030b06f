//! The rows of `table.yaml`: a request in few words, and what comes back.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::token::{Token, TokenEdit};

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeTable {
    /// The token that passes; rows say how theirs differs.
    pub token: Token,
    /// By the names that rows use.
    pub answers: BTreeMap<String, ExpectedAnswer>,
    pub rows: Vec<Row>,
}

/// One request and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub name: String,
    /// As in logs and figures; `None` where the request passes.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub side: Side,
    #[serde(default = "get")]
    pub method: String,
    #[serde(default = "items")]
    pub path: String,
    /// Lines beside `Host` and `Authorization`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Lines of `Authorization`; `{token}` is the row's token.
    #[serde(default = "bearer")]
    pub authorization: Vec<String>,
    #[serde(default)]
    pub token: TokenEdit,
    #[serde(default)]
    pub body: RequestBody,
    /// The request is sent again until it does not pass any more, at most so often.
    #[serde(default)]
    pub at_most: u32,
    /// Name of the answer.
    pub answer: String,
}

/// Who makes the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// `decide`: every data plane that asks it answers the same.
    #[default]
    Decision,
    /// `decide`, after it asked key manager 206 about the token: `inactive-token` is not active, about
    /// `unanswered-token` it says nothing that can be used.
    Asked,
    /// The built-in proxy, on the way to the upstream and back.
    Proxy,
}

/// How the client sends its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    #[default]
    None,
    /// Says that a terabyte will come.
    Huge,
    /// Stops in its middle.
    Stalls,
    /// Breaks the chunked coding.
    Garbled,
}

/// `{base}` stands for the API's base path, `{next_access}` for a time as WSO2 writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAnswer {
    pub status: u16,
    /// All of them, but for those of the message's frame. `{http_date}` stands for any.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
}

impl CodeTable {
    /// The table of this repository.
    pub fn load() -> Self {
        let table: Self = serde_saphyr::from_str(include_str!("table.yaml"))
            .expect("the table is well formed: every run of the tests reads it");
        for row in &table.rows {
            assert!(
                table.answers.contains_key(&row.answer),
                "{}: there is no answer {:?}",
                row.name,
                row.answer
            );
        }
        table
    }

    pub fn reasons(&self) -> BTreeSet<&str> {
        self.rows
            .iter()
            .filter_map(|row| row.reason.as_deref())
            .collect()
    }
}

impl Row {
    /// Context and version: the first two segments of the path.
    pub fn base_path(&self) -> &str {
        let end = self.path.match_indices('/').nth(2);
        end.map_or(&self.path, |(at, _)| &self.path[..at])
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn items() -> String {
    "/orders/1.0.0/items?x=1".to_owned()
}

fn bearer() -> Vec<String> {
    vec!["Bearer {token}".to_owned()]
}
