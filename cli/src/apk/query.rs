//! The options that queries share, and `apk query`: packages and what is said of them, in three forms.

use composer::inventory::field::{Field, Fields, NamedBy};

use super::applet::Applet;
use super::options::{Opt, Said};
use super::serialize::{self, Format};
use super::session::{Code, FAILED, NOT_SUPPORTED, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "query",
    options: &[],
    queries: true,
    parts: Parts::ALL,
    set: |_, _, _| true,
    run,
    ..Applet::NONE
};

/// The options, in apk's order.
pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag("all-matches"),
    Opt::flag("available"),
    Opt::value("fields").short("F"),
    Opt::value("format"),
    Opt::value("from"),
    Opt::flag("installed"),
    Opt::value("match"),
    Opt::flag("recursive").short("R"),
    Opt::flag("search"),
    Opt::value("summarize"),
    Opt::flag("upgradable"),
    Opt::flag("world"),
    Opt::flag("orphaned"),
];

/// Applies one of the options; `false` if its value makes no sense.
pub(super) fn set(session: &mut Session, name: &'static str, said: &Said) -> bool {
    let spec = &mut session.spec;
    match name {
        "all-matches" => spec.all_matches = true,
        "available" => spec.available = true,
        "fields" => {
            session.summarize = false;
            return set_fields(session, said.text(), Fields::all());
        }
        "format" => match Format::from_name(said.text()) {
            Some(format) => session.format = format,
            None => return false,
        },
        "from" => return set_from(&mut session.parts, said.text()),
        "installed" => {
            spec.installed = true;
            return set_from(&mut session.parts, "installed");
        }
        "match" => match Fields::parse(said.text(), Fields::matchable()) {
            Some(fields) => spec.matching = fields,
            None => return false,
        },
        "recursive" => spec.recursive = true,
        "search" => spec.search = true,
        "summarize" => {
            session.summarize = true;
            let one = set_fields(session, said.text(), Fields::summarizable());
            return one && session.spec.fields.iter().count() == 1;
        }
        "upgradable" => spec.upgradable = true,
        "world" => {
            (spec.recursive, spec.world) = (true, true);
            session.parts.world = true;
        }
        "orphaned" => spec.orphaned = true,
        _ => {}
    }
    true
}

/// `FIELDS[:name|package|origin]`
fn set_fields(session: &mut Session, text: &str, allowed: Fields) -> bool {
    let fields = match text.split_once(':') {
        Some((fields, by)) => {
            session.spec.named_by = match Field::from_key(by) {
                Some(Field::Name) => NamedBy::Name,
                Some(Field::Package) => NamedBy::Package,
                Some(Field::Origin) => NamedBy::Origin,
                _ => return false,
            };
            fields
        }
        None => text,
    };
    match Fields::parse(fields, allowed) {
        Some(fields) => {
            session.spec.fields = fields;
            true
        }
        None => false,
    }
}

fn set_from(parts: &mut Parts, text: &str) -> bool {
    (parts.listed, parts.installed) = match text {
        "none" => (false, false),
        "repositories" => (true, false),
        "installed" => (false, true),
        "system" => (true, true),
        _ => return false,
    };
    true
}

/// Prints the packages that the operands mean.
pub(super) fn run(session: &mut Session, operands: &[String]) -> Code {
    let mut form = session.format.form();
    if session.summarize {
        if session.spec.fields.iter().count() != 1 {
            session.out.error("query failed: Invalid argument"); // `info` adds fields
            return FAILED;
        }
        let answer = match session.search(operands) {
            Ok(answer) => answer,
            Err(code) => return failed(session, code),
        };
        let field = session.spec.fields.iter().next();
        let lines = field.map(|field| {
            session
                .inventory
                .summarize(field, &session.spec, &answer.found)
        });
        if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
            serialize::list(form.as_mut(), Some(lines.len()), &lines);
        }
        session.out.text(form.finish());
        return Code::try_from(answer.missing).unwrap_or(FAILED);
    }
    if session.spec.fields.is_empty() {
        session.spec.fields = Fields::usual();
    }
    let packages = match session.packages(operands) {
        Ok((packages, _)) => packages,
        Err(code) => return failed(session, code),
    };
    let (fields, question) = (session.spec.fields, session.spec.question());
    form.list(Some(packages.len()));
    for package in &packages {
        form.object();
        let said = session.inventory.describe(*package, &question);
        serialize::fields(form.as_mut(), &said);
        form.end();
    }
    form.end();
    session.out.text(form.finish());
    let mut open = packages
        .iter()
        .map(|one| session.inventory.leaves_open(*one, fields));
    Code::from(fields != Fields::all() && open.any(|open| open))
}

/// Ends a query that could not be answered.
pub(super) fn failed(session: &mut Session, code: Code) -> Code {
    let why = match code {
        NOT_SUPPORTED => "Operation not supported",
        code if code < 0 => "dependency format is invalid",
        _ => return code,
    };
    session.out.error(format_args!("query failed: {why}"));
    code
}
