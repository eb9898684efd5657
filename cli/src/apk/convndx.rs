//! `apk convndx`: v2 indexes as one v3 index, on stdout.

use std::fs::File;
use std::io::{self, Cursor, Read};

use apk_format::{Index, IndexDraft, IndexError};

use super::applet::Applet;
use super::generation::Stdout;
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "convndx",
    makes: true,
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, files: &[String]) -> Code {
    let mut draft = IndexDraft::new();
    for path in files {
        match read(session, &mut draft, path) {
            Ok(()) => {}
            Err(trouble) => {
                session.tell_trouble(path, &trouble);
                return FAILED;
            }
        }
    }
    let compression = session.compression.unwrap_or_default();
    let keys = std::mem::take(&mut session.sign_keys);
    match draft.write(Stdout(&mut session.out), compression, &keys) {
        Ok(_) => 0,
        Err(error) => {
            session.out.error(phrases::chain(&error));
            FAILED
        }
    }
}

fn read(session: &mut Session, draft: &mut IndexDraft, path: &str) -> Result<(), Trouble> {
    let system = |error: io::Error| phrases::system(&error);
    let mut file = File::open(path).map_err(system)?;
    let mut magic = [0; 4];
    let read = file.read_exact(&mut magic);
    read.map_err(|error| phrases::stream(&error))?;
    if magic.starts_with(b"ADB") {
        return Err(phrases::NOT_SUPPORTED.into());
    }
    let index = Index::read(
        Cursor::new(magic).chain(file),
        &session.keys(),
        session.trust(),
    );
    let index = index.map_err(|error| in_words(&error))?;
    draft
        .add_apkindex(&index.write_records())
        .map_err(|error| phrases::chain(&error))?;
    let count = draft.len();
    session.out.notice(format_args!("{path}: {count} packages"));
    Ok(())
}

fn in_words(error: &IndexError) -> Trouble {
    match error {
        IndexError::NoRecords => Trouble::of(phrases::NOT_SUPPORTED, error),
        error => phrases::index(error),
    }
}
