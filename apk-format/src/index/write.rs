//! Writing `APKINDEX.tar.gz`, as `apk index` does, and its signature, as `abuild-sign` does.

use std::io;

use crate::gzip;
use crate::index::Index;
use crate::package::signature_member;
use crate::signature::{Algorithm, PrivateKey, SigningError};
use crate::ustar::write::{Member, Style, append, zeros};

impl Index {
    /// The file `APKINDEX.tar.gz`: description and records as they are, in their order, signed if there is a key.
    /// `mtime`, in Unix seconds, is that of the files in the archive.
    pub fn write_v2(
        &self,
        mtime: u64,
        key: Option<(&PrivateKey, Algorithm)>,
    ) -> Result<Vec<u8>, IndexWriteError> {
        let mut archive = Vec::new();
        let records = self.write_records();
        for (name, content) in [
            ("DESCRIPTION", self.description.as_deref()),
            ("APKINDEX", Some(records.as_str())),
        ] {
            let Some(content) = content else { continue };
            let member = Member {
                mtime,
                ..Member::file(name, content.len())
            };
            append(&mut archive, &member, Style::Apk, content.as_bytes())?;
        }
        archive.extend(zeros(512));
        archive.extend(zeros(512));
        let index = gzip::member(&archive);
        match key {
            Some((key, algorithm)) => sign_v2(&index, key, algorithm),
            None => Ok(index),
        }
    }
}

/// Puts a signature before an unsigned index.
pub fn sign_v2(
    index: &[u8],
    key: &PrivateKey,
    algorithm: Algorithm,
) -> Result<Vec<u8>, IndexWriteError> {
    let signature = key.sign(algorithm, index)?;
    let mut signed = signature_member(key.name(), algorithm, &signature)?;
    signed.extend(index);
    Ok(signed)
}

/// Why an index cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum IndexWriteError {
    /// The key cannot sign.
    #[error("cannot sign the index")]
    Sign(#[from] SigningError),
    /// The index is larger than an archive can say.
    #[error("cannot write the index")]
    Archive(#[from] io::Error),
}
