//! `apk extract`: the files of packages into a directory. No script runs, no database is written.
//!
//! A package is read to its end before its first file is made; apk 3.0.6 leaves what came before the damage that it finds.
//! Directories keep their setgid bit, which apk 3.0.6 loses.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use apk_format::{Entry, EntryKind, PackageError};
use composer::accounts::Accounts;
use composer::extract::{Destination, ExtractError, Lost, Watch};

use super::applet::Applet;
use super::no_package;
use super::options::Opt;
use super::out::Out;
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "extract",
    options: &[Opt::value("destination"), Opt::flag("no-chown")],
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, files: &[String]) -> Code {
    let path = session.value("destination").unwrap_or(".").to_owned();
    let mut destination = match Destination::open(Path::new(&path)) {
        Ok(destination) => destination,
        Err(error) => {
            let words = phrases::system(&error);
            session
                .out
                .error(format_args!("Error opening destination '{path}': {words}"));
            return FAILED;
        }
    };
    let is_root = rustix::process::geteuid().is_root();
    destination.overwrite = session.globals.force_overwrite;
    destination.system_xattrs = is_root;
    destination.owners = (is_root && !session.has("no-chown")).then(|| accounts(session));
    let (keys, trust) = (session.keys(), session.trust());
    for file in files {
        session.out.line(format_args!("Extracting {file}..."));
        let opened = File::open(file).map_err(ExtractError::Read);
        let done = opened.and_then(|mut file| {
            let mut teller = Teller {
                slashes: !is_v3(&mut file)?,
                out: &mut session.out,
            };
            destination.extract(file, &keys, trust, &mut teller)
        });
        if let Err(error) = done {
            let trouble = match &error {
                ExtractError::Package(error)
                    if no_package::says_nothing(file, &keys, trust, error) =>
                {
                    continue;
                }
                ExtractError::Package(error) if no_package::may_be_other(error) => {
                    no_package::why(file, &keys, trust, error)
                }
                error => trouble(error),
            };
            session.tell_trouble(file, &trouble);
            return FAILED;
        }
    }
    0
}

/// Whether a file has the form of a v3 package.
fn is_v3(file: &mut File) -> Result<bool, ExtractError> {
    let mut magic = Vec::new();
    let read = file.take(3).read_to_end(&mut magic);
    read.and_then(|_| file.rewind())
        .map_err(ExtractError::Read)?;
    Ok(magic == b"ADB")
}

/// The accounts of the root, by which owners have numbers.
fn accounts(session: &Session) -> Accounts {
    let mut accounts = Accounts::default();
    if let Some(root) = &session.root {
        if let Ok(Some(passwd)) = root.read("etc/passwd") {
            accounts.set_users(&passwd);
        }
        if let Ok(Some(group)) = root.read("etc/group") {
            accounts.set_groups(&group);
        }
    }
    accounts
}

fn trouble(error: &ExtractError) -> Trouble {
    match error {
        ExtractError::Read(source) if source.raw_os_error().is_some() => {
            phrases::system(source).into()
        }
        ExtractError::Read(error) => phrases::stream(error),
        ExtractError::Package(PackageError::Schema { .. }) => {
            Trouble::of(phrases::NOT_SUPPORTED, error)
        }
        ExtractError::Package(error) => phrases::package(error),
        ExtractError::Signature(error) => phrases::signature(error),
        ExtractError::Make { source, .. } => Trouble::of(phrases::system(source), error),
    }
}

/// Tells what is made to those who want to know it.
struct Teller<'a> {
    out: &'a mut Out,
    /// Whether directories end with one: v2 packages name them so.
    slashes: bool,
}

impl Watch for Teller<'_> {
    fn entry(&mut self, entry: &Entry) {
        if self.out.verbosity >= 3 {
            let slash = if self.slashes && entry.kind == EntryKind::Dir {
                "/"
            } else {
                ""
            };
            self.out.line(format_args!("{}{slash}", entry.path));
        }
    }

    fn lost(&mut self, path: &str, lost: Lost) {
        let parts = [
            (lost.owner, "owner"),
            (lost.permission, "permission"),
            (lost.mtime, "mtime"),
            (lost.xattrs, "xattrs"),
        ];
        let parts: Vec<&str> = parts
            .iter()
            .filter(|(lost, _)| *lost)
            .map(|(_, name)| *name)
            .collect();
        let parts = parts.join(" ");
        self.out
            .warning(format_args!("failed to preserve {path}: {parts}"));
    }
}
