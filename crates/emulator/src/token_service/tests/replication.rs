//! What the token service says about things that it has not heard of yet.

use jiff::SignedDuration;
use serde_json::json;

use super::World;
use crate::replica::{Delay, ReplicationDelays, TokenServiceDelays};

/// A world whose token service learns of `delays` late.
fn late(delays: TokenServiceDelays) -> World {
    let world = World::new();
    world.state.set_delays(ReplicationDelays {
        token_service: delays,
        ..ReplicationDelays::default()
    });
    world
}

const TEN_SECONDS: Delay = Delay::fixed(10_000);

fn wait(world: &World) {
    world.advance(SignedDuration::from_secs(11));
}

#[tokio::test]
async fn a_new_application_is_unknown_for_a_while() {
    let world = late(TokenServiceDelays {
        application: TEN_SECONDS,
        ..TokenServiceDelays::default()
    });
    let client = world.client("new");
    world
        .own_token(&client)
        .await
        .assert_refused(400, "unauthorized_client", 700_016);
    wait(&world);
    assert_eq!(world.own_token(&client).await.status, 200);
}

#[tokio::test]
async fn a_new_service_principal_is_missing_for_a_while() {
    let world = late(TokenServiceDelays {
        service_principal: TEN_SECONDS,
        ..TokenServiceDelays::default()
    });
    let client = world.client("new");
    world
        .own_token(&client)
        .await
        .assert_refused(401, "invalid_client", 7_000_229);
    wait(&world);
    assert_eq!(world.own_token(&client).await.status, 200);
}

#[tokio::test]
async fn a_new_secret_is_wrong_or_expired_for_a_while_but_a_wrong_one_is_always_wrong() {
    let world = World::new();
    let client = world.client("old");
    world.state.set_delays(ReplicationDelays {
        token_service: TokenServiceDelays {
            credential: TEN_SECONDS,
            ..TokenServiceDelays::default()
        },
        ..ReplicationDelays::default()
    });
    let credential = world.credential("brand-new");
    world.change_application(client.application, |application| {
        application.password_credentials.push(credential);
    });
    let renewed = super::TestClient {
        secret: "brand-new".into(),
        ..client
    };
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..32 {
        let answer = world.own_token(&renewed).await;
        assert_eq!(answer.status, 401);
        codes.insert(answer.body["error_codes"][0].as_u64().unwrap());
    }
    assert_eq!(
        codes.into_iter().collect::<Vec<_>>(),
        [7_000_215, 7_000_222]
    );

    let wrong = super::TestClient {
        secret: "wrong".into(),
        ..renewed
    };
    for _ in 0..8 {
        world
            .own_token(&wrong)
            .await
            .assert_refused(401, "invalid_client", 7_000_215);
    }
    let old = super::TestClient {
        secret: "secret-of-old~Q8".into(),
        ..wrong
    };
    assert_eq!(
        world.own_token(&old).await.status,
        200,
        "the old secret goes on"
    );
    wait(&world);
    let renewed = super::TestClient {
        secret: "brand-new".into(),
        ..old
    };
    assert_eq!(world.own_token(&renewed).await.status, 200);
}

#[tokio::test]
async fn a_new_uri_is_unknown_for_a_while_but_the_client_id_already_works() {
    let world = late(TokenServiceDelays {
        uri: TEN_SECONDS,
        ..TokenServiceDelays::default()
    });
    let client = world.client("new");
    world
        .own_token(&client)
        .await
        .assert_refused(400, "invalid_resource", 500_011);
    let by_id = world
        .token_for(&client, &format!("{}/.default", client.app_id))
        .await;
    assert_eq!(by_id.claims(&world)["aud"], json!(client.app_id));
    wait(&world);
    assert_eq!(world.own_token(&client).await.status, 200);
}

#[tokio::test]
async fn a_deleted_application_gets_tokens_until_the_token_service_hears_of_it() {
    let world = World::new();
    let client = world.client("old");
    world.state.set_delays(ReplicationDelays {
        token_service: TokenServiceDelays {
            application: TEN_SECONDS,
            ..TokenServiceDelays::default()
        },
        ..ReplicationDelays::default()
    });
    world.write(|transaction| {
        transaction.remove::<crate::directory::Application>(client.application)
    });
    let by_id = format!("{}/.default", client.app_id);
    assert_eq!(world.token_for(&client, &by_id).await.status, 200);
    wait(&world);
    world
        .token_for(&client, &by_id)
        .await
        .assert_refused(400, "unauthorized_client", 700_016);
}
