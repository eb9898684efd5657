//! `apk del`: wants packages no more.

use apk_format::dependency::name_order;
use apk_format::glob;
use composer::changeset::Changeset;
use composer::inventory::NameId;
use composer::resolve::Operation;

use super::applet::Applet;
use super::changes::{self, Indented, matching_names};
use super::options::Opt;
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "del",
    options: &[Opt::flag("rdepends").short("r")],
    commits: true,
    drops_empty: true,
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
    let names = matching_names(session, operands, |out, name| {
        out.error(format_args!("No such package: {name}"));
    })?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let operation = Operation::Delete {
        names: &names,
        with_dependants: session.has("rdepends"),
    };
    let options = changes::options(session);
    match session.inventory.plan(operation, options) {
        Ok(changeset) => {
            if session.out.verbosity >= 1 && !operands.is_empty() {
                tell_kept(session, &changeset, operands);
            }
            Ok(changes::tell(session, &changeset))
        }
        Err(error) => Ok(changes::explain(session, &error)),
    }
}

/// What stays all the same, and what keeps it.
fn tell_kept(session: &mut Session, changeset: &Changeset, operands: &[String]) {
    let all = session.out.verbosity >= 2;
    let (inventory, out) = (&session.inventory, &mut session.out);
    let mut names: Vec<NameId> = if operands.iter().any(|operand| operand.contains('*')) {
        let names = inventory.names();
        let asked = |name: &NameId| {
            let text = inventory.text(*name);
            operands.iter().any(|one| glob::matches_case(one, text))
        };
        names.filter(asked).collect()
    } else {
        operands
            .iter()
            .filter_map(|one| inventory.find(one))
            .collect()
    };
    names.sort_by(|a, b| name_order(inventory.text(*a), inventory.text(*b)));
    let kept = changeset.kept(inventory, &names, all);
    if kept.is_empty() {
        return;
    }
    out.message("World updated, but the following packages are not removed due to:");
    for (name, keepers) in kept {
        let mut line = Indented::new(&format!("  {}:", inventory.text(name)), 0);
        for keeper in keepers {
            line.item(inventory.text(keeper));
        }
        line.end(out);
    }
    out.line("");
}
