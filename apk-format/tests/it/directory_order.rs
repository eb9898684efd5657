//! The order in which apk 3 records the directories and files of a package.
//!
//! `recorded/apk-3.0.6/directory-order.tsv` is what the real apk made of packages with many directories in odd orders.
//! Where it is at hand (`APK_OSTREE_APK3`) it is asked again; `APK_OSTREE_RECORD=1` writes its answers down.

use std::fmt::Write;

use apk_format::InstalledDb;
use apk_format::database::DirectoryOrder;
use fixtures::forge::{Forge, Key, Repository};
use fixtures::peer::Peer;
use fixtures::seed::Random;

const RECORDED: &str = "recorded/apk-3.0.6/directory-order.tsv";
const CASES: u64 = 24;

/// One package's entries: directories end with a slash.
fn entries(case: u64) -> Vec<String> {
    let mut random = Random::new(case);
    let count = 30 + 10 * case;
    let mut dirs: Vec<String> = (0..count).map(|number| format!("d{number:03}")).collect();
    match case % 4 {
        0 => {}
        1 => dirs.reverse(),
        2 => shuffle(&mut dirs, &mut random),
        _ => {
            let half = dirs.len() / 2;
            dirs[half..].reverse();
        }
    }
    let mut entries = Vec::new();
    for (at, dir) in dirs.iter().enumerate() {
        entries.push(format!("{dir}/"));
        for number in 0..random.below(3) {
            // Now and then a file of a directory that came long before.
            let home = if random.below(4) == 0 {
                &dirs[random.below(at + 1)]
            } else {
                dir
            };
            entries.push(format!("{home}/f{}{at}{number}", random.below(10)));
        }
    }
    entries
}

fn shuffle(words: &mut [String], random: &mut Random) {
    for at in (1..words.len()).rev() {
        words.swap(at, random.below(at + 1));
    }
}

/// The `F` and `R` lines of each case as we would record them.
fn ours() -> String {
    let mut table = String::new();
    for case in 0..CASES {
        let entries = entries(case);
        let mut order = DirectoryOrder::default();
        for entry in &entries {
            order.enter(entry.rsplit_once('/').unwrap().0);
        }
        for dir in order.finish() {
            let _ = write!(table, "{case}\t{dir}");
            let mut files: Vec<&str> = entries
                .iter()
                .filter_map(|entry| entry.strip_prefix(&format!("{dir}/")))
                .filter(|file| !file.is_empty())
                .collect();
            files.sort_unstable();
            for file in files {
                let _ = write!(table, "\t{file}");
            }
            table.push('\n');
        }
    }
    table
}

/// The same by the real apk.
fn theirs(apk: &Peer) -> String {
    let mut table = String::new();
    for case in 0..CASES {
        let scratch = fixtures::scratch("directory-order");
        let mut package = Forge::package("a", "1-r0").arch("x86_64").as_given();
        for entry in entries(case) {
            package = match entry.strip_suffix('/') {
                Some(dir) => package.dir(dir),
                None => package.file(&entry, "x"),
            };
        }
        let repository = scratch.path().join("repository");
        Repository::new("x86_64")
            .add(package)
            .write(&repository, &Key::demo())
            .unwrap();
        let mut args = vec!["--root", "root", "--arch", "x86_64", "--allow-untrusted"];
        args.extend([
            "--repository",
            "repository",
            "--no-network",
            "--no-cache",
            "--logfile=no",
        ]);
        args.extend(["add", "--initdb", "a"]);
        if !rustix::process::geteuid().is_root() {
            args.push("--usermode");
        }
        apk.run_in(scratch.path(), args).success();
        let text =
            std::fs::read_to_string(scratch.path().join("root/lib/apk/db/installed")).unwrap();
        for dir in &InstalledDb::parse(&text).unwrap().packages[0].dirs {
            let _ = write!(table, "{case}\t{}", dir.path);
            for file in &dir.files {
                let _ = write!(table, "\t{}", file.name);
            }
            table.push('\n');
        }
    }
    table
}

#[test]
fn directories_and_files_stand_as_apk_3_records_them() {
    if let Some(apk) = fixtures::peer::apk3() {
        let theirs = theirs(&apk);
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            std::fs::write(fixtures::path(RECORDED), &theirs).unwrap();
        }
        assert!(
            theirs == fixtures::text(RECORDED),
            "apk 3 says otherwise today"
        );
    }
    let (ours, recorded) = (ours(), fixtures::text(RECORDED));
    let differing = ours.lines().zip(recorded.lines()).find(|(a, b)| a != b);
    assert_eq!(differing, None);
    assert_eq!(ours.len(), recorded.len());
}
