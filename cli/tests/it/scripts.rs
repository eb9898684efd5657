//! `apk-ostree scripts`: beside what the packages themselves hold.

use crate::pair::{Answer, apk_ostree};
use fixtures::forge::{Forge, Key, Repository, Script};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn ask(dir: &Path, args: &[&str]) -> Answer {
    let mut command = apk_ostree(dir);
    command.arg("scripts").args(args);
    Answer::of(command)
}

const ACCOUNTS: &str = "#!/bin/sh\naddgroup -S x 2>/dev/null\nadduser -S -G x x\nexit 0\n";
const TRIGGER: &str = "#!/bin/busybox sh -e\nexec /sbin/ldconfig\n";

fn repository(dir: &Path) {
    let package = |name| Forge::package(name, "1-r0").arch("x86_64").file("f", name);
    Repository::new("x86_64")
        .add(package("quiet"))
        .add(
            package("with")
                .script(Script::PreInstall, ACCOUNTS)
                .script(Script::Trigger, TRIGGER)
                .triggers("/lib /usr/lib*"),
        )
        .add(package("program").script(Script::PostUpgrade, b"\x7fELF\0".to_vec()))
        .add(
            Forge::package("nothing", "1-r0")
                .arch("x86_64")
                .installed_size(0)
                .script(Script::PostInstall, "#!/bin/sh\n"),
        )
        .write(dir, &Key::demo())
        .unwrap();
}

#[test]
fn an_index_leads_to_its_packages() {
    let dir = fixtures::scratch("scripts");
    repository(dir.path());
    assert_eq!(
        ask(dir.path(), &["x86_64/APKINDEX.tar.gz"]).success(),
        "program-1-r0 post-upgrade 5 bytes other (no script)\n\
         with-1-r0 pre-install 61 bytes accounts /bin/sh\n\
         with-1-r0 trigger 41 bytes cache /bin/busybox sh -e\n\
         with-1-r0 triggered-by /lib\n\
         with-1-r0 triggered-by /usr/lib*\n"
    );
}

#[test]
fn json_has_the_same() {
    let dir = fixtures::scratch("scripts");
    repository(dir.path());
    let text = ask(
        dir.path(),
        &["--json", "x86_64/with-1-r0.apk", "x86_64/quiet-1-r0.apk"],
    )
    .success();
    let mut said: Value = serde_json::from_str(&text).unwrap();
    let identity = said[0]["identity"].take();
    assert!(identity.as_str().unwrap().starts_with("Q1"));
    let script = |kind, interpreter, body: &str, class| json!({"kind": kind, "interpreter": interpreter, "size": body.len(), "classes": [class]});
    assert_eq!(
        said,
        json!([{
            "package": "with-1-r0", "identity": null, "file": "x86_64/with-1-r0.apk",
            "scripts": [
                script("pre-install", "/bin/sh", ACCOUNTS, "accounts"),
                script("trigger", "/bin/busybox sh -e", TRIGGER, "cache"),
            ],
            "triggers": ["/lib", "/usr/lib*"],
        }])
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = fixtures::scratch("scripts");
    repository(dir.path());
    let files = dir.path().join("x86_64");
    fs::copy(files.join("quiet-1-r0.apk"), files.join("with-1-r0.apk")).unwrap();
    fs::remove_file(files.join("program-1-r0.apk")).unwrap();
    let answer = ask(dir.path(), &["x86_64/APKINDEX.tar.gz"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "error: x86_64/program-1-r0.apk: No such file or directory"
    );
    assert!(
        lines[1].starts_with("error: x86_64/with-1-r0.apk: package \"quiet\" has the identity Q1"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "error: 2 packages of the index could not be read");
    assert_eq!(
        ask(dir.path(), &["nope.apk"]).failure(),
        "nope.apk: No such file or directory"
    );
    assert_eq!(ask(dir.path(), &[]).code, Some(2));
}

/// Of a v3 package the values are read and nothing behind their signatures: cut off there, it says the same.
#[test]
fn v3_packages_are_read_up_to_their_files() {
    let dir = fixtures::scratch("scripts-v3");
    let samples = fixtures::path("samples/v3/x86_64");
    let whole = fs::read(samples.join("hello-1.0-r0.apk")).unwrap();
    fs::write(dir.path().join("whole.apk"), &whole).unwrap();
    // The tag of the first file is at 0x4e8.
    fs::write(dir.path().join("cut.apk"), &whole[..0x4f0]).unwrap();
    let said = "hello-1.0-r0 post-install 17 bytes - /bin/sh\n\
                hello-1.0-r0 triggered-by /usr/bin\nhello-1.0-r0 triggered-by +/usr/share/*\n";
    assert_eq!(ask(dir.path(), &["whole.apk"]).success(), said);
    assert_eq!(ask(dir.path(), &["cut.apk"]).success(), said);
    // A v2 package without its data member, too.
    let forged = Forge::package("with", "1-r0")
        .script(Script::PreInstall, ACCOUNTS)
        .file("f", "f\n")
        .forge(&Key::demo());
    let data = forged.member(fixtures::forge::package::Member::Data).len();
    let bytes = forged.bytes();
    let cut = &bytes[..bytes.len() - data];
    fs::write(dir.path().join("v2.apk"), cut).unwrap();
    let said = "with-1-r0 pre-install 61 bytes accounts /bin/sh\n";
    assert_eq!(ask(dir.path(), &["v2.apk"]).success(), said);
}

/// An index may say how files are named.
#[test]
fn a_v3_index_leads_to_its_packages() {
    let dir = fixtures::scratch("scripts-v3");
    let arch = dir.path().join("x86_64");
    fs::create_dir(&arch).unwrap();
    let samples = fixtures::path("samples/v3");
    fs::copy(samples.join("Packages-spec.adb"), arch.join("Packages.adb")).unwrap();
    let named = arch.join("plain3-2.0-r1.9b77d205.apk");
    fs::copy(samples.join("x86_64/plain3-2.0-r1.apk"), &named).unwrap();
    assert_eq!(ask(dir.path(), &["x86_64/Packages.adb"]).success(), "");
    fs::remove_file(&named).unwrap();
    let answer = ask(dir.path(), &["x86_64/Packages.adb"]);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.stderr.contains("plain3-2.0-r1.9b77d205.apk"),
        "{}",
        answer.stderr
    );
}
