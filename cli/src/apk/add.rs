//! `apk add`: wants packages, or package files, or both under a name of their own.

use std::fs::File;
use std::path::{Path, PathBuf};

use apk_format::{
    Constraint, Dependency, Dialect, Digest, Op, Package, PackageError, Record, SignatureError,
    Trust, Version,
};
use composer::resolve::{Operation, Preference};

use super::applet::Applet;
use super::changes;
use super::no_package;
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, FAILED, Parts, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "add",
    options: &[
        Opt::flag("initdb"),
        Opt::flag("latest").short("l"),
        Opt::flag("no-chown"),
        Opt::flag("upgrade").short("u"),
        Opt::flag("usermode"),
        Opt::value("virtual").short("t"),
    ],
    commits: true,
    drops_empty: true,
    parts: Parts::ALL,
    set,
    run,
    ..Applet::NONE
};

/// A database that is to be made is not read, unless it is there already.
fn set(session: &mut Session, name: &'static str, _: &Said) -> bool {
    session.makes_database |= name == "initdb";
    true
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    match plan(session, operands) {
        Ok(code) | Err(code) => code,
    }
}

fn plan(session: &mut Session, operands: &[String]) -> Result<Code, Code> {
    let bundle = match session.value("virtual").map(str::to_owned) {
        Some(spec) => Some(bundle(session, &spec, operands.is_empty())?),
        None => None,
    };
    let mut wanted = Vec::new();
    for operand in operands {
        wanted.push(read(session, operand, bundle.is_some())?);
    }
    if let Some((name, version)) = bundle {
        let record = bundled(&name, &version, std::mem::take(&mut wanted));
        session.inventory.give(record, None);
        wanted.push(Dependency {
            constraint: Constraint::Version {
                op: Op::EQUAL,
                version,
            },
            ..Dependency::any(&name)
        });
    }
    let preference = match (session.has("upgrade"), session.has("latest")) {
        (false, false) => Preference::Installed,
        (true, false) => Preference::Upgrade,
        (_, true) => Preference::Latest,
    };
    let operation = Operation::Add {
        wanted: &wanted,
        preference,
    };
    Ok(changes::commit(session, operation))
}

/// One operand as a dependency. A file with a dot in its name is a package of its own.
fn read(session: &mut Session, operand: &str, within: bool) -> Result<Dependency, Code> {
    let is_file = match session.out.words {
        Dialect::Apk2 => operand.contains(".apk"),
        Dialect::Apk3 => operand.contains('.') && Path::new(operand).exists(),
    };
    if is_file {
        return file(session, operand);
    }
    let parsed = if within {
        Dependency::parse_untagged(operand)
    } else {
        Dependency::parse(operand)
    };
    parsed.map_err(|_| {
        let kind = match session.out.words {
            Dialect::Apk2 => "child",
            Dialect::Apk3 => "package",
        };
        let (kind, format) = if within {
            (kind, "name([<>~=]version)")
        } else {
            ("world", "name(@tag)([<>~=]version)")
        };
        session.out.error(format_args!(
            "'{operand}' is not a valid {kind} dependency, format is {format}"
        ));
        FAILED
    })
}

fn file(session: &mut Session, path: &str) -> Result<Dependency, Code> {
    check_lasting(session)?;
    match record_of(path, &session.keys(), session.trust()) {
        Ok(record) => {
            let wanted = Dependency {
                constraint: Constraint::Identity(record.identity),
                ..Dependency::any(&record.name)
            };
            session.inventory.give(record, Some(PathBuf::from(path)));
            Ok(wanted)
        }
        Err(trouble) => {
            session.tell_trouble(path, &trouble);
            Err(FAILED)
        }
    }
}

fn record_of(path: &str, keys: &apk_format::KeyRing, trust: Trust) -> Result<Record, Trouble> {
    let file = File::open(path).map_err(|error| phrases::system(&error))?;
    let size = file.metadata().map_or(0, |about| about.len());
    let opened = |error: PackageError| no_package::why(path, keys, trust, &error);
    let package = Package::open(file).map_err(opened)?;
    let trusted = package.verify_signature(keys, trust);
    trusted.map_err(|error: SignatureError| phrases::signature(&error))?;
    // A v3 package that no index lists is known by what it calls itself.
    let identity = package.unique_id().unwrap_or_else(|| package.identity());
    Ok(package.info().to_record(identity, size))
}

/// Name and version of the package that holds the operands.
fn bundle(session: &mut Session, spec: &str, empty: bool) -> Result<(String, Version), Code> {
    let bad = |session: &mut Session| {
        session
            .out
            .error(format_args!("{spec}: bad package specifier"));
        FAILED
    };
    let wanted = match Dependency::parse(spec) {
        Ok(wanted) if !wanted.conflict => wanted,
        _ => return Err(bad(session)),
    };
    if !wanted.name.starts_with('.') {
        check_lasting(session)?;
    }
    let version = match wanted.constraint {
        Constraint::Any => Version::lenient(&now()),
        Constraint::Version {
            op: Op::EQUAL,
            version,
        } => version,
        _ => return Err(bad(session)),
    };
    if empty {
        session.out.warning("creating empty virtual package");
    }
    Ok((wanted.name, version))
}

/// The time, as such packages have it for a version.
fn now() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    now.strftime("%Y%m%d.%H%M%S").to_string()
}

fn bundled(name: &str, version: &Version, depends: Vec<Dependency>) -> Record {
    let mut seed = std::process::id().to_le_bytes().to_vec();
    seed.extend_from_slice(name.as_bytes());
    seed.push(0);
    seed.extend_from_slice(version.as_str().as_bytes());
    let mut record = Record::new(Digest::sha1(&seed), name, version.clone());
    record.description = "virtual meta package".into();
    record.arch = Some("noarch".into());
    record.depends = depends.into();
    record
}

/// What no repository has must not get lost with the memory that the root lies in.
fn check_lasting(session: &mut Session) -> Result<(), Code> {
    let lasting = session.globals.force_non_repository
        || session.inventory.cache.is_some()
        || !session.is_in_memory();
    if lasting {
        return Ok(());
    }
    session.out.error(
        "You tried to add a non-repository package to system, but it would be lost on next reboot. \
         Enable package caching (apk cache --help) or use --force-non-repository if you know what you are doing.",
    );
    Err(FAILED)
}
