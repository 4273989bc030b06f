//! An application as requests ask for it, and the consumer keys that lead to it.

use std::ops::Deref;
use std::sync::Arc;

use domain::id::{ApplicationId, KeyMappingId};
use domain::key_mapping::KeyType;
use domain::snapshot::ApplicationEntry;

use crate::subscription::SubscriptionList;
use crate::throttling_policy::Allowance;

/// An application with what is allowed to it.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    entry: Arc<ApplicationEntry>,
    pub(crate) allowance: Allowance,
    pub(crate) subscriptions: SubscriptionList,
}

/// A consumer key's application.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) id: KeyMappingId,
    pub(crate) application_id: ApplicationId,
    pub(crate) key_type: KeyType,
    /// `None` where it is not there (any more).
    pub(crate) application: Option<Arc<Application>>,
}

impl Application {
    pub(crate) fn new(
        entry: Arc<ApplicationEntry>,
        allowance: Allowance,
        subscriptions: SubscriptionList,
    ) -> Self {
        Self {
            entry,
            allowance,
            subscriptions,
        }
    }
}

impl Deref for Application {
    type Target = ApplicationEntry;

    fn deref(&self) -> &ApplicationEntry {
        &self.entry
    }
}
