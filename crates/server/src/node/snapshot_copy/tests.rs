use std::os::unix::fs::PermissionsExt;

use domain::snapshot::SnapshotChange;

use super::*;

fn update(base: Option<i64>, revision: i64) -> SnapshotUpdate {
    let id = format!("00000000-0000-7000-8000-{revision:012}");
    SnapshotUpdate {
        base: base.map(SnapshotRevision),
        revision: SnapshotRevision(revision),
        changes: vec![SnapshotChange::RemoveApi(id.parse().expect("an id"))],
    }
}

fn revisions(updates: &[SnapshotUpdate]) -> Vec<i64> {
    updates.iter().map(|update| update.revision.0).collect()
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn copy(&self) -> SnapshotCopy {
        SnapshotCopy::new(self.folder.path(), "Default")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    /// A whole and two differences.
    fn filled() -> Self {
        let place = Self::new();
        let mut copy = place.copy();
        for update in [update(None, 3), update(Some(3), 4), update(Some(4), 9)] {
            assert_eq!(copy.keep(&update).expect("written"), Kept::Yes);
        }
        copy.sync().expect("durable");
        place
    }
}

#[test]
fn what_was_kept_is_read_in_order() {
    let place = Place::filled();
    let updates = place.copy().read();
    assert_eq!(revisions(&updates), [3, 4, 9]);
    assert_eq!(updates[0].base, None);
    assert_eq!(updates[2].changes.len(), 1);
}

#[test]
fn nobody_else_may_read_it() {
    let place = Place::filled();
    let mode = std::fs::metadata(place.path())
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn wherever_the_file_is_torn_what_stands_before_is_used() {
    let place = Place::filled();
    let bytes = std::fs::read(place.path()).expect("a file");
    let mut seen = std::collections::BTreeSet::new();
    for length in 0..bytes.len() {
        std::fs::write(place.path(), &bytes[..length]).expect("written");
        let found = revisions(&place.copy().read());
        assert!([3, 4, 9].starts_with(&found), "{length}: {found:?}");
        assert!(found.len() < 3, "{length}");
        seen.insert(found.len());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_damaged_byte_anywhere_is_noticed() {
    let place = Place::filled();
    let bytes = std::fs::read(place.path()).expect("a file");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(place.path(), &damaged).expect("written");
        assert!(place.copy().read().len() < 3, "{at}");
    }
}

#[test]
fn a_foreign_file_and_one_of_another_environment_are_ignored() {
    let place = Place::filled();
    let other = SnapshotCopy::new(place.folder.path(), "Staging");
    assert!(other.read().is_empty());
    let huge = [FORM, &[0xff; 64]].concat();
    for foreign in [&b""[..], b"{}", b"claviger snapshot 2\nwhatever", &huge] {
        std::fs::write(place.path(), foreign).expect("written");
        assert!(place.copy().read().is_empty());
    }
}

#[test]
fn no_file_is_no_complaint() {
    assert!(Place::new().copy().read().is_empty());
}

#[test]
fn a_whole_takes_the_place_of_all_before_it() {
    let place = Place::filled();
    let mut copy = place.copy();
    copy.keep(&update(None, 20)).expect("written");
    copy.keep(&update(Some(20), 21)).expect("written");
    assert_eq!(revisions(&place.copy().read()), [20, 21]);
}

#[test]
fn a_difference_without_its_base_asks_for_the_whole_and_is_not_written() {
    let place = Place::filled();
    let mut copy = place.copy();
    let kept = copy.keep(&update(Some(9), 10)).expect("no failure");
    assert_eq!(kept, Kept::WantsWhole, "this run has written no whole yet");
    copy.keep(&update(None, 20)).expect("written");
    let kept = copy.keep(&update(Some(19), 21)).expect("no failure");
    assert_eq!(kept, Kept::WantsWhole);
    assert_eq!(revisions(&place.copy().read()), [20]);
}

#[test]
fn differences_that_outgrow_the_whole_ask_for_it_again() {
    let place = Place::new();
    let mut copy = place.copy();
    copy.keep(&update(None, 0)).expect("written");
    let change = update(None, 1).changes.remove(0);
    let mut revision = 0;
    let grown = loop {
        let large = SnapshotUpdate {
            base: Some(SnapshotRevision(revision)),
            revision: SnapshotRevision(revision + 1),
            changes: vec![change.clone(); 10_000],
        };
        revision += 1;
        if copy.keep(&large).expect("written") == Kept::WantsWhole {
            break std::fs::metadata(place.path()).expect("a file").len();
        }
    };
    assert!((SMALL..2 * SMALL).contains(&grown), "{grown}");
    assert_eq!(
        place.copy().read().len(),
        usize::try_from(revision).expect("a count") + 1
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_nothing_is_added_later() {
    let mut copy = SnapshotCopy::new(Path::new("/no/such/folder"), "Default");
    assert!(copy.keep(&update(None, 1)).is_err());
    assert_eq!(
        copy.keep(&update(Some(1), 2)).expect("not tried"),
        Kept::WantsWhole
    );
}
