//! `sign`: signatures for indexes and packages, in place.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use apk_format::adb::file::resign;
use apk_format::index::sign_v2;
use apk_format::{Algorithm, Index, IndexError, KeyRing, PrivateKey, SignatureError, Trust};
use clap::Args;

use crate::console::Console;
use crate::failure::{Failure, Within};

/// Sign indexes and packages
///
/// A v2 index gets a signature before it, as abuild-sign does it; v3 packages and indexes get another one behind those
/// that they have. The name by which v2 signatures call the key is that of its file, with .pub behind it.
#[derive(Args, Debug)]
pub(crate) struct SignArgs {
    /// Files that are to be signed, in place
    #[arg(value_name = "INDEX-OR-PACKAGE", required = true)]
    files: Vec<PathBuf>,
    /// The private key, in PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(crate) fn run(args: &SignArgs, _: &mut Console) -> Result<(), Failure> {
    let pem = fs::read(&args.key).within(format_args!("cannot read {}", args.key.display()))?;
    let name = args.key.file_name().unwrap_or_default().to_string_lossy();
    let key = PrivateKey::from_pem(&format!("{name}.pub"), &pem)?;
    for path in &args.files {
        sign(path, &key).within(path.display())?;
    }
    Ok(())
}

fn sign(path: &Path, key: &PrivateKey) -> Result<(), Failure> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    (&file).take(3).read_to_end(&mut magic)?;
    file.rewind()?;
    if magic == b"ADB" {
        // Packages may be of any size: the contents of their files go through, and are not held.
        return replace(path, |beside| {
            let (keys, output) = (std::slice::from_ref(key), BufWriter::new(beside));
            let mut output = resign(BufReader::new(file), output, None, keys, false)?;
            Ok(output.flush()?)
        });
    }
    let mut bytes = Vec::new();
    file.take(V2_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > V2_LIMIT {
        let limit = format!("this is larger than any v2 index, which has at most {V2_LIMIT} bytes");
        return Err(Failure::new(limit));
    }
    // Packages of v2 are signed when they are made: what is signed is a part of them.
    match Index::read(&*bytes, &KeyRing::new(), Trust::Required) {
        Err(IndexError::Signature(SignatureError::Unsigned)) | Ok(_) => {}
        Err(IndexError::Signature(_)) => {
            let failure = Failure::new("it is signed already");
            return Err(
                failure.hint("make the index anew with `apk-ostree apk index`, and sign that")
            );
        }
        Err(error) => {
            let failure = Failure::from(error);
            return Err(failure
                .within("this is neither a v2 index nor a v3 file")
                .hint("v2 packages are signed when they are built"));
        }
    }
    let signed = sign_v2(&bytes, key, Algorithm::Rsa)?;
    replace(path, |mut beside| Ok(beside.write_all(&signed)?))
}

/// Puts what is written in the place of a file, with its permissions, when it is whole.
fn replace(path: &Path, write: impl FnOnce(&File) -> Result<(), Failure>) -> Result<(), Failure> {
    let mode = fs::metadata(path)?.permissions().mode();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".apk-ostree.{}.{name}", std::process::id()));
    let mut options = OpenOptions::new();
    let file: File = options
        .write(true)
        .create_new(true)
        .mode(mode & 0o777)
        .open(&beside)?;
    let finish = || {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, path))
    };
    let written = write(&file).and_then(|()| Ok(finish()?));
    if written.is_err() {
        let _ = fs::remove_file(&beside); // what is left over harms nobody
    }
    written
}

/// The largest index of Alpine has some 3 MB. One is held in memory, because its signature goes before it.
const V2_LIMIT: u64 = 64 << 20;
