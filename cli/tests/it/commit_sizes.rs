//! `--generate-sizes` and what `show` makes of it, compared with the real tool.

use crate::pair::Pair;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn pair(label: &str, mode: &str) -> Option<Pair> {
    let pair = Pair::with_repository(label, mode)?;
    pair.in_both(|dir| {
        let root = dir.join("t");
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::write(root.join("a"), "a").unwrap();
        fs::write(root.join("d/same"), "a").unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("large"), "0123456789abcdef".repeat(100_000)).unwrap();
        std::os::unix::fs::symlink("large", root.join("d/link")).unwrap();
        fs::create_dir(dir.join("u")).unwrap();
        fs::write(dir.join("u/other"), "b").unwrap();
    });
    Some(pair)
}

/// Checksum → kind and unpacked size; the archived sizes are checked against the files.
fn sizes(pair: &Pair, ours: bool) -> BTreeMap<String, (u8, u64)> {
    let args = [
        "show",
        "--repo=r",
        "-B",
        "--print-metadata-key=ostree.sizes",
        "main",
    ];
    let (answer, dir) = match ours {
        true => (pair.ask_us(&args), pair.ours()),
        false => (pair.ask_them(&args), pair.theirs()),
    };
    let text = answer.success();
    let entries = text.split("[").filter(|entry| entry.contains("0x"));
    entries.map(|entry| size(entry, &dir)).collect()
}

fn size(entry: &str, dir: &Path) -> (String, (u8, u64)) {
    let bytes = entry.split("0x").skip(1);
    let bytes: Vec<u8> = bytes
        .map(|text| u8::from_str_radix(&text[..2], 16).unwrap())
        .collect();
    let checksum: String = bytes[..32]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut rest = bytes[32..].iter();
    let mut varint = || {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = *rest.next().unwrap();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    };
    let (archived, unpacked) = (varint(), varint());
    let kind = *rest.next().unwrap();
    assert_eq!(rest.next(), None);
    let extension = ["", "filez", "dirtree", "dirmeta"][usize::from(kind)];
    let (prefix, rest) = checksum.split_at(2);
    let path = dir.join(format!("r/objects/{prefix}/{rest}.{extension}"));
    assert_eq!(
        fs::metadata(&path).unwrap().len(),
        archived,
        "{}",
        path.display()
    );
    (checksum, (kind, unpacked))
}

#[test]
fn sizes_are_those_of_the_objects() {
    let Some(pair) = pair("sizes", "archive") else {
        return;
    };
    pair.same(&["show", "--repo=r", "--print-sizes", "main"]);
    pair.same_success(&["commit", "--repo=r", "-b", "base", "u"]);
    for args in [
        &["t"][..],
        &["t"],
        &["u"],
        &["--tree=dir=t", "--tree=dir=u"],
        &["--tree=dir=u", "--tree=ref=main"],
        &["--base=base", "t"],
        &["--owner-uid=7", "t"],
        &["--link-checkout-speedup", "t"],
    ] {
        let common = [
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--generate-sizes",
            "--no-bindings",
        ];
        // The checksum of the commit covers sizes that depend on the compressor.
        let words = [&common[..], args].concat();
        pair.ask_us(&words).success();
        pair.ask_them(&words).success();
        assert_eq!(sizes(&pair, true), sizes(&pair, false), "{args:?}");
        let keys = pair.ask_us(&["show", "--repo=r", "--list-metadata-keys", "main"]);
        assert_eq!(keys.success(), "ostree.sizes\n");
    }
    for args in [
        &["fsck", "--repo=r"][..],
        &["show", "--repo=r", "--print-metadata-key=no", "main"],
    ] {
        pair.ask_us(args);
        pair.same(args);
    }
}

#[test]
fn sizes_are_summed_up() {
    let Some(pair) = pair("sums", "archive") else {
        return;
    };
    for args in [&["-b", "main", "u"][..], &["-b", "small", "u"]] {
        pair.same_success(&[&["commit", "--repo=r", "--generate-sizes"], args].concat());
    }
    pair.same(&["show", "--repo=r", "--print-sizes", "small"]);
    pair.same(&["show", "--repo=r", "--print-sizes", "nope"]);
    // Without its objects all of them are needed.
    pair.in_both(|dir| {
        let objects = dir.join("r/objects");
        for prefix in fs::read_dir(&objects).unwrap() {
            for object in fs::read_dir(prefix.unwrap().path()).unwrap() {
                let path = object.unwrap().path();
                if path.extension().is_some_and(|kind| kind != "commit") {
                    fs::remove_file(path).unwrap();
                }
            }
        }
    });
    pair.same(&["show", "--repo=r", "--print-sizes", "small"]);
}

#[test]
fn only_archives_have_sizes() {
    for mode in ["bare-user", "bare-user-only"] {
        let Some(pair) = pair("no-sizes", mode) else {
            return;
        };
        pair.same_success(&["commit", "--repo=r", "-b", "main", "--generate-sizes", "t"]);
        pair.same(&["show", "--repo=r", "--raw", "main"]);
        pair.same(&["show", "--repo=r", "--print-sizes", "main"]);
    }
}

/// Files shown as variants, and objects shown as they are stored.
#[test]
fn any_file_can_be_shown_as_a_variant() {
    let Some(pair) = pair("variant", "archive") else {
        return;
    };
    let id = pair.same_success(&["commit", "--repo=r", "-b", "main", "-s", "S", "u"]);
    let (prefix, rest) = id.split_at(2);
    let commit = format!("r/objects/{prefix}/{rest}.commit");
    pair.in_both(|dir| fs::write(dir.join("empty"), "").unwrap());
    for (of, path) in [
        ("(a{sv}aya(say)sstayay)", commit.as_str()),
        ("ay", "t/a"),
        ("y", "t/a"),
        ("ay", "empty"),
        ("a{sv}", "empty"),
        ("as", "nope"),
    ] {
        let of = format!("--print-variant-type={of}");
        pair.same(&["show", "--repo=r", &of, path]);
    }
    // The real tool aborts on a type that is none.
    let refused = pair.ask_us(&["show", "--repo=r", "--print-variant-type=z", "t/a"]);
    assert_eq!(refused.failure(), "\"z\" is not a GVariant type");
    for object in [
        "main",
        &id,
        "446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488",
    ] {
        for flags in [&["--raw"][..], &["-B"], &["--raw", "-B"], &[]] {
            pair.same(&[&["show", "--repo=r"], flags, &[object]].concat());
        }
    }
}

/// What ostree has since 2023.
#[test]
fn keys_are_listed_and_bytes_shown_in_hex() {
    let Some(pair) = pair("keys", "archive") else {
        return;
    };
    let commit = [
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--add-metadata=k=b'hi'",
        "--add-metadata-string=a=b",
    ];
    pair.same_success(&[&commit[..], &["--add-detached-metadata-string=z=y", "t"]].concat());
    for (flags, wanted) in [
        (&["--list-metadata-keys"][..], "a\nk\nostree.ref-binding\n"),
        (&["--list-detached-metadata-keys"], "z\n"),
        (&["--print-metadata-key=k", "--print-hex"], "686900\n"),
        (&["--print-metadata-key=a", "--print-hex"], "'b'\n"),
    ] {
        let words = [&["show", "--repo=r", "main"], flags].concat();
        assert_eq!(pair.ask_us(&words).success(), wanted);
    }
}
