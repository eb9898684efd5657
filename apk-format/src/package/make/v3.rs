//! Writing a v3 package.
//!
//! The values are laid out as `apk mkpkg` of 3.0.6 lays them out: what a package says of itself in the order of the
//! slots, then directory by directory the files and the directory itself, then the information, the paths, scripts,
//! triggers and the root. Of hard links to files in the root itself it writes `./` before the name, and then cannot
//! install them; here they are written without. Attributes stand in the order of their names, where 3.0.6 has the order in
//! which the file system lists them: equal trees give equal bytes here.

use std::io::Write;

use sha2::Digest as _;

use crate::adb;
use crate::adb::atoms::{Atom, atoms};
use crate::adb::block::Schema;
use crate::adb::compression::Compression;
use crate::adb::file::{FileError, FileWriter};
use crate::adb::value::Value;
use crate::adb::writer::ValueWriter;
use crate::dependency::Dependency;
use crate::digest::Digest;
use crate::package::make::{Checked, Contents, Dir, Layout, check, sha256};
use crate::package::v3::entry::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFREG, device_number};
use crate::package::{Directories, Draft, DraftError, Entry, EntryKind, PackageInfo, ScriptKind};
use crate::signature::PrivateKey;

impl Draft {
    /// Writes a v3 package, with a signature by each key.
    ///
    /// Of a file with several names the first one in the package carries the content; `contents` is asked with the
    /// entry that is no link.
    pub fn write_v3<W: Write>(
        &self,
        output: W,
        compression: Compression,
        keys: &[PrivateKey],
        contents: &mut Contents<'_>,
    ) -> Result<W, DraftError> {
        let values = self.values()?;
        let (schema, payload) = (Schema::PACKAGE, &values.payload);
        let mut file = FileWriter::start(output, compression, schema, payload, keys)?;
        for content in values.contents {
            add_content(&mut file, &content, contents)?;
        }
        Ok(file.finish()?)
    }

    /// The values of the v3 package; their SHA-256 is its identity.
    pub fn v3_values(&self) -> Result<Vec<u8>, DraftError> {
        Ok(self.values()?.payload)
    }

    fn values(&self) -> Result<Values<'_>, DraftError> {
        check(self)?;
        let layout = Layout::of(self)?;
        let mut writer = ValueWriter::new();
        let mut info = info_slots(&self.info, &mut writer)?;
        let priority = optional(&mut writer, self.info.replaces_priority.into());
        let mut paths = Paths {
            writer: &mut writer,
            layout: &layout,
            dirs: Vec::new(),
            contents: Vec::new(),
        };
        for (path, dir) in &layout.dirs {
            paths.directory(path, dir, self.directories)?;
        }
        let (dirs, contents) = (paths.dirs, paths.contents);
        let size = installed_size(&contents);
        let is_something = !self.entries.is_empty() || !self.scripts.is_empty();
        let size = if is_something { size.max(1) } else { size };
        set(&mut info, 12, writer.int(size));
        set(&mut info, 3, writer.blob_alone(&[0; 20]));
        let info = writer.object(&info);
        let dirs = writer.object(&dirs);
        let scripts = self.script_slots(&mut writer)?;
        let triggers: Vec<Value> = self
            .info
            .triggers
            .iter()
            .map(|text| writer.blob(text.as_bytes()))
            .collect();
        let triggers = writer.object(&triggers);
        let root = writer.object(&[info, dirs, scripts, triggers, priority]);
        Ok(Values {
            payload: with_unique_id(writer.finish(root)?),
            contents,
        })
    }

    fn script_slots(&self, writer: &mut ValueWriter) -> Result<Value, DraftError> {
        let mut slots = [Value::NULL; 7];
        for (slot, kind) in slots.iter_mut().zip(SCRIPTS) {
            let mut of_kind = self.scripts.iter().filter(|script| script.kind == kind);
            if let Some(script) = of_kind.next() {
                *slot = writer.blob(&script.body);
            }
            if of_kind.next().is_some() {
                return Err(DraftError::Script { name: kind.name() });
            }
        }
        Ok(writer.object(&slots))
    }
}

/// The values of a package, and what follows them.
struct Values<'a> {
    payload: Vec<u8>,
    contents: Vec<Packed<'a>>,
}

/// A content to be written: of which file of which directory, counted from 1, and the entry that is no link.
struct Packed<'a> {
    dir: usize,
    file: usize,
    entry: &'a Entry,
}

/// The sum of all files, those with several names once.
fn installed_size(contents: &[Packed<'_>]) -> u64 {
    let sizes = contents.iter().map(|content| match content.entry.kind {
        EntryKind::File { size } => size,
        _ => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

fn add_content<W: Write>(
    file: &mut FileWriter<W>,
    &Packed {
        dir,
        file: number,
        entry,
    }: &Packed<'_>,
    contents: &mut Contents<'_>,
) -> Result<(), DraftError> {
    let EntryKind::File { size } = entry.kind else {
        return Ok(());
    };
    let failed = |source| DraftError::Content {
        path: entry.path.clone(),
        source,
    };
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    let mut content = Checked {
        content: contents(entry).map_err(|error| failed(FileError::Write(error)))?,
        hash: sha2::Sha256::new(),
    };
    file.content(narrow(dir), narrow(number), size, &mut content)
        .map_err(failed)?;
    if <[u8; 32]>::from(content.hash.finalize()) != sha256(entry)? {
        return Err(failed(FileError::Content { size }));
    }
    Ok(())
}

/// Directories and files as they are written.
struct Paths<'w, 'a> {
    writer: &'w mut ValueWriter,
    layout: &'w Layout<'a>,
    dirs: Vec<Value>,
    contents: Vec<Packed<'a>>,
}

impl<'a> Paths<'_, 'a> {
    fn directory(
        &mut self,
        path: &str,
        dir: &Dir<'a>,
        directories: Directories,
    ) -> Result<(), DraftError> {
        let mut files = Vec::new();
        for (name, entry) in &dir.files {
            let number = files.len() + 1;
            files.push(self.file(name, entry, number)?);
        }
        let plain = dir.entry.is_none_or(|entry| {
            entry.mode == 0o755 && entry.uname == "root" && entry.gname == "root"
        });
        let pruned = match directories {
            Directories::All => false,
            Directories::NoRoot => path.is_empty(),
            Directories::Needed => path.is_empty() || dir.has_dirs,
        };
        if plain && files.is_empty() && (pruned || dir.entry.is_none()) {
            return Ok(());
        }
        let name = self.writer.blob(path.as_bytes());
        let acl = match dir.entry {
            Some(entry) => self.acl(entry),
            None => self.root_acl(),
        };
        let files = self.writer.object(&files);
        let value = self.writer.object(&[name, acl, files]);
        self.dirs.push(value);
        Ok(())
    }

    fn file(&mut self, name: &str, entry: &'a Entry, number: usize) -> Result<Value, DraftError> {
        let carried = self.layout.carriers.get(&*entry.path).copied();
        let link = self.layout.links.get(&*entry.path).copied();
        // Whose content it has: another name's, if it is a link.
        let file = match link {
            Some(first) => self.layout.carriers.get(first).copied().unwrap_or(entry),
            None => carried.unwrap_or(entry),
        };
        if carried.is_some() {
            self.hard_link(&entry.path);
        }
        let name = self.writer.blob(name.as_bytes());
        let (size, hash) = match &file.kind {
            EntryKind::File { size } => (*size, self.writer.blob(&sha256(file)?)),
            EntryKind::Symlink { target } => {
                (u64::try_from(target.len()).unwrap_or_default(), Value::NULL)
            }
            _ => (0, Value::NULL),
        };
        let target = match (link, &file.kind) {
            (Some(first), _) => self.hard_link(first),
            (None, kind) => self.target(kind),
        };
        let mtime = self.writer.int(file.mtime);
        let length = self.writer.int(size);
        let acl = self.acl(entry);
        if link.is_none() && matches!(file.kind, EntryKind::File { .. }) && size != 0 {
            self.contents.push(Packed {
                dir: self.dirs.len() + 1,
                file: number,
                entry: file,
            });
        }
        Ok(self
            .writer
            .object(&[name, acl, length, mtime, hash, target]))
    }

    fn hard_link(&mut self, path: &str) -> Value {
        let kind = S_IFREG.to_le_bytes();
        match path.rsplit_once('/') {
            Some((dir, name)) => {
                self.writer
                    .blob_of(&[&kind, dir.as_bytes(), b"/", name.as_bytes()])
            }
            None => self.writer.blob_of(&[&kind, path.as_bytes()]),
        }
    }

    fn target(&mut self, kind: &EntryKind) -> Value {
        let (kind, rest) = match kind {
            EntryKind::Symlink { target } => (S_IFLNK, target.clone().into_bytes()),
            EntryKind::Char { major, minor } => (S_IFCHR, device(*major, *minor)),
            EntryKind::Block { major, minor } => (S_IFBLK, device(*major, *minor)),
            EntryKind::Fifo => (S_IFIFO, device(0, 0)),
            _ => return Value::NULL,
        };
        self.writer
            .blob(&[kind.to_le_bytes().as_slice(), &rest].concat())
    }

    fn acl(&mut self, entry: &Entry) -> Value {
        let mode = self.writer.int(entry.mode.into());
        let user = self.writer.blob(entry.uname.as_bytes());
        let group = self.writer.blob(entry.gname.as_bytes());
        let one = |(name, value): (&String, &Vec<u8>)| {
            let name = [name.as_bytes(), b"\0"].concat();
            self.writer.blob_of(&[&name, value])
        };
        let xattrs: Vec<Value> = entry.xattrs.iter().map(one).collect();
        let xattrs = self.writer.array(&xattrs);
        self.writer.object(&[mode, user, group, xattrs])
    }

    /// Of a directory that has files and no entry.
    fn root_acl(&mut self) -> Value {
        let mode = self.writer.int(0o755);
        let root = self.writer.blob(b"root");
        self.writer.object(&[mode, root, root])
    }
}

/// The information, slot by slot; installed size and hashes are left for later.
fn info_slots(info: &PackageInfo, writer: &mut ValueWriter) -> Result<Vec<Value>, DraftError> {
    let mut slots = vec![Value::NULL; 21];
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let commit = data_encoding::HEXLOWER_PERMISSIVE.decode(text(&info.commit).as_bytes());
    let commit = commit.map_err(|_| DraftError::Field {
        field: "repo-commit",
        text: text(&info.commit),
    })?;
    for (slot, bytes) in [
        (1, info.name.clone().into_bytes()),
        (2, info.version.as_str().as_bytes().to_vec()),
        (4, info.description.clone().into_bytes()),
        (5, text(&info.arch).into_bytes()),
        (6, info.license.clone().into_bytes()),
        (7, text(&info.origin).into_bytes()),
        (8, text(&info.maintainer).into_bytes()),
        (9, info.url.clone().into_bytes()),
        (10, commit),
    ] {
        set(&mut slots, slot, writer.blob(&bytes));
    }
    set(&mut slots, 11, optional(writer, info.build_time));
    set(
        &mut slots,
        14,
        optional(writer, info.provider_priority.into()),
    );
    let provides = info.provides.iter().map(Atom::of_provide).collect();
    for (slot, list) in [
        (15, wanted(&info.depends)),
        (16, provides),
        (17, wanted(&info.replaces)),
        (18, wanted(&info.install_if)),
        (19, wanted(&info.recommends)),
    ] {
        let elements = atoms(list.into_iter(), writer);
        set(&mut slots, slot, writer.object(&elements));
    }
    set(&mut slots, 20, optional(writer, info.layer));
    let tags: Vec<Value> = info
        .tags
        .iter()
        .map(|tag| writer.blob(tag.as_bytes()))
        .collect();
    set(&mut slots, 21, writer.object(&tags));
    Ok(slots)
}

fn wanted(list: &[Dependency]) -> Vec<Atom> {
    list.iter().map(Atom::of_dependency).collect()
}

fn set(slots: &mut [Value], slot: usize, value: Value) {
    if let Some(place) = slots.get_mut(slot - 1) {
        *place = value;
    }
}

/// A number that is left out if it is 0.
fn optional(writer: &mut ValueWriter, number: u64) -> Value {
    match number {
        0 => Value::NULL,
        number => writer.int(number),
    }
}

fn device(major: u32, minor: u32) -> Vec<u8> {
    device_number(major, minor).to_le_bytes().to_vec()
}

/// Puts the unique id where 20 zeros were left for it.
fn with_unique_id(mut values: Vec<u8>) -> Vec<u8> {
    let place = adb::unique_id_place(&values);
    let digest = Digest::sha256(&values);
    if let (Ok(place), Some(id)) = (place, digest.as_bytes().get(..20))
        && let Some(place) = values.get_mut(place)
    {
        place.copy_from_slice(id);
    }
    values
}

/// The order of the slots.
const SCRIPTS: [ScriptKind; 7] = [
    ScriptKind::Trigger,
    ScriptKind::PreInstall,
    ScriptKind::PostInstall,
    ScriptKind::PreDeinstall,
    ScriptKind::PostDeinstall,
    ScriptKind::PreUpgrade,
    ScriptKind::PostUpgrade,
];
