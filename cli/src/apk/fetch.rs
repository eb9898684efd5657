//! `apk fetch`: packages out of repositories, checked against the index, into a directory or onto stdout.
//!
//! With `--purge` the output directory holds what was asked for, and nothing else: every other visible file goes, as
//! apk's manual has it. apk 3.0.6 also takes away what it has just fetched, and says that directories go, which stay.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use apk_format::Package;
use apk_format::database::{SubstituteError, substitute};
use composer::inventory::{Inventory, PackageId, local_path};

use super::applet::Applet;
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, Parts, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "fetch",
    options: &[
        Opt::value("built-after"),
        Opt::flag("link").short("l"),
        Opt::value("pkgname-spec"),
        Opt::value("output").short("o"),
        Opt::switch("simulate"),
        Opt::flag("stdout").short("s"),
        Opt::flag("url"),
    ],
    queries: true,
    parts: Parts::REPOSITORIES,
    set,
    run,
    ..Applet::NONE
};

fn set(_: &mut Session, name: &'static str, said: &Said) -> bool {
    name != "built-after" || built_after(said.text()).is_some()
}

/// Seconds, or a date and time of day here; 0 is none.
fn built_after(text: &str) -> Option<u64> {
    let seconds = match jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text) {
        Ok(date) => {
            let zoned = date.to_zoned(jiff::tz::TimeZone::system()).ok()?;
            u64::try_from(zoned.timestamp().as_second()).ok()?
        }
        Err(_) => text.parse().ok()?,
    };
    (seconds != 0).then_some(seconds)
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    let to_stdout = session.has("stdout");
    if to_stdout {
        session.out.verbosity = 0;
    }
    if operands == ["coffee"] {
        session.out.message("Go and fetch your own coffee.");
        return 0;
    }
    let Ok(found) = session.search(operands).map(|answer| answer.found) else {
        return 0; // as in apk, where only packages that are found count
    };
    let mut errors = 0;
    let mut packages = Vec::new();
    let after = session.value("built-after").and_then(built_after);
    for one in &found {
        let Some(package) = one.package else {
            if !one.query.contains('*') {
                let query = &one.query;
                session.out.message(format_args!(
                    "{query}: unable to select package (or its dependencies)"
                ));
                errors += 1;
            }
            continue;
        };
        let built = session.inventory[package].record.build_time;
        if !after.is_some_and(|after| built != 0 && after >= built) {
            packages.push(package);
        }
    }
    if errors > 0 {
        return errors;
    }
    session.inventory.sort(&mut packages);
    for package in &packages {
        if let Err(error) = fetch(session, *package) {
            let title = session.inventory.title(*package);
            session.tell_trouble(&title, &error);
            errors += 1;
        }
    }
    if errors == 0 && session.globals.purge && !to_stdout {
        purge(session, &packages);
    }
    errors
}

/// Removes every file of the output directory that is none of these packages. What cannot be read or removed stays,
/// as in apk; so do directories, and files whose names begin with a dot.
fn purge(session: &mut Session, packages: &[PackageId]) {
    let Some(dir) = session.value("output").map(PathBuf::from) else {
        return; // the working directory is nobody's cache
    };
    let spec = session.value("pkgname-spec").unwrap_or(USUAL_NAME);
    let wanted: HashSet<PathBuf> = packages
        .iter()
        .filter_map(|package| file_name(&session.inventory, *package, spec).ok())
        .collect();
    let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let path = dir.join(&name);
        let Ok(there) = fs::symlink_metadata(&path) else {
            continue;
        };
        let stays = wanted.contains(Path::new(&name));
        if stays || there.is_dir() || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let shown = name.to_string_lossy();
        session.out.message(format_args!("Purging {shown}"));
        if !session.has("simulate") {
            let _ = fs::remove_file(&path);
        }
    }
}

fn fetch(session: &mut Session, package: PackageId) -> Result<(), Trouble> {
    let inventory = &session.inventory;
    let url = inventory.download_url(package).ok_or(NOT_FOUND)?;
    let spec = session.value("pkgname-spec").unwrap_or(USUAL_NAME);
    let target = file_name(inventory, package, spec)?;
    let target = Path::new(session.value("output").unwrap_or(".")).join(target);
    let to_stdout = session.has("stdout");
    let size = inventory[package].record.size;
    if !to_stdout && fs::metadata(&target).is_ok_and(|there| there.len() == size) {
        return Ok(());
    }
    let title = inventory.title(package);
    if session.has("url") {
        session
            .out
            .message(composer::inventory::field::printable(&url));
    } else {
        session.out.message(format_args!("Downloading {title}"));
    }
    if session.has("simulate") {
        return Ok(());
    }
    let source = local_path(&url).ok_or(phrases::NO_NETWORK)?;
    if !to_stdout && session.has("link") && link(&source, &target).is_ok() {
        return Ok(());
    }
    let mut file = File::open(&source).map_err(|error| phrases::system(&error))?;
    check(&session.inventory, package, &mut file)?;
    if to_stdout {
        copy(&mut file, &mut |bytes| {
            session.out.bytes(bytes);
            Ok(())
        })
    } else {
        write_whole(&mut file, &target)
    }
    .map_err(|error| phrases::system(&error).into())
}

/// Whether the file is the package that the index means, to its last byte; goes back to its beginning.
fn check(inventory: &Inventory, package: PackageId, file: &mut File) -> Result<(), Trouble> {
    let opened = Package::open(&mut *file);
    let checked = opened.and_then(|one| {
        one.check_identity(&inventory[package].record.identity)?;
        one.finish()
    });
    checked.map_err(|error| phrases::package(&error))?;
    file.rewind()
        .map_err(|error| phrases::system(&error).into())
}

/// The name of the file by a pattern. What comes from the index may not lead into another directory.
fn file_name(inventory: &Inventory, package: PackageId, spec: &str) -> Result<PathBuf, String> {
    let record = &inventory[package].record;
    let arch = record.arch.as_deref().unwrap_or_default();
    let parts = [record.name.as_str(), record.version.as_str(), arch];
    if parts.iter().any(|part| part.contains('/')) {
        return Err("its name, version or architecture has a slash in it".to_owned());
    }
    let value = |key: &str| match key {
        "name" => Some(record.name.to_string()),
        "version" => Some(record.version.to_string()),
        "arch" => Some(arch.to_owned()),
        "hash" => Some(record.identity.to_hex()),
        _ => None,
    };
    match substitute(spec, value) {
        Ok(name) => Ok(name.into()),
        Err(SubstituteError::Unknown(_)) => Err("package name specification is invalid".to_owned()),
        Err(SubstituteError::Syntax) => Err(phrases::INVALID.to_owned()),
    }
}

/// A hard link to the file itself, where the package's name is a symbolic link.
fn link(source: &Path, target: &Path) -> io::Result<()> {
    fs::hard_link(fs::canonicalize(source)?, target)
}

/// Makes the file under another name, and renames it when it is whole. It gets the time of its source.
fn write_whole(source: &mut File, target: &Path) -> io::Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = target.with_file_name(format!(".apk-ostree.{}.{name}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)?;
    let done = copy(source, &mut |bytes| file.write_all(bytes))
        .and_then(|()| {
            let mode = rustix::fs::Mode::from_raw_mode(0o644);
            rustix::fs::fchmod(&file, mode).map_err(io::Error::from)
        })
        .and_then(|()| file.set_modified(source.metadata()?.modified()?))
        .and_then(|()| fs::rename(&beside, target));
    if done.is_err() {
        let _ = fs::remove_file(&beside); // what is left over harms nobody
    }
    done
}

fn copy(from: &mut File, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        to(buffer.get(..length).unwrap_or_default())?;
    }
}

const USUAL_NAME: &str = "${name}-${version}.apk";
const NOT_FOUND: &str = "could not find a repo which provides this package (check repositories file and run 'apk update')";
