//! The journey of WSO2's guide *Configure a Azure AD as a Key Manager*, step by step, as a person's scripts would
//! perform it: through the public REST APIs and the public surface of Entra ID only.

mod administration;
mod application;
mod calls;
mod clean_up;
mod entra;
mod existing_keys;
mod narration;
mod portal;
mod publication;
mod script;
mod token_versions;
mod troubleshooting;

use secrecy::SecretString;

use narration::Narration;
pub(crate) use narration::StepFailed;
pub(crate) use portal::Login;
use script::Script;

/// Where the parties of the journey are found.
pub(crate) struct Places {
    /// Control plane, without a trailing slash.
    pub(crate) control: String,
    pub(crate) gateway: String,
    /// Base address of the emulated Entra ID and Microsoft Graph.
    pub(crate) entra: String,
    pub(crate) tenant_id: String,
    /// The sample API that stands behind the gateway.
    pub(crate) upstream: String,
}

/// Who performs it.
pub(crate) struct Cast {
    pub(crate) administrator: Login,
    pub(crate) publisher: Login,
    pub(crate) developer: Login,
    /// An application of the tenant's administrator, for the guide's manual steps.
    pub(crate) entra_administrator: EntraClient,
}

/// An OAuth client in Entra.
#[derive(Clone, Debug)]
pub(crate) struct EntraClient {
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
}

/// What remains after the journey, for a person to go on with.
pub(crate) struct Remains {
    pub(crate) client: EntraClient,
    pub(crate) token_endpoint: String,
    pub(crate) api_url: String,
}

/// Performs the whole journey and prints each step. Stops at the first step that does not hold.
pub(crate) async fn perform(
    http: connectors::http::OutboundHttp,
    places: Places,
    cast: Cast,
) -> Result<Remains, StepFailed> {
    let mut narration = Narration::begin();
    let mut script = Script::new(http, places, cast);
    narration
        .step(
            "Signing in with scripts' credentials (DCR and /oauth2/token)",
            portal::sign_in(&mut script),
        )
        .await?;
    narration
        .step(
            "Tidying what an earlier journey left",
            clean_up::tidy(&script),
        )
        .await?;

    narration.chapter("1  In Entra: the management app");
    let management = narration
        .step(
            "App registration, secret, Application.ReadWrite.OwnedBy, admin consent",
            entra::register_management_app(&script),
        )
        .await?;

    narration.chapter("2  Admin API: the key manager");
    let discovered = narration
        .step(
            "Import from the well-known URL",
            administration::import(&script),
        )
        .await?;
    let key_manager = narration
        .step(
            "Add key manager of type AzureAD with every field of WSO2's guide",
            administration::add_key_manager(&script, &discovered, &management),
        )
        .await?;

    narration.chapter("3  Publisher API: an API");
    let weather = narration
        .step(
            "API from an OpenAPI document, revision, deployed, published",
            publication::publish(&script, publication::WEATHER, &["AzureAD"]),
        )
        .await?;
    let other = narration
        .step(
            "A second API, to be subscribed by nobody's keys but its own",
            publication::publish(&script, publication::TIDES, &["AzureAD"]),
        )
        .await?;

    narration.chapter("4  Developer portal API: application and keys");
    let application = narration
        .step(
            "Application and subscription",
            application::create_subscribed(&script, application::SUBSCRIBED, &weather),
        )
        .await?;
    let stranger = narration
        .step(
            "An application that subscribes to the second API only",
            application::create_subscribed(&script, application::STRANGER, &other),
        )
        .await?;
    let keys = narration
        .step(
            "Generate Keys (PRODUCTION) under replication delay",
            application::generate_keys(&script, &application, &key_manager),
        )
        .await?;
    narration
        .step(
            "Entra has application, App ID URI, service principal and secret",
            entra::shows_client(&script, &keys),
        )
        .await?;
    let stranger_keys = narration
        .step(
            "Generate Keys for the other application",
            application::generate_keys(&script, &stranger, &key_manager),
        )
        .await?;

    narration.chapter("5  Tokens");
    narration
        .step(
            "generate-token in the developer portal",
            application::generate_token(&script, &application, &keys),
        )
        .await?;
    let token = narration
        .step(
            "The same with plain curl and the guide's scope",
            entra::request_token(&script, &keys.client),
        )
        .await?;

    narration.chapter("6  Calls through the gateway");
    narration
        .step(
            "With the token: 200 and the API's answer",
            calls::passes(&script, &weather, &token),
        )
        .await?;
    narration
        .step(
            "Without a token: 401, 900902",
            calls::without_token(&script, &weather),
        )
        .await?;
    narration
        .step(
            "With another API's subscription only: 403, 900908",
            calls::without_subscription(&script, &weather, &stranger_keys.client),
        )
        .await?;
    narration
        .step(
            "With a tampered token: 401, 900901",
            calls::tampered(&script, &weather, &token),
        )
        .await?;

    narration.chapter("7  Troubleshooting: the issuer does not match");
    narration
        .step(
            "A wrong issuer gives exactly the guide's 900901",
            troubleshooting::wrong_issuer(&script, &key_manager, &weather, &token),
        )
        .await?;
    narration
        .step(
            "explain says why",
            troubleshooting::explained(&script, &weather, &token),
        )
        .await?;
    narration
        .step(
            "Correcting the issuer heals it",
            troubleshooting::corrected(&script, &key_manager, &weather, &token),
        )
        .await?;

    narration.chapter("8  V1 and V2 tokens");
    narration
        .step(
            "Through the guide's two key managers",
            token_versions::two_key_managers(&script, &management),
        )
        .await?;
    narration
        .step(
            "Through one key manager that accepts both",
            token_versions::one_key_manager(&script, &management),
        )
        .await?;

    narration.chapter("9  Provide Existing OAuth Keys");
    let mapped = narration
        .step(
            "An app registered by hand is mapped; its secret is not shown; its token passes",
            existing_keys::provide(&script, &weather),
        )
        .await?;

    narration.chapter("10 The application is deleted");
    narration
        .step(
            "Nothing of it is left in Entra, deleted items included; the mapped app is untouched",
            clean_up::deleted(&script, &application, &keys, &mapped),
        )
        .await?;

    narration.end();
    Ok(Remains {
        client: mapped,
        token_endpoint: script.token_endpoint(),
        api_url: script.api_url(&weather, "/forecast/Colombo"),
    })
}
