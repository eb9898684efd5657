//! Commands that read, over repositories that lie.

use super::forged::{self, Forged, REGULAR, Raw, archive_header, owner};
use super::{bounded, ended_well};
use fixtures::Scratch;
use ostree_store::checksum::Checksum;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Every command that reads, destinations in `out`. Those of the second table may go on for as long as there is
/// output, so they are not asked of trees without an end.
const READERS: &[&[&str]] = &[
    &["ls", "main"],
    &["ls", "-RCX", "main"],
    &["ls", "main", "/d/f"],
    &["log", "main"],
    &["log", "--raw", "main"],
    &["show", "main"],
    &["show", "--raw", "main"],
    &["show", "--print-metadata-key=k", "main"],
    &["show", "--print-detached-metadata-key=k", "main"],
    &["cat", "main", "/f"],
    &["cat", "main", "/d/f"],
    &["diff", "main", "./victim"],
    &["diff", "./victim", "main"],
    &["diff", "--stats", "main", "main"],
    &["refs"],
    &["refs", "--list", "main"],
    &["rev-parse", "main"],
    &["rev-parse", "main^"],
    &["rev-parse", "0"],
    &["prune", "--no-prune", "--refs-only"],
    &["export", "main", "-o", "out/export.tar"],
    &["checksum", "victim"],
    &["fsck"],
    &["fsck", "-a"],
    &["checkout", "-U", "main", "out/user"],
    &["checkout", "-UC", "main", "out/copy"],
    &["checkout", "-UH", "main", "out/link"],
    &["checkout", "-U", "--union", "main", "out/there"],
    &["checkout", "-U", "--union-add", "main", "out/there"],
    &["checkout", "-U", "--subpath=/d", "main", "out/sub"],
    &["checkout", "-U", "--subpath=/f", "main", "out/one"],
    &["commit", "--orphan", "--tree=ref=main"],
    &["commit", "--orphan", "--tree=ref=main", "--owner-uid=3"],
    &["commit", "--orphan", "--base=main", "--tree=dir=victim"],
    &["commit", "-b", "next", "--tree=ref=main", "--parent=main"],
];

/// An empty repository beside things that must stay as they are, and a destination that has links to them.
fn forge(mode: &str, work: impl Fn(&Forged)) -> (Scratch, Forged) {
    let (dir, forged) = forge_honestly(mode, work);
    dir.unjudged("r", "forged to do harm: the real tool has no bound");
    (dir, forged)
}

/// The same with a repository that is as it should be.
fn forge_honestly(mode: &str, work: impl Fn(&Forged)) -> (Scratch, Forged) {
    let dir = fixtures::scratch("hostile");
    for sub in ["victim/d", "out/there/e"] {
        fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    fs::write(dir.path().join("victim/f"), "precious").unwrap();
    fs::write(dir.path().join("victim/d/f"), "precious too").unwrap();
    symlink("../../victim", dir.path().join("out/there/l")).unwrap();
    symlink("../../victim/d", dir.path().join("out/there/d")).unwrap();
    symlink("../../victim/f", dir.path().join("out/there/f")).unwrap();
    let forged = Forged::new(dir.path(), mode);
    work(&forged);
    (dir, forged)
}

/// Runs every reader; gives the number of those that failed.
#[track_caller]
fn read_all(forged: &Forged, what: &str) -> usize {
    run(forged, what, READERS)
}

#[track_caller]
fn run(forged: &Forged, what: &str, readers: &[&[&str]]) -> usize {
    let before = forged.surroundings();
    let mut failed = 0;
    for args in readers {
        let args = [&["--repo=r"], *args].concat();
        let answer = bounded(&forged.dir, &args);
        ended_well(&answer, what, &args);
        failed += usize::from(answer.code != Some(0));
        assert_eq!(forged.surroundings(), before, "{what}: {args:?}");
    }
    failed
}

/// The checkouts, `ls` and `fsck` of this repository must all fail.
#[track_caller]
fn refused(forged: &Forged, what: &str) {
    assert_eq!(
        run(forged, what, &[&["ls", "-RCX", "main"]]),
        1,
        "{what}: ls worked"
    );
    unusable(forged, what);
}

/// The checkouts and `fsck` of this repository must all fail.
#[track_caller]
fn unusable(forged: &Forged, what: &str) {
    for name in ["user", "copy", "link", "sub", "one"] {
        let _ = fs::remove_dir_all(forged.dir.join("out").join(name));
    }
    let is_meant = |args: &&&[&str]| match args {
        ["checkout", .., "out/one" | "out/sub"] => false,
        _ => matches!(args[0], "checkout" | "fsck"),
    };
    let readers: Vec<&[&str]> = READERS.iter().filter(is_meant).copied().collect();
    let failed = run(forged, what, &readers);
    assert_eq!(failed, readers.len(), "{what}: something worked");
}

const MODES: [&str; 3] = ["archive", "bare-user", "bare-user-only"];

/// Without a fault nothing fails but what asks for what is not there, so that the other tests mean something.
#[test]
fn an_honest_forgery_is_read() {
    for mode in MODES {
        let (_dir, forged) = forge_honestly(mode, |forged| {
            let (f, l) = (forged.file(b"hi\n"), forged.symlink("f"));
            let d = forged.tree(&[(b"f", f)], &[]);
            forged.commit(forged.tree(&[(b"f", f), (b"l", l)], &[(b"d", d)]));
        });
        for args in [
            &["fsck", "--repo=r"][..],
            &["ls", "-RCX", "--repo=r", "main"],
            &["checkout", "-U", "--repo=r", "main", "out/x"],
        ] {
            let answer = bounded(&forged.dir, args);
            assert_eq!(
                (answer.code, answer.stderr.as_str()),
                (Some(0), ""),
                "{mode} {args:?}"
            );
        }
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let long = vec![b'x'; 1 << 20];
    let names: [&[u8]; 9] = [
        b"..",
        b".",
        b"",
        b"/",
        b"a/b",
        b"../victim",
        b"/tmp",
        b"a\0b",
        b"\xff",
    ];
    for name in names {
        for as_dir in [false, true] {
            let (_dir, forged) = forge("archive", |forged| {
                let f = forged.file(b"pwned\n");
                let d = forged.tree(&[(b"f", f)], &[]);
                forged.commit(match as_dir {
                    true => forged.tree(&[], &[(name, d)]),
                    false => forged.tree(&[(name, f)], &[]),
                });
            });
            refused(&forged, &format!("{name:?}"));
        }
    }
    // A name that no file system takes is a name all the same: only a checkout can fail.
    let (_dir, forged) = forge("bare-user", |forged| {
        let f = forged.file(b"x");
        forged.commit(forged.tree(&[(&long, f)], &[]));
    });
    read_all(&forged, "a name of 1 MiB");
}

#[test]
fn names_twice_or_out_of_order_are_refused() {
    for mode in MODES {
        type Making = dyn Fn(&Forged, Raw, Raw, Raw) -> Raw;
        let trees: [&Making; 4] = [
            &|forged, f, l, _| forged.tree(&[(b"d", l), (b"d", f)], &[]),
            &|forged, f, _, _| forged.tree(&[(b"f", f), (b"d", f)], &[]),
            &|forged, _, l, d| forged.tree(&[(b"d", l)], &[(b"d", d)]),
            &|forged, _, _, d| forged.tree(&[], &[(b"d", d), (b"d", d)]),
        ];
        for (number, tree) in trees.iter().enumerate() {
            let (_dir, forged) = forge(mode, |forged| {
                let (f, l) = (forged.file(b"pwned\n"), forged.symlink("../../victim"));
                let d = forged.tree(&[(b"f", f)], &[]);
                forged.commit(tree(forged, f, l, d));
            });
            refused(&forged, &format!("{mode}: tree {number}"));
        }
    }
}

/// A link out of the destination, then a directory of the same name laid over it by another commit.
#[test]
fn links_are_not_walked_through() {
    for mode in MODES {
        let (_dir, forged) = forge(mode, |forged| {
            let (f, l) = (forged.file(b"pwned\n"), forged.symlink("../../victim"));
            let d = forged.tree(&[(b"f", f), (b"new", f)], &[]);
            let link = forged.tree(&[(b"d", l), (b"f", l)], &[]);
            forged.commit(link);
            let (name, heads) = ("link", forged.repo().join("refs/heads"));
            fs::rename(heads.join("main"), heads.join(name)).unwrap();
            forged.commit(forged.tree(&[(b"f", f)], &[(b"d", d)]));
        });
        let mut failed = 0;
        for option in ["--union", "--union-add"] {
            failed += run(
                &forged,
                mode,
                &[
                    &["checkout", "-U", option, "link", "out/over"],
                    &["checkout", "-U", option, "main", "out/over"],
                    &["checkout", "-UC", option, "link", "out/copied"],
                    &["checkout", "-UC", option, "main", "out/copied"],
                ],
            );
        }
        assert!(failed >= 4, "{mode}: directories were laid over links");
        read_all(&forged, mode);
    }
}

/// Directories that hold themselves, whole or in part: reading must come to an end.
#[test]
fn trees_without_end_are_refused() {
    for names in [&[&b"d"[..]][..], &[b"d", b"e"]] {
        let (_dir, forged) = forge("archive", |forged| {
            let (f, meta) = (forged.file(b"x"), forged.meta());
            let own = [0x77; 32];
            let dirs: Vec<(&[u8], Raw, Raw)> =
                names.iter().map(|name| (*name, own, meta)).collect();
            let bytes = forged::dirtree(&[(b"f", f)], &dirs);
            fs::write(forged.object(&own, "dirtree"), bytes).unwrap();
            forged.commit(forged.tree(&[(b"f", f)], &[(b"d", own)]));
        });
        let readers: &[&[&str]] = &[
            &["ls", "-RCX", "main"],
            &["diff", "./victim", "main"],
            &["fsck"],
            &["checkout", "-U", "main", "out/user"],
            &["commit", "--orphan", "--tree=ref=main", "--owner-uid=3"],
        ];
        let failed = run(&forged, "a directory in itself", readers);
        assert_eq!(failed, readers.len(), "something worked");
        run(
            &forged,
            "a directory in itself",
            &[
                &["diff", "--stats", "main", "main"],
                &["cat", "main", "/d/f"],
                &["commit", "--orphan", "--tree=ref=main"],
            ],
        );
    }
    let (_dir, forged) = forge("archive", |forged| {
        let own = [0x55; 32];
        let root = forged.tree(&[], &[]);
        let bytes = forged::commit(&[], Some(own), "my own father", 0, root, forged.meta());
        fs::write(forged.object(&own, "commit"), bytes).unwrap();
        forged.main(&own);
    });
    read_all(&forged, "a commit before itself");
    let log = bounded(&forged.dir, &["log", "--repo=r", "main"]);
    assert_eq!(log.code, Some(1), "a history without end has an end");
}

/// 2^60 paths in 60 objects.
#[test]
fn trees_that_multiply_need_no_memory() {
    let (_dir, forged) = forge("archive", |forged| {
        let mut tree = forged.tree(&[(b"f", forged.file(b"x"))], &[]);
        for _ in 0..60 {
            tree = forged.tree(&[], &[(b"a", tree), (b"b", tree)]);
        }
        forged.commit(tree);
    });
    run(
        &forged,
        "2^60 paths",
        &[
            &["fsck"],
            &["log", "main"],
            &["ls", "main"],
            &["diff", "--stats", "main", "main"],
            &["commit", "--orphan", "--tree=ref=main"],
            &["diff", "./victim", "main"],
            &["commit", "--orphan", "--tree=ref=main", "--owner-uid=3"],
            &["prune", "--no-prune"],
            &["pull-local", "r", "main"],
        ],
    );
}

#[test]
fn deep_trees_need_no_stack() {
    let name = [b'n'; 200];
    let (_dir, forged) = forge("archive", |forged| {
        let f = forged.file(b"x");
        let other = forged.tree(&[(b"f", f)], &[]);
        let mut tree = other;
        for _ in 0..6000 {
            tree = forged.tree(&[(b"f", f)], &[(b"d", tree), (&name, other)]);
        }
        forged.commit(tree);
    });
    run(
        &forged,
        "6000 directories in each other",
        &[
            &["ls", "main"],
            &["ls", "-R", "main"],
            &["diff", "./victim", "main"],
            &["diff", "--stats", "main", "main"],
            &["fsck"],
            &["checkout", "-U", "main", "out/user"],
            &["commit", "--orphan", "--tree=ref=main"],
            &["commit", "--orphan", "--tree=ref=main", "--owner-uid=3"],
        ],
    );
}

/// Every object cut to every length that makes a difference, and with a byte too many.
#[test]
fn truncated_objects_are_refused() {
    for mode in MODES {
        for (kind, path) in [
            ("commit", None),
            ("dirtree", Some("/d")),
            ("dirmeta", None),
            ("file", Some("/f")),
        ] {
            let (_dir, forged) = forge(mode, |forged| {
                let f = forged.file(b"some content that is longer than a header\n");
                let d = forged.tree(&[(b"f", f)], &[]);
                forged.commit(forged.tree(&[(b"f", f)], &[(b"d", d)]));
            });
            let object = match (kind, path) {
                ("file", _) => forged.object(
                    &forged::file_name(
                        REGULAR,
                        b"",
                        b"some content that is longer than a header\n",
                    ),
                    forged.extension(),
                ),
                ("dirmeta", _) => forged.object(&forged.meta(), "dirmeta"),
                ("commit", _) => {
                    let head = fs::read_to_string(forged.repo().join("refs/heads/main")).unwrap();
                    let head: Checksum = head.trim().parse().unwrap();
                    forged.object(head.as_bytes(), "commit")
                }
                _ => {
                    let f = forged.file(b"some content that is longer than a header\n");
                    forged.object(&forged.tree(&[(b"f", f)], &[]), "dirtree")
                }
            };
            let whole = fs::read(&object).unwrap();
            let lengths = [0, 1, 7, whole.len() / 2, whole.len() - 1];
            for length in lengths {
                fs::write(&object, &whole[..length]).unwrap();
                let what = format!("{mode}: {kind} of {length} bytes");
                assert_eq!(run(&forged, &what, &[&["fsck", "-a"]]), 1, "{what}");
                run(
                    &forged,
                    &what,
                    &[
                        &["ls", "-RCX", "main"],
                        &["show", "--raw", "main"],
                        &["cat", "main", "/d/f"],
                        &["checkout", "-U", "main", "out/cut"],
                        &["commit", "--orphan", "--tree=ref=main", "--owner-uid=3"],
                    ],
                );
                let _ = fs::remove_dir_all(forged.dir.join("out/cut"));
                let state = forged.repo().join("state");
                fs::remove_dir_all(&state).unwrap();
                fs::create_dir(&state).unwrap();
            }
        }
    }
}

/// A regular file of mode 0644 with this header and these bytes behind it, under a name that means nothing.
fn lying(header: Vec<u8>, behind: Vec<u8>) -> impl Fn(&Forged) {
    move |forged: &Forged| {
        let f = forged.filez(&header, &behind);
        let d = forged.tree(&[(b"f", f)], &[]);
        forged.commit(forged.tree(&[(b"f", f)], &[(b"d", d)]));
    }
}

#[test]
fn objects_that_are_not_as_long_as_they_say_are_refused() {
    let header = |size| archive_header(size, REGULAR, 0, b"", &[]);
    for (what, size, behind) in [
        (
            "more than it says",
            5,
            forged::stored_deflate(b"more than it says"),
        ),
        ("less than it says", 5000, forged::stored_deflate(b"less")),
        (
            "less than the largest number",
            u64::MAX,
            forged::stored_deflate(b"less"),
        ),
        ("nothing but a size", 1 << 40, Vec::new()),
        ("a deflate stream that is none", 10, vec![0xff; 40]),
        ("a bomb that says it is small", 10, bomb()),
        ("a bomb that says it is large", 1 << 62, bomb()),
    ] {
        let (_dir, forged) = forge("archive", lying(header(size), behind));
        read_all(&forged, what);
        unusable(&forged, what);
    }
}

/// 256 MiB of zeros.
fn bomb() -> Vec<u8> {
    let mut encoder = flate2_bomb::Encoder::new();
    encoder.zeros(256 << 20);
    encoder.finish()
}

/// Deflate without a compressor: runs of one byte in fixed Huffman codes.
mod flate2_bomb {
    pub(super) struct Encoder {
        bytes: Vec<u8>,
        bits: u32,
        count: u32,
    }

    impl Encoder {
        pub(super) fn new() -> Encoder {
            let mut encoder = Encoder {
                bytes: Vec::new(),
                bits: 0,
                count: 0,
            };
            encoder.put(0b011, 3); // the last block, fixed codes
            encoder.put_reversed(0x30, 8); // a zero
            encoder
        }

        /// Repeats of length 258 at distance 1: code 285 is 11000101, distance code 0 is 00000.
        pub(super) fn zeros(&mut self, count: usize) {
            for _ in 0..count / 258 {
                self.put_reversed(0b1100_0101, 8);
                self.put_reversed(0, 5);
            }
        }

        pub(super) fn finish(mut self) -> Vec<u8> {
            self.put_reversed(0, 7); // end of block
            self.put(0, 7);
            self.bytes
        }

        fn put_reversed(&mut self, code: u32, width: u32) {
            self.put(code.reverse_bits() >> (32 - width), width);
        }

        fn put(&mut self, value: u32, width: u32) {
            self.bits |= value << self.count;
            self.count += width;
            while self.count >= 8 {
                self.bytes.push(u8::try_from(self.bits & 0xff).unwrap());
                self.bits >>= 8;
                self.count -= 8;
            }
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let content = forged::stored_deflate(b"x");
    let x = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let headers = [
        ("a device", archive_header(1, 0o020_644, 0, b"", &[])),
        ("a directory", archive_header(1, 0o040_644, 0, b"", &[])),
        ("no type", archive_header(1, 0o644, 0, b"", &[])),
        (
            "bits beyond the mode",
            archive_header(1, 0x8000_81a4, 0, b"", &[]),
        ),
        ("a device number", archive_header(1, REGULAR, 5, b"", &[])),
        (
            "a file with a target",
            archive_header(1, REGULAR, 0, b"/etc/passwd", &[]),
        ),
        (
            "a target with a NUL",
            archive_header(0, 0o120_777, 0, b"a\0b", &[]),
        ),
        (
            "xattrs out of order",
            archive_header(
                1,
                REGULAR,
                0,
                b"",
                &forged::xattrs([x("user.b", b""), x("user.a", b"")].into_iter()),
            ),
        ),
        (
            "an xattr without a name",
            archive_header(
                1,
                REGULAR,
                0,
                b"",
                &forged::xattrs([x("", b"")].into_iter()),
            ),
        ),
        (
            "an xattr name with a NUL",
            archive_header(
                1,
                REGULAR,
                0,
                b"",
                &forged::xattrs([x("user.a\0b", b"")].into_iter()),
            ),
        ),
    ];
    for (what, header) in headers {
        let (_dir, forged) = forge("archive", lying(header, content.clone()));
        read_all(&forged, what);
        refused(&forged, what);
    }
    for (what, length) in [
        ("a header of 4 GiB", u32::MAX),
        ("a header of 64 MiB", 64 << 20),
        ("none", 0),
    ] {
        let (_dir, forged) = forge("archive", |forged| {
            let f = [0x33; 32];
            let path = forged.object(&f, "filez");
            fs::write(&path, [&length.to_be_bytes(), &[0; 4][..]].concat()).unwrap();
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(8 << 30)
                .unwrap();
            forged.commit(forged.tree(&[(b"f", f)], &[]));
        });
        read_all(&forged, what);
        refused(&forged, what);
    }
}

#[test]
fn metadata_of_files_that_lies_is_refused() {
    for (what, meta) in [
        ("nothing", Vec::new()),
        ("short", vec![0; 11]),
        ("long", vec![0; 3000]),
        ("a device", owner(0o020_644, &[])),
        ("a directory", owner(0o040_755, &[])),
        ("no type", owner(0o644, &[])),
    ] {
        let (_dir, forged) = forge("bare-user", |forged| {
            let f = forged.file(b"hi\n");
            let path = forged.object(&f, "file");
            forged.bare_user_meta(&path, &meta);
            forged.commit(forged.tree(&[(b"f", f)], &[]));
        });
        read_all(&forged, what);
        refused(&forged, what);
    }
    let (_dir, forged) = forge("bare-user", |forged| {
        let f = forged.symlink("f");
        let path = forged.object(&f, "file");
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(8 << 30)
            .unwrap();
        forged.commit(forged.tree(&[(b"f", f)], &[]));
    });
    read_all(&forged, "a link target of 8 GiB");
    refused(&forged, "a link target of 8 GiB");
}

/// Metadata objects of any size: nothing is read that could not be used.
#[test]
fn huge_objects_are_refused() {
    for size in [100 << 20, 1 << 33] {
        for extension in ["dirtree", "dirmeta", "commit", "commitmeta"] {
            let (_dir, forged) = forge("archive", |forged| {
                let f = forged.file(b"hi\n");
                let root = forged.tree(&[(b"f", f)], &[]);
                let commit = forged.commit(root);
                let name = match extension {
                    "dirtree" => root,
                    "dirmeta" => forged.meta(),
                    _ => commit,
                };
                let path = forged.object(&name, extension);
                fs::File::options()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_len(size)
                    .unwrap();
            });
            let what = format!("a {extension} of {size} bytes");
            assert!(read_all(&forged, &what) > 0, "{what}");
        }
    }
}

/// Well-formed, but with as much in them as fits.
#[test]
fn crowded_objects_need_no_more_memory_than_they_should() {
    let many =
        forged::xattrs((0..1_000_000_u32).map(|n| (format!("{n:07}").into_bytes(), Vec::new())));
    let (_dir, forged) = forge("archive", |forged| {
        let meta = forged.put("dirmeta", &owner(0o040_755, &many));
        let d = forged.tree(&[], &[]);
        let root = forged.put("dirtree", &forged::dirtree(&[], &[(b"d", d, meta)]));
        forged.commit(root);
    });
    read_all(&forged, "a directory of a million xattrs");

    let (_dir, forged) = forge("archive", |forged| {
        let header = archive_header(
            0,
            REGULAR,
            0,
            b"",
            &forged::xattrs((0..500_000_u32).map(|n| (format!("{n:07}").into_bytes(), Vec::new()))),
        );
        let f = forged.filez(&header, &[3, 0]);
        let d = forged.tree(&[(b"f", f)], &[]);
        forged.commit(forged.tree(&[(b"f", f)], &[(b"d", d)]));
    });
    read_all(&forged, "a file of half a million xattrs");

    let (_dir, forged) = forge("archive", |forged| {
        let f = forged.file(b"hi\n");
        let names: Vec<String> = (0..300_000_u32).map(|n| format!("{n:07}")).collect();
        let files: Vec<(&[u8], Raw)> = names.iter().map(|name| (name.as_bytes(), f)).collect();
        let d = forged.tree(&files, &[]);
        forged.commit(forged.tree(&[(b"f", f)], &[(b"d", d)]));
    });
    run(
        &forged,
        "a directory of 300,000 files",
        &[
            &["ls", "main", "/d"],
            &["show", "--raw", "main"],
            &["cat", "main", "/d/f"],
            &["diff", "./victim", "main"],
            &["fsck"],
            &["commit", "--orphan", "--tree=ref=main"],
        ],
    );

    for (what, metadata) in [
        ("two million empty arrays", nested_arrays(1_900_000)),
        ("texts without end", texts(4_000_000)),
    ] {
        let (_dir, forged) = forge("archive", |forged| {
            let root = forged.tree(&[], &[]);
            let bytes = forged::commit_with(&metadata, None, "crowded", 0, root, forged.meta());
            let commit = forged.put("commit", &bytes);
            forged.main(&commit);
        });
        run(
            &forged,
            what,
            &[
                &["ls", "main"],
                &["log", "main"],
                &["log", "--raw", "main"],
                &["show", "main"],
                &["show", "--raw", "main"],
                &["show", "--print-metadata-key=k", "main"],
                &["fsck"],
                &["checkout", "-U", "main", "out/user"],
                &[
                    "commit",
                    "-b",
                    "main",
                    "--tree=ref=main",
                    "--keep-metadata=k",
                ],
            ],
        );
    }
}

/// `{'k': <[[], [], …]>}` with as many empty arrays.
fn nested_arrays(count: usize) -> Vec<u8> {
    let mut value = Vec::new();
    // Every element ends where it begins: as many offsets of zero, one byte each up to 255.
    let width = [1, 2, 4]
        .into_iter()
        .find(|width| count * width < 1 << (8 * width))
        .unwrap();
    value.resize(count * width, 0);
    one_entry(value, "aay")
}

fn texts(count: usize) -> Vec<u8> {
    let value = forged::array((0..count).map(|_| vec![0]));
    one_entry(value, "as")
}

/// An `a{sv}` of one entry, `k`.
fn one_entry(value: Vec<u8>, of: &str) -> Vec<u8> {
    let mut entry = b"k\0\0\0\0\0\0\0".to_vec();
    entry.extend(value);
    entry.push(0);
    entry.extend(of.as_bytes());
    let width = |size: usize| {
        [1, 2, 4]
            .into_iter()
            .find(|width| size + width < 1 << (8 * width))
            .unwrap()
    };
    let size = entry.len();
    entry.extend(&2_usize.to_le_bytes()[..width(size)]);
    let size = entry.len();
    entry.extend(&size.to_le_bytes()[..width(size)]);
    entry
}

/// What is no file where a file should be.
#[test]
fn things_that_are_no_files_are_refused() {
    type Making = (&'static str, &'static dyn Fn(&Path));
    let makings: [Making; 5] = [
        ("fifo", &|path| special(path, rustix::fs::FileType::Fifo)),
        ("socket", &|path| {
            special(path, rustix::fs::FileType::Socket);
        }),
        ("directory", &|path| fs::create_dir(path).unwrap()),
        ("loop", &|path| {
            symlink(path.file_name().unwrap(), path).unwrap();
        }),
        ("endless", &|path| symlink("/dev/zero", path).unwrap()),
    ];
    for mode in ["archive", "bare-user"] {
        for (what, make) in makings {
            for place in [
                "config",
                "refs/heads/main",
                "refs/heads/x",
                "refs/remotes/x",
                "object",
                "dirtree",
                "state",
                "commitmeta",
                ".lock",
                "summary",
            ] {
                let (_dir, forged) = forge(mode, |forged| {
                    let f = forged.file(b"hi\n");
                    let d = forged.tree(&[(b"f", f)], &[]);
                    let root = forged.tree(&[(b"f", f)], &[(b"d", d)]);
                    let commit = forged.commit(root);
                    let other = Checksum::from_bytes([9; 32]);
                    let path = match place {
                        "object" => forged.object(&f, forged.extension()),
                        "dirtree" => forged.object(&d, "dirtree"),
                        "commitmeta" => forged.object(&commit, "commitmeta"),
                        "state" => forged.repo().join(format!("state/{other}.commitpartial")),
                        path => forged.repo().join(path),
                    };
                    let _ = fs::remove_file(&path);
                    make(&path);
                });
                run(
                    &forged,
                    &format!("{mode}: {what} as {place}"),
                    &[
                        &["ls", "-RCX", "main"],
                        &["log", "main"],
                        &["show", "--print-detached-metadata-key=k", "main"],
                        &["cat", "main", "/f"],
                        &["refs"],
                        &["fsck"],
                        &["checkout", "-U", "main", "out/user"],
                        &["commit", "-b", "main", "--tree=ref=main"],
                    ],
                );
            }
        }
    }
}

fn special(path: &Path, kind: rustix::fs::FileType) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

#[test]
fn refs_that_lead_in_circles_are_refused() {
    let (_dir, forged) = forge("archive", |forged| {
        forged.commit(forged.tree(&[], &[]));
        let heads = forged.repo().join("refs/heads");
        symlink("b", heads.join("a")).unwrap();
        symlink("a", heads.join("b")).unwrap();
        symlink("../heads", heads.join("up")).unwrap();
        symlink("/etc/passwd", heads.join("secret")).unwrap();
        symlink("../../../../victim", heads.join("out")).unwrap();
        symlink("/", forged.repo().join("refs/remotes/everything")).unwrap();
        symlink("..", forged.repo().join("refs/remotes/circle")).unwrap();
        for n in 0..100 {
            symlink(format!("chain{}", n + 1), heads.join(format!("chain{n}"))).unwrap();
        }
        let mut deep = heads.clone();
        for _ in 0..200 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), [0xff; 100]).unwrap();
        let huge = fs::File::create(heads.join("huge")).unwrap();
        huge.set_len(1 << 33).unwrap();
    });
    run(
        &forged,
        "circles",
        &[
            &["refs"],
            &["refs", "--list"],
            &["refs", "-A"],
            &["refs", "--create=b/c", "main"],
            &["refs", "--create=up/c", "main"],
            &["refs", "--create=out/f", "main"],
            &["refs", "--create=secret", "main"],
            &["rev-parse", "a"],
            &["rev-parse", "up/main"],
            &["rev-parse", "secret"],
            &["rev-parse", "chain0"],
            &["rev-parse", "huge"],
            &["rev-parse", "everything:etc/passwd"],
            &["rev-parse", "circle:heads/main"],
            &["ls", "a"],
            &["fsck"],
            &["refs", "--delete", "a"],
            &["refs", "--delete", "out"],
            &["commit", "-b", "out/f", "victim"],
            &["commit", "-b", "b", "victim"],
        ],
    );
}

#[test]
fn huge_configurations_are_refused() {
    let config = "[core]\nrepo_version=1\nmode=archive\n";
    for (what, more) in [
        ("one long line", "x".repeat(64 << 20)),
        ("one long value", format!("a={}", "x".repeat(64 << 20))),
        (
            "many keys",
            (0..4_000_000).map(|n| format!("{n}=\n")).collect(),
        ),
        (
            "many groups",
            (0..4_000_000).map(|n| format!("[{n}]\n")).collect(),
        ),
    ] {
        let (_dir, forged) = forge("archive", |forged| {
            forged.commit(forged.tree(&[], &[]));
            fs::write(forged.repo().join("config"), format!("{config}{more}")).unwrap();
        });
        run(
            &forged,
            what,
            &[&["refs"], &["ls", "main"], &["config", "get", "core.mode"]],
        );
    }
    let (_dir, forged) = forge("archive", |forged| {
        let file = fs::File::options()
            .write(true)
            .open(forged.repo().join("config"))
            .unwrap();
        file.set_len(1 << 33).unwrap();
    });
    assert_eq!(
        run(&forged, "8 GiB of nothing", &[&["refs"], &["ls", "main"]]),
        2
    );
}

#[test]
fn absurd_commits_are_shown_or_refused() {
    for timestamp in [
        u64::MAX,
        1 << 63,
        i64::MAX.unsigned_abs(),
        99_999_999_999_999,
        1 << 40,
    ] {
        let (_dir, forged) = forge("archive", |forged| {
            let root = forged.tree(&[], &[]);
            let subject = "s".repeat(1 << 20);
            let bytes = forged::commit(
                &[("k", "v"), ("k", "again")],
                None,
                &subject,
                timestamp,
                root,
                forged.meta(),
            );
            let commit = forged.put("commit", &bytes);
            forged.main(&commit);
        });
        read_all(&forged, &format!("a timestamp of {timestamp}"));
    }
}
