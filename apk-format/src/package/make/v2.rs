//! Writing a v2 package.
//!
//! The data member is a POSIX archive, depth first, siblings sorted, with directories for everything that is in one;
//! `APK-TOOLS.checksum.SHA1` in pax records; filled up to 10240 bytes. Control and signature are archives without an
//! end. All is compressed at level 9.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::{Compression, GzBuilder};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::adb::file::FileError;
use crate::digest::Digest;
use crate::gzip;
use crate::index::atoms;
use crate::package::entry::is_hidden;
use crate::package::make::{Contents, check, split};
use crate::package::{Draft, DraftError, Entry, EntryKind, PackageInfo, PathError, ScriptKind};
use crate::signature::{Algorithm, PrivateKey};
use crate::ustar::write::{Member, Style, append, padding, zeros};

impl Draft {
    /// Writes a v2 package, signed if there is a key.
    ///
    /// The files come last and are needed first, because the control member holds their digest: `spool`, an empty
    /// file or buffer, keeps them until then. Files need the SHA-1 of their content.
    pub fn write_v2<W: Write, S: Read + Write + Seek>(
        &self,
        mut output: W,
        mut spool: S,
        key: Option<(&PrivateKey, Algorithm)>,
        contents: &mut Contents<'_>,
    ) -> Result<W, DraftError> {
        check(self)?;
        let hidden = |entry: &&Entry| is_hidden(entry.path.as_bytes());
        if let Some(Entry { path, .. }) = self.entries.iter().find(hidden) {
            let (path, reason) = (path.clone(), PathError::Hidden);
            return Err(DraftError::Path { path, reason });
        }
        let files = self.archive_order()?;
        let mut hashed = Hashed {
            output: &mut spool,
            hash: Sha256::new(),
        };
        let size = write_data(&mut hashed, &files, contents)?;
        let datahash = Digest::Sha256(hashed.hash.finalize().into());
        let control = self.control(size, datahash)?;
        if let Some((key, algorithm)) = key {
            let failed = |error| DraftError::File(FileError::Sign(error));
            let signature = key.sign(algorithm, &control).map_err(failed)?;
            let signature = signature_member(key.name(), algorithm, &signature);
            output
                .write_all(&signature.map_err(failed_io)?)
                .map_err(failed_io)?;
        }
        output.write_all(&control).map_err(failed_io)?;
        spool.seek(SeekFrom::Start(0)).map_err(failed_io)?;
        io::copy(&mut spool, &mut output).map_err(failed_io)?;
        Ok(output)
    }

    /// All entries in the order of the archive, with the parents that are missing.
    fn archive_order(&self) -> Result<Vec<Packed>, DraftError> {
        let mut by_path: BTreeMap<Vec<&str>, Entry> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| !entry.path.is_empty()) {
            let components: Vec<&str> = entry.path.split('/').collect();
            if by_path.insert(components, entry.clone()).is_some() {
                let path = entry.path.clone();
                return Err(DraftError::Twice { path });
            }
        }
        for entry in &self.entries {
            let mut parent = split(&entry.path).0;
            while !parent.is_empty() {
                by_path
                    .entry(parent.split('/').collect())
                    .or_insert_with(|| made_parent(parent));
                parent = split(parent).0;
            }
        }
        self.links_after_files(by_path)
    }

    /// Of the names of one file the first in the order becomes the file, and the others links to it.
    fn links_after_files(
        &self,
        mut by_path: BTreeMap<Vec<&str>, Entry>,
    ) -> Result<Vec<Packed>, DraftError> {
        let mut sources = BTreeMap::new();
        let mut first: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (components, entry) in &by_path {
            if let EntryKind::HardLink { target } = &entry.kind {
                let file: Vec<&str> = components.clone();
                first.entry(target.clone()).or_insert(file);
            }
        }
        for (target, components) in first {
            let at = by_path
                .keys()
                .find(|path| path.join("/") == target)
                .cloned();
            let file = at.as_ref().and_then(|at| by_path.get(at)).cloned();
            let file = file.filter(|file| matches!(file.kind, EntryKind::File { .. }));
            let (Some(at), Some(file)) = (at, file) else {
                let path = components.join("/");
                return Err(DraftError::Link { path, target });
            };
            if at < components {
                continue;
            }
            let path = components.join("/");
            for entry in by_path.values_mut() {
                match &mut entry.kind {
                    EntryKind::HardLink { target: old } if *old == target => path.clone_into(old),
                    _ => {}
                }
            }
            let link = EntryKind::HardLink { target: path };
            by_path
                .entry(at)
                .and_modify(|entry| (entry.kind, entry.checksum) = (link, None));
            if let Some(entry) = by_path.get_mut(&components) {
                // Whose it is stands in the entry of each name; all else belongs to the file.
                (entry.kind, entry.checksum) = (file.kind.clone(), file.checksum);
                (entry.mtime, entry.xattrs) = (file.mtime, file.xattrs.clone());
            }
            sources.insert(components.join("/"), file);
        }
        let packed = |entry: Entry| Packed {
            source: sources.remove(&entry.path),
            entry,
        };
        Ok(by_path.into_values().map(packed).collect())
    }

    fn control(&self, size: u64, datahash: Digest) -> Result<Vec<u8>, DraftError> {
        let size = match size {
            0 if !self.entries.is_empty() || !self.scripts.is_empty() => 1,
            size => size,
        };
        let info = info_text(&self.info, size, datahash)?;
        let mut archive = Vec::new();
        let mut add = |name: &str, mode, body: &[u8]| {
            let mut member = Member::file(name, body.len());
            (member.mode, member.mtime) = (mode, self.info.build_time);
            append(&mut archive, &member, Style::Posix, body).map_err(failed_io)
        };
        add(".PKGINFO", 0o644, info.as_bytes())?;
        for kind in ScriptKind::ALL {
            let mut of_kind = self.scripts.iter().filter(|script| script.kind == kind);
            if let Some(script) = of_kind.next() {
                add(&format!(".{kind}"), 0o755, &script.body)?;
            }
            if of_kind.next().is_some() {
                return Err(DraftError::Script { name: kind.name() });
            }
        }
        Ok(gzip::member(&archive))
    }
}

/// An entry of the archive.
struct Packed {
    entry: Entry,
    /// The entry of the draft whose content it has, if it was a link there.
    source: Option<Entry>,
}

/// One member with a signature in it, as `abuild-sign` puts it before a package or an index.
pub(crate) fn signature_member(
    key: &str,
    algorithm: Algorithm,
    signature: &[u8],
) -> io::Result<Vec<u8>> {
    let name = format!(".SIGN.{algorithm}.{key}");
    let member = Member {
        names: ("", ""),
        ..Member::file(&name, signature.len())
    };
    let mut archive = Vec::new();
    append(&mut archive, &member, Style::Apk, signature)?;
    Ok(gzip::member(&archive))
}

/// Writes the data member, and gives the sum of all sizes.
fn write_data(
    output: &mut impl Write,
    files: &[Packed],
    contents: &mut Contents<'_>,
) -> Result<u64, DraftError> {
    let header = GzBuilder::new().operating_system(UNIX);
    let mut data = Counted {
        output: header.write(output, Compression::best()),
        count: 0,
    };
    let mut sum = 0_u64;
    for Packed { entry, source } in files {
        let member = member(entry)?;
        data.write_all(&member.header(Style::Posix).map_err(failed_io)?)
            .map_err(failed_io)?;
        if let EntryKind::File { size } = entry.kind {
            add_content(&mut data, source.as_ref().unwrap_or(entry), size, contents)?;
            sum = sum.saturating_add(size);
        }
    }
    let end = (data.count + 1024).next_multiple_of(RECORD);
    while data.count < end {
        data.write_all(zeros(512)).map_err(failed_io)?;
    }
    data.output.finish().map_err(failed_io)?;
    Ok(sum)
}

fn member(entry: &Entry) -> Result<Member<'_>, DraftError> {
    let (kind, link, device) = match &entry.kind {
        EntryKind::File { .. } => (b'0', "", (0, 0)),
        EntryKind::HardLink { target } => (b'1', target.as_str(), (0, 0)),
        EntryKind::Symlink { target } => (b'2', target.as_str(), (0, 0)),
        EntryKind::Char { major, minor } => (b'3', "", (*major, *minor)),
        EntryKind::Block { major, minor } => (b'4', "", (*major, *minor)),
        EntryKind::Dir => (b'5', "", (0, 0)),
        EntryKind::Fifo => (b'6', "", (0, 0)),
    };
    let size = match entry.kind {
        EntryKind::File { size } => size,
        _ => 0,
    };
    let mut records: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, value) in &entry.xattrs {
        records.insert(format!("SCHILY.xattr.{name}"), value.clone());
    }
    let checksum = match &entry.kind {
        EntryKind::Symlink { target } => Some(Digest::sha1(target.as_bytes())),
        EntryKind::File { .. } => Some(Digest::Sha1(sha1(entry)?)),
        _ => None,
    };
    if let Some(checksum) = checksum {
        let text = checksum.to_hex().into_bytes();
        records.insert("APK-TOOLS.checksum.SHA1".to_owned(), text);
    }
    Ok(Member {
        name: &entry.path,
        kind,
        link,
        mode: entry.mode,
        owner: (entry.uid, entry.gid),
        names: (&entry.uname, &entry.gname),
        size,
        mtime: entry.mtime,
        device,
        records,
    })
}

fn add_content<W: Write>(
    data: &mut Counted<W>,
    entry: &Entry,
    size: u64,
    contents: &mut Contents<'_>,
) -> Result<(), DraftError> {
    let failed = |source| DraftError::Content {
        path: entry.path.clone(),
        source,
    };
    let changed = || failed(FileError::Content { size });
    let mut content = contents(entry).map_err(|error| failed(FileError::Write(error)))?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut left = size;
    loop {
        let length = content
            .read(&mut buffer)
            .map_err(|error| failed(FileError::Write(error)))?;
        let bytes = buffer.get(..length).unwrap_or_default();
        left = left
            .checked_sub(u64::try_from(length).unwrap_or(u64::MAX))
            .ok_or_else(changed)?;
        if length == 0 {
            break;
        }
        hash.update(bytes);
        data.write_all(bytes).map_err(failed_io)?;
    }
    if left != 0 || <[u8; 20]>::from(hash.finalize()) != sha1(entry)? {
        return Err(changed());
    }
    data.write_all(zeros(padding(size))).map_err(failed_io)
}

fn sha1(entry: &Entry) -> Result<[u8; 20], DraftError> {
    match entry.checksum {
        Some(Digest::Sha1(digest)) => Ok(digest),
        _ => Err(DraftError::Digest {
            path: entry.path.clone(),
            wanted: "SHA-1",
        }),
    }
}

/// `.PKGINFO` in the order in which abuild writes it.
fn info_text(info: &PackageInfo, size: u64, datahash: Digest) -> Result<String, DraftError> {
    let mut text = String::new();
    let mut line = |field: &'static str, value: &str| {
        if value.contains(['\n', '\0']) {
            let text = value.to_owned();
            return Err(DraftError::Field { field, text });
        }
        text.push_str(&format!("{field} = {value}\n"));
        Ok(())
    };
    line("pkgname", &info.name)?;
    line("pkgver", info.version.as_str())?;
    line("pkgdesc", &info.description)?;
    line("url", &info.url)?;
    line("builddate", &info.build_time.to_string())?;
    line("size", &size.to_string())?;
    let number = |number: u16| (number != 0).then(|| number.to_string());
    for (field, value) in [
        ("arch", info.arch.clone()),
        ("origin", info.origin.clone()),
        ("commit", info.commit.clone()),
        ("maintainer", info.maintainer.clone()),
        ("replaces_priority", number(info.replaces_priority)),
        ("provider_priority", number(info.provider_priority)),
    ] {
        if let Some(value) = value {
            line(field, &value)?;
        }
    }
    line("license", &info.license)?;
    for atom in &info.replaces {
        line("replaces", &atom.to_string())?;
    }
    for atom in &info.depends {
        line("depend", &atom.to_string())?;
    }
    for atom in &info.provides {
        line("provides", &atom.to_string())?;
    }
    // apk 3 takes these on one line only.
    for (field, list) in [
        ("install_if", atoms(&info.install_if)),
        ("triggers", info.triggers.join(" ")),
    ] {
        if !list.is_empty() {
            line(field, &list)?;
        }
    }
    line("datahash", &datahash.to_hex())?;
    Ok(text)
}

/// A directory that nobody listed.
fn made_parent(path: &str) -> Entry {
    Entry {
        path: path.to_owned(),
        kind: EntryKind::Dir,
        mode: 0o755,
        uid: 0,
        gid: 0,
        uname: "root".to_owned(),
        gname: "root".to_owned(),
        mtime: 0,
        xattrs: BTreeMap::new(),
        checksum: None,
    }
}

fn failed_io(error: io::Error) -> DraftError {
    DraftError::File(FileError::Write(error))
}

/// Hashes what is written.
struct Hashed<W> {
    output: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.output.write(bytes)?;
        self.hash.update(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Counts what is written.
struct Counted<W> {
    output: W,
    count: usize,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.output.write(bytes)?;
        self.count = self.count.wrapping_add(length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// What tar programs fill archives up to.
const RECORD: usize = 10240;

/// In the header of a gzip file: made on Unix.
const UNIX: u8 = 3;
