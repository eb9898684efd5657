//! Archives that lie: committed, or refused, within the bound.

use super::{bounded, ended_well};
use crate::pair::Answer;
use fixtures::Scratch;
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use std::fs;
use std::io::Write;
use std::path::Path;

/// A repository, and beside it what must stay as it is.
struct Ground {
    dir: Scratch,
    before: String,
}

impl Ground {
    fn new(mode: &str) -> Ground {
        let dir = fixtures::scratch("archive");
        fs::create_dir_all(dir.path().join("victim/d")).unwrap();
        fs::write(dir.path().join("victim/f"), "precious").unwrap();
        let init = bounded(dir.path(), &["init", "--repo=r", &format!("--mode={mode}")]);
        assert_eq!(init.code, Some(0), "{}", init.stderr);
        let config = dir.path().join("r/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + "fsync=false\n").unwrap();
        let before = fixtures::listing::of(&dir.path().join("victim")).unwrap();
        Ground { dir, before }
    }

    /// Commits an archive as it is, with parents made; gives the answer of the second.
    #[track_caller]
    fn commit(&self, what: &str, archive: &[u8]) -> Answer {
        let path = self.dir.path().join("a.tar");
        fs::write(&path, archive).unwrap();
        let words = ["commit", "--repo=r", "--orphan", "--tree=tar=a.tar"];
        let mut last = None;
        for more in [&[][..], &["--tar-autocreate-parents", "--owner-uid=0"]] {
            let args = [&words, more].concat();
            let answer = bounded(self.dir.path(), &args);
            ended_well(&answer, what, &args);
            last = Some(answer);
        }
        fs::remove_file(path).unwrap();
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["r", "victim"], "{what}");
        let after = fixtures::listing::of(&self.dir.path().join("victim")).unwrap();
        assert_eq!(after, self.before, "{what}");
        last.unwrap()
    }

    #[track_caller]
    fn refused(&self, what: &str, archive: &[u8]) {
        let answer = self.commit(what, archive);
        assert_eq!(answer.code, Some(1), "{what} was taken");
    }

    /// What was committed is sound, and nothing is left over of what was refused.
    fn sound(&self) {
        let fsck = bounded(self.dir.path(), &["fsck", "--repo=r"]);
        assert_eq!(fsck.code, Some(0), "{}", fsck.stderr);
        let tmp = fs::read_dir(self.dir.path().join("r/tmp")).unwrap();
        let left: Vec<_> = tmp.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["cache"]);
        if let Some(real) = fixtures::peer::ostree() {
            real.run_in(self.dir.path(), ["fsck", "--repo=r"]).success();
        }
    }
}

/// An archive of these entries behind a root.
fn tar(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    tar.append(&Entry::new(Kind::Directory, "./"));
    for entry in entries {
        tar.append(&entry);
    }
    tar.end(20)
}

fn link(kind: Kind, name: &str, target: &str) -> Entry {
    let mut entry = Entry::new(kind, name);
    entry.link = target.as_bytes().to_vec();
    entry
}

fn with_record(key: &str, value: &[u8]) -> Entry {
    let mut entry = Entry::file("f", "content");
    entry.record(key, value);
    entry
}

#[test]
fn names_do_not_lead_out() {
    let ground = Ground::new("archive");
    for name in [
        "../victim/f",
        "a/../../victim/f",
        "/a/../b",
        "..",
        "./..",
        "a/..",
    ] {
        ground.refused(name, &tar([Entry::file(name, "pwned")]));
        ground.refused(name, &tar([Entry::new(Kind::Directory, name)]));
        ground.refused(name, &tar([link(Kind::HardLink, "l", name)]));
        ground.refused(name, &tar([with_record("path", name.as_bytes())]));
    }
    for name in ["/victim/f", "//victim/f", "/../victim/f", "./victim/./f"] {
        ground.commit(name, &tar([Entry::file(name, "inside")]));
    }
    for (what, name) in [
        ("a NUL", &b"a\0b"[..]),
        ("no UTF-8", b"\xff\xfe"),
        ("5000 bytes", &[b'x'; 5000]),
        ("3000 directories", &b"d/".repeat(3000)),
    ] {
        ground.refused(what, &tar([with_record("path", name)]));
    }
    ground.refused(
        "a file below a link",
        &tar([
            link(Kind::Symlink, "d", "../../victim"),
            Entry::file("d/f", "pwned"),
        ]),
    );
    ground.refused(
        "a directory over a link",
        &tar([
            link(Kind::Symlink, "d", "../../victim"),
            Entry::new(Kind::Directory, "d/"),
        ]),
    );
    ground.sound();
}

#[test]
fn special_files_are_refused() {
    for mode in ["archive", "bare-user-only"] {
        let ground = Ground::new(mode);
        for kind in [
            Kind::Fifo,
            Kind::CharDevice,
            Kind::BlockDevice,
            Kind::Other(b'S'),
        ] {
            ground.refused(&format!("{kind:?}"), &tar([Entry::new(kind, "x")]));
        }
        ground.refused("a link to nothing", &tar([link(Kind::Symlink, "l", "")]));
        ground.sound();
    }
}

#[test]
fn hard_links_in_circles_are_refused() {
    let ground = Ground::new("archive");
    let circle = |count: usize| {
        let name = |n: usize| format!("l{}", n % count);
        tar((0..count).map(move |n| link(Kind::HardLink, &name(n), &name(n + 1))))
    };
    for count in [1, 2, 3, 1000] {
        ground.refused(&format!("a circle of {count}"), &circle(count));
    }
    ground.refused("a link to the root", &tar([link(Kind::HardLink, "l", "/")]));
    ground.refused(
        "a link out",
        &tar([link(Kind::HardLink, "l", "/../victim/f")]),
    );
    let chain = (0..20_000).map(|n| link(Kind::HardLink, &format!("l{n}"), &format!("l{}", n + 1)));
    let answer = ground.commit(
        "a chain of 20,000",
        &tar(chain.chain([Entry::file("l20000", "the end")])),
    );
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    ground.sound();
}

/// Sizes that the archive has not, in every spelling.
#[test]
fn sizes_that_are_not_there_are_refused() {
    for mode in ["archive", "bare-user"] {
        let ground = Ground::new(mode);
        for size in [1, 513, 1 << 20, (1 << 33) - 1] {
            let mut entry = Entry::file("f", "");
            entry.claimed_size = Some(size);
            let mut cut = Tar::new(Style::Posix);
            cut.append(&Entry::new(Kind::Directory, "./"));
            cut.append(&entry);
            ground.refused(&format!("{size} bytes"), &cut.cut());
        }
        for size in [
            "18446744073709551615",
            "9223372036854775808",
            "1099511627776",
            "99999999999999999999",
            "-1",
            "0x10",
            " 1",
        ] {
            let mut entry = with_record("size", size.as_bytes());
            entry.data = b"x".to_vec();
            ground.refused(&format!("size={size}"), &tar([entry]));
        }
        // A number in base 256, as GNU tar writes what octal digits cannot say.
        for (what, field) in [
            ("the largest", [0xff_u8; 12]),
            (
                "negative",
                [
                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
                ],
            ),
            ("2^62", [0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut bytes = tar([Entry::file("f", "x")]);
            bytes[512 + 124..512 + 136].copy_from_slice(&field);
            resum(&mut bytes[512..1024]);
            ground.refused(what, &bytes);
        }
        ground.sound();
    }
}

/// Writes a header's checksum again.
fn resum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

#[test]
fn extended_headers_are_bounded() {
    let ground = Ground::new("archive");
    let header = |kind: u8, data: Vec<u8>, claimed: Option<u64>| {
        let mut entry = Entry::file("x", data);
        (entry.kind, entry.claimed_size) = (Kind::Other(kind), claimed);
        entry
    };
    let file = || Entry::file("f", "x");
    for kind in *b"xLKg" {
        let what = char::from(kind);
        let huge = header(kind, Vec::new(), Some((1 << 33) - 1));
        ground.refused(&format!("{what} of 8 GiB"), &tar([huge, file()]));
    }
    for kind in *b"xLK" {
        let what = char::from(kind);
        let large = header(kind, vec![b'1'; 2 << 20], None);
        ground.refused(&format!("{what} of 2 MiB"), &tar([large, file()]));
        let twice = || header(kind, b"9 path=a\n".to_vec(), None);
        ground.refused(&format!("{what} twice"), &tar([twice(), twice(), file()]));
        ground.refused(&format!("{what} at the end"), &tar([twice()]));
    }
    for record in [
        "99999999999999999999 a=b\n",
        "9 path=a",
        "0 a=b\n",
        "6 ab=\n\n",
        "a=b\n",
        " 5 a=\n",
        "5 a\0\n",
        "-5 a=b\n",
        "4 a=\n",
        "10 a=b\n",
    ] {
        let entry = header(b'x', record.as_bytes().to_vec(), None);
        ground.refused(record, &tar([entry, file()]));
    }
    let xattrs: String = (0..50_000)
        .map(|n| format!("26 SCHILY.xattr.u{n:05}=\n"))
        .collect();
    ground.commit(
        "50,000 xattrs",
        &tar([
            header(
                b'x',
                xattrs[..xattrs.len().min(1 << 20) / 26 * 26].into(),
                None,
            ),
            file(),
        ]),
    );
    let globals = (0..20_000).map(|_| header(b'g', b"9 path=a\n".to_vec(), None));
    let answer = ground.commit("20,000 global headers", &tar(globals.chain([file()])));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    ground.sound();
}

/// A name of two thousand directories, again and again: each entry could ask for megabytes of tree.
#[test]
fn parents_that_are_made_are_bounded() {
    let ground = Ground::new("archive");
    let entries = (0..400).map(|n| {
        let mut entry = Entry::file("f", "x");
        entry.record("path", format!("{n}/{}f", "d/".repeat(1990)));
        entry
    });
    ground.refused("400 times 2000 directories", &tar(entries));
    ground.sound();
}

/// Every length of an archive is an archive or an error.
#[test]
fn truncated_archives_end_well() {
    let ground = Ground::new("archive");
    let mut long = Entry::file("f", "some content");
    long.record("SCHILY.xattr.user.a", "b");
    let whole = tar([
        long,
        link(Kind::HardLink, "h", "f"),
        link(Kind::Symlink, "l", "f"),
    ]);
    for length in (0..4608).step_by(307).chain([511, 512, 513, 1024]) {
        ground.commit(&format!("{length} bytes"), &whole[..length]);
    }
    for position in (0..2560).step_by(61) {
        let mut hurt = whole.clone();
        hurt[position] ^= 0xff;
        ground.commit(&format!("byte {position} changed"), &hurt);
    }
    ground.sound();
}

/// What `gzip`, `xz` and `zstd` make of it, if they are there.
fn compressed(program: &str, args: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = std::process::Command::new(program)
        .args(args)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let writer = std::thread::spawn({
        let bytes = bytes.to_vec();
        move || drop(stdin.write_all(&bytes))
    });
    let output = child.wait_with_output().ok()?;
    writer.join().unwrap();
    Some(output.stdout)
}

/// Bombs: hundreds of megabytes out of some kilobytes, as content, as names, and behind the end.
#[test]
fn bombs_need_no_memory() {
    let as_content = |size: usize| {
        let mut file = Entry::file("f", "");
        file.claimed_size = Some(size as u64);
        let mut start = Tar::new(Style::Posix);
        start.append(&Entry::new(Kind::Directory, "./"));
        start.append(&file);
        [start.cut(), vec![0; size + 1024]].concat()
    };
    let mut name = Entry::file("x", vec![b'a'; 8 << 20]);
    name.kind = Kind::Other(b'L');
    let as_name = tar([name]);
    let ground = Ground::new("bare-user");
    for (program, args, size) in [
        ("gzip", &["-1"][..], 280),
        ("xz", &["-0"], 40),
        ("zstd", &["-1", "-q"], 80),
    ] {
        let Some(bomb) = compressed(program, args, &as_content(size << 20)) else {
            continue;
        };
        assert!(bomb.len() < 4 << 20, "{program}");
        let answer = ground.commit(program, &bomb);
        assert_eq!(answer.code, Some(0), "{program}: {}", answer.stderr);
        if let Some(bomb) = compressed(program, args, &as_name) {
            ground.refused(program, &bomb);
        }
        let end = compressed(program, args, &tar([Entry::file("f", "x")])).unwrap();
        let behind = compressed(program, args, &vec![0; 8 << 20]).unwrap();
        ground.commit(program, &[end, behind.repeat(200)].concat());
    }
    ground.sound();
}

/// Headers that ask a decoder for more memory than there is.
#[test]
fn decoders_are_bounded() {
    let ground = Ground::new("archive");
    // A block header of xz: 512 MiB and 4 GiB of dictionary.
    for dictionary in [0x1e, 0x1f, 0x20, 0x22, 0x28] {
        let head = [2, 0, 0x21, 1, dictionary, 0, 0, 0];
        let mut bytes = b"\xfd7zXZ\0\0\x0a\xe1\xfb\x0c\xa1".to_vec();
        bytes.extend(head);
        bytes.extend(crc32(&head).to_le_bytes());
        bytes.extend([1, 0, 0x0b]);
        bytes.extend(b"hello world\n");
        ground.refused(&format!("xz dictionary {dictionary:x}"), &bytes);
    }
    // zstd: windows of 128 MiB to 2 TiB, and a content of 2^63 bytes in a single segment.
    let plain = tar([Entry::file("f", "x")]);
    for window in [0x88, 0x90, 0xa8, 0xf8] {
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        let block = u32::try_from(plain.len()).unwrap() << 3 | 1;
        bytes.extend(&block.to_le_bytes()[..3]);
        bytes.extend(&plain);
        let answer = ground.commit(&format!("zstd window {window:x}"), &bytes);
        assert_eq!(answer.code == Some(0), window == 0x88, "{}", answer.stderr);
    }
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    bytes.extend((1_u64 << 63).to_le_bytes());
    bytes.extend([1, 0, 0]);
    ground.refused("zstd of 2^63 bytes", &bytes);
    ground.sound();
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

/// A directory on disk that holds what no commit can.
#[test]
fn directories_with_special_files_are_refused() {
    let ground = Ground::new("archive");
    let dir: &Path = ground.dir.path();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    for kind in [rustix::fs::FileType::Fifo, rustix::fs::FileType::Socket] {
        let tree = dir.join("r/tmp/t");
        fs::create_dir(&tree).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, tree.join("x"), kind, mode, 0).unwrap();
        let answer = bounded(
            dir,
            &["commit", "--repo=r", "--orphan", "--tree=dir=r/tmp/t"],
        );
        assert_eq!(answer.code, Some(1));
        fs::remove_dir_all(&tree).unwrap();
    }
    let mut deep = dir.join("r/tmp/t");
    for _ in 0..400 {
        deep.push("dddddddd");
    }
    fs::create_dir_all(&deep).unwrap();
    let answer = bounded(
        dir,
        &["commit", "--repo=r", "--orphan", "--tree=dir=r/tmp/t"],
    );
    ended_well(&answer, "400 directories", &[]);
    fs::remove_dir_all(dir.join("r/tmp/t")).unwrap();
    ground.sound();
}
