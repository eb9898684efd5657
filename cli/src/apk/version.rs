//! `apk version`: installed versions beside those that there are; comparing and checking versions.

use std::cmp::Ordering;

use apk_format::Version;
use apk_format::version::compare;
use composer::inventory::{Inventory, NameId, PackageId};

use super::applet::Applet;
use super::options::{Opt, Said};
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "version",
    options: &[
        Opt::flag("all").short("a"),
        Opt::flag("check").short("c"),
        Opt::flag("indexes").short("I"),
        Opt::value("limit").short("l"),
        Opt::flag("test").short("t"),
    ],
    parts: Parts {
        any_arch: false,
        ..Parts::ALL
    },
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &'static str, _: &Said) -> bool {
    match name {
        "check" | "test" => session.parts = Parts::NONE,
        "indexes" => session.parts = APPLET.parts,
        _ => {}
    }
    true
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    let actions = ["check", "indexes", "test"];
    let mut own = session.own.iter().rev();
    let action = own
        .find(|(name, _)| actions.contains(name))
        .map(|(name, _)| *name);
    match action {
        Some("check") => check(session, operands),
        Some("indexes") => indexes(session),
        Some(_) => test(session, operands),
        None => listing(session, operands),
    }
}

fn check(session: &mut Session, versions: &[String]) -> Code {
    let wrong = versions.iter().filter(|version| !is_valid(version));
    wrong.map(|version| session.out.message(version)).count() as Code
}

fn is_valid(version: &str) -> bool {
    Version::parse(version).is_ok()
}

fn test(session: &mut Session, versions: &[String]) -> Code {
    let [a, b] = versions else { return 1 };
    if !is_valid(a) || !is_valid(b) {
        return 1;
    }
    session.out.line(sign(compare(a, b, false)));
    0
}

fn indexes(session: &mut Session) -> Code {
    let opened = session
        .inventory
        .repositories
        .iter()
        .filter(|one| one.available);
    for one in opened {
        let url = composer::inventory::field::printable(&one.listed.url);
        session
            .out
            .line(format_args!("{} [{url}]", one.description));
    }
    0
}

fn sign(order: Ordering) -> &'static str {
    match order {
        Ordering::Less => "<",
        Ordering::Equal => "=",
        Ordering::Greater => ">",
    }
}

/// An installed package beside the latest that there is.
struct Line {
    name: NameId,
    installed: PackageId,
    latest: PackageId,
    sign: &'static str,
    tag: String,
}

fn listing(session: &mut Session, operands: &[String]) -> Code {
    let usual = operands.is_empty() && session.out.verbosity == 1;
    let limit = match session.value("limit") {
        Some(signs) => signs.to_owned(),
        None if usual => "<".to_owned(),
        None => String::new(),
    };
    let all_tags = session.has("all");
    let inventory = &session.inventory;
    let (names, _) = inventory.named_by(operands);
    let lines: Vec<Line> = names
        .into_iter()
        .filter_map(|name| line(inventory, name, all_tags))
        .filter(|line| limit.is_empty() || limit.contains(line.sign))
        .collect();
    let titles = lines
        .iter()
        .map(|line| inventory.title(line.installed).len());
    let width = titles.max().unwrap_or_default().max(USUAL_WIDTH);
    session
        .out
        .message(format_args!("{:width$}   Available:", "Installed:"));
    for line in lines {
        if session.out.verbosity == 0 {
            session.out.line(inventory.text(line.name));
            continue;
        }
        let title = inventory.title(line.installed);
        let latest = &inventory[line.latest].record.version;
        let (sign, tag) = (line.sign, line.tag);
        session
            .out
            .line(format_args!("{title:width$} {sign} {latest} {tag}"));
    }
    0
}

const USUAL_WIDTH: usize = 39;

fn line(inventory: &Inventory, name: NameId, all_tags: bool) -> Option<Line> {
    let installed = inventory.installed(name)?;
    let tag = inventory[installed].installed.as_ref()?.tag.as_deref();
    let mut latest = installed;
    let mut repositories: Vec<usize> = Vec::new();
    for package in inventory.builds(name) {
        let listing = &inventory[package].repositories;
        let allowed = all_tags || listing.iter().any(|at| inventory.allows(*at, tag));
        if listing.is_empty() || !allowed {
            continue;
        }
        let versions = [package, latest].map(|id| &inventory[id].record.version);
        match versions[0].cmp(versions[1]) {
            Ordering::Greater => {
                latest = package;
                repositories.clone_from(listing);
            }
            Ordering::Equal => repositories.extend(listing),
            Ordering::Less => {}
        }
    }
    let versions = [installed, latest].map(|id| &inventory[id].record.version);
    let mut tags = inventory.tags();
    let tag = tags.find(|tag| {
        repositories
            .iter()
            .any(|at| inventory.allows(*at, Some(tag)))
    });
    Some(Line {
        name,
        installed,
        latest,
        sign: sign(versions[0].cmp(versions[1])),
        tag: tag.map(|tag| format!("@{tag}")).unwrap_or_default(),
    })
}
