//! `apk info`: what is known of packages, what is installed, who owns a path.

use std::fmt::Display;

use apk_format::Dependency;
use composer::inventory::PackageId;
use composer::inventory::field::{Field, Fields, Value};
use composer::inventory::search::Existence;

use super::applet::Applet;
use super::options::{Opt, Said};
use super::query;
use super::serialize::{self, Format};
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "info",
    options: &[
        Opt::flag("all").short("a"),
        Opt::flag("contents").short("L"),
        Opt::flag("depends").short("R"),
        Opt::flag("description").short("d"),
        Opt::flag("exists").short("e"),
        Opt::flag("install-if"),
        Opt::flag("installed"),
        Opt::flag("license"),
        Opt::flag("provides").short("P"),
        Opt::flag("rdepends").short("r"),
        Opt::flag("replaces"),
        Opt::flag("rinstall-if"),
        Opt::flag("size").short("s"),
        Opt::flag("triggers").short("t"),
        Opt::flag("webpage").short("w"),
        Opt::flag("who-owns").short("W"),
    ],
    queries: true,
    parts: Parts::ALL,
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &'static str, _: &Said) -> bool {
    let field = match name {
        "exists" | "installed" | "who-owns" => {
            (session.parts.listed, session.parts.given) = (false, false);
            return true;
        }
        "all" => {
            session.spec.fields = Fields::all();
            return true;
        }
        "contents" => Field::Contents,
        "depends" => Field::Depends,
        "install-if" => Field::InstallIf,
        "license" => Field::License,
        "provides" => Field::Provides,
        "rdepends" => Field::ReverseDepends,
        "replaces" => Field::Replaces,
        "rinstall-if" => Field::ReverseInstallIf,
        "size" => Field::InstalledSize,
        "triggers" => Field::Triggers,
        "webpage" => Field::Url,
        _ => Field::Description,
    };
    session.spec.fields = session.spec.fields.with(field);
    true
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    session.spec.dependants_installed = true;
    session.spec.named_by = composer::inventory::field::NamedBy::Package;
    // Of these only one that is the last option of the command counts.
    match session.own.last().map(|(name, _)| *name) {
        Some("who-owns") => return who_owns(session, operands),
        Some("exists" | "installed") => return exists(session, operands),
        _ => {}
    }
    let spec = &mut session.spec;
    spec.all_matches = true;
    let listing = operands.is_empty();
    if listing {
        (spec.installed, spec.empty_matches_all) = (true, true);
    }
    if spec.fields.is_empty() {
        spec.fields = Fields::of(&[Field::Description, Field::Url, Field::InstalledSize]);
    }
    spec.fields = spec.fields.and(Fields::of(&[Field::Name, Field::Version]));
    if spec.matching.is_empty() {
        spec.matching = Fields::of(&[Field::Name, Field::Provides]);
    }
    if session.format != Format::Plain || !(listing || session.globals.legacy_info) {
        return query::run(session, operands);
    }
    let (packages, missing) = match session.packages(operands) {
        Ok(found) => found,
        Err(code) => return code,
    };
    if listing {
        packages
            .into_iter()
            .for_each(|package| line(session, package, 1));
        return missing;
    }
    let mut partial = false;
    for package in packages {
        partial |= describe(session, package);
    }
    let all = session.spec.fields == Fields::all();
    if missing == 0 && partial && all {
        1
    } else {
        missing
    }
}

/// Name, version, description: as much as is wanted.
fn line(session: &mut Session, package: PackageId, least: u32) {
    let record = &session.inventory[package].record;
    let out = &mut session.out;
    let amount = out.verbosity.max(least);
    if amount < 1 {
        return;
    }
    out.text(&record.name);
    if amount > 1 {
        out.text(format_args!("-{}", record.version));
    }
    if amount > 2 {
        out.text(format_args!(" - {}", record.description));
    }
    out.text("\n");
}

fn exists(session: &mut Session, operands: &[String]) -> Code {
    let mut absent = 0;
    for operand in operands {
        match session.inventory.existence(operand) {
            Existence::Unreadable | Existence::Present(None) => {}
            Existence::Present(Some(package)) => line(session, package, 0),
            Existence::Absent => absent += 1,
        }
    }
    absent
}

fn who_owns(session: &mut Session, operands: &[String]) -> Code {
    let mut unknown = 0;
    let mut owners = Vec::new();
    let mut form = session.format.form();
    let structured = session.format != Format::Plain;
    if structured {
        form.list(Some(operands.len()));
    }
    for operand in operands {
        let real = (!operand.starts_with('/')).then(|| std::fs::canonicalize(operand).ok());
        let real = real
            .flatten()
            .map(|path| path.to_string_lossy().into_owned());
        let path = real.unwrap_or_else(|| operand.clone());
        let found = session.inventory.who_owns(&path, session.root.as_ref());
        if structured {
            form.object();
            serialize::fields(form.as_mut(), &owner_fields(session, &found));
            form.end();
            continue;
        }
        let Some(package) = found.package else {
            session
                .out
                .error(format_args!("{path}: Could not find owner package"));
            unknown += 1;
            continue;
        };
        if session.out.verbosity == 0 {
            owners.push(package);
            continue;
        }
        let title = session.inventory.title(package);
        let link = if found.path_target.is_some() {
            "symlink target "
        } else {
            ""
        };
        session
            .out
            .line(format_args!("{path} {link}is owned by {title}"));
    }
    if structured {
        form.end();
        session.out.text(form.finish());
    }
    session.inventory.sort(&mut owners);
    owners.dedup();
    for package in owners {
        session.out.line(&session.inventory[package].record.name);
    }
    unknown
}

fn owner_fields(
    session: &Session,
    found: &composer::inventory::search::Found,
) -> Vec<(Field, Value)> {
    let mut spec = session.spec.clone();
    if spec.fields.is_empty() {
        spec.fields = Fields::of(&[Field::Query, Field::PathTarget, Field::Name]);
    }
    let mut fields = Vec::new();
    if spec.fields.contains(Field::Query) {
        fields.push((Field::Query, Value::Text(found.query.clone())));
    }
    if let Some(target) = found
        .path_target
        .clone()
        .filter(|_| spec.fields.contains(Field::PathTarget))
    {
        fields.push((Field::PathTarget, Value::Text(target)));
    }
    match found.package {
        Some(package) => fields.extend(session.inventory.describe(package, &spec.question())),
        None => fields.push((Field::Error, Value::Text("owner not found".to_owned()))),
    }
    fields
}

/// Prints the fields of a package, each as a block of its own; gives whether some cannot be told.
fn describe(session: &mut Session, package: PackageId) -> bool {
    let installed = session.inventory[package].installed.is_some();
    let reverse = Fields::of(&[Field::ReverseDepends, Field::ReverseInstallIf]);
    let needs_installed = Fields::installed_only().and(reverse);
    let mut fields = session.spec.fields;
    let partial = !installed && fields.intersects(needs_installed);
    if partial {
        fields = fields.except(needs_installed);
    }
    // In this order, which is not that of the fields.
    let order = [
        (Field::Description, "description"),
        (Field::Url, "webpage"),
        (Field::InstalledSize, "installed size"),
        (Field::Depends, "depends on"),
        (Field::Provides, "provides"),
        (Field::ReverseDepends, "is required by"),
        (Field::Contents, "contains"),
        (Field::Triggers, "triggers"),
        (Field::InstallIf, "has auto-install rule"),
        (Field::ReverseInstallIf, "affects auto-installation of"),
        (Field::Replaces, "replaces"),
        (Field::License, "license"),
    ];
    for (field, words) in order
        .into_iter()
        .filter(|(field, _)| fields.contains(*field))
    {
        block(session, package, field, words);
    }
    partial
}

fn block(session: &mut Session, package: PackageId, field: Field, words: &str) {
    let inventory = &session.inventory;
    let record = &inventory[package].record;
    let installed = inventory[package].installed.as_ref();
    let items = match field {
        Field::Description => return text(session, package, words, |r| r.description.to_string()),
        Field::Url => return text(session, package, words, |r| r.url.to_string()),
        Field::License => return text(session, package, words, |r| r.license.to_string()),
        Field::InstalledSize => {
            return text(session, package, words, |r| human_size(r.installed_size));
        }
        Field::Depends => texts(&record.depends),
        Field::Provides => texts(&record.provides),
        Field::InstallIf => texts(&record.install_if),
        Field::Replaces => installed
            .map(|i| texts::<Dependency>(&i.replaces))
            .unwrap_or_default(),
        Field::ReverseDepends => {
            let found = inventory.dependants(package, true);
            found.into_iter().map(|id| inventory.title(id)).collect()
        }
        Field::ReverseInstallIf => awaiting(session, package),
        Field::Contents => installed.map(|i| i.paths().collect()).unwrap_or_default(),
        _ => installed.map(|i| i.triggers.clone()).unwrap_or_default(),
    };
    let name = record.name.clone();
    let title = inventory.title(package);
    let out = &mut session.out;
    if out.verbosity == 1 {
        out.line(format_args!("{title} {words}:"));
    }
    match (out.verbosity > 1, field) {
        (true, Field::Contents) => items
            .iter()
            .for_each(|i| out.line(format_args!("{name}: {i}"))),
        (true, Field::Triggers) => {
            items
                .iter()
                .for_each(|i| out.line(format_args!("{name}: trigger {i}")));
        }
        (true, _) => {
            out.text(format_args!("{name}: "));
            items
                .iter()
                .for_each(|item| out.text(format_args!("{item} ")));
        }
        (false, _) => items.iter().for_each(|item| out.line(item)),
    }
    out.text("\n");
}

fn text(
    session: &mut Session,
    package: PackageId,
    words: &str,
    value: impl Fn(&apk_format::Record) -> String,
) {
    let record = &session.inventory[package].record;
    let value = value(record);
    if session.out.verbosity > 1 {
        session.out.line(format_args!("{}: {value}", record.name));
    } else {
        let title = session.inventory.title(package);
        session
            .out
            .line(format_args!("{title} {words}:\n{value}\n"));
    }
}

/// Installed packages with an auto-installation rule that speaks of this name, whatever the version.
fn awaiting(session: &Session, package: PackageId) -> Vec<String> {
    let inventory = &session.inventory;
    let name = &inventory[package].record.name;
    let installed = inventory
        .awaiting_names(package)
        .filter_map(|name| inventory.installed(name));
    let awaiting = installed.filter(|id| {
        let mut rule = inventory[*id].record.install_if.iter();
        rule.any(|wanted| wanted.name == *name && !wanted.conflict)
    });
    awaiting.map(|id| inventory.title(id)).collect()
}

fn texts<T: Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// A size in the largest unit of which there are fewer than ten thousand, rounded down.
fn human_size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut steps = 0;
    // apk decides by a rounded value that it divides along.
    while bytes >> (10 * steps) >= 10_000 && steps + 1 < units.len() {
        steps += 1;
    }
    let unit = units.get(steps).copied().unwrap_or_default();
    format!("{} {unit}", bytes >> (10 * steps))
}
