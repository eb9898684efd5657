//! `apk list`: packages by name, pattern, provided name or dependency.

use composer::inventory::field::{Field, Fields};
use composer::inventory::search::Found;
use composer::inventory::{NameId, PackageId};

use super::applet::Applet;
use super::options::{Opt, Said};
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "list",
    options: &[
        Opt::flag("").short("a"),
        Opt::flag("depends").short("d"),
        Opt::flag("").short("I"),
        Opt::flag("manifest"),
        Opt::flag("origin").short("o"),
        Opt::flag("").short("O"),
        Opt::flag("providers").short("P"),
        Opt::flag("upgradeable").short("u"),
    ],
    queries: true,
    parts: Parts::ALL,
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &'static str, _: &Said) -> bool {
    let spec = &mut session.spec;
    match name {
        "a" => spec.available = true,
        "I" | "manifest" => {
            spec.installed = true;
            session.parts.listed = false;
        }
        "origin" => spec.matching = Fields::of(&[Field::Origin]),
        "O" => spec.orphaned = true,
        "upgradeable" => spec.upgradable = true,
        _ => {}
    }
    true
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    let providers = session.has("providers");
    let spec = &mut session.spec;
    (spec.empty_matches_all, spec.all_matches) = (true, true);
    if spec.matching.is_empty() {
        spec.matching = if session.own.iter().any(|(name, _)| *name == "depends") {
            Fields::of(&[Field::Depends])
        } else if providers {
            Fields::of(&[Field::Name, Field::Provides])
        } else {
            Fields::of(&[Field::Name])
        };
    }
    let found = session
        .search(operands)
        .map(|answer| answer.found)
        .unwrap_or_default();
    for (name, package) in sorted(session, &found) {
        if providers {
            let name = session.inventory.text(name);
            session.out.text(format_args!("<{name}> "));
        }
        print(session, package);
    }
    0
}

/// Each package once under each name it was found by, as apk shows them.
fn sorted(session: &Session, found: &[Found]) -> Vec<(NameId, PackageId)> {
    let inventory = &session.inventory;
    let named = |one: &Found| {
        let package = one.package?;
        Some((one.name.unwrap_or(inventory.name_of(package)), package))
    };
    let mut seen = std::collections::HashSet::new();
    let matches = found.iter().filter_map(named);
    let mut matches: Vec<_> = matches.filter(|one| seen.insert(*one)).collect();
    matches.sort_by(|a, b| {
        let [first, second] = [a.0, b.0].map(|name| inventory.text(name));
        apk_format::dependency::name_order(first, second).then_with(|| inventory.compare(a.1, b.1))
    });
    matches
}

fn print(session: &mut Session, package: PackageId) {
    let inventory = &session.inventory;
    let known = &inventory[package];
    let record = &known.record;
    let out = &mut session.out;
    if session.own.iter().any(|(name, _)| *name == "manifest") {
        out.line(format_args!("{} {}", record.name, record.version));
        return;
    }
    if out.verbosity == 0 {
        out.line(&record.name);
        return;
    }
    let origin = record.origin.as_deref().unwrap_or(&record.name);
    let arch = record.arch.as_deref().unwrap_or_default();
    let title = inventory.title(package);
    out.text(format_args!(
        "{title} {arch} {{{origin}}} ({})",
        record.license
    ));
    if known.installed.is_some() {
        out.text(" [installed]");
    } else if let Some(old) = inventory.upgradable_from(package) {
        out.text(format_args!(" [upgradable from: {}]", inventory.title(old)));
    }
    if out.verbosity > 1 {
        out.text(format_args!("\n  {}\n", record.description));
        if out.verbosity > 2 {
            out.text(format_args!("  <{}>\n", record.url));
        }
    }
    out.text("\n");
}
