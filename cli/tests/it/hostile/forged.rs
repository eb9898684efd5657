//! Repositories written by hand, byte by byte: also such as no tool would write.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ostree_store::checksum::Checksum;

/// A checksum as it stands inside objects.
pub(crate) type Raw = [u8; 32];

/// The mode bits of a regular file with mode 0644.
pub(crate) const REGULAR: u32 = 0o100_644;

/// A repository in a directory that is otherwise empty but for what must not be touched.
pub(crate) struct Forged {
    pub(crate) dir: PathBuf,
    extension: &'static str,
}

impl Forged {
    /// An empty repository `r` in `dir`.
    pub(crate) fn new(dir: &Path, mode: &str) -> Forged {
        let repo = dir.join("r");
        for sub in [
            "extensions",
            "objects",
            "refs/heads",
            "refs/mirrors",
            "refs/remotes",
            "state",
            "tmp/cache",
        ] {
            fs::create_dir_all(repo.join(sub)).unwrap();
        }
        let config = format!("[core]\nrepo_version=1\nmode={mode}\nfsync=false\n");
        fs::write(repo.join("config"), config).unwrap();
        Forged {
            dir: dir.to_owned(),
            extension: if mode == "archive" { "filez" } else { "file" },
        }
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.dir.join("r")
    }

    /// The extension of file objects.
    pub(crate) fn extension(&self) -> &'static str {
        self.extension
    }

    /// Where the object of this name and extension lies; its directory is made.
    pub(crate) fn object(&self, name: &Raw, extension: &str) -> PathBuf {
        let hex = Checksum::from_bytes(*name).to_string();
        let (prefix, rest) = hex.split_at(2);
        let dir = self.repo().join("objects").join(prefix);
        fs::create_dir_all(&dir).unwrap();
        dir.join(format!("{rest}.{extension}"))
    }

    /// Stores bytes under the name that they have.
    pub(crate) fn put(&self, extension: &str, bytes: &[u8]) -> Raw {
        let name = *Checksum::of(bytes).as_bytes();
        fs::write(self.object(&name, extension), bytes).unwrap();
        name
    }

    /// A file object in `archive` form, with these bytes behind its header, whatever they are.
    pub(crate) fn filez(&self, header: &[u8], behind: &[u8]) -> Raw {
        let bytes = [
            &u32::try_from(header.len()).unwrap().to_be_bytes(),
            &[0; 4][..],
            header,
            behind,
        ]
        .concat();
        self.put("filez", &bytes)
    }

    /// An honest file of root, mode 0644, in the form of the repository. `bare` is not needed here.
    pub(crate) fn file(&self, content: &[u8]) -> Raw {
        if self.extension == "filez" {
            let name = file_name(REGULAR, b"", content);
            let header = archive_header(content.len() as u64, REGULAR, 0, b"", &[]);
            let made = self.filez(&header, &stored_deflate(content));
            let from = self.object(&made, "filez");
            fs::rename(from, self.object(&name, "filez")).unwrap();
            return name;
        }
        let name = file_name(REGULAR, b"", content);
        let path = self.object(&name, "file");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        self.bare_user_meta(&path, &owner(REGULAR, &[]));
        name
    }

    /// An honest symbolic link.
    pub(crate) fn symlink(&self, target: &str) -> Raw {
        let name = file_name(0o120_777, target.as_bytes(), b"");
        let path = self.object(&name, self.extension);
        if self.extension == "filez" {
            let header = archive_header(0, 0o120_777, 0, target.as_bytes(), &[]);
            let made = self.filez(&header, &[]);
            fs::rename(self.object(&made, "filez"), path).unwrap();
            return name;
        }
        if self.config().contains("mode=bare-user\n") {
            fs::write(&path, [target.as_bytes(), &[0]].concat()).unwrap();
            self.bare_user_meta(&path, &owner(0o120_777, &[]));
        } else if path.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(target, &path).unwrap();
        }
        name
    }

    fn config(&self) -> String {
        fs::read_to_string(self.repo().join("config")).unwrap()
    }

    /// Sets `user.ostreemeta` where the repository has it.
    pub(crate) fn bare_user_meta(&self, path: &Path, value: &[u8]) {
        if self.config().contains("mode=bare-user\n") {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(path, "user.ostreemeta", value, flags).unwrap();
        }
    }

    /// The dirmeta of root, 0755.
    pub(crate) fn meta(&self) -> Raw {
        self.put("dirmeta", &owner(0o040_755, &[]))
    }

    pub(crate) fn tree(&self, files: &[(&[u8], Raw)], dirs: &[(&[u8], Raw)]) -> Raw {
        let meta = self.meta();
        let dirs: Vec<_> = dirs
            .iter()
            .map(|(name, tree)| (*name, *tree, meta))
            .collect();
        self.put("dirtree", &dirtree(files, &dirs))
    }

    /// A commit of this root, and `main` pointing to it.
    pub(crate) fn commit(&self, root: Raw) -> Raw {
        let commit = self.put(
            "commit",
            &commit(&[], None, "forged", 1_700_000_000, root, self.meta()),
        );
        self.main(&commit);
        commit
    }

    pub(crate) fn main(&self, commit: &Raw) {
        let text = format!("{}\n", Checksum::from_bytes(*commit));
        fs::write(self.repo().join("refs/heads/main"), text).unwrap();
    }

    /// Every name and size around the repository, to see that nothing there changes.
    pub(crate) fn surroundings(&self) -> Vec<String> {
        let mut found = vec![self.dir.join("victim")];
        let mut lines = Vec::new();
        for entry in fs::read_dir(&self.dir).unwrap() {
            lines.push(entry.unwrap().file_name().into_string().unwrap());
        }
        while let Some(path) = found.pop() {
            let meta = path.symlink_metadata().unwrap();
            lines.push(format!(
                "{} {:o} {} {}",
                path.display(),
                meta.mode(),
                meta.nlink(),
                meta.size()
            ));
            if meta.is_dir() {
                found.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            }
        }
        lines.sort();
        lines
    }
}

/// Content as one block that deflate leaves as it is (at most 65,535 bytes).
pub(crate) fn stored_deflate(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut bytes = vec![1];
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(content);
    bytes
}

/// The name of a file object of root without xattrs.
pub(crate) fn file_name(mode: u32, target: &[u8], content: &[u8]) -> Raw {
    let header = tuple(&[
        Member::Fixed(&[0, 0, 0, 0, 0, 0, 0, 0]),
        Member::Fixed(&mode.to_be_bytes()),
        Member::Fixed(&[0; 4]),
        Member::Variable(&string(target)),
        Member::Variable(&[]),
    ]);
    let length = u32::try_from(header.len()).unwrap().to_be_bytes();
    *Checksum::of(&[&length, &[0; 4][..], &header, content].concat()).as_bytes()
}

/// `(tuuuusa(ayay))` of root.
pub(crate) fn archive_header(
    size: u64,
    mode: u32,
    rdev: u32,
    target: &[u8],
    xattrs: &[u8],
) -> Vec<u8> {
    tuple(&[
        Member::Fixed(&size.to_be_bytes()),
        Member::Fixed(&[0; 8]),
        Member::Fixed(&mode.to_be_bytes()),
        Member::Fixed(&rdev.to_be_bytes()),
        Member::Variable(&string(target)),
        Member::Variable(xattrs),
    ])
}

/// `(uuua(ayay))` of root.
pub(crate) fn owner(mode: u32, xattrs: &[u8]) -> Vec<u8> {
    tuple(&[
        Member::Fixed(&[0; 8]),
        Member::Fixed(&mode.to_be_bytes()),
        Member::Variable(xattrs),
    ])
}

/// `(a(say)a(sayay))`, names as they are given.
pub(crate) fn dirtree(files: &[(&[u8], Raw)], dirs: &[(&[u8], Raw, Raw)]) -> Vec<u8> {
    let files = array(
        files
            .iter()
            .map(|(name, file)| tuple(&[Member::Variable(&string(name)), Member::Variable(file)])),
    );
    let dirs = array(dirs.iter().map(|(name, tree, meta)| {
        tuple(&[
            Member::Variable(&string(name)),
            Member::Variable(tree),
            Member::Variable(meta),
        ])
    }));
    tuple(&[Member::Variable(&files), Member::Variable(&dirs)])
}

/// `(a{sv}aya(say)sstayay)` with texts as metadata.
pub(crate) fn commit(
    metadata: &[(&str, &str)],
    parent: Option<Raw>,
    subject: &str,
    timestamp: u64,
    root: Raw,
    meta: Raw,
) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = metadata
        .iter()
        .map(|(key, value)| {
            let mut entry = string(key.as_bytes());
            entry.resize(entry.len().next_multiple_of(8), 0);
            let end = string(key.as_bytes()).len();
            entry.extend(string(value.as_bytes()));
            entry.extend(b"\0s");
            with_offsets(entry, &[end])
        })
        .collect();
    let (mut dict, mut ends) = (Vec::new(), Vec::new());
    for entry in entries {
        dict.resize(usize::next_multiple_of(dict.len(), 8), 0);
        dict.extend(entry);
        ends.push(dict.len());
    }
    commit_with(
        &with_offsets(dict, &ends),
        parent,
        subject,
        timestamp,
        root,
        meta,
    )
}

/// The same with metadata that is serialized already.
pub(crate) fn commit_with(
    metadata: &[u8],
    parent: Option<Raw>,
    subject: &str,
    timestamp: u64,
    root: Raw,
    meta: Raw,
) -> Vec<u8> {
    let mut bytes = metadata.to_vec();
    let mut ends = vec![bytes.len()];
    bytes.extend(parent.iter().flatten());
    ends.push(bytes.len());
    ends.push(bytes.len());
    for text in [subject, ""] {
        bytes.extend(string(text.as_bytes()));
        ends.push(bytes.len());
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(root);
    ends.push(bytes.len());
    bytes.extend(meta);
    ends.reverse();
    with_offsets(bytes, &ends)
}

/// An `a(ayay)`.
pub(crate) fn xattrs(pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    array(
        pairs.map(|(name, value)| {
            tuple(&[Member::Variable(&string(&name)), Member::Variable(&value)])
        }),
    )
}

enum Member<'a> {
    Fixed(&'a [u8]),
    Variable(&'a [u8]),
}

/// A tuple whose members need no padding and whose last one is of variable size.
fn tuple(members: &[Member<'_>]) -> Vec<u8> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for member in members {
        match member {
            Member::Fixed(value) => bytes.extend(*value),
            Member::Variable(value) => {
                bytes.extend(*value);
                ends.push(bytes.len());
            }
        }
    }
    ends.pop();
    ends.reverse();
    with_offsets(bytes, &ends)
}

/// An array of elements of variable size that are not aligned.
pub(crate) fn array(elements: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for element in elements {
        bytes.extend(element);
        ends.push(bytes.len());
    }
    with_offsets(bytes, &ends)
}

fn with_offsets(mut body: Vec<u8>, ends: &[usize]) -> Vec<u8> {
    let fits = |width: &usize| body.len() + ends.len() * width < 1 << (8 * width);
    let width = [1, 2, 4].iter().copied().find(fits).unwrap_or(8);
    for end in ends {
        body.extend(&end.to_le_bytes()[..width]);
    }
    body
}

fn string(text: &[u8]) -> Vec<u8> {
    [text, &[0]].concat()
}
