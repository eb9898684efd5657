//! Making packages, indexes and keys: where apk blocks or crashes, what both real tools think of our signatures.

use crate::apk::{empty_root, our_apk, their_apk};
use crate::pair::{Answer, apk_ostree};
use fixtures::forge::{Forge, Key, Repository};
use fixtures::peer;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn ours(dir: &Path, line: &str) -> Answer {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    our_apk(dir, &words)
}

#[track_caller]
fn done(dir: &Path, words: &[&str]) -> Answer {
    let mut command = apk_ostree(dir);
    command.args(words);
    let answer = Answer::of(command);
    assert_eq!(answer.code, Some(0), "{words:?}: {}", answer.stderr);
    answer
}

/// A repository of one package.
fn repository(dir: &Path) {
    let package = Forge::package("one", "1-r0")
        .arch("x86_64")
        .file("one", "one\n");
    let repository = Repository::new("x86_64").add(package);
    repository.write(&dir.join("repo"), &Key::demo()).unwrap();
}

/// apk 3.0.6 waits for somebody to write into the fifo, for ever.
#[test]
fn a_fifo_is_packed_and_not_opened() {
    let dir = fixtures::scratch("making-fifo");
    let dir = dir.path();
    fs::create_dir_all(dir.join("tree/etc")).unwrap();
    let (at, fifo) = (rustix::fs::CWD, rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(at, dir.join("tree/etc/fifo"), fifo, 0o600.into(), 0).unwrap();
    std::os::unix::fs::symlink("/", dir.join("tree/root")).unwrap();
    let made = ours(dir, "mkpkg -I name:f -I version:1 -F tree -c none -o f.apk");
    assert_eq!((made.code, &*made.stderr), (Some(0), ""));
    let listed = ours(dir, "adbdump f.apk");
    let text = listed.stdout;
    assert!(
        text.contains("name: fifo") && text.contains("name: root"),
        "{text}"
    );
    assert!(!text.contains("usr"), "{text}");
}

/// Where apk 3.0.6 crashes.
#[test]
fn what_crashes_apk_is_an_error() {
    let dir = fixtures::scratch("making-crashes");
    let dir = dir.path();
    let wrong = Forge::package("wrong", "1").depends("good bad=");
    fs::write(dir.join("wrong.apk"), wrong.build(&Key::demo())).unwrap();
    for (line, words) in [
        (
            "mkndx --allow-untrusted -o none.adb wrong.apk",
            "ERROR: wrong.apk: dependency format is invalid\nERROR: 1 errors, not creating index\n",
        ),
        (
            "mkndx -o nowhere/none.adb",
            "ERROR: Index creation failed: No such file or directory\n",
        ),
        (
            "mkpkg -I name:x -I version:1 -o nowhere/x.apk",
            "ERROR: failed to create package: No such file or directory\n",
        ),
    ] {
        let answer = ours(dir, line);
        assert_eq!((answer.code, &*answer.stderr), (Some(99), words), "{line}");
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);
}

/// The index as it is on stdout, which the recordings do not hold because it is no text.
#[test]
fn convndx_gives_the_bytes_of_apk() {
    let Some(apk) = peer::apk3() else { return };
    let dir = fixtures::scratch("making-convndx");
    let dir = dir.path();
    repository(dir);
    let index = fixtures::path("demo/repo/x86_64/APKINDEX.tar.gz");
    let index = index.to_str().unwrap();
    let key = fixtures::path("samples/keys/sample-rsa.key");
    let key = format!("--sign-key={}", key.display());
    let second = "repo/x86_64/APKINDEX.tar.gz";
    for words in [
        &["-c", "none", index][..],
        &[index],
        &["-q", index, second],
        &[&key, second],
        &["-c", "none"],
    ] {
        let run = |mut command: std::process::Command| {
            let begin = ["-p", ".", "--allow-untrusted", "convndx"];
            command.current_dir(dir).args(begin).args(words);
            let output = command.env("APK_CONFIG", "/dev/null").output().unwrap();
            (output.status.code(), output.stdout, output.stderr)
        };
        let mut own = apk_ostree(dir);
        own.arg("apk");
        assert!(run(own) == run(apk.command()), "{words:?}");
    }
}

#[test]
fn keys_are_made_once_and_sign_what_both_tools_trust() {
    let dir = fixtures::scratch("making-keys");
    let dir = dir.path();
    repository(dir);
    let made = done(dir, &["keygen", "me", "--bits", "2048"]);
    assert_eq!(made.stdout, "me.rsa\nme.rsa.pub\n");
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("me.rsa"), 0o600);
    let mut again = apk_ostree(dir);
    again.args(["keygen", "me", "--bits", "2048"]);
    let again = Answer::of(again);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.starts_with("error: me.rsa is there already\n"),
        "{}",
        again.stderr
    );

    fs::create_dir(dir.join("keys")).unwrap();
    fs::copy(dir.join("me.rsa.pub"), dir.join("keys/me.rsa.pub")).unwrap();
    let unsigned = ours(
        dir,
        "index --allow-untrusted -o APKINDEX.tar.gz repo/x86_64/one-1-r0.apk",
    );
    assert_eq!(unsigned.code, Some(0), "{}", unsigned.stderr);
    let package = ours(dir, "mkpkg -I name:v3 -I version:1 -o v3.apk");
    assert_eq!(package.code, Some(0), "{}", package.stderr);
    let keys = format!("{}/keys", dir.display());
    let question = format!("--keys-dir {keys} verify v3.apk");
    assert_ne!(ours(dir, &question).code, Some(0));
    done(
        dir,
        &["sign", "APKINDEX.tar.gz", "v3.apk", "--key", "me.rsa"],
    );
    assert_eq!(ours(dir, &question).code, Some(0));
    let mut twice = apk_ostree(dir);
    twice.args(["sign", "APKINDEX.tar.gz", "--key", "me.rsa"]);
    assert_eq!(Answer::of(twice).code, Some(1));

    fs::create_dir_all(dir.join("signed/x86_64")).unwrap();
    fs::copy(
        dir.join("APKINDEX.tar.gz"),
        dir.join("signed/x86_64/APKINDEX.tar.gz"),
    )
    .unwrap();
    empty_root(&dir.join("root"));
    let search = format!(
        "--root root --arch x86_64 --keys-dir {keys} --repository {}/signed search one",
        dir.display()
    );
    let found = ours(dir, &search);
    assert_eq!((&*found.stdout, &*found.stderr), ("one-1-r0\n", ""));
    for apk in [peer::apk2(), peer::apk3()].into_iter().flatten() {
        let found = apk.run_in(dir, search.split(' '));
        assert_eq!(found.stdout, b"one-1-r0\n", "{}", apk.version());
    }
    if let Some(apk) = peer::apk3() {
        assert_eq!(apk.run_in(dir, question.split(' ')).code, Some(0));
    }
}

/// A v3 package may have a description of several lines. apk 3.0.6 writes them into the installed database as they are, and
/// cannot read it any more.
#[test]
fn a_description_may_have_several_lines() {
    let dir = fixtures::scratch("making-lines");
    let dir = dir.path();
    fs::create_dir_all(dir.join("repo/x86_64")).unwrap();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let described = |name: &str| {
        let mut words = words("mkpkg -I version:1 -I arch:x86_64 -c none -I name:lines");
        words.extend(["-I", "description:one\nF:two\nthree", "-o", name].map(str::to_owned));
        words
    };
    let made = "repo/x86_64/lines-1.apk";
    assert_eq!(our_apk(dir, &described(made)).code, Some(0));
    let questions = [
        "--allow-untrusted verify repo/x86_64/lines-1.apk",
        "adbdump repo/x86_64/lines-1.apk",
        "mkndx --allow-untrusted -c none -o repo/x86_64/Packages.adb repo/x86_64/lines-1.apk",
        "adbdump repo/x86_64/Packages.adb",
        "-p root --arch x86_64 --allow-untrusted -X repo/x86_64/Packages.adb search -d two",
        "-p root --arch x86_64 --allow-untrusted -X repo/x86_64/Packages.adb query --fields all lines",
        "-p root --arch x86_64 --allow-untrusted -X repo/x86_64/Packages.adb info -d lines",
    ];
    empty_root(&dir.join("root"));
    let said = questions.map(|line| our_apk(dir, &words(line)));
    assert!(said.iter().all(|answer| answer.code == Some(0)), "{said:?}");
    assert!(said[5].stdout.contains("F:two"), "{said:?}");
    if let Some(done) = their_apk(dir, &described("theirs.apk")) {
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let [ours, theirs] = [made, "theirs.apk"].map(|name| fs::read(dir.join(name)).unwrap());
        assert_eq!(ours, theirs);
        for (line, ours) in questions.iter().zip(said) {
            assert_eq!(their_apk(dir, &words(line)), Some(ours), "{line}");
        }
    }
    let add = "-p root --arch x86_64 --allow-untrusted --usermode --no-network --force-non-repository add repo/x86_64/lines-1.apk";
    let add = match rustix::process::geteuid().is_root() {
        true => add.replace(" --usermode", ""),
        false => add.to_owned(),
    };
    let added = ours(dir, &add);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let database = fs::read_to_string(dir.join("root/lib/apk/db/installed")).unwrap();
    assert!(database.contains("\nT:one F:two three\n"), "{database}");
}

/// Keys of every kind, made here and by OpenSSL's like, sign v3 files that the real apk trusts.
#[test]
fn ec_keys_sign_what_apk_trusts() {
    let dir = fixtures::scratch("making-ec");
    let dir = dir.path();
    repository(dir);
    fs::create_dir(dir.join("keys")).unwrap();
    fs::create_dir(dir.join("none")).unwrap();
    for curve in ["p256", "p384", "p521"] {
        let made = done(dir, &["keygen", curve, "--ec", curve]);
        assert_eq!(made.stdout, format!("{curve}.ec\n{curve}.ec.pub\n"));
        let private = dir.join(format!("{curve}.ec"));
        let mode = fs::metadata(&private).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let public = format!("{curve}.ec.pub");
        fs::rename(dir.join(&public), dir.join("keys").join(&public)).unwrap();
        let package =
            format!("mkpkg -I name:{curve} -I version:1 --sign-key {curve}.ec -o {curve}.apk");
        assert_eq!(ours(dir, &package).code, Some(0));
        let first = fs::read(dir.join(format!("{curve}.apk"))).unwrap();
        assert_eq!(ours(dir, &package).code, Some(0));
        // The same key and the same package make the same signature.
        assert!(fs::read(dir.join(format!("{curve}.apk"))).unwrap() == first);
        let unsigned = format!("mkpkg -I name:{curve} -I version:1 -o {curve}-later.apk");
        assert_eq!(ours(dir, &unsigned).code, Some(0));
        done(
            dir,
            &[
                "sign",
                &format!("{curve}-later.apk"),
                "--key",
                &format!("{curve}.ec"),
            ],
        );
        let index = format!(
            "mkndx --sign-key {curve}.ec -o {curve}.adb --allow-untrusted repo/x86_64/one-1-r0.apk"
        );
        assert_eq!(ours(dir, &index).code, Some(0));
        for file in [
            format!("{curve}.apk"),
            format!("{curve}-later.apk"),
            format!("{curve}.adb"),
        ] {
            let question =
                |keys: &str| format!("--keys-dir {}/{keys} verify {file}", dir.display());
            assert_eq!(ours(dir, &question("keys")).code, Some(0), "{file}");
            assert_eq!(ours(dir, &question("none")).code, Some(1), "{file}");
            if let Some(apk) = peer::apk3() {
                let said = apk.run_in(dir, question("keys").split(' '));
                assert_eq!(
                    (said.code, said.stdout_text()),
                    (Some(0), format!("{file}: OK\n"))
                );
                assert_eq!(apk.run_in(dir, question("none").split(' ')).code, Some(1));
            }
        }
        // The real apk signs with the key, and we trust that.
        if let Some(apk) = peer::apk3() {
            let file = format!("{curve}-theirs.apk");
            let pack =
                format!("mkpkg -I name:{curve} -I version:1 --sign-key {curve}.ec -o {file}");
            apk.run_in(dir, pack.split(' ')).success();
            let question = format!("--keys-dir {}/keys verify {file}", dir.display());
            assert_eq!(ours(dir, &question).code, Some(0), "{file}");
        }
    }
    // v2 knows RSA alone.
    let mut v2 = apk_ostree(dir);
    v2.args(["sign", "repo/x86_64/APKINDEX.tar.gz", "--key", "p256.ec"]);
    assert_eq!(Answer::of(v2).code, Some(1));
    let mut both = apk_ostree(dir);
    both.args(["keygen", "x", "--ec", "p256", "--bits", "2048"]);
    assert_eq!(Answer::of(both).code, Some(2));
}
