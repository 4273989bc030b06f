//! From method and path to an API and its resource. Says 404 and 405; nothing else is decided here.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::api::Verb;

use crate::api::Api;
use crate::request_path::RequestPath;
use crate::resource::{Resource, ResourceMatch};
use crate::snapshot::Snapshot;

/// The API that a path belongs to, and what lies behind its base path.
#[derive(Debug)]
pub(crate) struct Route<'s> {
    pub(crate) api: &'s Arc<Api>,
    /// Segments of the path that are the API's own.
    pub(crate) depth: usize,
}

/// Why there is no resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoResource {
    Path,
    Verb(BTreeSet<Verb>),
}

impl<'s> Route<'s> {
    /// The API with the longest base path that the path begins with: a version goes before a default version.
    pub(crate) fn find(snapshot: &'s Snapshot, path: &RequestPath<'_>) -> Option<Self> {
        let deepest = snapshot.deepest_base_path().min(path.segments().len());
        (1..=deepest).rev().find_map(|depth| {
            let api = snapshot.api_at(&path.base(depth))?;
            Some(Self { api, depth })
        })
    }

    /// What the path offers; empty when it is no resource.
    pub(crate) fn offered(&self, path: &RequestPath<'_>) -> BTreeSet<Verb> {
        self.api.resources.offered(&path.segments()[self.depth..])
    }

    pub(crate) fn resource(
        &self,
        verb: Option<Verb>,
        path: &RequestPath<'_>,
    ) -> Result<&'s Resource, NoResource> {
        match self
            .api
            .resources
            .find(verb, &path.segments()[self.depth..])
        {
            ResourceMatch::Found(resource) => Ok(resource),
            ResourceMatch::NoResource => Err(NoResource::Path),
            ResourceMatch::NoVerb(offered) => Err(NoResource::Verb(offered)),
        }
    }
}
