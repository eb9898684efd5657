//! The least work that a job demands, without any of its care.
//!
//! For packages: read them, inflate them, hash what is inside and what is outside; on request deflate each file
//! again as an `archive` repository holds it, and write it to a file named by its hash. No signature is checked,
//! no header is hashed, no directory is written, no attribute set, nothing synced: a bound to compare with, never
//! a result.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::DeflateEncoder;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::Failure;

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// What is to be done with every file of every package, beside hashing.
#[derive(Clone, Debug, Default)]
pub struct PackageWork {
    /// Deflate it at this level.
    pub level: Option<u32>,
    /// Write it below this directory, which has subdirectories `00` to `ff`.
    pub write: Option<PathBuf>,
}

/// Does the work for all packages in a directory, the largest first, and returns how many bytes their files have.
pub fn packages(dir: &Path, work: &PackageWork) -> Result<u64, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "apk") {
            files.push((fs::metadata(&path)?.len(), path));
        }
    }
    files.sort();
    let sizes: Vec<Result<u64, Failure>> = files
        .into_par_iter()
        .rev()
        .with_max_len(1)
        .map(|(_, path)| work.package(&path))
        .collect();
    sizes.into_iter().sum()
}

/// Reads and hashes every regular file below a directory, the largest first, and returns how many bytes they have.
pub fn tree(dir: &Path) -> Result<u64, Failure> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push((entry.metadata()?.len(), entry.into_path()));
        }
    }
    files.sort();
    let sizes: Vec<io::Result<u64>> = files
        .into_par_iter()
        .rev()
        .with_max_len(64)
        .map_init(
            || vec![0; BUFFER],
            |buffer, (_, path)| {
                hash(&mut File::open(path)?, buffer, &mut io::sink()).map(|(_, size)| size)
            },
        )
        .collect();
    Ok(sizes.into_iter().sum::<io::Result<u64>>()?)
}

impl PackageWork {
    /// The members of a package are one stream, and their archives one archive: only the last has an end.
    fn package(&self, path: &Path) -> Result<u64, Failure> {
        let packed = BufReader::with_capacity(BUFFER, Hashing(File::open(path)?, Sha256::new()));
        let mut archive = tar::Archive::new(MultiGzDecoder::new(packed));
        let mut buffer = vec![0; BUFFER];
        let mut bytes = 0;
        for entry in archive.entries()? {
            let mut entry = entry?;
            // What begins with a dot at the root is the package's own, not a file of it.
            if entry.header().entry_type().is_file() && !entry.path_bytes().starts_with(b".") {
                bytes += self.file(&mut entry, &mut buffer)?;
            }
        }
        io::copy(&mut archive.into_inner(), &mut io::sink())?;
        Ok(bytes)
    }

    fn file(&self, content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<u64> {
        let Some(dir) = &self.write else {
            return Ok(self.stored(content, buffer, &mut io::sink())?.1);
        };
        // Its name is known only at the end; a thread has one file at a time.
        let thread = rayon::current_thread_index().unwrap_or_default();
        let temporary = dir.join(format!("tmp-{thread}"));
        let mut file = File::create(&temporary)?;
        let (digest, size) = self.stored(content, buffer, &mut file)?;
        let name = data_encoding::HEXLOWER.encode(&digest);
        let (prefix, rest) = name.split_at(2);
        fs::rename(&temporary, dir.join(prefix).join(rest))?;
        Ok(size)
    }

    /// Hashes, and passes on as the repository would hold it.
    fn stored(
        &self,
        content: &mut dyn Read,
        buffer: &mut [u8],
        to: &mut dyn Write,
    ) -> io::Result<([u8; 32], u64)> {
        let Some(level) = self.level else {
            return hash(content, buffer, to);
        };
        let mut deflate = DeflateEncoder::new(to, Compression::new(level));
        let hashed = hash(content, buffer, &mut deflate)?;
        deflate.finish()?;
        Ok(hashed)
    }
}

/// The subdirectories that [`PackageWork::write`] needs.
pub fn make_prefixes(dir: &Path) -> io::Result<()> {
    (0..=255).try_for_each(|number| fs::create_dir(dir.join(format!("{number:02x}"))))
}

/// Copies content and returns its SHA-256 and its size in bytes.
fn hash(
    content: &mut (impl Read + ?Sized),
    buffer: &mut [u8],
    to: &mut (impl Write + ?Sized),
) -> io::Result<([u8; 32], u64)> {
    let (mut hasher, mut size) = (Sha256::new(), 0);
    loop {
        let count = content.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((hasher.finalize().into(), size));
        }
        hasher.update(bytes);
        to.write_all(bytes)?;
        size += count as u64;
    }
}

/// Hashes what passes.
struct Hashing<R>(R, Sha256);

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::forge::{Forge, Key};

    #[test]
    fn all_files_of_all_packages_are_worked_on() {
        let dir = fixtures::scratch("floor");
        let package = Forge::package("a", "1")
            .file("b", "12345")
            .file("c/d", "678")
            .symlink("e", "b");
        std::fs::write(dir.path().join("a-1.apk"), package.build(&Key::demo())).unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        make_prefixes(&out).unwrap();
        let work = PackageWork {
            level: Some(6),
            write: Some(out.clone()),
        };
        assert_eq!(packages(dir.path(), &work).unwrap(), 8);
        assert_eq!(packages(dir.path(), &PackageWork::default()).unwrap(), 8);
        // The SHA-256 of "12345".
        let name = "59/94471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5";
        assert!(out.join(name).is_file());
        assert!(tree(&out).unwrap() > 0);
    }
}
