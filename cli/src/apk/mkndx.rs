//! `apk mkndx`: a v3 index out of package files of both formats, and out of an older index of most of them.
//!
//! | packages | are listed |
//! |---|---|
//! | not newer than the older index, which lists one of their size under their file's name | as there, without being read |
//! | with `--filter-spec`, when the older index lists them under their name | as there; others are passed over, and no file is looked at |
//! | all others | as their files say; their signatures must be trusted |
//!
//! As with [`index`](super::index), damage in their files is not looked for. An index that lists nothing can be read; apk
//! 3.0.6 makes such ones too, and refuses them then.

use std::fs::{self, File};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use apk_format::adb::block::Schema;
use apk_format::adb::file::FileError;
use apk_format::database::substitute;
use apk_format::{
    IndexDraft, IndexDraftError, IndexError, OlderIndex, Package, PackageError, Record, Text,
};

use super::applet::Applet;
use super::generation::write_file;
use super::no_package;
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "mkndx",
    options: &[
        Opt::value("description").short("d"),
        Opt::value("filter-spec"),
        Opt::value("hash"),
        Opt::value("index").short("x"),
        Opt::value("output").short("o"),
        Opt::value("pkgname-spec"),
        Opt::value("rewrite-arch"),
    ],
    makes: true,
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &str, said: &Said) -> bool {
    let text = said.text();
    match name {
        "hash" if !matches!(text, "sha256" | SHORT) => {
            let words = format_args!("hash '{text}' not recognized or allowed");
            session.out.error(words);
            false
        }
        "rewrite-arch" => {
            session.out.error(format_args!(
                "--rewrite-arch is removed, use instead: --pkgname-spec '{text}/${{name}}-${{version}}.apk'"
            ));
            super::help(session, Some(&APPLET));
            session.ended = Some(1);
            true
        }
        _ => true,
    }
}

fn run(session: &mut Session, files: &[String]) -> Code {
    match make(session, files) {
        Ok(()) => 0,
        Err(code) => code,
    }
}

fn make(session: &mut Session, files: &[String]) -> Result<(), Code> {
    let output = session.value("output").map(str::to_owned);
    let output = output.ok_or_else(|| fail(session, "Please specify --output FILE"))?;
    let mut making = Making::new(session)?;
    let mut errors = 0_usize;
    for path in files {
        let listed = making.list(session, path);
        if let Err(trouble) = listed {
            session.tell_trouble(path, &trouble);
            errors += 1;
        }
    }
    if errors > 0 {
        let words = format!("{errors} errors, not creating index");
        return Err(fail(session, &words));
    }
    let (count, new) = (making.draft.len(), making.new);
    let compression = session.compression.unwrap_or_default();
    let draft = making.draft;
    let written = write_file(Path::new(&output), |file| {
        draft.write(file, compression, &session.sign_keys)
    });
    if let Err(error) = written {
        let words = format!("Index creation failed: {}", in_words(&error));
        return Err(fail(session, &words));
    }
    session.out.message(format_args!(
        "Index has {count} packages (of which {new} are new)"
    ));
    Ok(())
}

fn fail(session: &mut Session, words: &str) -> Code {
    session.out.error(words);
    FAILED
}

/// An index in the making.
struct Making {
    draft: IndexDraft,
    older: Option<Older>,
    /// By what packages are found in the older index.
    spec: String,
    /// Whether only those are wanted.
    filters: bool,
    new: usize,
}

/// The older index, and the time of its file in Unix seconds.
struct Older {
    index: OlderIndex,
    time: Option<u64>,
}

impl Making {
    fn new(session: &mut Session) -> Result<Making, Code> {
        let text = |name| session.value(name).map(str::to_owned);
        let (pkgname, filter) = (text("pkgname-spec"), text("filter-spec"));
        let mut draft = IndexDraft::new();
        draft.description = text("description").unwrap_or_default();
        draft.short_hashes = session.value("hash") == Some(SHORT);
        draft.pkgname_spec = pkgname.clone().unwrap_or_default();
        if filter.is_some() && text("index").is_none() {
            return Err(fail(session, "--filter-spec requires --index"));
        }
        let filters = filter.is_some();
        Ok(Making {
            older: older(session)?,
            draft,
            spec: filter.or(pkgname).unwrap_or_else(|| USUAL_NAME.to_owned()),
            filters,
            new: 0,
        })
    }

    /// Lists one package; the error is in apk's words.
    fn list(&mut self, session: &mut Session, path: &str) -> Result<(), Trouble> {
        let mut size = None;
        let mut as_before = self.older.is_some();
        if !self.filters {
            let about = fs::metadata(path).map_err(|error| phrases::system(&error))?;
            size = Some(about.len());
            let time = about.modified().ok().and_then(seconds);
            as_before = self
                .older
                .as_ref()
                .is_some_and(|older| older.time.is_some() && older.time >= time);
        }
        if let Some(older) = &mut self.older
            && as_before
            && let Some(at) = find(older.index.records(), path, size, &self.spec)
        {
            say(session, path, "indexed from old index");
            let taken = self.draft.add_older(&mut older.index, at);
            return taken.map_err(|error| in_words(&error));
        }
        match size {
            Some(size) => self.read(session, path, size),
            None => Ok(()),
        }
    }

    fn read(&mut self, session: &mut Session, path: &str, size: u64) -> Result<(), Trouble> {
        let file = File::open(path).map_err(|error| phrases::system(&error))?;
        let (keys, trust) = (session.keys(), session.trust());
        let package = Package::open(file).map_err(|error| match error {
            PackageError::Schema { .. } => refused(&error),
            error => no_package::why(path, &keys, trust, &error),
        })?;
        package
            .verify_signature(&keys, trust)
            .map_err(|error| phrases::signature(&error))?;
        self.draft
            .add(&package, size)
            .map_err(|error| in_words(&error))?;
        if let Some(spec) = session.value("pkgname-spec") {
            let record = package.info().to_record(package.identity(), size);
            let place = place(spec, &record, self.draft.short_hashes);
            if place.as_deref().map(last_component) != Some(last_component(path)) {
                let words = format!("{path}: not matching package name specification '{spec}'");
                session.out.warning(words);
            }
        }
        say(session, path, "indexed new package");
        self.new += 1;
        Ok(())
    }
}

fn say(session: &mut Session, path: &str, from: &str) {
    if session.out.verbosity >= 2 {
        session.out.line(format_args!("{path}: {from}"));
    }
}

fn older(session: &mut Session) -> Result<Option<Older>, Code> {
    let Some(path) = session.value("index").map(str::to_owned) else {
        return Ok(None);
    };
    let (keys, trust) = (session.keys(), session.trust());
    let read = File::open(&path)
        .map_err(|error| Trouble::from(phrases::system(&error)))
        .and_then(|file| {
            let about = file.metadata().map_err(|error| phrases::system(&error))?;
            let index = OlderIndex::read(file, &keys, trust);
            Ok(Older {
                index: index.map_err(|error| no_index(&error))?,
                time: about.modified().ok().and_then(seconds),
            })
        });
    match read {
        Ok(older) => Ok(Some(older)),
        Err(trouble) => {
            session.tell_trouble(&path, &trouble);
            Err(FAILED)
        }
    }
}

fn seconds(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// The place of the package that the specification gives this path, and that has this size.
///
/// Its name must end where the file's name has what follows `${name}` in the specification. Of several names the
/// shortest counts. Directories count if both path and specification have some.
fn find(records: &[Record], path: &str, size: Option<u64>, spec: &str) -> Option<usize> {
    let name_spec = last_component(spec);
    let after = name_spec.strip_prefix("${name}")?.chars().next()?;
    let name = last_component(path);
    let (wanted, spec) = if path.contains('/') && spec.contains('/') {
        (path, spec)
    } else {
        (name, name_spec)
    };
    name.match_indices(after).find_map(|(end, _)| {
        let begin = name.get(..end).filter(|begin| !begin.is_empty())?;
        records.iter().position(|record| {
            record.name == begin
                && size.is_none_or(|size| size == 0 || record.size == size)
                && place(spec, record, false).as_deref() == Some(wanted)
        })
    })
}

fn last_component(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path that a specification gives a package. The variables are the fields of a package in an index, and so others
/// than those by which packages are found in a repository ([`Record::place`]).
fn place(spec: &str, record: &Record, short_hashes: bool) -> Option<String> {
    let text = |text: &Option<Text>| text.clone().unwrap_or_default().into();
    let value = |key: &str| {
        Some(match key {
            "name" => record.name.to_string(),
            "version" => record.version.to_string(),
            "hashes" => {
                let mut hex = record.identity.to_hex();
                hex.truncate(if short_hashes { 40 } else { 64 });
                hex
            }
            "description" => record.description.to_string(),
            "arch" => text(&record.arch),
            "license" => record.license.to_string(),
            "origin" => text(&record.origin),
            "maintainer" => text(&record.maintainer),
            "url" => record.url.to_string(),
            "repo-commit" => text(&record.commit),
            "build-time" => record.build_time.to_string(),
            "installed-size" => record.installed_size.to_string(),
            "file-size" => record.size.to_string(),
            "provider-priority" => record.provider_priority.to_string(),
            _ => return None,
        })
    };
    let place = substitute(spec, value).ok()?;
    (place.len() < NAME_LIMIT).then_some(place)
}

/// What lists packages is none.
fn refused(error: &PackageError) -> Trouble {
    match error {
        PackageError::Schema {
            schema: Schema::INDEX,
        } => phrases::NOT_SUPPORTED.into(),
        error => phrases::package(error),
    }
}

fn no_index(error: &IndexError) -> Trouble {
    match error {
        IndexError::Block(error) => phrases::frame(error),
        error => phrases::index(error),
    }
}

fn in_words(error: &IndexDraftError) -> Trouble {
    match error {
        IndexDraftError::Twice { .. } => Trouble::of(phrases::ADB_PACKAGE_FORMAT, error),
        IndexDraftError::Line { .. } => Trouble::of(phrases::DEPENDENCY_FORMAT, error),
        IndexDraftError::Package { .. } => Trouble::of(phrases::ADB_BLOCK, error),
        IndexDraftError::File(FileError::Write(error)) => phrases::system(error).into(),
        error => phrases::chain(error).into(),
    }
}

/// The name of the digest that is cut to 20 bytes.
const SHORT: &str = "sha256-160";

const USUAL_NAME: &str = "${name}-${version}.apk";

/// apk has no room for more, with the zero at the end.
const NAME_LIMIT: usize = 255;
