//! `apk policy`: where each version of a package can be had.

use composer::inventory::PackageId;
use composer::inventory::field::{INSTALLED, printable};

use super::applet::Applet;
use super::query;
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "policy",
    queries: true,
    parts: Parts::ALL,
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, operands: &[String]) -> Code {
    session.spec.all_matches = true;
    let packages = match session.packages(operands) {
        Ok((packages, _)) => packages,
        Err(code) => return query::failed(session, code),
    };
    let mut last = None;
    for package in packages {
        let known = &session.inventory[package];
        let name = session.inventory.name_of(package);
        if last.replace(name) != Some(name) {
            session
                .out
                .line(format_args!("{} policy:", known.record.name));
        }
        session
            .out
            .line(format_args!("  {}:", known.record.version));
        if known.installed.is_some() {
            session.out.line(format_args!("    {INSTALLED}"));
        }
        for line in places(session, package) {
            session.out.line(format_args!("    {line}"));
        }
    }
    0
}

/// A line for each repository that has the package and each tag under which some repository offers it: apk's rule.
fn places(session: &Session, package: PackageId) -> Vec<String> {
    let inventory = &session.inventory;
    let listing = &inventory[package].repositories;
    let tags = std::iter::once(None).chain(inventory.tags().map(Some));
    let offering = tags.filter(|tag| listing.iter().any(|at| inventory.allows(*at, *tag)));
    let offering: Vec<Option<&str>> = offering.collect();
    let repositories = listing
        .iter()
        .filter_map(|at| inventory.repositories.get(*at));
    repositories
        .flat_map(|repository| {
            let url = printable(&repository.listed.url);
            offering.iter().map(move |tag| match tag {
                Some(tag) => format!("@{tag} {url}"),
                None => url.clone(),
            })
        })
        .collect()
}
