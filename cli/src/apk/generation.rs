//! What the makers of packages and indexes share: their options, and how a file gets its name.
//!
//! A file is written under another name beside its place, and renamed when it is whole. So nobody sees half of it, and
//! what stood there before stays if something goes wrong. As with apk, what stands there may be anybody's, read-only or a
//! link: only the directory has to be writable. The file can be read by everybody, whatever the umask says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use apk_format::PrivateKey;
use apk_format::adb::compression::Compression;
use apk_format::adb::file::FileError;
use rustix::fs::{Mode, fchmod};

use super::options::{Opt, Said};
use super::out::Out;
use super::phrases;
use super::session::{FAILED, Session};

/// The options, in apk's order.
pub(super) const OPTIONS: &[Opt] = &[Opt::value("compression").short("c"), Opt::value("sign-key")];

/// Applies one of them; `false` if its value makes no sense.
pub(super) fn set(session: &mut Session, name: &str, said: &Said) -> bool {
    let text = said.text();
    if name == "compression" {
        session.compression = Compression::parse(text);
        return session.compression.is_some();
    }
    match load_key(text) {
        Ok(key) => session.sign_keys.push(key),
        Err(words) => {
            let words = format_args!("Failed to load signing key: {text}: {words}");
            session.out.error(words);
            session.ended = Some(FAILED);
        }
    }
    true
}

/// Its name is that of the public key's file, as `abuild-sign` has it.
fn load_key(path: &str) -> Result<PrivateKey, String> {
    let pem = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => phrases::KEY_FORMAT.to_owned(), // it can be opened, as apk says
        _ => phrases::system(&error),
    })?;
    let name = Path::new(path).file_name().unwrap_or_default();
    let name = format!("{}.pub", name.to_string_lossy());
    PrivateKey::from_pem(&name, &pem).map_err(|_| phrases::KEY_FORMAT.to_owned())
}

/// $SOURCE_DATE_EPOCH, in Unix seconds.
pub(super) fn source_date_epoch() -> Option<u64> {
    std::env::var("SOURCE_DATE_EPOCH").ok()?.parse().ok()
}

/// Writes a file, which appears when it is whole.
pub(super) fn write_file<E: From<FileError>>(
    path: &Path,
    write: impl FnOnce(BufWriter<File>) -> Result<BufWriter<File>, E>,
) -> Result<(), E> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".apk-ostree.{}.{name}", std::process::id()));
    let failed = |error| E::from(FileError::Write(error));
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).open(&beside);
    let file = BufWriter::with_capacity(BUFFER, file.map_err(failed)?);
    let written = write(file).and_then(|mut file| {
        file.flush()
            .and_then(|()| {
                let _ = fchmod(file.get_ref(), Mode::from_raw_mode(0o644)); // not every file system has modes
                fs::rename(&beside, path)
            })
            .map_err(failed)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside); // what is left over harms nobody
    }
    written
}

/// Stdout as a writer; what goes wrong with it is told at the end.
pub(super) struct Stdout<'a>(pub(super) &'a mut Out);

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Large enough that the system is seldom asked.
const BUFFER: usize = 128 << 10;
