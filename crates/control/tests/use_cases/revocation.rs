//! Revocations: what gateways hear of them, and when they are forgotten.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::revocation::Revoke;
use control::{Error, Page};
use domain::snapshot::SnapshotChange;

use crate::support::{World, admin, ann, besides_built_in_policies, publisher, secret};

/// A JWT that ends so many seconds after the world's clock stands.
fn token(seconds: i64) -> Revoke {
    let claims = format!("{{\"exp\":{}}}", 1_767_225_600 + seconds);
    let claims = URL_SAFE_NO_PAD.encode(claims);
    Revoke::Token(secret(&format!("e30.{claims}.c2ln")))
}

#[tokio::test]
async fn a_revocation_is_forgotten_everywhere_when_its_token_has_ended_by_itself() {
    let world = World::start().await;
    let revocations = world.control.revocations();
    let mut gateway = world.control.snapshots().subscribe();
    gateway.next().await;
    let short = revocations.create(&admin(), token(60)).await.unwrap();
    let update = gateway.next().await;
    assert!(
        matches!(&update.changes[..], [SnapshotChange::PutRevocation(entry)]
            if entry.id == short.revocation.id && entry.expires_at == short.revocation.expires_at),
        "{update:?}"
    );
    revocations.create(&admin(), token(86_400)).await.unwrap();
    gateway.next().await;

    // A gateway may still take the token within its leeway.
    world.clock.advance_seconds(60 + 599);
    assert_eq!(revocations.sweep().await.unwrap(), 0);
    world.clock.advance_seconds(1);
    assert_eq!(revocations.sweep().await.unwrap(), 1);
    let update = gateway.next().await;
    assert!(
        matches!(&update.changes[..], [SnapshotChange::RemoveRevocation(id)] if *id == short.revocation.id),
        "{update:?}"
    );
    assert_eq!(revocations.sweep().await.unwrap(), 0);
    let listed = revocations.list(&admin(), Page::FIRST).await.unwrap();
    assert_eq!(listed.total, 1);
    let whole = world.control.snapshots().subscribe().next().await;
    assert_eq!(besides_built_in_policies(&whole).len(), 1);
}

#[tokio::test]
async fn revoking_twice_is_revoking_once_and_a_deleted_one_is_believed_again() {
    let world = World::start().await;
    let revocations = world.control.revocations();
    let first = revocations.create(&admin(), token(60)).await.unwrap();
    let again = revocations.create(&admin(), token(60)).await.unwrap();
    assert_eq!(first.revocation, again.revocation);
    let mut gateway = world.control.snapshots().subscribe();
    let whole = gateway.next().await;
    assert_eq!(besides_built_in_policies(&whole).len(), 1);
    let id = first.revocation.id;
    revocations.delete(&admin(), id).await.unwrap();
    let update = gateway.next().await;
    assert!(matches!(
        update.changes[..],
        [SnapshotChange::RemoveRevocation(_)]
    ));
    let outcome = revocations.delete(&admin(), id).await;
    assert!(matches!(outcome, Err(Error::NotFound(_))));
    // Both at one instant of the standing clock, so in no order.
    let mut audited = world.audited().await;
    audited.sort();
    assert_eq!(audited, ["revocation.create", "revocation.delete"]);
}

#[tokio::test]
async fn only_administrators_revoke_what_is_not_theirs() {
    let world = World::start().await;
    let revocations = world.control.revocations();
    let made = revocations.create(&admin(), token(60)).await.unwrap();
    for actor in [ann(), publisher()] {
        let outcome = revocations.create(&actor, token(61)).await;
        assert!(matches!(outcome, Err(Error::Forbidden(_))));
        let outcome = revocations.delete(&actor, made.revocation.id).await;
        assert!(matches!(outcome, Err(Error::Forbidden(_))));
        let outcome = revocations.list(&actor, Page::FIRST).await;
        assert!(matches!(outcome, Err(Error::Forbidden(_))));
    }
}
