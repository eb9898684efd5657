//! `apk mkpkg`: a v3 package out of a directory and of what the command line says.
//!
//! The directory is walked twice: for what is in it, of which some 500 bytes are kept for each file, and for the
//! contents. It is never followed through a link, and no fifo or device in it is opened. A file that changes in between
//! ends the run.
//!
//! Where apk 3.0.6 makes something else on purpose of ours:
//!
//! | said or found | apk 3.0.6 | here |
//! |---|---|---|
//! | `hashes` | overwrites them, and leaves their bytes behind | checked, else ignored |
//! | `provider-priority`, `replaces-priority` beyond 16 bits | written; every apk cuts them when it reads them | refused |
//! | a number of 0 | written | left out, which means the same |
//! | `><` with what is no checksum, `!` before what is provided | written; nothing can be installed with it | refused |
//! | names that are not UTF-8, or with control characters | written | refused |
//! | a hard link to a file in the directory itself | named `./file`, which `apk add` does not find | `file` |
//! | several attributes of a file | in the order in which the system lists them | in that of their names |
//! | targets of links, attributes beyond 1022 bytes | cut, left out | whole |
//! | an empty file that cannot be read | packed without a digest, so that no apk reads the package | refused |
//! | fifos and devices | opened and read for a checksum, for ever or with an error | never opened |

mod info;

use std::fs;
use std::io;
use std::path::Path;

use apk_format::adb::file::FileError;
use apk_format::database::substitute;
use apk_format::{Directories, Draft, DraftError, Script, ScriptKind, version};
use composer::packing::{Names, PackingError, Problem, Source};

use super::applet::Applet;
use super::generation::{Stdout, write_file};
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "mkpkg",
    options: &[
        Opt::value("compat"),
        Opt::value("files").short("F"),
        Opt::value("info").short("I"),
        Opt::value("output").short("o"),
        Opt::switch("rootnode"),
        Opt::value("script").short("s"),
        Opt::flag("stdout"),
        Opt::value("trigger").short("t"),
        Opt::switch("xattrs"),
    ],
    makes: true,
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &str, said: &Said) -> bool {
    let text = said.text();
    let wrong = match name {
        "info" => info::field(text).err(),
        "script" => match text.split_once(':') {
            None => Some(format!("missing script type: {text}")),
            Some((kind, path)) if script_kind(kind).is_some() => {
                load_script(session, path);
                None
            }
            Some((kind, _)) => Some(format!("invalid script type: {kind}")),
        },
        _ => None,
    };
    if let Some(words) = &wrong {
        session.out.error(words);
    }
    wrong.is_none()
}

/// Loads it at once, because apk complains at once; it is read again when the package is made.
fn load_script(session: &mut Session, path: &str) {
    if let Err(error) = fs::read(path) {
        let words = phrases::system(&error);
        session
            .out
            .error(format_args!("failed to load script: {path}: {words}"));
        session.ended = Some(FAILED);
    }
}

fn script_kind(name: &str) -> Option<ScriptKind> {
    ScriptKind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn run(session: &mut Session, _: &[String]) -> Code {
    match make(session) {
        Ok(()) => 0,
        Err(trouble) => {
            let words = format_args!("failed to create package: {trouble}");
            session.out.error(words);
            let about = session.value("files").unwrap_or_default().to_owned();
            session.explain_trouble(&about, &trouble);
            session.ended.unwrap_or(FAILED)
        }
    }
}

/// Makes the package; the error is why not.
fn make(session: &mut Session) -> Result<(), Trouble> {
    let info = info::read(session)?;
    let mut draft = Draft {
        info,
        scripts: scripts(session)?,
        entries: Vec::new(),
        directories: directories(session),
    };
    draft.info.triggers = texts(session, "trigger");
    let source = session.value("files").map(str::to_owned);
    let source = source.map(|path| open(session, &path)).transpose()?;
    if let Some(source) = &source {
        let packing = source.walk(&names(session));
        let packing = packing.map_err(|error| complain(session, &error))?;
        for path in &packing.ignored {
            let name = path.rsplit('/').next().unwrap_or(path); // apk does not say where
            session
                .out
                .line(format_args!("{name}: special file ignored"));
        }
        draft.entries = packing.entries;
    }
    Ok(write(session, &draft, source.as_ref())?)
}

/// Where the package goes: to stdout, to the file that was named, or to one with the usual name.
fn write(session: &mut Session, draft: &Draft, source: Option<&Source>) -> Result<(), String> {
    let compression = session.compression.unwrap_or_default();
    let contents = &mut |entry: &apk_format::Entry| -> io::Result<Box<dyn io::Read>> {
        let source = source.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(source.content(&entry.path)?))
    };
    let keys = std::mem::take(&mut session.sign_keys);
    if session.has("stdout") {
        let made = draft.write_v3(Stdout(&mut session.out), compression, &keys, contents);
        return made.map(drop).map_err(|error| in_words(&error));
    }
    let output = match session.value("output") {
        Some(path) => path.to_owned(),
        None => usual_name(draft)?,
    };
    write_file(Path::new(&output), |file| {
        draft.write_v3(file, compression, &keys, contents)
    })
    .map_err(|error| in_words(&error))
}

fn usual_name(draft: &Draft) -> Result<String, String> {
    let value = |key: &str| match key {
        "name" => Some(draft.info.name.clone()),
        "version" => Some(draft.info.version.to_string()),
        _ => None,
    };
    substitute("${name}-${version}.apk", value).map_err(|error| error.to_string())
}

fn texts(session: &Session, option: &str) -> Vec<String> {
    let own = session.own.iter().filter(|(name, _)| *name == option);
    own.map(|(_, said)| said.text().to_owned()).collect()
}

/// The scripts; of one kind the last counts.
fn scripts(session: &Session) -> Result<Vec<Script>, String> {
    let mut scripts: Vec<Script> = Vec::new();
    for text in texts(session, "script") {
        let Some((kind, path)) = text.split_once(':') else {
            continue;
        };
        let Some(kind) = script_kind(kind) else {
            continue;
        };
        let body = fs::read(path).map_err(|error| phrases::system(&error))?;
        scripts.retain(|script| script.kind != kind);
        scripts.push(Script { kind, body });
    }
    Ok(scripts)
}

/// What the last of `--compat` and `--rootnode` says. A version that is none is older than all.
fn directories(session: &Session) -> Directories {
    let mut own = session.own.iter().rev();
    let said = own.find(|(name, _)| matches!(*name, "compat" | "rootnode"));
    let compat = match said {
        Some(("compat", said)) => said.text(),
        Some((_, Said::No)) => NO_ROOT,
        _ => return Directories::All,
    };
    let older = |than: &str| version::compare(compat, than, false).is_lt();
    match () {
        () if older(NO_ROOT) => Directories::All,
        () if older(NEEDED) => Directories::NoRoot,
        () => Directories::Needed,
    }
}

fn open(session: &mut Session, path: &str) -> Result<Source, String> {
    let mut source = Source::open(Path::new(path)).map_err(|error| {
        let words = phrases::system(&error);
        session
            .out
            .error(format_args!("file directory '{path}': {words}"));
        words
    })?;
    let xattrs = session.own.iter().rev().find(|(name, _)| *name == "xattrs");
    source.xattrs = xattrs.is_none_or(|(_, said)| said.is_yes());
    source.mtime = super::generation::source_date_epoch();
    Ok(source)
}

/// Owners are named as in the root, by default that of this system.
fn names(session: &Session) -> Names {
    let root = session.root.as_ref();
    let read = |path| root.and_then(|root| root.read(path).ok().flatten());
    Names::read(
        &read("etc/passwd").unwrap_or_default(),
        &read("etc/group").unwrap_or_default(),
    )
}

fn complain(session: &mut Session, error: &PackingError) -> Trouble {
    let words = match &error.source {
        Problem::System(error) => phrases::system(error),
        Problem::Closed { .. } => NO_DESCRIPTOR.to_owned(),
        other => {
            let words = other.to_string();
            session.out.error(format_args!(
                "failed to process directory '{}': {words}",
                error.path
            ));
            return words.into();
        }
    };
    Trouble::of(words, error)
}

fn in_words(error: &DraftError) -> String {
    match error {
        DraftError::File(FileError::Write(error)) => phrases::system(error),
        error => phrases::chain(error),
    }
}

/// What apk says of a file that it cannot open.
const NO_DESCRIPTOR: &str = "Bad file descriptor";

/// From here on the root is not listed where it need not be.
const NO_ROOT: &str = "3.0.0_pre3";

/// From here on no directory is.
const NEEDED: &str = "3.0.0_rc9";
