//! Header edits of APIs and operations, made ready when a snapshot is taken.
//!
//! Applies them; what an edit may touch is `domain::mediation`'s rule, asked once more here, because a snapshot can
//! also come from a file.

use std::collections::HashMap;
use std::sync::Arc;

use domain::api::{Operation, Verb};
use domain::mediation::{HeaderEdit, Mediation, is_protected};
use domain::snapshot::ApiEntry;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The edits of an API by operation. Costs nothing where there are none.
#[derive(Debug, Default)]
pub(crate) struct ApiEdits {
    /// Of operations without edits of their own.
    everywhere: Option<Arc<Edits>>,
    by_operation: HashMap<Verb, HashMap<String, Arc<Edits>>>,
}

/// What becomes of the headers of one request and of its answer, in this order.
#[derive(Debug)]
pub(crate) struct Edits {
    pub(crate) request: Vec<Edit>,
    pub(crate) response: Vec<Edit>,
    /// On the gateway's own answer when the upstream gave none.
    pub(crate) fault: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Replaces lines of that name.
    Set(HeaderName, HeaderValue),
    Remove(HeaderName),
    /// Every line, under another name.
    Rename(HeaderName, HeaderName),
}

impl ApiEdits {
    pub(crate) fn compile(api: &ApiEntry) -> Self {
        let credential = &api.authorization_header;
        let mut edits = Self {
            everywhere: Edits::compile(&[&api.mediation], credential),
            by_operation: HashMap::new(),
        };
        for operation in &api.operations {
            if operation.mediation.is_empty() {
                continue;
            }
            // The operation has the last word.
            let both = [&api.mediation, &operation.mediation];
            if let Some(compiled) = Edits::compile(&both, credential) {
                let by_target = edits.by_operation.entry(operation.verb).or_default();
                by_target.insert(operation.target.clone(), compiled);
            }
        }
        edits
    }

    pub(crate) fn of(&self, operation: &Operation) -> Option<Arc<Edits>> {
        if operation.mediation.is_empty() {
            return self.everywhere.clone();
        }
        let by_target = self.by_operation.get(&operation.verb)?;
        by_target.get(&operation.target).cloned()
    }
}

impl Edits {
    /// `None` when nothing is to be done.
    fn compile(mediations: &[&Mediation], credential: &str) -> Option<Arc<Self>> {
        let all = |flow: fn(&Mediation) -> &[HeaderEdit]| -> Vec<Edit> {
            let edits = mediations.iter().flat_map(|one| flow(one));
            edits
                .filter_map(|edit| Edit::compile(edit, credential))
                .collect()
        };
        let edits = Self {
            request: all(|one| &one.request),
            response: all(|one| &one.response),
            fault: all(|one| &one.fault),
        };
        let is_empty =
            edits.request.is_empty() && edits.response.is_empty() && edits.fault.is_empty();
        (!is_empty).then(|| Arc::new(edits))
    }
}

impl Edit {
    /// `None` for what may not be: the control plane saves none.
    fn compile(edit: &HeaderEdit, credential: &str) -> Option<Self> {
        let may_not = |name: &str| is_protected(name) || name.eq_ignore_ascii_case(credential);
        if let Some(name) = edit.names().find(|name| may_not(name)) {
            tracing::warn!(header = name, "an edit of a protected header is left out");
            return None;
        }
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
        match edit {
            HeaderEdit::Set { name: of, value } => {
                Some(Self::Set(name(of)?, HeaderValue::from_str(value).ok()?))
            }
            HeaderEdit::Remove { name: of } => Some(Self::Remove(name(of)?)),
            HeaderEdit::Rename { name: of, to } => Some(Self::Rename(name(of)?, name(to)?)),
        }
    }
}

/// Makes the edits one after the other.
pub(crate) fn apply(edits: &[Edit], headers: &mut HeaderMap) {
    for edit in edits {
        match edit {
            Edit::Set(name, value) => {
                headers.insert(name, value.clone());
            }
            Edit::Remove(name) => {
                headers.remove(name);
            }
            Edit::Rename(name, to) => {
                let values: Vec<_> = headers.get_all(name).iter().cloned().collect();
                if values.is_empty() || name == to {
                    continue;
                }
                headers.remove(name);
                headers.remove(to);
                for value in values {
                    headers.append(to, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> HeaderName {
        HeaderName::from_static(text)
    }

    #[test]
    fn edits_are_made_in_their_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("x-a", "2"), ("x-b", "old"), ("x-c", "c")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let edits = [
            Edit::Rename(name("x-a"), name("x-b")),
            Edit::Rename(name("x-none"), name("x-c")),
            Edit::Rename(name("x-c"), name("x-c")),
            Edit::Set(name("x-a"), HeaderValue::from_static("3")),
            Edit::Set(name("x-d"), HeaderValue::from_static("d")),
            Edit::Remove(name("x-d")),
        ];
        apply(&edits, &mut headers);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
            .collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [("x-a", "3"), ("x-b", "1"), ("x-b", "2"), ("x-c", "c")]
        );
    }

    #[test]
    fn a_protected_header_is_not_edited_whatever_the_snapshot_says() {
        for name in [
            "Host",
            "content-length",
            "X-Token",
            "x-forwarded-for",
            "bad name",
        ] {
            let edit = HeaderEdit::Set {
                name: name.to_owned(),
                value: "x".to_owned(),
            };
            assert_eq!(Edit::compile(&edit, "x-token"), None, "{name}");
        }
        let edit = HeaderEdit::Set {
            name: "x-a".to_owned(),
            value: "a\r\nb: c".to_owned(),
        };
        assert_eq!(Edit::compile(&edit, "x-token"), None);
    }
}
