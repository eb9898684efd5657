//! `apk index`: `APKINDEX.tar.gz` out of package files, unsigned.
//!
//! Packages are read up to their files. apk 3.0.6 reads a buffer further, and refuses packages with damage in there.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use apk_format::adb::file::FileError;
use apk_format::{Index, Package, PackageError, Record};
use composer::indexing::{Indexing, IndexingError, Older};

use super::applet::Applet;
use super::generation::{source_date_epoch, write_file};
use super::no_package;
use super::options::Opt;
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "index",
    options: &[
        Opt::value("description").short("d"),
        Opt::value("index").short("x"),
        Opt::flag("merge"),
        Opt::flag("no-warnings"),
        Opt::value("output").short("o"),
        Opt::flag("prune-origin"),
        Opt::value("rewrite-arch"),
    ],
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, files: &[String]) -> Code {
    let output = session.value("output").map(str::to_owned);
    let forced = session.globals.force_binary_stdout;
    if output.is_none() && !forced && io::stdout().is_terminal() {
        session.out.error(
            "Will not write binary index to console. Use --force-binary-stdout to override.",
        );
        return FAILED;
    }
    match make(session, files, output.as_deref()) {
        Ok(()) => 0,
        Err(code) => code,
    }
}

fn make(session: &mut Session, files: &[String], output: Option<&str>) -> Result<(), Code> {
    let (older, since) = older(session)?;
    let mut indexing = Indexing::new(older);
    let (mut read, mut wrong) = (0, false);
    for path in files {
        let Ok(about) = fs::metadata(path) else {
            session
                .out
                .warning(format_args!("File '{path}' is unaccessible"));
            continue;
        };
        match list(session, &mut indexing, path, &about, since) {
            Ok(anew) => {
                let from = if anew {
                    "indexed new package"
                } else {
                    "indexed from old index"
                };
                read += usize::from(anew);
                if session.out.verbosity >= 2 {
                    session.out.line(format_args!("{path}: {from}"));
                }
            }
            Err(trouble) => {
                session.tell_trouble(path, &trouble);
                wrong = true;
            }
        }
    }
    if wrong {
        return Err(FAILED);
    }
    let kept = match (session.has("merge"), session.has("prune-origin")) {
        (false, _) => Older::Drop,
        (true, false) => Older::Keep,
        (true, true) => Older::KeepOtherOrigins,
    };
    let description = session.value("description").map(str::to_owned);
    let index = indexing.finish(kept, description);
    let archive = index.write_archive(build_time());
    write(session, output, &archive)?;
    if !session.has("no-warnings") {
        warn(session, &indexing.unprovided());
    }
    if output.is_some() {
        let count = index.records.len();
        session.out.message(format_args!(
            "Index has {count} packages (of which {read} are new)"
        ));
    }
    Ok(())
}

/// The records of the older index and the time of its file; none if there is no such file.
fn older(session: &mut Session) -> Result<(Vec<Record>, Option<SystemTime>), Code> {
    let Some(path) = session.value("index").map(str::to_owned) else {
        return Ok((Vec::new(), None));
    };
    let Ok(about) = fs::metadata(&path) else {
        return Ok((Vec::new(), None));
    };
    let opened = File::open(&path).map_err(|error| Trouble::from(phrases::system(&error)));
    let (keys, trust) = (session.keys(), session.trust());
    let index = opened
        .and_then(|file| Index::read(file, &keys, trust).map_err(|error| phrases::index(&error)));
    match index {
        Ok(index) => Ok((index.records, about.modified().ok())),
        Err(trouble) => {
            session.tell_trouble(&path, &trouble);
            Err(FAILED)
        }
    }
}

/// Lists a package; gives whether it had to be read.
fn list(
    session: &Session,
    indexing: &mut Indexing,
    path: &str,
    about: &Metadata,
    since: Option<SystemTime>,
) -> Result<bool, Trouble> {
    let arch = session.value("rewrite-arch");
    let name = Path::new(path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map(|t| t.as_secs()).ok();
    let (since, changed) = (
        since.and_then(seconds),
        about.modified().ok().and_then(seconds),
    );
    if since.is_some() && since >= changed && indexing.take(&name, about.len(), arch) {
        return Ok(false);
    }
    let file = File::open(path).map_err(|error| phrases::system(&error))?;
    let (keys, trust) = (session.keys(), session.trust());
    let package = Package::open(file).map_err(|error| match error {
        error if no_package::may_be_other(&error) => no_package::why(path, &keys, trust, &error),
        error => in_words(&error.into()),
    })?;
    let listed = indexing.add(&package, about.len(), arch, &keys, trust);
    listed.map(|()| true).map_err(|error| in_words(&error))
}

fn in_words(error: &IndexingError) -> Trouble {
    match error {
        IndexingError::Package(PackageError::Schema { .. }) => phrases::NOT_SUPPORTED.into(),
        IndexingError::Package(error) => phrases::package(error),
        IndexingError::Signature(error) => phrases::signature(error),
        IndexingError::Dependency(_) => Trouble::of(phrases::PACKAGE_FORMAT, error),
        IndexingError::Version3 => Trouble::of(phrases::NOT_SUPPORTED, error),
    }
}

/// The time of the files in the archive: now, unless $SOURCE_DATE_EPOCH says otherwise.
fn build_time() -> u64 {
    source_date_epoch().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map(|time| time.as_secs()).unwrap_or_default()
    })
}

fn write(session: &mut Session, output: Option<&str>, archive: &[u8]) -> Result<(), Code> {
    let Some(path) = output else {
        session.out.bytes(archive);
        return Ok(());
    };
    let written = write_file(Path::new(path), |mut file| {
        file.write_all(archive).map_err(FileError::Write)?;
        Ok(file)
    });
    written.map_err(|error| {
        let words = match &error {
            FileError::Write(error) => phrases::system(error),
            error => phrases::chain(error),
        };
        session
            .out
            .error(format_args!("Index generation failed: {words}"));
        FAILED
    })
}

/// Tells which names nobody provides, in lines of 50 columns.
fn warn(session: &mut Session, missing: &[&str]) {
    if missing.is_empty() {
        return;
    }
    let mut lines = String::new();
    let mut column = 0;
    for name in missing {
        if column == 0 || column + name.len() + 1 >= WIDTH {
            lines.push_str("\n  ");
            column = 2;
        } else {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(name);
        column += name.len();
    }
    session
        .out
        .warning(format_args!("No provider for the dependencies:{lines}"));
    let count = missing.len();
    session.out.warning(format_args!(
        "Total of {count} unsatisfiable package names. Your repository may be broken."
    ));
}

const WIDTH: usize = 50;
