use control::Error;
use store::Page;

use crate::support::{World, admin, ann};

#[tokio::test]
async fn an_administrator_reads_who_changed_a_subject_and_a_developer_cannot() {
    let world = World::start().await;
    let application = world.creates_application(&ann(), "weather").await;
    world.creates_application(&ann(), "other").await;

    let audit = world.control.audit();
    let id = application.id.to_string();
    let entries = audit
        .list(&admin(), "application", &id, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(entries.total, 1);
    assert_eq!(entries.items[0].actor, "ann");
    assert_eq!(entries.items[0].details["name"], "weather");

    let refused = audit.list(&ann(), "", "", Page::FIRST).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)));
}
