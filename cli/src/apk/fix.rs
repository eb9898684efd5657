//! `apk fix`: installs packages again, or upgrades them.

use composer::resolve::Operation;

use super::applet::Applet;
use super::carry;
use super::changes::{self, matching_names};
use super::options::Opt;
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "fix",
    options: &[
        Opt::flag("depends").short("d"),
        Opt::flag("directory-permissions"),
        Opt::flag("reinstall").short("r"),
        Opt::flag("upgrade").short("u"),
        Opt::flag("xattr").short("x"),
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
    let names = if operands.is_empty() {
        broken(session)
    } else {
        matching_names(session, operands, |out, name| {
            out.error(format_args!("Package '{name}' not found"));
        })?
    };
    if session.has("directory-permissions") {
        carry::fix_directories(session)?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let operation = Operation::Fix {
        names: &names,
        reinstall: session.has("reinstall"),
        upgrade: session.has("upgrade"),
        with_dependencies: session.has("depends"),
    };
    Ok(changes::commit(session, operation))
}

/// The installed packages with which something went wrong.
fn broken(session: &Session) -> Vec<String> {
    let inventory = &session.inventory;
    let attributes = session.has("xattr");
    let broken = inventory.packages().filter(|package| {
        let installed = inventory[*package].installed.as_ref();
        installed.is_some_and(|installed| {
            let flags = installed.flags;
            flags.broken_files || flags.broken_script || (attributes && flags.broken_xattrs)
        })
    });
    let names = broken.map(|package| inventory[package].record.name.to_string());
    names.collect()
}
