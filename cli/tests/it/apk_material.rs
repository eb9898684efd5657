//! The same questions about every sample, every package of two repositories made of real root file systems, and a real
//! index, to the real apk and to ours.
//!
//! `recorded/apk-3.0.6/material.tsv` has the digest of each of apk's answers, so that ours are compared with them
//! everywhere; with `APK_OSTREE_APK3` it is asked again. The real material lies beside the source tree
//! (`../shared`); without it the samples alone are compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apk_format::Digest;

use crate::apk::{VERSION, empty_root, our_apk, their_apk, words};
use crate::pair::Answer;

/// What is asked of a package.
const OF_A_PACKAGE: [&str; 6] = [
    "verify FILE",
    "--allow-untrusted manifest FILE",
    "mkndx --allow-untrusted -c none -o out.adb FILE",
    "--allow-untrusted adbdump out.adb",
    "index --allow-untrusted --no-warnings -o out.tar.gz FILE",
    "--allow-untrusted -X FILE-INDEX query --fields all --format json *",
];

/// What is asked of a v3 file.
const OF_A_V3_FILE: [&str; 3] = ["verify FILE", "adbdump FILE", "adbdump --format json FILE"];

/// What is asked of an index.
const OF_AN_INDEX: [&str; 8] = [
    "verify FILE",
    "--allow-untrusted -X FILE list -a",
    "--allow-untrusted -X FILE query --fields all --all-matches *",
    "--allow-untrusted -X FILE query --fields all --all-matches --format json *",
    "--allow-untrusted -X FILE query --fields all --all-matches --format yaml *",
    "--allow-untrusted -X FILE search -v",
    "--allow-untrusted -X FILE version -a",
    "--allow-untrusted -X FILE dot --errors",
];

/// The files, and what is asked of each, by a name that says where it comes from.
fn material(dir: &Path) -> Vec<(String, PathBuf, &'static [&'static str])> {
    let mut all: Vec<(String, PathBuf, &[&str])> = Vec::new();
    let mut add = |kind: &str, path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let questions: &[&str] = match name.rsplit_once('.').unwrap().1 {
            "gz" => &OF_AN_INDEX,
            "adb" => &OF_A_V3_FILE,
            _ if kind == "v3" => &OF_A_V3_FILE,
            _ => &OF_A_PACKAGE,
        };
        all.push((format!("{kind}/{name}"), path.to_owned(), questions));
    };
    for (kind, place) in [
        ("v2", "samples/v2/x86_64"),
        ("v3", "samples/v3"),
        ("v3", "samples/v3/x86_64"),
    ] {
        for path in files(&fixtures::path(place)) {
            add(kind, &path);
        }
    }
    let Some(shared) = fixtures::shared() else {
        return all;
    };
    for arch in ["x86_64", "aarch64"] {
        let Some(repository) = repack(&shared, arch, dir) else {
            return all;
        };
        for path in files(&repository.join(arch)) {
            add(&format!("repack-{arch}"), &path);
        }
    }
    let index = dir.join("main/aarch64/APKINDEX.tar.gz");
    fs::create_dir_all(index.parent().unwrap()).unwrap();
    fs::copy(
        shared.join("data/APKINDEX-3.17-main-aarch64.tar.gz"),
        &index,
    )
    .unwrap();
    add("main", &index);
    all
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.to_string_lossy();
        [".apk", ".adb", ".gz"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let mut files: Vec<PathBuf> = entries.filter(is_ours).collect();
    files.sort();
    files
}

/// A repository made of a real root file system; `None` without the programs for it. A key of its own would give
/// signatures of other lengths each time, once they are compressed.
pub(crate) fn repack(shared: &Path, arch: &str, out: &Path) -> Option<PathBuf> {
    let repository = out.join(format!("repack-{arch}"));
    let made = Command::new("python3")
        .arg(shared.join("tools/repack-minirootfs.py"))
        .arg(shared.join(format!("data/alpine-minirootfs-3.20.3-{arch}.tar.gz")))
        .arg(&repository)
        .arg("--key")
        .arg(fixtures::path("keys/apk-ostree-demo.rsa"))
        .output();
    made.ok()?.status.success().then_some(repository)
}

/// All answers, by name and question, without what depends on where the files are.
fn answers(dir: &Path, ask: impl Fn(&[String]) -> Answer) -> BTreeMap<(String, String), String> {
    let mut said = BTreeMap::new();
    empty_root(&dir.join("root"));
    fs::create_dir_all(dir.join("keys")).unwrap();
    for (name, path, questions) in material(dir) {
        for keys in [
            dir.join("repack-x86_64/keys"),
            dir.join("repack-aarch64/keys"),
            fixtures::path("samples/keys"),
        ] {
            for key in fs::read_dir(keys).into_iter().flatten().flatten() {
                fs::copy(key.path(), dir.join("keys").join(key.file_name())).unwrap();
            }
        }
        let arch = if name.contains("aarch64") || name.starts_with("main/") {
            "aarch64"
        } else {
            "x86_64"
        };
        for question in questions {
            let line = question.replace("FILE-INDEX", "out.tar.gz");
            let line = line.replace("FILE", path.to_str().unwrap());
            let line = format!("-p root --arch {arch} --keys-dir DIR/keys {line}");
            let answer = ask(&words(&line, dir));
            let text = format!("{}{}[{:?}]", answer.stdout, answer.stderr, answer.code);
            let text = text.replace(path.parent().unwrap().to_str().unwrap(), "PLACE");
            said.insert(
                (name.clone(), (*question).to_owned()),
                text.replace(dir.to_str().unwrap(), "DIR"),
            );
        }
    }
    said
}

fn digests(answers: &BTreeMap<(String, String), String>) -> BTreeMap<String, String> {
    let line = |((name, question), text): (&(String, String), &String)| {
        let hex = Digest::sha256(text.as_bytes()).to_hex();
        (format!("{name}\t{question}"), hex)
    };
    answers.iter().map(line).collect()
}

fn recorded() -> PathBuf {
    fixtures::root().join(format!("recorded/apk-{VERSION}/material.tsv"))
}

#[test]
fn every_answer_is_that_of_apk() {
    let dir = fixtures::scratch("material");
    let ours = answers(dir.path(), |words| our_apk(dir.path(), words));
    if their_apk(dir.path(), &["--version".to_owned()]).is_some() {
        let theirs = answers(dir.path(), |words| their_apk(dir.path(), words).unwrap());
        for (what, text) in &theirs {
            let line = ours[what].lines().zip(text.lines()).find(|(a, b)| a != b);
            assert!(ours[what] == *text, "{what:?}: {line:?}");
        }
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            let lines = digests(&theirs).into_iter();
            let lines = lines.map(|(what, digest)| format!("{what}\t{digest}\n"));
            let head = "file\tquestion\tanswer\n".to_owned();
            fs::write(recorded(), head + &lines.collect::<String>()).unwrap();
        }
    }
    let recorded = fs::read_to_string(recorded()).unwrap();
    let known: BTreeMap<&str, &str> = recorded
        .lines()
        .skip(1)
        .map(|line| line.rsplit_once('\t').unwrap())
        .collect();
    let ours = digests(&ours);
    assert!(ours.len() >= 45, "{}", ours.len());
    for (what, digest) in &ours {
        assert_eq!(known.get(what.as_str()), Some(&digest.as_str()), "{what}");
    }
    eprintln!(
        "{} of {} recorded answers compared",
        ours.len(),
        known.len()
    );
}
