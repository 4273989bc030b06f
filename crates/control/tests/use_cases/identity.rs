use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use control::Error;
use control::error::Noun;
use control::identity::user::UserAccess;
use control::identity::{AuthenticationError, NewClient, NewUser, TokenError};
use domain::oauth_client::RegisteredOAuthClient;
use domain::user::Actor;
use secrecy::ExposeSecret;

use crate::support::{World, actor, admin, ann, secret};

const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

async fn with_ann(world: &World) {
    let new = NewUser {
        username: "ann".to_owned(),
        password: secret("correct horse"),
        roles: vec!["subscriber".to_owned(), "partner".to_owned()],
    };
    let identity = world.control.identity();
    identity.create_user(&admin(), new).await.unwrap();
}

fn client(name: &str, grant_types: &[&str]) -> NewClient {
    NewClient {
        name: name.to_owned(),
        owner: None,
        callback_url: String::new(),
        grant_types: grant_types.iter().map(|&one| one.to_owned()).collect(),
    }
}

async fn registers(world: &World, grant_types: &[&str]) -> RegisteredOAuthClient {
    world
        .control
        .identity()
        .register_client(&ann(), client("script", grant_types))
        .await
        .unwrap()
}

fn scopes(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn the_right_password_gives_an_actor_with_the_scopes_of_the_roles() {
    let world = World::start().await;
    with_ann(&world).await;
    let actor = world
        .control
        .identity()
        .authenticate_password("ann", &secret("correct horse"), ADDRESS)
        .await
        .unwrap();
    assert_eq!(actor.username, "ann");
    assert!(actor.has_role("partner"));
    assert!(actor.scopes.contains("apim:subscribe"));
    assert!(!actor.scopes.contains("apim:admin"));
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_are_refused_alike() {
    let world = World::start().await;
    with_ann(&world).await;
    let identity = world.control.identity();
    let long = "x".repeat(5_000);
    for (username, password) in [
        ("ann", "wrong horse"),
        ("ann", ""),
        ("nobody", "correct horse"),
        ("Ann", "correct horse"),
        ("bob", long.as_str()),
    ] {
        let refused = identity
            .authenticate_password(username, &secret(password), None)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, AuthenticationError::Invalid),
            "{username}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_right_password_has_to_wait_too() {
    let world = World::start().await;
    with_ann(&world).await;
    let identity = world.control.identity();
    let right = secret("correct horse");
    for _ in 0..3 {
        let refused = identity
            .authenticate_password("ann", &secret("wrong horse"), None)
            .await;
        assert!(matches!(refused, Err(AuthenticationError::Invalid)));
    }
    let slowed = identity.authenticate_password("ann", &right, None).await;
    let Err(AuthenticationError::SlowDown { retry_after }) = slowed else {
        panic!("{slowed:?}");
    };
    assert_eq!(retry_after, Duration::from_secs(1));

    world.clock.advance_seconds(1);
    identity
        .authenticate_password("ann", &right, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_first_start_makes_three_users_once() {
    let world = World::start().await;
    let identity = world.control.identity();
    let users = identity.first_start().await.unwrap().unwrap();
    let names: Vec<&str> = users.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["admin", "publisher", "developer"]);
    let root = identity
        .authenticate_password("admin", &users[0].password, None)
        .await
        .unwrap();
    assert!(root.is_admin());
    assert_ne!(
        users[0].password.expose_secret(),
        users[1].password.expose_secret()
    );
    assert!(identity.first_start().await.unwrap().is_none());
    assert_eq!(identity.list_users(&admin()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn only_an_administrator_adds_users_and_a_name_is_taken_once() {
    let world = World::start().await;
    with_ann(&world).await;
    let identity = world.control.identity();
    let new = NewUser {
        username: "ann".to_owned(),
        password: secret("another one"),
        roles: Vec::new(),
    };
    let refused = identity.create_user(&ann(), new.clone()).await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
    let taken = identity.create_user(&admin(), new.clone()).await;
    assert!(matches!(
        taken.unwrap_err(),
        Error::AlreadyExists(Noun::User)
    ));
    for (username, password) in [("with:colon", "long enough"), ("carl", "short")] {
        let bad = NewUser {
            username: username.to_owned(),
            password: secret(password),
            roles: Vec::new(),
        };
        let refused = identity.create_user(&admin(), bad).await;
        assert!(matches!(refused.unwrap_err(), Error::Invalid(_)));
    }
}

#[tokio::test]
async fn registering_the_same_name_again_answers_the_same_client_with_a_new_secret() {
    let world = World::start().await;
    with_ann(&world).await;
    let first = registers(&world, &["client_credentials"]).await;
    let second = registers(&world, &["client_credentials"]).await;
    assert_eq!(first.client.client_id, second.client.client_id);
    let identity = world.control.identity();
    let old = identity
        .token_by_client_credentials(&first.client.client_id, &first.client_secret, &[])
        .await;
    assert!(matches!(old, Err(TokenError::InvalidClient)));
    identity
        .token_by_client_credentials(&second.client.client_id, &second.client_secret, &[])
        .await
        .unwrap();
    assert!(!format!("{second:?}").contains(second.client_secret.expose_secret()));
}

#[tokio::test]
async fn nobody_registers_a_client_for_somebody_else_but_an_administrator() {
    let world = World::start().await;
    with_ann(&world).await;
    let identity = world.control.identity();
    let for_ann = NewClient {
        owner: Some("ann".to_owned()),
        ..client("script", &["password"])
    };
    let bob = actor("bob", &["subscriber"]);
    let narrow = Actor {
        scopes: ["apim:dcr:app_manage".to_owned()].into(),
        ..admin()
    };
    for other in [bob, narrow] {
        let refused = identity.register_client(&other, for_ann.clone()).await;
        assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
    }
    let registered = identity.register_client(&admin(), for_ann).await.unwrap();
    assert_eq!(registered.client.owner, "ann");
}

#[tokio::test]
async fn a_password_token_carries_what_was_asked_and_may_be_had() {
    let world = World::start().await;
    with_ann(&world).await;
    let script = registers(&world, &["password"]).await;
    let identity = world.control.identity();
    let issued = identity
        .token_by_password(
            &script.client.client_id,
            &script.client_secret,
            "ann",
            &secret("correct horse"),
            &scopes(&["apim:subscribe", "apim:admin", "nonsense"]),
            ADDRESS,
        )
        .await
        .unwrap();
    assert_eq!(issued.scopes, ["apim:subscribe"]);
    assert_eq!(issued.expires_in, Duration::from_hours(1));

    let token = issued.access_token.expose_secret();
    let actor = identity.authenticate_token(token).await.unwrap();
    assert_eq!(actor.username, "ann");
    assert!(actor.has_any_scope(&["apim:subscribe"]));
    assert!(!actor.has_any_scope(&["apim:app_manage"]), "not asked for");

    world.clock.advance_seconds(3_600);
    let expired = identity.authenticate_token(token).await;
    assert!(matches!(expired, Err(AuthenticationError::Invalid)));
}

#[tokio::test]
async fn a_token_of_default_scope_may_do_nothing() {
    let world = World::start().await;
    with_ann(&world).await;
    let script = registers(&world, &["client_credentials"]).await;
    let identity = world.control.identity();
    let issued = identity
        .token_by_client_credentials(
            &script.client.client_id,
            &script.client_secret,
            &scopes(&["apim:admin"]),
        )
        .await
        .unwrap();
    assert_eq!(issued.scopes, ["default"]);
    let actor = identity
        .authenticate_token(issued.access_token.expose_secret())
        .await
        .unwrap();
    assert!(actor.scopes.is_empty());
}

#[tokio::test]
async fn a_token_request_names_what_is_wrong() {
    let world = World::start().await;
    with_ann(&world).await;
    let script = registers(&world, &["password"]).await;
    let id = script.client.client_id.as_str();
    let identity = world.control.identity();
    let wrong_secret = identity
        .token_by_client_credentials(id, &secret("wrong"), &[])
        .await;
    assert!(matches!(wrong_secret, Err(TokenError::InvalidClient)));
    let unknown = identity
        .token_by_client_credentials("unknown", &script.client_secret, &[])
        .await;
    assert!(matches!(unknown, Err(TokenError::InvalidClient)));
    let other_grant = identity
        .token_by_client_credentials(id, &script.client_secret, &[])
        .await;
    assert!(matches!(other_grant, Err(TokenError::UnauthorizedClient)));
    let wrong_password = identity
        .token_by_password(
            id,
            &script.client_secret,
            "ann",
            &secret("wrong horse"),
            &[],
            None,
        )
        .await;
    assert!(matches!(wrong_password, Err(TokenError::InvalidGrant)));
}

#[tokio::test]
async fn a_revoked_token_and_a_disabled_users_token_are_worth_nothing() {
    let world = World::start().await;
    with_ann(&world).await;
    let script = registers(&world, &["client_credentials"]).await;
    let id = script.client.client_id.as_str();
    let identity = world.control.identity();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let issued = identity
            .token_by_client_credentials(id, &script.client_secret, &[])
            .await
            .unwrap();
        tokens.push(issued.access_token);
    }
    let other = identity
        .register_client(&ann(), client("other", &["password"]))
        .await
        .unwrap();
    let first = tokens[0].expose_secret();
    identity
        .revoke(&other.client.client_id, &other.client_secret, first)
        .await
        .unwrap();
    identity
        .authenticate_token(first)
        .await
        .expect("another client's revocation changes nothing");
    identity
        .revoke(id, &script.client_secret, first)
        .await
        .unwrap();
    let revoked = identity.authenticate_token(first).await;
    assert!(matches!(revoked, Err(AuthenticationError::Invalid)));

    identity
        .change_access(&admin(), "ann", UserAccess::Disabled)
        .await
        .unwrap();
    let second = tokens[1].expose_secret();
    let disabled = identity.authenticate_token(second).await;
    assert!(matches!(disabled, Err(AuthenticationError::Invalid)));
    let login = identity
        .authenticate_password("ann", &secret("correct horse"), None)
        .await;
    assert!(matches!(login, Err(AuthenticationError::Invalid)));
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one() {
    let world = World::start().await;
    with_ann(&world).await;
    let identity = world.control.identity();
    let script = registers(&world, &["client_credentials"]).await;
    let issued = identity
        .token_by_client_credentials(&script.client.client_id, &script.client_secret, &[])
        .await
        .unwrap();
    identity
        .set_password(&admin(), "ann", &secret("battery staple"))
        .await
        .unwrap();
    let old = identity
        .authenticate_password("ann", &secret("correct horse"), None)
        .await;
    assert!(matches!(old, Err(AuthenticationError::Invalid)));
    identity
        .authenticate_password("ann", &secret("battery staple"), None)
        .await
        .unwrap();
    let token = issued.access_token.expose_secret();
    let old = identity.authenticate_token(token).await;
    assert!(matches!(old, Err(AuthenticationError::Invalid)));
}

#[tokio::test]
async fn malformed_tokens_are_refused_without_a_lookup() {
    let world = World::start().await;
    let huge = "a".repeat(1_000_000);
    for token in ["", "a.b.c", "\u{0}", huge.as_str()] {
        let refused = world.control.identity().authenticate_token(token).await;
        assert!(matches!(refused, Err(AuthenticationError::Invalid)));
    }
}
