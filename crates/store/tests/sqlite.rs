//! The conformance suite on SQLite, each case on a file of its own.

use store::conformance::Bench;
use tempfile::TempDir;

struct Database {
    bench: Bench,
    folder: TempDir,
}

impl Database {
    async fn remove(self) {
        self.bench.close().await;
        self.folder.close().expect("the folder can be removed");
    }
}

/// Always there: SQLite is built in.
async fn database() -> Option<Database> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
    let bench = Bench::open(url).await.expect("an empty file opens");
    Some(Database { bench, folder })
}

store::conformance_tests!(crate::database);

/// A case that nobody lists would never run.
#[test]
fn every_case_is_listed() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = std::fs::read_to_string(sources.join("conformance.rs")).unwrap();
    let mut cases = 0;
    for file in std::fs::read_dir(sources.join("conformance")).unwrap() {
        let path = file.unwrap().path();
        let noun = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["bench", "postgres_database", "samples"].contains(&noun.as_str()) {
            continue;
        }
        let listed = list
            .split_once(&format!(" {noun}: ["))
            .unwrap()
            .1
            .split_once(']')
            .unwrap()
            .0;
        let listed: Vec<_> = listed.split(',').map(str::trim).collect();
        let source = std::fs::read_to_string(&path).unwrap();
        for line in source.lines() {
            if let Some(rest) = line.strip_prefix("pub async fn ") {
                let case = rest.split_once('(').unwrap().0;
                assert!(
                    listed.contains(&case),
                    "{noun}::{case} is not in conformance_tests!"
                );
                cases += 1;
            }
        }
    }
    assert!(cases > 100, "only {cases} cases were found");
}
