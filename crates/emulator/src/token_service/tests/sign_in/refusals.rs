//! Sign-ins that end before or after the page.

use super::*;
use crate::directory::User;

const APP: &str = "https://app.example/single-page";

#[tokio::test]
async fn the_implicit_grant_is_not_supported() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let mut form = request(&id, "openid", REDIRECT, "x");
    form[1].1 = "token";
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form)
        .finish();
    let sent = location(&world.get(&format!("{}?{query}", authorize(&world))).await);
    assert_eq!(sent["error"], "unsupported_response_type");
    assert!(
        sent["error_description"].starts_with("AADSTS70005: "),
        "{sent:?}"
    );
}

#[tokio::test]
async fn a_single_page_application_needs_a_code_challenge() {
    let world = world();
    let client = portal(&world);
    world.change_application(client.application, |application| {
        application.spa.redirect_uris = vec![APP.to_owned()];
    });
    let id = client.app_id.to_string();
    let scope = format!("api://{id}/read");
    let mut form = request(&id, &scope, APP, "");
    form.retain(|(name, _)| !name.starts_with("code_challenge"));
    form.extend([
        ("username", USER),
        ("password", PASSWORD),
        ("decision", "accept"),
    ]);
    let sent = location(&world.post(&authorize(&world), &form).await);
    let code = sent.get("code").unwrap_or_else(|| panic!("{sent:?}"));
    let mut redeemed = redemption(&id, code, APP);
    redeemed.retain(|(name, _)| *name != "code_verifier");
    world
        .post(&world.v2_endpoint(), &redeemed)
        .await
        .assert_refused(400, "invalid_request", 9_002_325);
}

#[tokio::test]
async fn a_disabled_person_is_refused() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let scope = format!("api://{id}/read");
    code_for(&world, &client, &scope, REDIRECT).await;
    world.write(|transaction| {
        let user = transaction
            .directory()
            .user_by_name(world.tenant, USER)
            .unwrap();
        transaction.put(User {
            account_enabled: false,
            ..User::clone(&user)
        });
    });
    let form = [
        ("grant_type", "password"),
        ("client_id", id.as_str()),
        ("username", USER),
        ("password", PASSWORD),
        ("scope", scope.as_str()),
    ];
    world
        .post(&world.v2_endpoint(), &form)
        .await
        .assert_refused(401, "invalid_grant", 50_057);
}
