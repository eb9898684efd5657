//! What a repository offers: the index, one record for each package.
//!
//! An index is an archive with a text in it (v2) or an [ADB file](crate::adb) (v3); [`Index::read`] gives the same of
//! both. A v3 index may list v2 packages.
//!
//! ```
//! use apk_format::{Index, Record};
//!
//! let text = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:musl\nV:1.2.5-r0\nS:1\nI:2\nT:\nU:\nL:MIT\nD:so:x>=1\n\n";
//! let records = Index::parse_records(text)?;
//! assert_eq!(records[0].depends[0].name, "so:x");
//!
//! let mut written = String::new();
//! records[0].write_index(&mut written);
//! assert_eq!(written, text);
//! # Ok::<(), apk_format::RecordError>(())
//! ```

mod atoms;
mod checked;
mod error;
mod lazy;
mod listed;
mod make;
mod older;
mod outline;
mod place;
mod record;
mod text;
mod v2;
mod v3;
mod write;

use std::io::{Cursor, Read};

use bytestring::ByteString;

use crate::database::write_file;
use crate::gzip;
use crate::signature::{KeyRing, Trust};
use crate::ustar::BLOCK;

pub use atoms::{Atom, Atoms};
pub use error::IndexError;
pub use lazy::Record;
pub use make::{IndexDraft, IndexDraftError};
pub use older::OlderIndex;
pub use outline::Outline;
pub use place::PlaceError;
pub use record::{Fields, RecordError, RecordProblem, Uninstallable};
pub(crate) use record::{atoms, decimal, low_3_bits, low_16_bits, number};
pub use text::Text;
pub use write::{IndexWriteError, sign_v2};

/// Everything one repository offers for one architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// What the repository says of itself; `None` if it says nothing, or more than apk 3 reads.
    pub description: Option<String>,
    /// In the order of the file. Several versions of one name may be listed.
    pub records: Vec<Record>,
    /// Where the packages are, as a v3 index may say: a path with `${name}`, `${version}`, `${arch}` and `${hash:8}`
    /// in it, see [`Record::place`]. `None` for `${name}-${version}.apk`.
    pub pkgname_spec: Option<String>,
}

impl Index {
    /// Reads an index of either format to its end and checks its signature before looking at a record.
    ///
    /// With [`Trust::AllowUntrusted`] a missing signature or an unknown key is fine; a bad signature by a known
    /// key never is.
    pub fn read(mut reader: impl Read, keys: &KeyRing, trust: Trust) -> Result<Index, IndexError> {
        let mut magic = Vec::new();
        let read = reader.by_ref().take(3).read_to_end(&mut magic);
        read.map_err(|source| IndexError::Read { offset: 0, source })?;
        let is_v3 = magic == b"ADB";
        let whole = Cursor::new(magic).chain(reader);
        if is_v3 {
            v3::read(whole, keys, trust)
        } else {
            v2::read(whole, keys, trust)
        }
    }

    /// Reads the records of a file `APKINDEX`, outside its archive.
    ///
    /// Fails on more atoms than an index can have, so that a small file that inflates well cannot fill the memory.
    pub fn parse_records(text: &str) -> Result<Vec<Record>, RecordError> {
        Index::parse_whole(text.to_owned())
    }

    /// The same of a text that need not be copied.
    ///
    /// Where something is wrong, everything is read from the beginning, to say what and where.
    fn parse_whole(text: impl Into<ByteString>) -> Result<Vec<Record>, RecordError> {
        let mut left = record::ATOMS_LIMIT;
        let whole = text::Shared::new(text);
        if let Some(records) = lazy::find(&whole) {
            return Ok(records);
        }
        let mut records = Vec::with_capacity(whole.as_str().len() / TYPICAL_RECORD);
        let mut paragraphs = crate::stanza::split(whole.as_str());
        let mut fields = Vec::new();
        while paragraphs.read_into(&mut fields)? {
            record::spend_atoms(&fields, &mut left)?;
            record::spend_record(&fields, records.len())?;
            records.push(Record::from(record::Fields::within(&whole, &fields)?));
        }
        Ok(records)
    }

    /// The text of the file `APKINDEX`: all records, in their order.
    pub fn write_records(&self) -> String {
        let mut text = String::new();
        for record in &self.records {
            record.write_index(&mut text);
        }
        text
    }

    /// The file `APKINDEX.tar.gz` without a signature, byte for byte as apk 3.0.6 writes it.
    ///
    /// `mtime` (Unix seconds) is the time of the files in it.
    pub fn write_archive(&self, mtime: u64) -> Vec<u8> {
        let mut archive = Vec::new();
        let mut add = |name: &str, content: &str| {
            write_file(
                &mut archive,
                name.as_bytes(),
                b'0',
                0o644,
                mtime,
                content.as_bytes(),
            );
        };
        if let Some(description) = &self.description {
            add("DESCRIPTION", description);
        }
        add("APKINDEX", &self.write_records());
        archive.extend([0; 2 * BLOCK]);
        gzip::member(&archive)
    }

    /// Sorts as `apk index` does: by name, without case first, then by version.
    pub fn sort(&mut self) {
        self.records.sort_by(|a, b| {
            crate::dependency::name_order(&a.name, &b.name).then_with(|| a.version.cmp(&b.version))
        });
    }
}

/// Bytes of a record in Alpine's indexes, at least.
const TYPICAL_RECORD: usize = 350;
