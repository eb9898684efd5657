//! `apk audit`: a root compared with what its packages brought.

use apk_format::Digest;
use apk_format::database::ProtectedPaths;
use composer::audit::{Access, Finding, Options, Scope, audit};

use super::applet::Applet;
use super::options::Opt;
use super::phrases;
use super::session::{Code, FAILED, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "audit",
    options: &[
        Opt::flag("backup"),
        Opt::flag("check-permissions"),
        Opt::flag("details"),
        Opt::flag("full"),
        Opt::flag("ignore-busybox-symlinks"),
        Opt::flag("packages"),
        Opt::value("protected-paths"),
        Opt::flag("recursive").short("r"),
        Opt::flag("system"),
    ],
    parts: Parts {
        installed: true,
        world: true,
        ..Parts::NONE
    },
    run,
    ..Applet::NONE
};

/// What a full audit looks past, unless it is told other paths.
const PAST: &str = "+etc\n@etc/init.d\n-dev\n-home\n-lib/apk\n-lib/rc/cache\n-proc\n-root\n-run\n-sys\n-tmp\n-var\n";

fn run(session: &mut Session, operands: &[String]) -> Code {
    let Some(root) = session.root.take() else {
        return FAILED;
    };
    if root.owner("lib/apk/db").is_some_and(|owner| owner != 0) {
        session.out.error("audit does not support usermode!");
        return FAILED;
    }
    let mut scopes = session.own.iter().rev();
    let scope = scopes.find_map(|(name, _)| match *name {
        "backup" => Some(Scope::Backup),
        "system" => Some(Scope::System),
        "full" => Some(Scope::Full),
        _ => None,
    });
    let protected = match protected(session, &root) {
        Ok(protected) => protected,
        Err(code) => return code,
    };
    let options = Options {
        scope: scope.unwrap_or_default(),
        protected,
        check_permissions: session.has("check-permissions"),
        recursive: session.has("recursive"),
        details: session.has("details"),
        ignore_busybox_links: session.has("ignore-busybox-symlinks"),
    };
    let whole = [String::from("/")];
    let operands = if operands.is_empty() {
        &whole
    } else {
        operands
    };
    let mut code = 0;
    let mut told = Vec::new();
    for operand in operands {
        if !operand.starts_with('/') {
            session
                .out
                .warning(format_args!("{operand}: relative path skipped."));
            continue;
        }
        match audit(
            &root,
            &session.inventory,
            &options,
            operand.trim_matches('/'),
        ) {
            Ok(found) => found.iter().for_each(|one| report(session, one, &mut told)),
            Err(_) => code = FAILED,
        }
    }
    code
}

/// What belongs to the administrator: what the last option that says it says, else what the root says.
fn protected(session: &mut Session, root: &composer::root::Root) -> Result<ProtectedPaths, Code> {
    let mut told = None;
    for (name, path) in session.own.clone() {
        told = match name {
            "full" => Some(PAST.to_owned()),
            "protected-paths" => match std::fs::read_to_string(path.text()) {
                Ok(text) => Some(text),
                Err(error) => {
                    let (path, words) = (path.text(), phrases::system(&error));
                    session.out.error(format_args!(
                        "unable to read protected path file: {path}: {words}"
                    ));
                    return Err(FAILED);
                }
            },
            _ => told,
        };
    }
    let mut protected = ProtectedPaths::new();
    match told {
        Some(text) => protected.add(&text),
        None => {
            protected.add(ProtectedPaths::USUAL);
            let dir = "etc/apk/protected_paths.d";
            for name in root.list(dir).unwrap_or_default() {
                let read = root.read(&format!("{dir}/{name}")).ok().flatten();
                if !name.starts_with('.') && name.ends_with(".list") {
                    let text = read.unwrap_or_default();
                    protected.add(&String::from_utf8_lossy(&text));
                }
            }
        }
    }
    Ok(protected)
}

fn report(
    session: &mut Session,
    finding: &Finding,
    told: &mut Vec<composer::inventory::PackageId>,
) {
    let verbosity = session.out.verbosity;
    if session.has("packages") {
        let Some(package) = finding.package.filter(|package| !told.contains(package)) else {
            return;
        };
        told.push(package);
        if verbosity < 1 {
            session.out.line(&session.inventory[package].record.name);
        } else {
            session.out.line(session.inventory.title(package));
        }
        return;
    }
    if verbosity < 1 {
        session.out.line(&finding.path);
        return;
    }
    if session.has("details") {
        for (sign, access) in [('-', &finding.expected), ('+', &finding.found)] {
            if let Some(access) = access {
                let line = described(access);
                session.out.line(format_args!("{sign} {line}"));
            }
        }
    }
    session
        .out
        .line(format_args!("{} {}", finding.reason, finding.path));
}

fn described(access: &Access) -> String {
    let hash = access.digest.as_ref().map(Digest::to_hex);
    let hash = hash.map(|hash| format!(" hash={hash}")).unwrap_or_default();
    let Access { mode, uid, gid, .. } = access;
    format!("mode={mode:o} uid={uid} gid={gid}{hash}")
}
