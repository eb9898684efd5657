//! `apk cache`: what a package cache keeps.
//!
//! | command | removes | gets |
//! |---|---|---|
//! | `clean` | what is no package that is installed or offered elsewhere, and no index of a repository | – |
//! | `purge` | the same, and packages, but for those of a root in memory that are installed | – |
//! | `download` | – | what the world, or the operands, need |
//! | `sync` | like `clean` | like `download` |
//!
//! Packages of repositories on this machine are never kept, so that there is nothing to get from them. Where there is no
//! package cache, only what lies beside the indexes is cleaned.

use apk_format::Dependency;
use composer::cache::{PackageCache, index_name};
use composer::inventory::PackageId;
use composer::inventory::open::USUAL_CACHE;
use composer::resolve::Operation;

use super::applet::Applet;
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, FAILED, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "cache",
    options: &[
        Opt::flag("add-dependencies"),
        Opt::flag("available").short("a"),
        Opt::flag("ignore-conflict"),
        Opt::flag("latest").short("l"),
        Opt::flag("upgrade").short("u"),
        Opt::switch("simulate").short("s"),
    ],
    parts: Parts {
        scripts: false,
        any_arch: false,
        ..Parts::ALL
    },
    set,
    run,
    ..Applet::NONE
};

fn set(session: &mut Session, name: &'static str, said: &Said) -> bool {
    if name == "simulate" {
        session.simulate = said.is_yes();
    }
    true
}

fn run(session: &mut Session, operands: &[String]) -> Code {
    let Some((action, wanted)) = operands.split_first() else {
        return FAILED;
    };
    let (cleans, downloads) = match action.as_str() {
        "sync" => (true, true),
        "clean" => (true, false),
        "purge" => {
            session.globals.purge = true;
            (true, false)
        }
        "download" => (false, true),
        _ => return FAILED,
    };
    let downloads = downloads && session.inventory.cache.is_some();
    let choosy = [
        "add-dependencies",
        "available",
        "ignore-conflict",
        "latest",
        "upgrade",
    ];
    if downloads && choosy.iter().any(|name| session.has(name)) && !are_all_there(session) {
        return 3;
    }
    if cleans {
        clean(session);
    }
    if downloads {
        return download(session, wanted).unwrap_or_else(|code| code);
    }
    0
}

fn are_all_there(session: &mut Session) -> bool {
    let mut repositories = session.inventory.repositories.iter();
    let missing = repositories.any(|one| !one.available && !one.local);
    let there = !missing || session.globals.force_missing_repositories;
    if !there {
        session.out.error(
            "Not continuing due to stale/unavailable repositories. Use --force-missing-repositories to continue.",
        );
    }
    there
}

fn clean(session: &mut Session) {
    let Some(root) = session.root.take() else {
        return;
    };
    let usual = PackageCache::open(&root, USUAL_CACHE).ok();
    let lasting = !session.is_in_memory();
    session.root = Some(root);
    let cache = session.cache_dir();
    let mut places = Vec::new();
    if let (Some(usual), Some(cache)) = (usual, &cache)
        && !usual.is_same(cache)
    {
        places.push(usual);
    }
    places.extend(cache);
    for place in places {
        for (name, length) in place.files().unwrap_or_default() {
            if stays(session, &name, length, lasting) {
                continue;
            }
            if session.out.verbosity >= 2 {
                session.out.line(format_args!("deleting {name}"));
            }
            if !session.simulate {
                place.remove(&name);
            }
        }
    }
}

fn stays(session: &Session, name: &str, length: u64, lasting: bool) -> bool {
    let inventory = &session.inventory;
    if name == "installed" {
        return true;
    }
    let Some(package) = inventory.named_in_cache(name, length) else {
        let machine = inventory.architectures.first();
        let machine = machine.map_or("", String::as_str);
        let mut repositories = inventory.repositories.iter();
        return repositories.any(|one| index_name(&one.listed.index_url(machine)) == name);
    };
    let known = &inventory[package];
    let installed = known.installed.is_some();
    let local = |at: &usize| inventory.repositories.get(*at).is_some_and(|one| one.local);
    let purged = session.globals.purge && (lasting || !installed);
    !purged
        && !known.repositories.iter().any(local)
        && (installed || inventory.is_available(package))
}

fn download(session: &mut Session, operands: &[String]) -> Result<Code, Code> {
    let mut wanted = Vec::new();
    if operands.is_empty() || session.has("add-dependencies") {
        wanted.clone_from(&session.inventory.world);
    }
    for operand in operands {
        match Dependency::parse(operand) {
            Ok(one) => wanted.push(one),
            Err(_) => {
                session.out.error(format_args!("bad dependency: {operand}"));
                return Err(FAILED);
            }
        }
    }
    let operation = Operation::Gather {
        wanted: &wanted,
        available: session.has("available"),
    };
    // What cannot be chosen is not got: apk says nothing of it either.
    let planned = session
        .inventory
        .plan(operation, super::changes::options(session));
    let changes = planned
        .map(|changeset| changeset.changes)
        .unwrap_or_default();
    let coming = changes.iter().filter_map(|change| change.new);
    let coming: Vec<PackageId> = coming.filter(|new| is_elsewhere(session, *new)).collect();
    if coming.is_empty() {
        return Ok(0);
    }
    let total = coming.len();
    let out = &mut session.out;
    out.message(format_args!("Downloading {total} packages..."));
    let width = total.to_string().len();
    for (at, package) in coming.iter().enumerate() {
        let title = session.inventory.title(*package);
        out.message(format_args!(
            "({:>width$}/{total}) Downloading {title}",
            at + 1
        ));
        if !session.simulate {
            out.error(format_args!("{title}: {}", phrases::NO_NETWORK));
        }
    }
    Ok(if session.simulate { 0 } else { FAILED })
}

/// Whether a package would have to be got from another machine.
fn is_elsewhere(session: &Session, package: PackageId) -> bool {
    let inventory = &session.inventory;
    let source = inventory.source(package);
    inventory[package].record.installed_size > 0
        && !inventory.is_cached(package)
        && source.is_some_and(|source| !source.local)
}
