//! `solve` and `why`: the answers of the real apk in their form, and what is said where there is no answer.

use std::path::Path;

use fixtures::solver::{self, Case};

use crate::pair::{Answer, apk_ostree};

/// Runs our command in a directory.
fn run(dir: &Path, words: &[&str]) -> Answer {
    let mut command = apk_ostree(dir);
    command.args(words);
    Answer::of(command)
}

/// Recorded requests through the command: every fourth row of both tables.
#[test]
fn plans_are_those_of_apk() {
    let mut compared = 0;
    for table in [
        "vectors/solver-examples.tsv",
        "recorded/apk-3.0.6/solver-cases.tsv",
    ] {
        let text = fixtures::text(table);
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        for row in rows.step_by(4) {
            let columns: Vec<&str> = row.split('\t').collect();
            let case = Case::parse([columns[1], columns[2], columns[3]]);
            let answer = solve(&case);
            let failed = columns[4].starts_with('✗');
            assert_eq!(
                answer.code,
                Some(i32::from(failed)),
                "{row}\n{}",
                answer.stderr
            );
            if !failed {
                assert_eq!(answer.stdout, lines(columns[4]), "{row}");
                assert_eq!(answer.stderr, "", "{row}");
            }
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

fn solve(case: &Case) -> Answer {
    let scratch = fixtures::scratch("solve");
    solver::write(case, scratch.path());
    let mut words = vec!["solve".to_owned(), "--arch=aarch64".to_owned()];
    for (at, (tag, _)) in case.repositories.iter().enumerate() {
        let tag = tag.map(|tag| format!("@{tag} ")).unwrap_or_default();
        words.push(format!("--repository={tag}r{at}"));
    }
    words.push("--installed=root/lib/apk/db/installed".to_owned());
    words.push("--world=root/etc/apk/world".to_owned());
    let (verb, rest) = case.request.split_first().unwrap();
    words.push(format!("--op={verb}"));
    words.extend(rest.iter().cloned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(scratch.path(), &words)
}

/// A result of the tables as `solve` prints it.
fn lines(result: &str) -> String {
    let changes = result.split(", ").filter(|change| *change != "(nothing)");
    let line = |change: &str| {
        let change = change.split(" [r").next().unwrap();
        let change = change.strip_suffix(" (reinstall)").unwrap_or(change);
        let change = change.strip_suffix(" (retag)").unwrap_or(change);
        let change = change.split('@').next().unwrap();
        if let Some(gone) = change.strip_prefix('-') {
            return format!("!{gone}\n");
        }
        match change.split_once(' ') {
            Some((name, versions)) => {
                let new = versions.rsplit(['→', '↓', '⇄']).next().unwrap();
                format!("{name}-{new}\n")
            }
            None => format!("{change}\n"),
        }
    };
    changes.map(line).collect()
}

/// Three repositories with a contradiction in them.
fn material(dir: &Path) {
    let case = Case::parse([
        "a-1 d:c<2; b-1 d:c>1; c-1; c-2; doc-1 i:a,c; v-1 d:w; x-1 p:w; n-2 d:nothing; n-1 || @edge e-1 || c-2; c-3",
        "inst c-1; old-1 world old c",
        "",
    ]);
    solver::write(&case, dir);
}

const REPOSITORIES: [&str; 4] = [
    "--arch=aarch64",
    "--repository=r0",
    "--repository=@edge r1",
    "--repository=r2",
];

fn asked(dir: &Path, command: &[&str], words: &[&str]) -> Answer {
    let words: Vec<&str> = command
        .iter()
        .chain(&REPOSITORIES)
        .chain(words)
        .copied()
        .collect();
    run(dir, &words)
}

#[test]
fn repositories_have_positions_and_json_has_reasons() {
    let scratch = fixtures::scratch("solve");
    material(scratch.path());
    let solve = |words: &[&str]| asked(scratch.path(), &["solve"], words);
    assert_eq!(
        solve(&["--with-repo", "b", "e@edge"]).success(),
        "c-3 2\nb-1 0\ne-1 1\n"
    );
    let installed = [
        "--installed=root/lib/apk/db/installed",
        "--world=root/etc/apk/world",
    ];
    let words = [&installed[..], &["--op=del", "--with-repo", "old"]].concat();
    assert_eq!(solve(&words).success(), "!old-1\n");
    let words = [&installed[..], &["--json", "--op=upgrade"]].concat();
    let told: serde_json::Value = serde_json::from_str(&solve(&words).success()).unwrap();
    assert_eq!(told["changes"][0]["change"], "upgrade");
    assert_eq!(told["changes"][0]["old_version"], "1");
    assert_eq!(told["changes"][0]["repository"], 2);
    assert_eq!(told["changes"][0]["reasons"][0]["wanted"], "c");
    let told: serde_json::Value = serde_json::from_str(&solve(&["--json", "a"]).success()).unwrap();
    let changes = told["changes"].as_array().unwrap();
    let doc = changes
        .iter()
        .find(|change| change["name"] == "doc")
        .unwrap();
    assert_eq!(
        (&doc["name"], &doc["reasons"][0]["installs_itself"]),
        (&"doc".into(), &true.into())
    );
}

#[test]
fn what_cannot_be_had_is_told_in_sentences() {
    let scratch = fixtures::scratch("solve");
    material(scratch.path());
    let solve = |words: &[&str]| {
        let answer = asked(scratch.path(), &["solve"], words);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""));
        answer.stderr
    };
    assert_eq!(
        solve(&["x", "b", "a"]),
        "error: unable to select packages:\n  c-1:\n    breaks: b-1[c>1]\n    satisfies: a-1[c<2]\n\
         these wants cannot hold together:\n  a is wanted\n  b is wanted\n  a-1 needs c<2\n  b-1 needs c>1\n  \
         (of c there is c-2, c-1, c-3)\nhint: leave out a or b\n"
    );
    assert!(solve(&["n"]).ends_with("hint: ask for n<2 as well; that is n-1\n"));
    assert!(solve(&["v"]).contains("(w comes with x, but only if asked for by that name)"));
    assert!(solve(&["e"]).ends_with("hint: ask for e@edge\n"));
    assert!(solve(&["c=9", "b"]).ends_with("hint: c without a version would do; that is c-3\n"));
    assert!(solve(&["dok"]).ends_with("hint: instead of \"dok\" there is doc\n"));
    let json = asked(scratch.path(), &["solve"], &["--json", "a", "b"]);
    assert_eq!(json.code, Some(1));
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(told["report"]["complaints"][0]["package"], "c-1");
    assert_eq!(told["contradiction"]["wants"].as_array().unwrap().len(), 4);
    let usage = asked(scratch.path(), &["solve"], &["--prune", "a"]);
    assert_eq!(usage.code, Some(2), "{}", usage.stderr);
}

#[test]
fn why_and_why_not() {
    let scratch = fixtures::scratch("solve");
    material(scratch.path());
    let why = |words: &[&str]| asked(scratch.path(), &["why"], words).success();
    assert_eq!(
        why(&["--add=a", "--add=c", "c"]),
        "c-1:\n  world[c] → c-1\n  world[a] → a-1[c<2] → c-1\n"
    );
    assert_eq!(
        why(&["--add=a", "doc"]),
        "doc-1:\n  world[a] → a-1[c<2] → a-1 + c-1 (install_if a c) → doc-1\n"
    );
    let not = |words: &[&str]| asked(scratch.path(), &["why", "not"], words).success();
    assert_eq!(
        not(&["--add=a", "c=2"]),
        "c=2: these wants cannot hold together:\n  a is wanted\n  c=2 is wanted\n  a-1 needs c<2\n  \
         (of c there is c-2, c-1, c-3)\nhint: leave out a\n"
    );
    assert_eq!(
        not(&["--add=c", "c=2"]),
        "c=2: c-3 is preferred to c-2, because its version is higher\nhint: ask for c=2, and you get: -c-3 +c-2\n"
    );
    assert_eq!(
        not(&["--add=c", "c=9"]),
        "c=9: there is no such version\nhint: there is c-3, c-2, c-1\n"
    );
    assert_eq!(not(&["--add=c", "c=3"]), "c=3: c-3 is in the system\n");
    assert_eq!(
        not(&["--add=c", "b"]),
        "b: nothing wants b-1\nhint: ask for b, and you get: +b-1\n"
    );
    let json = not(&["--json", "--add=c", "dok"]);
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&told[0]["verdict"], &told[0]["similar"][0]),
        (&"no-such-name".into(), &"doc".into())
    );
    let root = run(scratch.path(), &["why", "--root=root", "c", "old"]);
    assert_eq!(
        root.success(),
        "c-1:\n  world[c] → c-1\nold-1:\n  world[old] → old-1\n"
    );
    let missing = run(scratch.path(), &["why", "--root=root", "a"]);
    assert_eq!(missing.failure(), "a is not in the system");
}

#[test]
fn why_in_a_manifest() {
    let manifest = fixtures::path("demo/demo.toml");
    let scratch = fixtures::scratch("why");
    let manifest = manifest.to_str().unwrap();
    let words = [
        "why",
        "--manifest",
        manifest,
        "--branch=server",
        "--arch=x86_64",
        "demo-libc",
    ];
    let told = run(scratch.path(), &words).success();
    assert!(told.starts_with("demo-libc-1.2.5-r0:\n  world["), "{told}");
    let several = run(
        scratch.path(),
        &["why", "--manifest", manifest, "demo-libc"],
    );
    assert_eq!(several.failure(), "the manifest has several branches");
}
