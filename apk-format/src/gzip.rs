//! A file that is a row of gzip members, read one member at a time.
//!
//! A v2 package and an index are several gzip members one after the other. Signature, identity and data hash
//! cover the *compressed* bytes of a member, header and trailer included, so the reader must know for every
//! byte to which member it belongs. [`Members`] inflates up to the end of one member, hashes exactly the
//! compressed bytes used so far, and starts the next member when told to. The checksum in each trailer is
//! verified.

mod frame;

use std::io::{self, Read};

use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};

use crate::signature::Algorithm;
use frame::Frame;

/// Reads the members of a gzip file; [`Read`] gives the content of the current one.
pub(crate) struct Members<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
    inflate: Option<Frame>,
    hashes: Hashes,
    allowance: u64,
    limit: u64,
}

impl<R: Read> Members<R> {
    pub(crate) fn new(source: R) -> Self {
        Members {
            source,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            inflate: None,
            hashes: Hashes::default(),
            allowance: 0,
            limit: 0,
        }
    }

    /// Starts the next member, which may inflate to `limit` bytes, and feeds its compressed bytes to `hashes`.
    ///
    /// Gives `false` at the end of the file. The current member must have been read to its end.
    pub(crate) fn start_member(&mut self, hashes: Hashes, limit: u64) -> io::Result<bool> {
        if self.at_end()? {
            return Ok(false);
        }
        self.continue_member();
        self.extend_limit(limit);
        self.hashes = hashes;
        Ok(true)
    }

    /// Starts the next member, but goes on with the hashes and the limit of the one before.
    fn continue_member(&mut self) {
        self.inflate = Some(Frame::new());
    }

    /// Lets the current member inflate to `limit` bytes from here on.
    pub(crate) fn extend_limit(&mut self, limit: u64) {
        self.allowance = limit;
        self.limit = limit;
    }

    /// Whether the current member has been read to its end, or none was started.
    pub(crate) fn between_members(&self) -> bool {
        self.inflate.is_none()
    }

    /// Whether no compressed byte is left.
    pub(crate) fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.fill()?.is_empty())
    }

    /// The number of compressed bytes used so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on with those hashes only that a signature of this kind needs; with none, if there is no signature.
    pub(crate) fn narrow_hashes(&mut self, wanted: Option<Algorithm>) {
        self.hashes.narrow(wanted);
    }

    /// The hashes of the compressed bytes since [`Members::start_member`].
    pub(crate) fn hashes(&self) -> &Hashes {
        &self.hashes
    }

    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = read_some(&mut self.source, &mut self.buffer)?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    /// Inflates once: the numbers of bytes used and made, and whether the member ended.
    fn inflate_some(&mut self, output: &mut [u8]) -> io::Result<(usize, usize, bool)> {
        self.fill()?;
        let input = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(inflate) = &mut self.inflate else {
            return Ok((0, 0, true));
        };
        let done = inflate.step(input, output)?;
        let (used, made) = (done.used, done.made);
        self.hashes.update(input.get(..used).unwrap_or_default());
        let stuck = used == 0 && made == 0 && !done.ended;
        if stuck && input.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if stuck {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the gzip member makes no progress",
            ));
        }
        self.start += used;
        self.offset += used as u64;
        Ok((used, made, done.ended))
    }
}

impl<R: Read> Read for Members<R> {
    /// Reads from the current member; `0` at its end.
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() || self.between_members() {
            return Ok(0);
        }
        loop {
            let (_, made, ended) = self.inflate_some(output)?;
            if ended {
                self.inflate = None;
            }
            let Some(allowance) = self.allowance.checked_sub(made as u64) else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    TooLarge { limit: self.limit },
                ));
            };
            self.allowance = allowance;
            if made > 0 || ended {
                return Ok(made);
            }
        }
    }
}

/// The members of a file from the current one on, as if they were one: its limit is that of all.
pub(crate) struct Joined<'a, R> {
    pub(crate) members: &'a mut Members<R>,
}

impl<R: Read> Read for Joined<'_, R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.members.read(output)?;
            if length > 0 || output.is_empty() {
                return Ok(length);
            }
            if self.members.at_end()? {
                return Ok(0);
            }
            self.members.continue_member();
        }
    }
}

/// The digests kept while a member is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashes {
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
}

impl Hashes {
    /// All that an identity or a signature may need.
    pub(crate) fn all() -> Self {
        Hashes {
            sha1: Some(Sha1::new()),
            sha256: Some(Sha256::new()),
            sha512: Some(Sha512::new()),
        }
    }

    /// What a data hash needs.
    pub(crate) fn sha256_only() -> Self {
        Hashes {
            sha256: Some(Sha256::new()),
            ..Hashes::default()
        }
    }

    fn narrow(&mut self, wanted: Option<Algorithm>) {
        self.sha1 = self.sha1.take_if(|_| wanted == Some(Algorithm::Rsa));
        self.sha256 = self.sha256.take_if(|_| wanted == Some(Algorithm::Rsa256));
        self.sha512 = self.sha512.take_if(|_| wanted == Some(Algorithm::Rsa512));
    }

    pub(crate) fn sha1(&self) -> [u8; 20] {
        self.sha1.clone().unwrap_or_default().finalize().into()
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256.clone().unwrap_or_default().finalize().into()
    }

    pub(crate) fn sha512(&self) -> [u8; 64] {
        self.sha512.clone().unwrap_or_default().finalize().into()
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha1 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(bytes);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it decompresses to more than {limit} bytes")]
struct TooLarge {
    limit: u64,
}

/// One read of the source: large enough to keep system calls few, small beside a package.
const BUFFER: usize = 64 * 1024;

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A count of bytes within a slice, which always fits.
fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// One member as apk writes them: no name, no time, stock zlib at level 9.
///
/// The bytes are those of zlib itself, not just any that inflate to the same, so that a database is apk's to the byte.
pub(crate) fn member(content: &[u8]) -> Vec<u8> {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    let mut checksum = flate2::Crc::new();
    checksum.update(content);
    let mut member = HEADER.to_vec();
    member.extend(zlib_bitexact_rs::deflate_raw(content));
    member.extend(checksum.sum().to_le_bytes());
    member.extend(checksum.amount().to_le_bytes());
    member
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn hashes_cover_exactly_one_member() {
        let parts = [gz(b"one"), gz(b""), gz(&[7; 200_000])];
        let file = parts.concat();
        let mut members = Members::new(file.as_slice());
        let mut offset = 0;
        for part in &parts {
            assert!(members.start_member(Hashes::all(), 1 << 20).unwrap());
            let mut content = Vec::new();
            members.read_to_end(&mut content).unwrap();
            offset += part.len() as u64;
            assert_eq!(members.offset(), offset);
            assert_eq!(
                members.hashes().sha1(),
                <[u8; 20]>::from(Sha1::digest(part))
            );
            assert_eq!(
                members.hashes().sha256(),
                <[u8; 32]>::from(Sha256::digest(part))
            );
        }
        assert!(!members.start_member(Hashes::all(), 1).unwrap());
    }

    #[test]
    fn joined_members_are_one_stream() {
        let file = [gz(b"one"), gz(b""), gz(b"two")].concat();
        let mut members = Members::new(file.as_slice());
        assert!(members.start_member(Hashes::all(), 10).unwrap());
        let mut text = String::new();
        Joined {
            members: &mut members,
        }
        .read_to_string(&mut text)
        .unwrap();
        assert_eq!(text, "onetwo");
        assert_eq!(
            members.hashes().sha1(),
            <[u8; 20]>::from(Sha1::digest(&file))
        );
    }

    #[test]
    fn limits_and_truncation_are_errors() {
        let file = gz(&[0; 5000]);
        let mut members = Members::new(file.as_slice());
        assert!(members.start_member(Hashes::all(), 4999).unwrap());
        let error = io::copy(&mut members, &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "it decompresses to more than 4999 bytes");

        let mut members = Members::new(&file[..file.len() - 1]);
        assert!(members.start_member(Hashes::all(), 5000).unwrap());
        let error = io::copy(&mut members, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
