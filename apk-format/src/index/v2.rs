//! `APKINDEX.tar.gz`: the index as repositories publish it.
//!
//! | part | holds |
//! |---|---|
//! | first gzip member(s), optional | a cut tar archive of `.SIGN.<algorithm>.<key name>` entries |
//! | the rest, signed as it is | a tar archive of `DESCRIPTION` (optional) and `APKINDEX`, in any order |
//!
//! The signature covers all compressed bytes after the signature members. It is looked at first: what somebody unknown
//! made is untrusted, whatever it is.

use std::io::Read;

use bytes::Bytes;
use bytestring::ByteString;

use crate::gzip::{Hashes, Joined, Members};
use crate::index::{Index, IndexError};
use crate::signature::{self, KeyRing, SignatureError, Signatures, Trust};
use crate::ustar::{Archive, ArchiveError, Header};

/// Reads `APKINDEX.tar.gz` to its end and checks its signature before looking at a record.
pub(super) fn read(reader: impl Read, keys: &KeyRing, trust: Trust) -> Result<Index, IndexError> {
    let mut members = Members::new(reader);
    let mut found = Found::default();
    let result = found.collect(&mut members, keys, trust);
    let offset = members.offset();
    result.map_err(|source| IndexError::Archive { offset, source })?;
    if let Some(error) = found.untrusted {
        return Err(error.into());
    }
    if !found.holds_files {
        return Err(IndexError::NoRecords);
    }
    let trusted = found.signatures.verify(members.hashes(), keys, trust);
    if found.begins_hidden {
        return Err(IndexError::ControlFiles {
            untrusted: trusted.err().map(Box::new),
            other: found.stranger.map(String::into_boxed_str),
        });
    }
    trusted?;
    match found.stranger {
        Some(path) => Err(IndexError::Mixed { path }),
        None => found.into_index(),
    }
}

#[derive(Default)]
struct Found {
    signatures: Signatures,
    /// Why nothing behind the signatures was read.
    untrusted: Option<SignatureError>,
    description: Option<Vec<u8>>,
    records: Option<Bytes>,
    /// Whether something comes behind the signatures.
    holds_files: bool,
    /// Whether the name of the first of it begins with a dot.
    begins_hidden: bool,
    /// The first file of which the opposite is true.
    stranger: Option<String>,
}

impl Found {
    fn collect<R: Read>(
        &mut self,
        members: &mut Members<R>,
        keys: &KeyRing,
        trust: Trust,
    ) -> Result<(), ArchiveError> {
        let mut archive = Archive::default();
        // Whether a member holds signatures shows only after its beginning was read: every one is hashed from its
        // first byte, and the first without signatures goes on to the end of the file.
        while members
            .start_member(Hashes::all(), signature::MEMBER_LIMIT)
            .map_err(ArchiveError::Read)?
        {
            match archive.next(members)? {
                Some(first) if signature::is_entry(&first.name) => {
                    self.signatures.collect(first, &mut archive, members)?;
                }
                Some(first) => {
                    // Whether there is a key can be told without the rest; whether a signature is good cannot.
                    if !is_hidden(&first) && self.signatures.algorithm(keys).is_none() {
                        let checked = self.signatures.verify(members.hashes(), keys, trust);
                        self.untrusted = checked.err();
                        if self.untrusted.is_some() {
                            return Ok(());
                        }
                    }
                    members.extend_limit(INDEX_LIMIT as u64);
                    members.narrow_hashes(self.signatures.algorithm(keys));
                    return self.collect_files(first, &mut archive, &mut Joined { members });
                }
                None if archive.has_ended() => return Err(ArchiveError::EndsEarly),
                None => {}
            }
        }
        Ok(())
    }

    fn collect_files(
        &mut self,
        first: Header,
        archive: &mut Archive,
        input: &mut impl Read,
    ) -> Result<(), ArchiveError> {
        self.holds_files = true;
        self.begins_hidden = is_hidden(&first);
        let mut next = Some(first);
        while let Some(header) = next {
            if is_hidden(&header) != self.begins_hidden && self.stranger.is_none() {
                self.stranger = Some(header.lossy_name());
            }
            match header.name.as_slice() {
                b"APKINDEX" => self.records = Some(archive.kept_content(input, INDEX_LIMIT)?),
                b"DESCRIPTION" if header.size <= DESCRIPTION_LIMIT => {
                    self.description = Some(archive.content(input)?);
                }
                _ => {}
            }
            next = archive.next(input)?;
        }
        Ok(())
    }

    fn into_index(self) -> Result<Index, IndexError> {
        let records = self.records.ok_or(IndexError::NoRecords)?;
        let text = ByteString::try_from(records).map_err(|error| IndexError::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        let description = self
            .description
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Index {
            description,
            records: Index::parse_whole(text)?,
            pkgname_spec: None,
        })
    }
}

/// Whether an entry would be a control file in a package.
fn is_hidden(header: &Header) -> bool {
    header.name.starts_with(b".")
}

/// How far an index may inflate. The largest of Alpine's is some 8 MiB; it is held in memory as a whole.
const INDEX_LIMIT: usize = 64 << 20;

/// A longer description is ignored by apk 3.
const DESCRIPTION_LIMIT: u64 = 160;
