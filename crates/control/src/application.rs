//! Applications: a consumer's apps in the developer portal.
//!
//! An application belongs to its owner; to anybody else but an administrator it does not exist. What happens to
//! its clients at key managers is the provisioning jobs' work.

use domain::application::{Application, ApplicationSettings, ApplicationStatus};
use domain::id::{ApplicationId, JobId};
use domain::throttling_policy::PolicyLevel;
use domain::user::Actor;
use domain::validation::Check;
use serde_json::json;
use store::application::ApplicationQuery;
use store::snapshot_change::ChangedNoun;
use store::{Listed, Page, StoreError, Tx};

use crate::error::{NotPossible, Noun};
use crate::identity::authorization::require;
use crate::provisioning::{self, Deletion};
use crate::transaction::repeat_when_overtaken;
use crate::{Control, Error, subscription, throttling_policy};

/// Who may see applications.
const VIEW: &[&str] = &[
    "apim:subscribe",
    "apim:app_manage",
    "apim:app_import_export",
    "apim:admin_application_view",
    "apim:admin",
];
/// Who may change applications.
const CHANGE: &[&str] = &["apim:subscribe", "apim:app_manage"];
/// Who may delete applications; administrators do so from their own portal.
const DELETE: &[&str] = &[
    "apim:subscribe",
    "apim:app_manage",
    "apim:app_import_export",
    "apim:admin",
];

/// An application and what a list shows beside it.
#[derive(Clone, Debug)]
pub struct ApplicationView {
    pub application: Application,
    pub subscription_count: u64,
}

/// The use-cases of applications.
#[derive(Clone, Copy)]
pub struct Applications<'a> {
    control: &'a Control,
}

impl<'a> Applications<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Creates an application that the actor owns. `AlreadyExists` when the actor has one of that name.
    pub async fn create(
        &self,
        actor: &Actor,
        settings: ApplicationSettings,
    ) -> Result<Application, Error> {
        require(actor, CHANGE)?;
        settings.validate()?;
        let now = self.control.clock().now();
        let application = Application {
            id: ApplicationId::generate(self.control.clock(), self.control.random()),
            owner: actor.username.clone(),
            settings,
            status: ApplicationStatus::Approved,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.control.begin().await?;
        check_policy(&mut *tx, &application.settings).await?;
        tx.applications()
            .insert(&application)
            .await
            .map_err(name_taken)?;
        let details = json!({ "name": application.settings.name });
        tx.record_audit(
            &actor.username,
            "application.create",
            application.id,
            details,
        )
        .await?;
        tx.changed(ChangedNoun::Application(application.id));
        let application = reread(&mut *tx, application.id).await?;
        tx.commit().await?;
        Ok(application)
    }

    pub async fn get(&self, actor: &Actor, id: ApplicationId) -> Result<Application, Error> {
        require(actor, VIEW)?;
        let mut tx = self.control.store().read().await?;
        find_owned(&mut *tx, actor, id).await
    }

    /// The same with what a page shows beside it.
    pub async fn view(&self, actor: &Actor, id: ApplicationId) -> Result<ApplicationView, Error> {
        require(actor, VIEW)?;
        let mut tx = self.control.store().read().await?;
        let application = find_owned(&mut *tx, actor, id).await?;
        view_of(&mut *tx, application).await
    }

    /// The actor's own applications.
    pub async fn list(
        &self,
        actor: &Actor,
        query: &ApplicationQuery,
        page: Page,
    ) -> Result<Listed<ApplicationView>, Error> {
        require(actor, VIEW)?;
        let mut tx = self.control.store().read().await?;
        let listed = tx
            .applications()
            .list_owned(&actor.username, query, page)
            .await?;
        let mut items = Vec::with_capacity(listed.items.len());
        for application in listed.items {
            items.push(view_of(&mut *tx, application).await?);
        }
        Ok(Listed {
            items,
            total: listed.total,
        })
    }

    /// Replaces the settings. A new name reaches the clients that were created for it through jobs.
    pub async fn update(
        &self,
        actor: &Actor,
        id: ApplicationId,
        settings: ApplicationSettings,
    ) -> Result<Application, Error> {
        require(actor, CHANGE)?;
        settings.validate()?;
        let mut tx = self.control.begin().await?;
        let mut application = find_approved(&mut *tx, actor, id).await?;
        check_policy(&mut *tx, &settings).await?;
        let is_renamed = application.settings.name != settings.name;
        application.settings = settings;
        application.updated_at = self.control.clock().now();
        tx.applications()
            .update(&application)
            .await
            .map_err(name_taken)?;
        if is_renamed {
            provisioning::schedule_client_updates(&mut tx, id, &actor.username).await?;
        }
        let details = json!({ "name": application.settings.name, "renamed": is_renamed });
        tx.record_audit(&actor.username, "application.update", id, details)
            .await?;
        tx.changed(ChangedNoun::Application(id));
        let application = reread(&mut *tx, id).await?;
        tx.commit().await?;
        Ok(application)
    }

    /// Deletes an application, its subscriptions, and the clients that were created for it. Mapped clients stay
    /// as they are at their key managers. While clients are still being removed the application stays visible
    /// as DELETE_PENDING; deleting it again only waits again.
    pub async fn delete(&self, actor: &Actor, id: ApplicationId) -> Result<Deletion, Error> {
        require(actor, DELETE)?;
        let jobs = repeat_when_overtaken(|| self.begin_deletion(actor, id)).await?;
        provisioning::wait_for_jobs(self.control, &jobs).await?;
        let mut tx = self.control.store().read().await?;
        Ok(match tx.applications().find(id).await? {
            None => Deletion::Done,
            Some(_) => Deletion::Pending,
        })
    }

    /// One unit of work; the jobs to wait for.
    async fn begin_deletion(&self, actor: &Actor, id: ApplicationId) -> Result<Vec<JobId>, Error> {
        let mut tx = self.control.begin().await?;
        let mut application = find_owned(&mut *tx, actor, id).await?;
        if application.status != ApplicationStatus::DeletePending {
            subscription::end_all_of(&mut tx, id).await?;
            application.status = ApplicationStatus::DeletePending;
            application.updated_at = self.control.clock().now();
            tx.applications().update(&application).await?;
            let details = json!({ "name": application.settings.name });
            tx.record_audit(&actor.username, "application.delete", id, details)
                .await?;
            tx.changed(ChangedNoun::Application(id));
        }
        let jobs = provisioning::schedule_client_deletions(&mut tx, id, &actor.username).await?;
        provisioning::remove_application_when_idle(&mut tx, &application).await?;
        tx.commit().await?;
        Ok(jobs)
    }
}

/// The application, if the actor may know of it: the owner's own, and any for an administrator.
pub(crate) async fn find_owned(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: ApplicationId,
) -> Result<Application, Error> {
    let found = if actor.is_admin() {
        tx.applications().find(id).await?
    } else {
        tx.applications().find_owned(&actor.username, id).await?
    };
    found.ok_or(Error::NotFound(Noun::Application))
}

/// The same, and it must be open to change.
pub(crate) async fn find_approved(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: ApplicationId,
) -> Result<Application, Error> {
    let application = find_owned(tx, actor, id).await?;
    match application.status {
        ApplicationStatus::Approved => Ok(application),
        ApplicationStatus::DeletePending => Err(NotPossible::ApplicationInactive.into()),
    }
}

async fn view_of(tx: &mut dyn Tx, application: Application) -> Result<ApplicationView, Error> {
    let subscription_count = tx
        .subscriptions()
        .count_of_application(application.id)
        .await?;
    Ok(ApplicationView {
        application,
        subscription_count,
    })
}

/// With the version that the store gave it.
async fn reread(tx: &mut dyn Tx, id: ApplicationId) -> Result<Application, Error> {
    let found = tx.applications().find(id).await?;
    found.ok_or(Error::NotFound(Noun::Application))
}

async fn check_policy(tx: &mut dyn Tx, settings: &ApplicationSettings) -> Result<(), Error> {
    let policy = &settings.throttling_policy;
    let mut check = Check::default();
    check.that(
        throttling_policy::exists(tx, PolicyLevel::Application, policy).await?,
        "throttlingPolicy",
        "is not the name of an application-level throttling policy",
    );
    Ok(check.finish()?)
}

fn name_taken(error: StoreError) -> Error {
    match error {
        StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::Application),
        other => other.into(),
    }
}
