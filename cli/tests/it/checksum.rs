//! `checksum` of paths as the real tool gives them, and of whole trees as commits have them.

use crate::pair::{Answer, Pair, apk_ostree};
use fixtures::trees::{Shape, Tree};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn paths_have_ostrees_checksums() {
    let Some(pair) = Pair::new("checksum-paths") else {
        return;
    };
    let shape = Shape::possible_in(&pair.ours()).unwrap();
    let tree = Tree::generate(3, &shape);
    pair.in_both(|dir| {
        fs::create_dir(dir.join("t")).unwrap();
        tree.write_to(&dir.join("t")).unwrap();
        fs::write(dir.join("f"), "content").unwrap();
        symlink("f", dir.join("l")).unwrap();
    });
    let mut names = vec![
        "f".to_owned(),
        "l".to_owned(),
        "t".to_owned(),
        "nope".to_owned(),
    ];
    for entry in fs::read_dir(pair.ours().join("t")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        names.push(format!("t/{name}"));
    }
    for name in names {
        pair.same(&["checksum", "--", &name]);
        pair.same(&["checksum", "--ignore-xattrs", "--", &name]);
    }
    pair.same(&["checksum"]);
}

#[test]
fn trees_have_the_checksums_of_their_commits() {
    let Some(pair) = Pair::new("checksum-trees") else {
        return;
    };
    let dir = pair.ours();
    let tree = Tree::generate(5, &Shape::possible_in(&dir).unwrap());
    fs::create_dir(dir.join("t")).unwrap();
    tree.write_to(&dir.join("t")).unwrap();
    let plain = Tree::generate(5, &Shape::portable());
    fs::write(dir.join("t.tar"), plain.tar()).unwrap();
    pair.ask_us(&["init", "--repo=r", "--mode=archive"])
        .success();
    for source in ["--tree=dir=t", "--tree=tar=t.tar"] {
        pair.ask_us(&["commit", "--repo=r", "-b", "main", source])
            .success();
        let shown = pair.ask_us(&["show", "--repo=r", "main"]).success();
        let wanted = shown
            .lines()
            .find_map(|line| line.strip_prefix("ContentChecksum:  "));
        let line = format!("ContentChecksum: {}", wanted.unwrap());
        let answer = pair.ask_us(&["checksum", source]).success();
        assert!(
            answer.lines().any(|found| found == line),
            "{source}: {answer}"
        );
        let stats = pair.ask_us(&["checksum", source, "--stats"]).success();
        for word in ["Files: ", "Bytes: ", "Seconds: ", "Bytes per second: "] {
            assert!(stats.contains(word), "{stats}");
        }
        let json = pair
            .ask_us(&["checksum", source, "--stats", "--json"])
            .success();
        assert!(json.contains("\"bytes_per_second\":"), "{json}");
    }
    // Under our own name a directory is a tree.
    let mut command = apk_ostree(&dir);
    command.args(["checksum", "t"]);
    assert!(Answer::of(command).success().starts_with("DirTree: "));
}

/// The digest is the one that `fsverity digest` prints.
#[test]
fn files_are_measured_as_the_kernel_does() {
    let scratch = fixtures::scratch("checksum-fsverity");
    fs::write(scratch.path().join("f"), "hello world\n").unwrap();
    let ask = |words: &[&str]| {
        let mut command = apk_ostree(scratch.path());
        command.args(words);
        Answer::of(command)
    };
    let digest = "37061ef2ac4c21bec68489b56138c5780306a4ad7fe6676236ecdf2c9027cd92\n";
    assert_eq!(ask(&["checksum", "--fsverity", "f"]).success(), digest);
    ask(&["checksum", "--fsverity", "nope"]).failure();
    ask(&["checksum", "--fsverity", "."]).failure();
    ask(&["checksum", "--fsverity", "--tree=dir=."]).failure();
}
