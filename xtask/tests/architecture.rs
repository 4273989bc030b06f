//! The arrows of ARCHITECTURE.md, read from the real dependency graph.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each crate may depend on, besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("connectors", &["domain"]),
    ("control", &["domain", "store", "connectors"]),
    ("gateway", &["domain"]),
    ("ext_authz", &["gateway"]),
    ("web", &["domain", "control"]),
    ("emulator", &[]),
    (
        "server",
        &[
            "domain",
            "store",
            "connectors",
            "control",
            "gateway",
            "ext_authz",
            "web",
            "emulator",
        ],
    ),
    ("code_table", &["domain"]),
    ("e2e", &["server", "emulator"]),
    (
        "oidc_provider",
        &["code_table", "connectors", "domain", "gateway"],
    ),
    ("xtask", &[]),
    ("bench", &["domain", "gateway"]),
];

/// Crates that a crate must not reach, directly or through others.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("domain", &["tokio", "sqlx", "axum", "hyper", "reqwest"]),
    ("store", &["axum", "reqwest"]),
    ("connectors", &["sqlx", "axum"]),
    ("control", &["axum", "askama"]),
    ("gateway", &["sqlx", "axum", "tonic"]),
    ("ext_authz", &["sqlx", "control"]),
];

struct Graph {
    /// Normal dependencies of every package in the resolved graph, by name.
    dependencies: BTreeMap<String, BTreeSet<String>>,
    workspace: BTreeSet<String>,
    /// Including test-only dependencies, of our own crates.
    declared: BTreeMap<String, Vec<(String, DependencyKind)>>,
}

impl Graph {
    fn read() -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .exec()
            .expect("cargo metadata runs");
        let names: BTreeMap<_, _> = metadata
            .packages
            .iter()
            .map(|package| (package.id.clone(), package.name.to_string()))
            .collect();
        let resolve = metadata.resolve.as_ref().expect("a resolved graph");
        let dependencies = resolve
            .nodes
            .iter()
            .map(|node| {
                let normal = node
                    .deps
                    .iter()
                    .filter(|dep| {
                        dep.dep_kinds
                            .iter()
                            .any(|kind| kind.kind == DependencyKind::Normal)
                    })
                    .map(|dep| names[&dep.pkg].clone())
                    .collect();
                (names[&node.id].clone(), normal)
            })
            .collect();
        let workspace: BTreeSet<String> = metadata
            .workspace_packages()
            .iter()
            .map(|package| package.name.to_string())
            .collect();
        let declared = metadata
            .workspace_packages()
            .iter()
            .map(|package| {
                let of_package = package
                    .dependencies
                    .iter()
                    .map(|dep| (dep.name.clone(), dep.kind))
                    .collect();
                (package.name.to_string(), of_package)
            })
            .collect();
        Self {
            dependencies,
            workspace,
            declared,
        }
    }

    fn reaches(&self, from: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(package) = open.pop() {
            for dependency in self.dependencies.get(&package).into_iter().flatten() {
                if seen.insert(dependency.clone()) {
                    open.push(dependency.clone());
                }
            }
        }
        seen
    }
}

#[test]
fn every_crate_stands_in_the_map() {
    let graph = Graph::read();
    let known: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        graph.workspace, known,
        "ARCHITECTURE.md and this test name every crate of the workspace"
    );
    let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md is readable");
    for name in known {
        assert!(
            map.contains(&format!("`{name}`")),
            "ARCHITECTURE.md does not mention `{name}`"
        );
    }
}

#[test]
fn dependency_arrows_point_downwards_only() {
    let graph = Graph::read();
    for (name, allowed) in ARROWS {
        for (dependency, kind) in &graph.declared[*name] {
            // A crate may name itself among its test dependencies, to switch on its `testing` feature.
            let is_ours = graph.workspace.contains(dependency) && dependency != name;
            let is_test_only = *kind == DependencyKind::Development
                && *name != "connectors"
                && *name != "emulator";
            assert!(
                !is_ours || allowed.contains(&dependency.as_str()) || is_test_only,
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn nothing_reaches_what_it_must_not_see() {
    let graph = Graph::read();
    for (name, forbidden) in FORBIDDEN {
        let reached = graph.reaches(name);
        for package in *forbidden {
            assert!(!reached.contains(*package), "{name} reaches {package}");
        }
    }
}

#[test]
fn only_the_store_names_the_sql_driver() {
    let graph = Graph::read();
    let naming: Vec<&String> = graph
        .declared
        .iter()
        .filter(|(_, dependencies)| {
            dependencies.iter().any(|(dependency, kind)| {
                dependency.starts_with("sqlx") && *kind != DependencyKind::Development
            })
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(naming, ["store"]);
}

#[test]
fn only_the_program_brings_the_emulator_along() {
    let graph = Graph::read();
    for (name, dependencies) in &graph.declared {
        let brings_it = dependencies.iter().any(|(dependency, kind)| {
            dependency == "emulator" && *kind != DependencyKind::Development
        });
        assert!(
            !brings_it || matches!(name.as_str(), "server" | "e2e"),
            "{name} must not depend on the emulator"
        );
    }
}

#[test]
fn emulator_and_connectors_share_no_code() {
    let graph = Graph::read();
    let ours = |name: &str| -> BTreeSet<String> {
        let mut reached: BTreeSet<String> = graph
            .reaches(name)
            .intersection(&graph.workspace)
            .cloned()
            .collect();
        reached.insert(name.to_owned());
        reached
    };
    let shared: Vec<String> = ours("emulator")
        .intersection(&ours("connectors"))
        .cloned()
        .collect();
    assert!(
        shared.is_empty(),
        "both use {shared:?}: one mistake could stand on both sides of a test"
    );
}
