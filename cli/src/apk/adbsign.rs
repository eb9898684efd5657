//! `apk adbsign`: more signatures for v3 files, or others, in place.
//!
//! Values and contents stay as they are. Only what is trusted gets another signature, unless untrusted files are
//! allowed; apk 3.0.6 loads no keys here, and so always wants them allowed. As with apk, a file that cannot be signed is
//! told of, and the exit code is 0 nevertheless; it stays as it is, where apk 3.0.6 leaves an empty file. Of several files
//! apk 3.0.6 signs the first one only, and says nothing; here all are signed.

use std::fs::File;
use std::path::Path;

use apk_format::adb::block::{Blocks, Schema};
use apk_format::adb::file::{FileError, resign};
use apk_format::{OlderIndex, Package, Trust};

use super::applet::Applet;
use super::generation::write_file;
use super::options::Opt;
use super::phrases;
use super::session::{Code, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "adbsign",
    options: &[Opt::flag("reset-signatures")],
    makes: true,
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, files: &[String]) -> Code {
    for path in files {
        if let Err(trouble) = sign(session, path) {
            session.tell_trouble(path, &trouble);
        }
    }
    0
}

fn sign(session: &Session, path: &str) -> Result<(), Trouble> {
    let file = File::open(path).map_err(|error| Trouble::from(phrases::system(&error)))?;
    check(session, path)?;
    let (compression, reset) = (session.compression, session.has("reset-signatures"));
    let keys = &session.sign_keys;
    write_file(Path::new(path), |output| {
        resign(file, output, compression, keys, reset)
    })
    .map_err(|error| in_words(&error))
}

/// Whether somebody trusted has signed the file before.
fn check(session: &Session, path: &str) -> Result<(), Trouble> {
    let (keys, trust) = (session.keys(), session.trust());
    if trust == Trust::AllowUntrusted {
        return Ok(());
    }
    let open = || File::open(path).map_err(|error| Trouble::from(phrases::system(&error)));
    let schema = Blocks::open(open()?).map_err(|error| phrases::frame(&error))?;
    if schema.schema() == Schema::INDEX {
        let index = OlderIndex::read(open()?, &keys, trust);
        return index.map(drop).map_err(|error| phrases::index(&error));
    }
    let package = Package::open(open()?).map_err(|error| phrases::package(&error))?;
    let signed = package.verify_signature(&keys, trust);
    signed.map(drop).map_err(|error| phrases::signature(&error))
}

fn in_words(error: &FileError) -> Trouble {
    match error {
        FileError::Block(error) => phrases::frame(error),
        FileError::Write(error) => phrases::stream(error),
        error => phrases::chain(error).into(),
    }
}
