//! `apk search`: packages by a part of their name or description, and who needs them.

use composer::inventory::PackageId;
use composer::inventory::field::{Field, Fields};

use super::applet::Applet;
use super::options::{Opt, Said};
use super::query;
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "search",
    options: &[
        Opt::flag("all").short("a"),
        Opt::flag("description").short("d"),
        Opt::flag("exact").short("ex"),
        Opt::flag("has-origin"),
        Opt::flag("origin").short("o"),
        Opt::flag("rdepends").short("r"),
    ],
    queries: true,
    parts: Parts::REPOSITORIES,
    prepare: |session| {
        session.spec.search = true;
        session.spec.empty_matches_all = true;
    },
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &'static str, _: &Said) -> bool {
    let spec = &mut session.spec;
    match name {
        "all" => spec.all_matches = true,
        "description" => {
            spec.matching = Fields::of(&[Field::Name, Field::Description]);
            (spec.search, spec.all_matches) = (true, true);
        }
        "exact" => spec.search = false,
        "has-origin" => {
            spec.matching = Fields::of(&[Field::Origin]);
            (spec.search, spec.all_matches) = (false, true);
        }
        _ => {}
    }
    true
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    let names = Fields::of(&[Field::Name, Field::Provides]);
    session.spec.matching = session.spec.matching.and(names);
    let (packages, code) = match session.packages(operands) {
        Ok(found) => found,
        Err(code) => return query::failed(session, code),
    };
    // As in apk: after -q all answers are one, and who was asked for one package is not asked again for another.
    let mut asked = std::collections::HashSet::new();
    for package in packages {
        if !session.has("rdepends") {
            print(session, package);
            continue;
        }
        if session.out.verbosity > 0 {
            asked.clear();
            let title = session.inventory.title(package);
            session.out.line(format_args!("{title} is required by:"));
        }
        let inventory = &session.inventory;
        for dependant in inventory.dependants_beside(package, false, &mut asked) {
            print(session, dependant);
        }
    }
    code
}

fn print(session: &mut Session, package: PackageId) {
    let by_origin = session.has("origin");
    let record = &session.inventory[package].record;
    let origin = record.origin.as_ref().filter(|_| by_origin);
    let out = &mut session.out;
    out.text(origin.unwrap_or(&record.name));
    if out.verbosity > 0 {
        out.text(format_args!("-{}", record.version));
    }
    if out.verbosity > 1 && !by_origin {
        out.text(format_args!(" - {}", record.description));
    }
    out.text("\n");
}
