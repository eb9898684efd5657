//! `apk upgrade`: brings installed packages up to date; before that, apk itself.

use apk_format::Dependency;
use composer::resolve::{Operation, ResolveError};

use super::applet::Applet;
use super::changes::{self, matching_names};
use super::options::{Opt, Said};
use super::session::{Code, FAILED, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "upgrade",
    options: &[
        Opt::flag("available").short("a"),
        Opt::flag("ignore"),
        Opt::flag("latest").short("l"),
        Opt::switch("preupgrade"),
        Opt::flag("preupgrade-only"),
        Opt::flag("prune"),
        Opt::switch("self-upgrade"),
        Opt::flag("self-upgrade-only"),
    ],
    commits: true,
    parts: Parts::ALL,
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, operands: &[String]) -> Code {
    match plan(session, operands) {
        Ok(code) | Err(code) => code,
    }
}

fn plan(session: &mut Session, operands: &[String]) -> Result<Code, Code> {
    check(session)?;
    let only_apk = session.has("preupgrade-only") || session.has("self-upgrade-only");
    if operands.is_empty() && wants_preupgrade(session) && (only_apk || !session.globals.root_set) {
        let done = preupgrade(session, only_apk)?;
        if done != 0 {
            return Ok(done);
        }
    }
    if only_apk {
        return Ok(0);
    }
    let names = matching_names(session, operands, |out, name| {
        out.error(format_args!("Package '{name}' not found"));
    })?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ignore = session.has("ignore");
    if names.is_empty() && !operands.is_empty() && !ignore {
        return Ok(changes::commit(session, Operation::default())); // globs that match nothing
    }
    let operation = Operation::Upgrade {
        only: if ignore { &[] } else { &names },
        ignore: if ignore { &names } else { &[] },
        available: session.has("available"),
        latest: session.has("latest"),
        prune: session.has("prune"),
    };
    Ok(changes::commit(session, operation))
}

/// Refuses to upgrade where tags or repositories are missing.
fn check(session: &mut Session) -> Result<(), Code> {
    let globals = &session.globals;
    let inventory = &session.inventory;
    let known = |tag: &str| {
        let mut places = 0..inventory.repositories.len();
        places.any(|at| inventory.allows(at, Some(tag)))
    };
    let unknown: Vec<Dependency> = inventory
        .world
        .iter()
        .filter(|wanted| wanted.tag.as_deref().is_some_and(|tag| !known(tag)))
        .cloned()
        .collect();
    if !unknown.is_empty() && !globals.force_broken_world {
        session.explain_unsolved(&ResolveError::UnknownTags(unknown));
        session
            .out
            .error("Not continuing with upgrade due to missing repository tags.");
        return Err(FAILED);
    }
    let mut missing = inventory.repositories.iter();
    let missing = missing.any(|one| !one.available && !one.local);
    if missing && !globals.force_missing_repositories {
        session.out.error(
            "Not continuing due to stale/unavailable repositories. Use --force-missing-repositories to continue.",
        );
        return Err(FAILED);
    }
    Ok(())
}

/// The last word counts.
fn wants_preupgrade(session: &Session) -> bool {
    let switches = session.own.iter().rev();
    let last = switches
        .filter(|(name, _)| matches!(*name, "preupgrade" | "self-upgrade"))
        .map(|(_, said)| *said != Said::No)
        .next();
    last.unwrap_or(true)
}

/// Upgrades what apk consists of: the package that this program belongs to in the root, and what was named.
fn preupgrade(session: &mut Session, only: bool) -> Result<Code, Code> {
    let names = tools(session);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let operation = Operation::Preupgrade {
        names: &names,
        available: session.has("available"),
        latest: session.has("latest"),
    };
    if names.is_empty() {
        return Ok(0);
    }
    let options = changes::options(session);
    let Ok(changeset) = session.inventory.plan(operation, options) else {
        session
            .out
            .warning("Failed to perform initial preupgrade, continuing with a full upgrade.");
        return Ok(0);
    };
    if changeset.effective().next().is_none() {
        return Ok(0);
    }
    if !only {
        session
            .out
            .warning("This simulation might not reliable as a preupgrade is available.");
        return Ok(0);
    }
    session.out.message("Preupgrading:");
    Ok(changes::tell(session, &changeset))
}

/// The installed packages that apk consists of and that a repository has newer.
fn tools(session: &mut Session) -> Vec<String> {
    let inventory = &session.inventory;
    let program = std::env::current_exe().ok();
    let program = program.filter(|_| session.globals.root == "/");
    let owner = program.and_then(|path| inventory.owner(&path.to_string_lossy()));
    let mut wanted: Vec<Dependency> = Vec::new();
    wanted.extend(owner.map(|owner| Dependency::any(&inventory[owner].record.name)));
    let mut wrong = Vec::new();
    for text in &session.globals.preupgrade_depends {
        let words = text.split([' ', '\n']).filter(|word| !word.is_empty());
        let parsed: Vec<_> = words.map(Dependency::parse_untagged).collect();
        if parsed.iter().any(Result::is_err) {
            wrong.push(text.clone());
        }
        wanted.extend(parsed.into_iter().flatten());
    }
    let newer = wanted.iter().filter(|wanted| {
        let name = inventory.find(&wanted.name);
        let Some(installed) = name.and_then(|name| inventory.installed(name)) else {
            return false;
        };
        let mut builds = name
            .map(|name| inventory.builds(name))
            .into_iter()
            .flatten();
        inventory.satisfies(installed, wanted)
            && builds.any(|one| {
                !inventory[one].repositories.is_empty()
                    && inventory[one].record.version > inventory[installed].record.version
            })
    });
    let newer = newer.map(|wanted| wanted.name.clone()).collect();
    for text in wrong {
        session.out.warning(format_args!(
            "Ignored invalid preupgrade dependencies from: {text}"
        ));
    }
    newer
}
