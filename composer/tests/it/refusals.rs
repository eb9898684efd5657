//! What must not be composed: each case has its sentence, and leaves the repository as it was.

use std::fs;
use std::path::{Path, PathBuf};

use composer::ComposeError;
use fixtures::forge::package::Member;
use fixtures::forge::{Forge, Key, Repository};
use ostree_store::repo::RepoMode;

use crate::composed::Scratch;

const MANIFEST: &str = "[repositories]\nurls = [\"packages\"]\nkeys = [\"keys\"]\narch = [\"x86_64\"]\n\
                        [branch.base]\nref = \"base\"\npackages = [\"a\"]\n";

/// A repository with one good commit, and a package repository beside it.
struct Case {
    scratch: Scratch,
    before: Vec<PathBuf>,
}

impl Case {
    fn new(packages: impl IntoIterator<Item = Forge>) -> Case {
        let scratch = Scratch::new(RepoMode::BareUser);
        let key = Key::demo();
        let keys = scratch.path().join("keys");
        fs::create_dir(&keys).unwrap();
        fs::write(keys.join(key.name()), key.public_pem()).unwrap();
        write_repository(scratch.path(), [good("a")]);
        scratch
            .compose(MANIFEST, scratch.path().to_owned())
            .unwrap();
        write_repository(scratch.path(), packages);
        let before = everything_in(scratch.repo.path());
        Case { scratch, before }
    }

    fn package(&self) -> PathBuf {
        self.scratch.path().join("packages/x86_64/a-1-r0.apk")
    }

    fn index(&self) -> PathBuf {
        self.scratch.path().join("packages/x86_64/APKINDEX.tar.gz")
    }

    /// Composing fails, with these words in the message and the hint, and nothing has changed.
    #[track_caller]
    fn refused(&self, manifest: &str, words: &[&str]) -> ComposeError {
        let error = self
            .scratch
            .compose(manifest, self.scratch.path().to_owned())
            .unwrap_err();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        text = format!("{text}\nhint: {}", error.hint().unwrap_or_default());
        for word in words {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
        assert_eq!(
            everything_in(self.scratch.repo.path()),
            self.before,
            "the repository changed: {text}"
        );
        error
    }
}

fn good(name: &str) -> Forge {
    Forge::package(name, "1-r0")
        .arch("x86_64")
        .dir("usr")
        .file(&format!("usr/{name}"), "content of a file\n")
}

fn write_repository(dir: &Path, packages: impl IntoIterator<Item = Forge>) {
    let repository = packages
        .into_iter()
        .fold(Repository::new("x86_64"), Repository::add);
    let dir = dir.join("packages");
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    repository.write(&dir, &Key::demo()).unwrap();
}

/// Every path of a repository but the lock, with what refs say.
fn everything_in(repo: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![repo.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path.clone());
            }
            if path.starts_with(repo.join("refs")) && path.is_file() {
                found.push(PathBuf::from(fs::read_to_string(&path).unwrap()));
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn an_index_without_a_good_signature() {
    let case = Case::new([good("a")]);
    let signed = fs::read(case.index()).unwrap();
    let text = Repository::new("x86_64")
        .add(good("a"))
        .forged(&Key::demo())[0]
        .record();

    fs::write(case.index(), Repository::new("x86_64").index(&text, None)).unwrap();
    case.refused(
        MANIFEST,
        &[
            "APKINDEX.tar.gz",
            "it is not signed",
            "hint: sign the index",
        ],
    );

    fs::write(
        case.index(),
        Repository::new("x86_64").index(&text, Some(&Key::other())),
    )
    .unwrap();
    let names = [Key::other(), Key::demo()];
    let words = [
        "APKINDEX.tar.gz",
        names[0].name(),
        names[1].name(),
        "hint: put the public key",
        "; keys are read from /",
    ];
    case.refused(MANIFEST, &words);

    let impostor = Key::other().named(Key::demo().name());
    fs::write(
        case.index(),
        Repository::new("x86_64").index(&text, Some(&impostor)),
    )
    .unwrap();
    case.refused(
        MANIFEST,
        &[
            "APKINDEX.tar.gz",
            Key::demo().name(),
            "hint: copy or make the index again",
        ],
    );

    let mut flipped = signed;
    let last = flipped.len() - 20;
    flipped[last] ^= 1;
    fs::write(case.index(), flipped).unwrap();
    case.refused(
        MANIFEST,
        &["APKINDEX.tar.gz", "hint: copy or make the index again"],
    );
}

#[test]
fn a_package_with_one_flipped_byte() {
    for member in [Member::Signature, Member::Control, Member::Data] {
        let case =
            Case::new([good("a").file("usr/more", "changed, so that the package is imported\n")]);
        let forged = good("a")
            .file("usr/more", "changed, so that the package is imported\n")
            .forge(&Key::demo());
        let bytes = fs::read(case.package()).unwrap();
        assert_eq!(bytes, forged.bytes());
        let member = forged.member(member);
        let start = bytes
            .windows(member.len())
            .position(|window| window == member)
            .unwrap();
        for offset in [member.len() / 3, member.len() / 2, member.len() - 6] {
            let mut flipped = bytes.clone();
            flipped[start + offset] ^= 0x10;
            fs::write(case.package(), flipped).unwrap();
            case.refused(
                MANIFEST,
                &["package a-1-r0", "hint: the package is damaged"],
            );
        }
    }
}

#[test]
fn a_package_that_is_cut_or_longer() {
    let case = Case::new([good("a").file("usr/more", "x")]);
    let bytes = fs::read(case.package()).unwrap();
    for length in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(case.package(), &bytes[..length]).unwrap();
        case.refused(MANIFEST, &["package a-1-r0"]);
    }
    fs::write(case.package(), [&bytes[..], b"more"].concat()).unwrap();
    case.refused(MANIFEST, &["package a-1-r0"]);
    fs::remove_file(case.package()).unwrap();
    case.refused(
        MANIFEST,
        &["package a-1-r0", "a-1-r0.apk", "hint: the index lists"],
    );
}

#[test]
fn wishes_that_cannot_be_met() {
    let case = Case::new([good("a").depends("missing>=2"), good("b"), good("curl")]);
    case.refused(
        MANIFEST,
        &[
            "\"base\"",
            "x86_64",
            "missing",
            "no such package",
            "a-1-r0[missing>=2]",
            "hint: leave out",
        ],
    );
    let other = MANIFEST.replace("\"a\"", "\"b>2\"");
    case.refused(&other, &["b-1-r0", "world[b>2]"]);
    let misspelt = MANIFEST.replace("\"a\"", "\"crul\"");
    case.refused(
        &misspelt,
        &["crul", "hint: instead of \"crul\" there is curl"],
    );
}

#[test]
fn two_packages_with_one_file() {
    let case = Case::new([
        good("a").file("usr/both", "1").depends("b"),
        good("b").file("usr/both", "2"),
    ]);
    case.refused(
        MANIFEST,
        &[
            "usr/both belongs to b-1-r0, and a-1-r0 brings it too",
            "hint: leave one of them out",
        ],
    );

    let same = Case::new([
        good("a").file("usr/both", "1").depends("b"),
        good("b").file("usr/both", "1"),
    ]);
    same.refused(MANIFEST, &["usr/both belongs to b-1-r0"]);

    let kinds = Case::new([
        good("a").file("usr/both", "1").depends("b"),
        good("b").file("usr/both/below", "2"),
    ]);
    kinds.refused(
        MANIFEST,
        &["usr/both is a directory, and a-1-r0 has a file of that name"],
    );

    let reversed = Case::new([
        good("a").file("usr/both/below", "1").depends("b"),
        good("b").file("usr/both", "2"),
    ]);
    reversed.refused(
        MANIFEST,
        &["usr/both is a file or link of b-1-r0, and a-1-r0 has it as a directory"],
    );
}

#[test]
fn a_file_that_a_package_has_twice_or_without_its_directory() {
    let twice = good("a").as_given().file("usr/a", "1");
    Case::new([twice]).refused(MANIFEST, &["a-1-r0 has the file usr/a twice"]);
    let orphan = Forge::package("a", "1-r0")
        .arch("x86_64")
        .as_given()
        .file("nowhere/a", "1");
    Case::new([orphan]).refused(
        MANIFEST,
        &["a-1-r0 has the file nowhere/a without an entry"],
    );
}

#[test]
fn packages_that_replace_each_other() {
    let case = Case::new([
        good("a")
            .file("usr/both", "of a")
            .replaces("b")
            .depends("b"),
        good("b").file("usr/both", "of b"),
    ]);
    let composed = case
        .scratch
        .compose(MANIFEST, case.scratch.path().to_owned())
        .unwrap();
    let tree = case.scratch.tree(composed[0].commit.as_deref().unwrap());
    assert_eq!(crate::composed::content(&tree, "usr/both"), b"of a");
}

#[test]
fn paths_that_lead_elsewhere() {
    for path in [
        "../outside",
        "/etc/absolute",
        "usr/../../outside",
        "usr//double",
    ] {
        let case = Case::new([good("a").as_given().file(path, "x")]);
        case.refused(MANIFEST, &["package a-1-r0"]);
    }
}

#[test]
fn what_the_manifest_names_and_is_not_there() {
    let case = Case::new([good("a")]);
    let remote = MANIFEST.replace("\"packages\"", "\"https://example.org/alpine\"");
    case.refused(
        &remote,
        &["https://example.org/alpine", "hint: copy the repository"],
    );
    let no_repo = MANIFEST.replace("\"packages\"", "\"nowhere\"");
    case.refused(
        &no_repo,
        &[
            "nowhere/x86_64/APKINDEX.tar.gz",
            "hint: a repository is a directory",
        ],
    );
    let no_keys = MANIFEST.replace("\"keys\"", "\"nowhere\"");
    case.refused(&no_keys, &["nowhere"]);
    let no_base = MANIFEST.replace(
        "ref = \"base\"",
        "ref = \"base\"\nfrom = { tar = \"nowhere.tar\" }",
    );
    case.refused(&no_base, &["nowhere.tar"]);
    let no_commit = MANIFEST.replace(
        "ref = \"base\"",
        "ref = \"base\"\nfrom = { ref = \"nowhere\" }",
    );
    case.refused(&no_commit, &["Refspec 'nowhere' not found"]);
    let bad_ref = MANIFEST.replace("ref = \"base\"", "ref = \"../base\"");
    case.refused(&bad_ref, &["Invalid refspec ../base"]);
    let no_overlay = MANIFEST.replace("ref = \"base\"", "ref = \"base\"\noverlays = [\"nowhere\"]");
    case.refused(&no_overlay, &["the overlay", "nowhere"]);
    fs::create_dir_all(case.scratch.path().join("over/etc/apk")).unwrap();
    fs::write(case.scratch.path().join("over/etc/apk/world"), "x\n").unwrap();
    let derived = MANIFEST.replace("ref = \"base\"", "ref = \"base\"\noverlays = [\"over\"]");
    case.refused(&derived, &["the overlay over has etc/apk/world"]);
}
