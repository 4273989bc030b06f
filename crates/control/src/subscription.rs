//! Subscriptions: which application may call which API, under which business plan.
//!
//! The application's owner makes and ends them; a publisher may block them. Gateways hear of each change.

use domain::api::Api;
use domain::application::Application;
use domain::id::{ApiId, ApplicationId, SubscriptionId};
use domain::subscription::{Subscription, SubscriptionStatus};
use domain::user::Actor;
use serde_json::json;
use store::snapshot_change::ChangedNoun;
use store::{Listed, Page, StoreError, Tx};

use crate::api::{ApiSummary, find_visible};
use crate::application::{find_approved, find_owned};
use crate::error::{NotPossible, Noun};
use crate::identity::authorization::require;
use crate::{Control, Error, Transaction};

const SUBSCRIBE: &[&str] = &["apim:subscribe", "apim:sub_manage"];
const PUBLISHER_VIEW: &[&str] = &[
    "apim:api_view",
    "apim:mcp_server_view",
    "apim:subscription_view",
    "apim:subscription_manage",
];
const BLOCK: &[&str] = &["apim:subscription_block", "apim:subscription_manage"];

/// What a developer asks for.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    pub application_id: ApplicationId,
    pub api_id: ApiId,
    /// Business plan that the API offers.
    pub throttling_policy: String,
}

/// A subscription with both of its ends.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    pub subscription: Subscription,
    pub application: Application,
    pub api: ApiSummary,
}

/// The use-cases of subscriptions.
#[derive(Clone, Copy)]
pub struct Subscriptions<'a> {
    control: &'a Control,
}

impl<'a> Subscriptions<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Subscribes an own application to an API that the actor can see. `AlreadyExists` when it is subscribed.
    pub async fn create(
        &self,
        actor: &Actor,
        new: NewSubscription,
    ) -> Result<SubscriptionView, Error> {
        require(actor, SUBSCRIBE)?;
        let mut tx = self.control.begin().await?;
        let application = find_approved(&mut *tx, actor, new.application_id).await?;
        let api = find_visible(&mut *tx, actor, new.api_id).await?;
        if !api.lifecycle.accepts_subscriptions() {
            return Err(NotPossible::NotSubscribable.into());
        }
        offered(&api, &new.throttling_policy)?;
        let now = self.control.clock().now();
        let subscription = Subscription {
            id: SubscriptionId::generate(self.control.clock(), self.control.random()),
            application_id: application.id,
            api_id: api.id,
            throttling_policy: new.throttling_policy,
            status: SubscriptionStatus::Unblocked,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        tx.subscriptions()
            .insert(&subscription)
            .await
            .map_err(|error| match error {
                StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::Subscription),
                other => other.into(),
            })?;
        let details = json!({
            "application": application.id,
            "api": api.id,
            "policy": subscription.throttling_policy,
        });
        tx.record_audit(
            &actor.username,
            "subscription.create",
            subscription.id,
            details,
        )
        .await?;
        tx.changed(ChangedNoun::Subscription(subscription.id));
        tx.commit().await?;
        Ok(SubscriptionView {
            subscription,
            application,
            api: ApiSummary::of(&api),
        })
    }

    /// A subscription of an own application.
    pub async fn get(&self, actor: &Actor, id: SubscriptionId) -> Result<SubscriptionView, Error> {
        require(actor, SUBSCRIBE)?;
        let mut tx = self.control.store().read().await?;
        find_own(&mut *tx, actor, id).await
    }

    /// What an own application is subscribed to.
    pub async fn list_of_application(
        &self,
        actor: &Actor,
        application: ApplicationId,
        page: Page,
    ) -> Result<Listed<SubscriptionView>, Error> {
        require(actor, SUBSCRIBE)?;
        let mut tx = self.control.store().read().await?;
        find_owned(&mut *tx, actor, application).await?;
        let listed = tx
            .subscriptions()
            .list_of_application(application, page)
            .await?;
        views(&mut *tx, listed).await
    }

    /// Subscriptions of the actor's own applications to an API.
    pub async fn list_own_of_api(
        &self,
        actor: &Actor,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<SubscriptionView>, Error> {
        require(actor, SUBSCRIBE)?;
        let mut tx = self.control.store().read().await?;
        find_visible(&mut *tx, actor, api).await?;
        let listed = tx
            .subscriptions()
            .list_of_owner_to_api(&actor.username, api, page)
            .await?;
        views(&mut *tx, listed).await
    }

    /// Everybody's subscriptions to an API, for its publisher.
    pub async fn list_of_api(
        &self,
        actor: &Actor,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<SubscriptionView>, Error> {
        require(actor, PUBLISHER_VIEW)?;
        let mut tx = self.control.store().read().await?;
        if tx.apis().find(api).await?.is_none() {
            return Err(Error::NotFound(Noun::Api));
        }
        let listed = tx.subscriptions().list_of_api(api, page).await?;
        views(&mut *tx, listed).await
    }

    /// Moves a subscription to another business plan of its API.
    pub async fn update(
        &self,
        actor: &Actor,
        id: SubscriptionId,
        throttling_policy: &str,
    ) -> Result<SubscriptionView, Error> {
        require(actor, SUBSCRIBE)?;
        let mut tx = self.control.begin().await?;
        let found = find_own(&mut *tx, actor, id).await?;
        let api = tx.apis().find(found.api.id).await?;
        offered(&api.ok_or(Error::NotFound(Noun::Api))?, throttling_policy)?;
        let mut subscription = found.subscription;
        throttling_policy.clone_into(&mut subscription.throttling_policy);
        let details = json!({ "policy": throttling_policy });
        self.save(tx, actor, "subscription.update", subscription, details)
            .await
    }

    /// Blocks a subscription, for production keys only or altogether, or lets it through again. For publishers.
    pub async fn change_status(
        &self,
        actor: &Actor,
        id: SubscriptionId,
        status: SubscriptionStatus,
    ) -> Result<SubscriptionView, Error> {
        require(actor, BLOCK)?;
        let mut tx = self.control.begin().await?;
        let found = tx.subscriptions().find(id).await?;
        let mut subscription = found.ok_or(Error::NotFound(Noun::Subscription))?;
        subscription.status = status;
        let details = json!({ "status": status });
        self.save(
            tx,
            actor,
            "subscription.change_status",
            subscription,
            details,
        )
        .await
    }

    /// Ends a subscription of an own application.
    pub async fn delete(&self, actor: &Actor, id: SubscriptionId) -> Result<(), Error> {
        require(actor, SUBSCRIBE)?;
        let mut tx = self.control.begin().await?;
        let found = find_own(&mut *tx, actor, id).await?;
        tx.subscriptions().delete(id).await?;
        let details = json!({ "application": found.application.id, "api": found.api.id });
        tx.record_audit(&actor.username, "subscription.delete", id, details)
            .await?;
        tx.changed(ChangedNoun::Subscription(id));
        tx.commit().await
    }

    async fn save(
        &self,
        mut tx: Transaction<'_>,
        actor: &Actor,
        action: &str,
        mut subscription: Subscription,
        details: serde_json::Value,
    ) -> Result<SubscriptionView, Error> {
        let id = subscription.id;
        subscription.updated_at = self.control.clock().now();
        tx.subscriptions().update(&subscription).await?;
        tx.record_audit(&actor.username, action, id, details)
            .await?;
        tx.changed(ChangedNoun::Subscription(id));
        let found = tx.subscriptions().find(id).await?;
        let view = view(&mut *tx, found.ok_or(Error::NotFound(Noun::Subscription))?).await?;
        tx.commit().await?;
        Ok(view)
    }
}

/// Ends an application's subscriptions, so that no gateway lets its tokens through any more.
pub(crate) async fn end_all_of(
    tx: &mut Transaction<'_>,
    application: ApplicationId,
) -> Result<(), Error> {
    loop {
        let listed = tx
            .subscriptions()
            .list_of_application(application, Page::FIRST)
            .await?;
        if listed.items.is_empty() {
            return Ok(());
        }
        for subscription in listed.items {
            tx.subscriptions().delete(subscription.id).await?;
            tx.changed(ChangedNoun::Subscription(subscription.id));
        }
    }
}

/// A subscription whose application the actor may see.
async fn find_own(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: SubscriptionId,
) -> Result<SubscriptionView, Error> {
    let not_found = || Error::NotFound(Noun::Subscription);
    let subscription = tx.subscriptions().find(id).await?.ok_or_else(not_found)?;
    match find_owned(tx, actor, subscription.application_id).await {
        Ok(_) => view(tx, subscription).await,
        Err(Error::NotFound(_)) => Err(not_found()),
        Err(other) => Err(other),
    }
}

async fn view(tx: &mut dyn Tx, subscription: Subscription) -> Result<SubscriptionView, Error> {
    let application = tx.applications().find(subscription.application_id).await?;
    let api = tx.apis().find(subscription.api_id).await?;
    Ok(SubscriptionView {
        application: application.ok_or(Error::NotFound(Noun::Application))?,
        api: ApiSummary::of(&api.ok_or(Error::NotFound(Noun::Api))?),
        subscription,
    })
}

async fn views(
    tx: &mut dyn Tx,
    listed: Listed<Subscription>,
) -> Result<Listed<SubscriptionView>, Error> {
    let mut items = Vec::with_capacity(listed.items.len());
    for subscription in listed.items {
        items.push(view(tx, subscription).await?);
    }
    Ok(Listed {
        items,
        total: listed.total,
    })
}

fn offered(api: &Api, plan: &str) -> Result<(), Error> {
    if api.settings.policies.iter().any(|offered| offered == plan) {
        return Ok(());
    }
    Err(NotPossible::PlanNotOffered(plan.to_owned()).into())
}
