//! Reading a v3 package in one pass.

pub(crate) mod entry;
pub(crate) mod info;

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::adb::block::{Block, BlockError, BlockKind, Blocks, Schema};
use crate::adb::schema::{DirView, FileView, PackageView, SchemaError};
use crate::adb::value::{Adb, Budget, Value};
use crate::digest::Digest;
use crate::package::{Entry, EntryKind, PackageError, PackageInfo, PathError, Script};
use crate::signature::adb::{self, AdbSignatures};
use crate::signature::{KeyRing, SignatureError, Trust};

/// A v3 package being read.
pub(crate) struct Reader<R: Read> {
    blocks: Blocks<R>,
    values: Vec<u8>,
    identity: Digest,
    unique_id: Option<Digest>,
    info: PackageInfo,
    scripts: Vec<Script>,
    signatures: AdbSignatures,
    /// The data block that was met when the signatures ended, or that the last entry did not use.
    data: Option<Block>,
    place: Place,
    budget: Budget,
    content: Option<Content>,
    failed: bool,
}

/// The next entry: a directory, or a file in it. Both count from 0; the directory itself comes before its files.
#[derive(Clone, Copy, Default)]
struct Place {
    dir: usize,
    file: Option<usize>,
}

/// What is still to be read of a file's content.
struct Content {
    path: String,
    left: u64,
    hash: Sha256,
    expected: Digest,
}

impl<R: Read> Reader<R> {
    /// Reads values and signatures, and the tag of the first data block.
    pub(crate) fn open(reader: R) -> Result<Reader<R>, PackageError> {
        let mut blocks = Blocks::open(reader)?;
        let schema = blocks.schema();
        if schema != Schema::PACKAGE {
            return Err(PackageError::Schema { schema });
        }
        blocks.next_block()?;
        let values = blocks.payload(VALUES_LIMIT)?;
        let mut signatures = AdbSignatures::default();
        let data = loop {
            match blocks.next_block()? {
                Some(block) if block.kind == BlockKind::Signature => {
                    if signatures.len() == adb::COUNT_LIMIT {
                        let limit = adb::COUNT_LIMIT;
                        return Err(PackageError::Signatures { limit });
                    }
                    signatures.add(blocks.payload(adb::LENGTH_LIMIT)?);
                }
                other => break other,
            }
        };
        let view = root(&values)?;
        let mut budget = Budget::for_payload(values.len());
        let unique_id = view.info()?.hashes()?;
        Ok(Reader {
            identity: Digest::sha256(&values),
            unique_id: Digest::from_bytes(unique_id),
            info: info::package(view, &mut budget)?,
            scripts: info::scripts(view, &mut budget)?,
            budget: entries_budget(values.len()),
            blocks,
            values,
            signatures,
            data,
            place: Place::default(),
            content: None,
            failed: false,
        })
    }

    pub(crate) fn info(&self) -> &PackageInfo {
        &self.info
    }

    pub(crate) fn identity(&self) -> Digest {
        self.identity
    }

    pub(crate) fn unique_id(&self) -> Option<Digest> {
        self.unique_id
    }

    pub(crate) fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    pub(crate) fn values(&self) -> &[u8] {
        &self.values
    }

    pub(crate) fn signature_names(&self) -> impl Iterator<Item = String> {
        self.signatures.names()
    }

    pub(crate) fn verify_signature(
        &self,
        keys: &KeyRing,
        trust: Trust,
    ) -> Result<Option<String>, SignatureError> {
        self.signatures
            .verify(Schema::PACKAGE, &self.values, keys, trust)
    }

    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, PackageError> {
        if self.failed {
            return Err(PackageError::AlreadyFailed);
        }
        let result = self.advance();
        self.failed = result.is_err();
        result
    }

    pub(crate) fn finish(mut self) -> Result<(), PackageError> {
        while self.next_entry()?.is_some() {}
        // After the last file there is no data block, and behind that nothing at all.
        match self.data {
            Some(_) => Err(PackageError::NoFile {
                offset: self.blocks.offset(),
            }),
            None => Ok(()),
        }
    }

    fn advance(&mut self) -> Result<Option<Entry>, PackageError> {
        let mut buffer = [0; 16 * 1024];
        while self.content.is_some() {
            self.read_content(&mut buffer)?;
        }
        loop {
            let paths = root(&self.values)?.paths()?;
            if self.place.dir >= paths.len() {
                return Ok(None);
            }
            let dir = DirView::new(paths.adb(), paths.value(self.place.dir))?;
            let Some(index) = self.place.file else {
                text(paths.adb(), dir.value(NAME), "")?;
                self.enter(dir)?;
                self.place.file = Some(0);
                if dir.name()?.is_empty() {
                    continue;
                }
                return Ok(Some(entry::directory(dir, &mut self.budget)?));
            };
            let files = dir.files()?;
            if index >= files.len() {
                self.place = Place {
                    dir: self.place.dir + 1,
                    file: None,
                };
                continue;
            }
            let previous = match index.checked_sub(1) {
                Some(before) => FileView::new(files.adb(), files.value(before))?.name()?,
                None => "",
            };
            let file = FileView::new(files.adb(), files.value(index))?;
            text(files.adb(), file.value(NAME), dir.name()?)?;
            if file.name()? <= previous {
                return Err(order("files", file.name()?));
            }
            let entry = entry::file(dir, file, &mut self.budget)?;
            self.place.file = Some(index + 1);
            self.start_content(&entry, index)?;
            return Ok(Some(entry));
        }
    }

    /// Directories are sorted, so none comes twice; the root, whose name is empty, can only be the first.
    fn enter(&self, dir: DirView<'_>) -> Result<(), PackageError> {
        let Some(before) = self.place.dir.checked_sub(1) else {
            return Ok(());
        };
        let paths = root(&self.values)?.paths()?;
        let previous = DirView::new(paths.adb(), paths.value(before))?.name()?;
        if dir.name()? <= previous {
            return Err(order("paths", dir.name()?));
        }
        Ok(())
    }

    /// Finds the data block of a file; empty files have none.
    fn start_content(&mut self, entry: &Entry, index: usize) -> Result<(), PackageError> {
        let (EntryKind::File { size }, Some(expected)) = (&entry.kind, entry.checksum) else {
            return Ok(());
        };
        self.content = Some(Content {
            path: entry.path.clone(),
            left: *size,
            hash: Sha256::new(),
            expected,
        });
        if *size == 0 {
            return self.verify_if_complete();
        }
        let block = self.data.take().ok_or_else(|| PackageError::NoContent {
            path: entry.path.clone(),
        })?;
        let (dir, file) = self.content_header(block)?;
        let length = block.length.saturating_sub(CONTENT_HEADER);
        let expected = (number(self.place.dir + 1), number(index + 1), *size);
        if (dir, file, length) == expected && block.length >= CONTENT_HEADER {
            return Ok(());
        }
        Err(PackageError::OtherContent {
            offset: self.blocks.offset(),
            dir,
            file,
            length,
            path: entry.path.clone(),
            expected,
        })
    }

    fn content_header(&mut self, block: Block) -> Result<(u64, u64), PackageError> {
        let offset = self.blocks.offset();
        if block.length < CONTENT_HEADER {
            return Ok((0, 0));
        }
        let (mut dir, mut file) = ([0; 4], [0; 4]);
        for bytes in [&mut dir, &mut file] {
            self.blocks
                .read_exact(bytes)
                .map_err(|source| BlockError::Read { offset, source })?;
        }
        Ok((
            u32::from_le_bytes(dir).into(),
            u32::from_le_bytes(file).into(),
        ))
    }

    fn read_content(&mut self, output: &mut [u8]) -> Result<usize, PackageError> {
        let Some(content) = &mut self.content else {
            return Ok(0);
        };
        let offset = self.blocks.offset();
        let length = self
            .blocks
            .read(output)
            .map_err(|source| BlockError::Read { offset, source })?;
        content
            .hash
            .update(output.get(..length).unwrap_or_default());
        content.left = content.left.saturating_sub(number(length));
        self.verify_if_complete()?;
        Ok(length)
    }

    /// Checks the digest at the end of a content, and reads the tag of the next one.
    fn verify_if_complete(&mut self) -> Result<(), PackageError> {
        let Some(content) = self.content.take_if(|content| content.left == 0) else {
            return Ok(());
        };
        let found = Digest::Sha256(content.hash.finalize().into());
        if found != content.expected {
            return Err(PackageError::Content {
                path: content.path,
                expected: content.expected,
                found,
            });
        }
        if self.data.is_none() {
            self.data = self.blocks.next_block()?;
        }
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        if self.failed {
            return Err(invalid(PackageError::AlreadyFailed));
        }
        if output.is_empty() {
            return Ok(0);
        }
        let result = self.read_content(output);
        self.failed = result.is_err();
        result.map_err(invalid)
    }
}

fn root(values: &[u8]) -> Result<PackageView<'_>, SchemaError> {
    let adb = Adb::new(values).map_err(|source| SchemaError::value("package", source))?;
    PackageView::new(adb, adb.root())
}

/// Says where a name is no text.
fn text(adb: Adb<'_>, name: Value, dir: &str) -> Result<(), PackageError> {
    let Ok(bytes) = adb.blob(name) else {
        return Ok(()); // said by whoever reads it
    };
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    let slash = if dir.is_empty() { "" } else { "/" };
    Err(PackageError::Path {
        path: format!("{dir}{slash}{}", String::from_utf8_lossy(bytes)),
        reason: PathError::NotUtf8,
    })
}

fn order(field: &'static str, text: &str) -> PackageError {
    PackageError::Values(SchemaError::Order {
        field,
        text: text.to_owned(),
    })
}

fn number(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// How many bytes of values are read: they are kept in memory. A million files need some 36 MiB.
const VALUES_LIMIT: u64 = 64 << 20;

/// How many bytes all entries of a package may need, their content aside: at most 256 MiB, a million of usual ones.
///
/// Directories can share their files, so that a small block can describe very many: it may need 16 times its own length,
/// and 8 MiB. Entries of their own need some four times as much as their values.
fn entries_budget(values: usize) -> Budget {
    const LIMIT: u64 = 256 << 20;
    let needed = number(values).saturating_mul(16).saturating_add(8 << 20);
    Budget::bytes(needed.min(LIMIT))
}

/// The slot that holds the name of a directory or file.
const NAME: usize = 1;

/// Before the content of a file: the numbers of its path and of itself.
const CONTENT_HEADER: u64 = 8;
