//! The fields that `--json` promises; `JSON.md` beside this crate describes them.

use crate::pair::{Answer, apk_ostree};
use fixtures::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn ask(dir: &Path, args: &[&str]) -> Value {
    let mut command = apk_ostree(dir);
    command.args(args).args(["--repo=r", "--json"]);
    serde_json::from_str(&Answer::of(command).success()).unwrap()
}

/// Two commits; nothing in them depends on who runs the test.
fn made() -> Scratch {
    let dir = fixtures::scratch("json");
    fs::create_dir_all(dir.path().join("t/d")).unwrap();
    fs::write(dir.path().join("t/f"), "hi\n").unwrap();
    std::os::unix::fs::symlink("f", dir.path().join("t/l")).unwrap();
    let mut command = apk_ostree(dir.path());
    command.args(["init", "--repo=r", "--mode=archive"]);
    Answer::of(command).success();
    dir
}

fn commit(dir: &Path, more: &[&str]) -> Value {
    let args = [
        "commit",
        "-b",
        "main",
        "--canonical-permissions",
        "--timestamp=@1700000000",
        "-s",
        "Subject",
        "t",
    ];
    ask(dir, &[&args, more].concat())
}

#[test]
fn every_command_gives_what_is_promised() {
    let dir = made();
    let first = commit(dir.path(), &["--add-metadata-string=version=1"]);
    let id = first["commit"].as_str().unwrap();
    assert_eq!(
        first,
        json!({
            "commit": id, "parent": null, "ref": "main", "unchanged": false, "metadata_total": 5,
            "metadata_written": 4, "content_total": 2, "content_written": 2, "content_bytes_written": 3,
            "content_cache_hits": 0
        })
    );
    assert_eq!(
        commit(dir.path(), &["--skip-if-unchanged"])["unchanged"],
        true
    );
    assert_eq!(
        ask(dir.path(), &["refs"]),
        json!([{"ref": "main", "commit": id}])
    );

    let shown = ask(dir.path(), &["show", "main"]);
    assert_eq!(ask(dir.path(), &["log", "main"]), json!([shown]));
    for (field, value) in [
        ("commit", json!(id)),
        ("parent", json!(null)),
        ("timestamp", json!(1_700_000_000)),
        ("date", json!("2023-11-14 22:13:20 +0000")),
        ("version", json!("1")),
        ("subject", json!("Subject")),
        ("body", json!("")),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert_eq!(
        shown["metadata"][0],
        json!({"key": "version", "type": "s", "text": "'1'"})
    );
    assert!(
        ["content_checksum", "root_dirtree", "root_dirmeta"]
            .iter()
            .all(|field| shown[*field].is_string())
    );

    let listed = ask(dir.path(), &["ls", "main"]);
    let paths: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/", "/f", "/l", "/d"]);
    // The checksum is one that the real tool gives for this file.
    let file = json!({
        "path": "/f", "type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 3, "target": null, "xattrs": [],
        "checksum": "fbf7cf77a1b50d9f074cb6e9ef6ddb65b6532ea89e4f4ca1b07a05b4cd1be259",
        "dirtree": null, "dirmeta": null
    });
    assert_eq!(listed[1], file);
    assert_eq!(
        (&listed[2]["type"], &listed[2]["target"]),
        (&json!("symlink"), &json!("f"))
    );
    assert_eq!(
        listed[3]["dirmeta"],
        "446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488"
    );

    fs::write(dir.path().join("t/f"), "changed\n").unwrap();
    fs::write(dir.path().join("t/new"), "").unwrap();
    fs::remove_file(dir.path().join("t/l")).unwrap();
    let second = commit(dir.path(), &[]);
    assert_eq!(second["parent"], id);
    let changes = json!([
        {"change": "modified", "path": "/f"}, {"change": "deleted", "path": "/l"}, {"change": "added", "path": "/new"}
    ]);
    assert_eq!(
        ask(dir.path(), &["diff", "main"]),
        json!({ "changes": changes })
    );
    let counted = ask(dir.path(), &["diff", "--stats", "main"]);
    assert_eq!(counted["statistics"]["first_objects"], 6);
    assert_eq!(
        ask(dir.path(), &["fsck"]),
        json!({
            "ok": true, "commits": 2, "objects": 10, "partial": [], "refs": [], "problems": [],
            "weaknesses": [], "strays": [], "deleted": [], "tombstones": []
        })
    );
}

#[test]
fn a_prune_is_told_in_numbers() {
    let dir = made();
    commit(dir.path(), &[]);
    let told = ask(dir.path(), &["prune", "--no-prune"]);
    assert_eq!(told["dry_run"], true);
    assert_eq!(
        (&told["deleted"], &told["freed"], &told["young"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert!(told["total"].as_u64() > Some(3), "{told}");
}

#[test]
fn damage_is_told_as_json_too() {
    let dir = made();
    commit(dir.path(), &[]);
    let file = ask(dir.path(), &["ls", "main", "/f"])[0]["checksum"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::remove_file(
        dir.path()
            .join("r/objects")
            .join(&file[..2])
            .join(format!("{}.filez", &file[2..])),
    )
    .unwrap();
    dir.damaged("r", "an object is missing");
    let mut command = apk_ostree(dir.path());
    command.args(["fsck", "--repo=r", "--json"]);
    let answer = Answer::of(command);
    assert_eq!(answer.code, Some(1));
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["ok"], false);
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["object"], &problem["type"], &problem["missing"]),
        (&json!(file), &json!("file"), &json!(true))
    );
}
