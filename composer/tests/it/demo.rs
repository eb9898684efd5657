//! The demo repository, against what apk 2.14.10 and 3.0.6 made of the same packages.

use std::collections::BTreeMap;

use composer::Dialect;
use composer::event::Notice;
use ostree_store::object::FileKind;
use ostree_store::repo::RepoMode;
use sha2::{Digest, Sha256};

use crate::composed::{Found, Scratch, assert_text, content};

/// What only `apk add --initdb` makes: device nodes, mount points, caches, its lock, its log. They belong to no
/// package.
const NOT_OURS: [&str; 9] = [
    "dev/console",
    "dev/null",
    "dev/random",
    "dev/urandom",
    "dev/zero",
    "lib/apk/db/lock",
    "var/cache/apk",
    "var/cache/misc",
    "var/log/apk.log",
];

fn demo() -> String {
    fixtures::text("demo/demo.toml")
}

#[test]
fn every_branch_is_what_apk_installs() {
    for mode in RepoMode::ALL {
        let bare_needs_root = mode == RepoMode::Bare && !rustix::process::geteuid().is_root();
        if bare_needs_root || mode == RepoMode::BareUserOnly {
            continue; // bare-user-only cannot hold the demo's setuid program
        }
        for dialect in [Dialect::Apk2, Dialect::Apk3] {
            assert_as_recorded(dialect, &Scratch::new(mode));
        }
    }
}

fn assert_as_recorded(dialect: Dialect, scratch: &Scratch) {
    let apk = match dialect {
        Dialect::Apk2 => "apk-2.14.10",
        Dialect::Apk3 => "apk-3.0.6",
    };
    let composed = scratch
        .compose_as(dialect, &demo(), fixtures::path("demo"))
        .unwrap();
    assert_eq!(composed.len(), 4);
    for branch in &composed {
        let recorded = format!("recorded/{apk}/demo-{}-{}", branch.branch, branch.arch);
        let scripts = dialect.scripts_file();
        let tree = scratch.tree(branch.commit.as_deref().unwrap());
        for (path, file) in [
            ("lib/apk/db/installed", "installed"),
            (&format!("lib/apk/db/{scripts}"), scripts),
            ("lib/apk/db/triggers", "triggers"),
            ("etc/apk/world", "world"),
            ("etc/apk/arch", "arch"),
        ] {
            let expected = fixtures::bytes(format!("{recorded}/{file}"));
            assert_text(
                &format!("{recorded}/{file}"),
                content(&tree, path),
                &expected,
            );
        }
        let mut table = fixtures::text(format!("{recorded}/tree.tsv"));
        if dialect == Dialect::Apk3 {
            // apk 3.0.6 makes the directory without the setgid bit that its own record has.
            table = table.replace("var/lib/tool\td\t750\t", "var/lib/tool\td\t2750\t");
        }
        assert_tree(&tree, &table);
        let log = fixtures::text(format!("{recorded}/add.log"));
        let lines: Vec<&str> = log
            .lines()
            .filter_map(|line| Some(line.split_once(") ")?.1))
            .collect();
        assert_eq!(branch.steps, lines, "{recorded}/add.log");
    }
}

/// Compares every path with a row `path type mode uid gid value link xattrs`.
fn assert_tree(tree: &BTreeMap<String, Found>, table: &str) {
    let mut expected: BTreeMap<&str, Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|row| (row[0], row))
        .collect();
    for path in NOT_OURS {
        expected.remove(path);
    }
    for (path, found) in tree {
        let Some(row) = expected.remove(path.as_str()) else {
            panic!("{path} is not in apk's root")
        };
        let ours = match found {
            // apk mounts /proc and leaves it as the kernel has it
            Found::Dir { uid, gid, .. } if path == "proc" => [
                "d".into(),
                row[2].into(),
                format!("{uid}:{gid}"),
                "-".into(),
            ],
            Found::Dir { uid, gid, mode } => [
                "d".into(),
                format!("{mode:o}"),
                format!("{uid}:{gid}"),
                "-".into(),
            ],
            Found::File { header, content } => {
                let (kind, value) = match &header.kind {
                    FileKind::Symlink(target) => ("l", target.clone()),
                    FileKind::Regular => (
                        "f",
                        data_encoding::HEXLOWER.encode(&Sha256::digest(content)),
                    ),
                };
                [
                    kind.into(),
                    format!("{:o}", header.mode),
                    format!("{}:{}", header.uid, header.gid),
                    value,
                ]
            }
        };
        let theirs = [
            row[1].into(),
            row[2].into(),
            format!("{}:{}", row[3], row[4]),
            row[5].to_owned(),
        ];
        let derived = ["lib/apk/db/", "etc/apk/arch", "etc/apk/world"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
        if !derived {
            assert_eq!(ours, theirs, "{path}");
        }
        if let Found::File { header, .. } = found {
            assert_eq!(
                header.xattrs.is_empty(),
                row[7] == "-",
                "xattrs of {path}: {}",
                row[7]
            );
        }
    }
    assert!(expected.is_empty(), "not composed: {:?}", expected.keys());
}

#[test]
fn equal_input_gives_equal_commits() {
    let reference = Scratch::new(RepoMode::BareUser);
    let first = reference.compose(&demo(), fixtures::path("demo")).unwrap();
    let again = reference.compose(&demo(), fixtures::path("demo")).unwrap();
    assert!(again.iter().all(|branch| branch.unchanged));
    let shuffled = demo()
        .replace(
            "[\"demo-base\", \"demo-tool\"]",
            "[\"demo-tool\", \"demo-base\"]",
        )
        .replace(
            "arch = [\"x86_64\", \"aarch64\"]",
            "arch = [\"aarch64\", \"x86_64\"]",
        );
    assert_ne!(shuffled, demo());
    for threads in [1, 2, 7] {
        let scratch = Scratch::new(RepoMode::Archive);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let mut other = pool
            .install(|| scratch.compose(&shuffled, fixtures::path("demo")))
            .unwrap();
        other.sort_by_key(|branch| first.iter().position(|known| known.name == branch.name));
        for (a, b) in first.iter().zip(&other) {
            assert_eq!(
                (&a.name, &a.commit),
                (&b.name, &b.commit),
                "{threads} threads"
            );
        }
    }
}

#[test]
fn what_is_not_done_is_said() {
    let scratch = Scratch::new(RepoMode::BareUser);
    let composed = scratch.compose(&demo(), fixtures::path("demo")).unwrap();
    let server = composed
        .iter()
        .find(|branch| branch.branch == "server")
        .unwrap();
    let replaced = server.notices.iter().any(|notice| {
        matches!(notice, Notice::Replaced { path, package, .. }
            if path == "etc/issue" && package.starts_with("demo-issue"))
    });
    assert!(replaced, "{:?}", server.notices);
    let scripts = server
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::ScriptNotRun { .. }))
        .count();
    assert!(scripts >= 2, "{:?}", server.notices);
}
