//! Payload links beside the real tool, on a file system that can clone (XFS, btrfs): `TMPDIR` decides. Elsewhere only
//! that they do no harm is checked.

use crate::pair::Pair;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const SIZE: usize = 3 << 20;

/// Trees in which one large and one small content stand twice each.
fn pair(mode: &str) -> Option<Pair> {
    let pair = Pair::new("payload")?;
    let mode = format!("--mode={mode}");
    pair.same_success(&["init", "--repo=r", &mode]);
    pair.unsynced("r");
    pair.same_success(&[
        "--repo=r",
        "config",
        "set",
        "core.payload-link-threshold",
        "1000",
    ]);
    let noise = fixtures::seed::noise(7, SIZE);
    pair.in_both(|dir| {
        for (path, content, mode) in [
            ("t/big", &noise[..], 0o644),
            ("t/run", &noise, 0o755),
            ("t/small", &noise[..2000], 0o644),
            ("t/tiny", &noise[..999], 0o644),
            ("u/secret", &noise, 0o600),
            ("u/small", &noise[..2000], 0o700),
            ("u/tiny", &noise[..999], 0o700),
        ] {
            fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs::write(dir.join(path), content).unwrap();
            fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
    });
    Some(pair)
}

#[track_caller]
fn commit(pair: &Pair, tree: &str) {
    // Without the xattrs, though there are none, ostree makes no links.
    let args = ["--repo=r", "commit", "--timestamp=@1"];
    pair.same_success(&[&args[..], &["-b", tree, tree]].concat());
}

fn can_clone(dir: &Path) -> bool {
    let (from, to) = (dir.join("clone-from"), dir.join("clone-to"));
    fs::write(&from, "x").unwrap();
    let to = fs::File::create(to).unwrap();
    rustix::fs::ioctl_ficlone(&to, fs::File::open(from).unwrap()).is_ok()
}

/// Every payload link with the names of the files of the same content. Which one it leads to is not determined.
fn links(dir: &Path) -> Vec<String> {
    let mut links = Vec::new();
    for prefix in fs::read_dir(dir.join("r/objects")).unwrap() {
        for entry in fs::read_dir(prefix.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "payload-link") {
                assert!(
                    path.metadata().unwrap().is_file(),
                    "{path:?} leads to nothing"
                );
                links.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    links.sort();
    links
}

/// How many files of this size share their blocks with others, if there is a program that can tell.
fn sharing(dir: &Path, size: u64) -> Option<usize> {
    let mut count = 0;
    for prefix in fs::read_dir(dir.join("r/objects")).unwrap() {
        for entry in fs::read_dir(prefix.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            let found = path.symlink_metadata().unwrap();
            if found.is_file() && found.size() == size {
                let told = Command::new("filefrag")
                    .arg("-v")
                    .arg(&path)
                    .output()
                    .ok()?;
                count += usize::from(String::from_utf8_lossy(&told.stdout).contains("shared"));
            }
        }
    }
    Some(count)
}

#[test]
fn equal_contents_share_their_blocks() {
    for mode in ["bare-user", "archive", "bare-user-only"] {
        let Some(pair) = pair(mode) else { return };
        let clones = can_clone(&pair.ours());
        if !clones {
            eprintln!("this file system cannot clone: less is checked");
        }
        for tree in ["t", "u", "t"] {
            commit(&pair, tree);
            assert_eq!(links(&pair.ours()), links(&pair.theirs()), "{mode} {tree}");
            pair.same(&["--repo=r", "fsck"]);
        }
        if clones && mode == "bare-user" {
            assert_eq!(links(&pair.ours()).len(), 2);
            for size in [SIZE as u64, 2000] {
                assert_eq!(sharing(&pair.ours(), size), sharing(&pair.theirs(), size));
            }
            assert_eq!(sharing(&pair.ours(), SIZE as u64).unwrap_or(3), 3);
        }
        pair.same(&["--repo=r", "refs", "--delete", "t"]);
        pair.same(&["--repo=r", "prune", "--refs-only"]);
        pair.same(&["--repo=r", "fsck"]);
    }
}

/// Links are hints of whoever wrote them, and must never change what is stored.
#[test]
fn false_links_do_no_harm() {
    let Some(pair) = pair("bare-user") else {
        return;
    };
    let dir = pair.ours();
    let ours = |args: &[&str]| pair.ask_us(&[&["--repo=r"], args].concat()).success();
    ours(&["commit", "--no-xattrs", "-b", "t", "t"]);
    let objects = dir.join("r/objects");
    let checksum = |content: &[u8]| {
        let file = dir.join("sum");
        fs::write(&file, content).unwrap();
        let told = Command::new("sha256sum").arg(&file).output().unwrap();
        String::from_utf8(told.stdout).unwrap()[..64].to_owned()
    };
    let secret = fs::read(dir.join("u/secret")).unwrap();
    let small = fs::read(dir.join("u/small")).unwrap();
    for (content, victim) in [(&secret, vec![b'x'; SIZE]), (&small, vec![b'x'; 2000])] {
        let name = checksum(content);
        let link = objects.join(format!("{}/{}.payload-link", &name[..2], &name[2..]));
        for target in [
            "../zz/nothing.file",
            "../../../victim",
            "/dev/zero",
            "sneaky.file",
        ] {
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            fs::write(dir.join("victim"), &victim).unwrap();
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            ours(&["commit", "--no-xattrs", "-b", "u", "u"]);
            ours(&["fsck"]);
            ours(&["refs", "--delete", "u"]);
            ours(&["prune", "--refs-only"]);
        }
        // An object of the right size and another content.
        let wrong = checksum(&victim);
        let file = format!("{}/{}.file", &wrong[..2], &wrong[2..]);
        fs::create_dir_all(objects.join(&wrong[..2])).unwrap();
        fs::write(objects.join(&file), &victim).unwrap();
        let _ = fs::remove_file(&link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(format!("../{file}"), &link).unwrap();
        ours(&["commit", "--no-xattrs", "-b", "u", "u"]);
        let _ = fs::remove_file(objects.join(&file));
        ours(&["fsck"]);
        assert_eq!(
            ours(&["cat", "u", "/small"]).len(),
            String::from_utf8_lossy(&small).len()
        );
    }
}
