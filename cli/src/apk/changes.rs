//! What the commands that change a root share: their options, and how a plan is told.
//!
//! The plan itself is made by [`Inventory::plan`], and carried out by [`super::carry`].

use std::io::Read;

use apk_format::Dialect;
use apk_format::dependency::name_order;
use apk_format::glob;
use composer::changeset::{Changeset, Planned};
use composer::inventory::{Inventory, PackageId};
use composer::resolve::{ChangeKind, Operation, RequestOptions, ResolveError};

use super::carry::{self, Teller, Told};
use super::options::{Opt, Said};
use super::out::Out;
use super::session::{Code, FAILED, Session};

/// The options, in apk's order.
pub(super) const OPTIONS: &[Opt] = &[
    Opt::switch("clean-protected"),
    Opt::switch("commit-hooks"),
    Opt::value("dialect"), // ours alone
    Opt::flag("initramfs-diskless-boot"),
    Opt::flag("overlay-from-stdin"),
    Opt::switch("scripts"),
    Opt::switch("simulate").short("s"),
];

/// Applies one of them; gives whether its value is one.
pub(super) fn set(session: &mut Session, name: &str, said: &Said) -> bool {
    match name {
        "simulate" => session.simulate = said.is_yes(),
        "scripts" => session.no_scripts = !said.is_yes(),
        "commit-hooks" => session.no_commit_hooks = !said.is_yes(),
        "clean-protected" => session.clean_protected = said.is_yes(),
        "dialect" => match said.text().parse() {
            Ok(dialect) => {
                session.dialect = Some(dialect);
                session.out.words = dialect;
            }
            Err(_) => return false,
        },
        "initramfs-diskless-boot" => {
            session.makes_database = true;
            session.no_commit_hooks = true;
            session.globals.force_broken_world = true;
            session.globals.force_non_repository = true;
            session.globals.force_overwrite = true;
        }
        "overlay-from-stdin" => session.ended = Some(super::lacks(session, name)),
        _ => {}
    }
    true
}

/// What holds for requests as a whole.
pub(super) fn options(session: &Session) -> RequestOptions {
    RequestOptions {
        broken_world: session.globals.force_broken_world
            || session.out.words == Dialect::Apk2 && session.globals.force,
    }
}

/// Plans an operation and tells the plan.
pub(super) fn commit(session: &mut Session, operation: Operation<'_>) -> Code {
    match session.inventory.plan(operation, options(session)) {
        Ok(changeset) => tell(session, &changeset),
        Err(error) => explain(session, &error),
    }
}

/// Tells why there is no plan.
pub(super) fn explain(session: &mut Session, error: &ResolveError) -> Code {
    let code = session.explain_unsolved(error);
    if matches!(error, ResolveError::UnknownTags(_)) {
        let more = match session.out.words {
            Dialect::Apk2 => " Use --force-broken-world to override.",
            Dialect::Apk3 => "",
        };
        session.out.error(format_args!(
            "Not committing changes due to missing repository tags.{more}"
        ));
    }
    code
}

/// The names that operands mean; `missing` says what to do about one that means nothing. Globs stand for all names
/// they match.
pub(super) fn matching_names(
    session: &mut Session,
    operands: &[String],
    missing: impl Fn(&mut Out, &str),
) -> Result<Vec<String>, Code> {
    let inventory = &session.inventory;
    if operands.iter().any(|operand| operand.contains('*')) {
        let names = inventory.names().map(|name| inventory.text(name));
        let matched = names.filter(|name| operands.iter().any(|one| glob::matches_case(one, name)));
        return Ok(matched.map(str::to_owned).collect());
    }
    let (known, unknown): (Vec<&String>, Vec<&String>) = operands
        .iter()
        .partition(|operand| inventory.find(operand).is_some());
    let known = known.into_iter().cloned().collect();
    for operand in &unknown {
        missing(&mut session.out, operand);
    }
    match unknown.len() {
        0 => Ok(known),
        count => Err(Code::try_from(count).unwrap_or(FAILED)),
    }
}

// --- telling a plan ---------------------------------------------------------------------

/// Tells a plan as apk does, and carries it out unless that is only simulated; gives apk's number of errors.
pub(super) fn tell(session: &mut Session, changeset: &Changeset) -> Code {
    let old_words = session.out.words == Dialect::Apk2;
    let silent = old_words && session.simulate;
    if !silent && (session.out.verbosity > 1 || session.globals.interactive) {
        let summarized = summarize(session, changeset);
        let asks = summarized && session.globals.interactive && !session.simulate;
        if asks && !is_confirmed(session) {
            return FAILED;
        }
    }
    let total = changeset.effective().count();
    let width = if old_words {
        0
    } else {
        total.to_string().len()
    };
    let inventory = &session.inventory;
    let told = changeset.effective().enumerate().map(|(at, change)| Told {
        line: format!("({:>width$}/{total}) {}", at + 1, line(inventory, change)),
        size: size(inventory, change),
        works: works(inventory, change),
        reads: !session.simulate && reads(inventory, change),
    });
    let told: Vec<Told> = told.collect();
    if !session.simulate {
        return carry::carry_out(session, changeset, &told);
    }
    let mut teller = Teller {
        out: &mut session.out,
        keys_from: "",
        kept: &[],
        cache: None,
        failed: false,
        told: &told,
    };
    teller.start();
    for number in 0..told.len() {
        teller.begin(number);
        teller.end(number);
    }
    teller.finish();
    let (inventory, out) = (&session.inventory, &mut session.out);
    let broken = |change: &&Planned| {
        let old = change.old.and_then(|old| inventory[old].installed.as_ref());
        old.is_some_and(|old| old.flags.broken_files || old.flags.broken_script)
    };
    let errors = changeset.changes.iter().filter(broken).count();
    tell_total(
        out,
        errors,
        changeset.afterwards(inventory),
        inventory.extent(),
    );
    Code::try_from(errors).unwrap_or(FAILED)
}

/// Whether somebody agrees; who says nothing does.
fn is_confirmed(session: &mut Session) -> bool {
    session.out.ask("Do you want to continue [Y/n]? ");
    let mut answer = [0];
    match std::io::stdin().read(&mut answer) {
        Ok(1) => matches!(answer, [b'y' | b'Y' | b'\n']),
        _ => true,
    }
}

/// How much a change is for the progress bar, in bytes.
fn size(inventory: &Inventory, change: &Planned) -> u64 {
    match (change.kind, change.new, change.old) {
        (ChangeKind::Keep | ChangeKind::Retag, ..) => 0,
        (_, Some(new), _) => inventory[new].record.size,
        (_, None, old) => old.map_or(0, |old| inventory[old].record.size / 16),
    }
}

/// Whether files come or go.
fn works(inventory: &Inventory, change: &Planned) -> bool {
    match change.kind {
        ChangeKind::Keep | ChangeKind::Retag => false,
        ChangeKind::Reinstall => change.new.is_some_and(|new| inventory.can_be_had(new)),
        _ => true,
    }
}

/// Whether a package's file is read.
fn reads(inventory: &Inventory, change: &Planned) -> bool {
    let has_content = |new| inventory[new].record.installed_size > 0;
    works(inventory, change) && change.new.is_some_and(has_content)
}

/// The last line: how many errors; packages and their bytes; directories and files.
pub(super) fn tell_total(
    out: &mut Out,
    errors: usize,
    (packages, bytes): (usize, u64),
    (dirs, files): (usize, usize),
) {
    let words = match errors {
        0 => "OK:".to_owned(),
        1 => "1 error;".to_owned(),
        many => format!("{many} errors;"),
    };
    let size = match out.words {
        Dialect::Apk2 => format!("{} MiB", bytes >> 20),
        Dialect::Apk3 => human_size(bytes),
    };
    if out.verbosity > 1 {
        out.message(format_args!(
            "{words} {packages} packages, {dirs} dirs, {files} files, {size}"
        ));
    } else {
        out.message(format_args!("{words} {size} in {packages} packages"));
    }
}

/// A change without its number.
fn line(inventory: &Inventory, change: &Planned) -> String {
    let verb = match change.kind {
        ChangeKind::Install | ChangeKind::Keep => "Installing",
        ChangeKind::Purge => "Purging",
        ChangeKind::Upgrade => "Upgrading",
        ChangeKind::Downgrade => "Downgrading",
        ChangeKind::Replace => "Replacing",
        ChangeKind::Reinstall if change.new.is_some_and(|new| inventory.can_be_had(new)) => {
            "Reinstalling"
        }
        ChangeKind::Reinstall => "[APK unavailable, skipped] Reinstalling",
        ChangeKind::Retag => "Updating pinning",
    };
    let versions = match change.kind {
        ChangeKind::Upgrade | ChangeKind::Downgrade | ChangeKind::Replace => {
            both_versions(inventory, change)
        }
        _ => version(inventory, change.new.or(change.old)),
    };
    format!("{verb} {} ({versions})", tagged_name(inventory, change))
}

fn tagged_name(inventory: &Inventory, change: &Planned) -> String {
    let tag = change.tag.as_deref().map(|tag| format!("@{tag}"));
    let name = change.new.or(change.old);
    let name = name.map_or("", |package| inventory[package].record.name.as_str());
    format!("{name}{}", tag.unwrap_or_default())
}

fn version(inventory: &Inventory, package: Option<PackageId>) -> String {
    package.map_or(String::new(), |package| {
        inventory[package].record.version.to_string()
    })
}

fn both_versions(inventory: &Inventory, change: &Planned) -> String {
    let (old, new) = (
        version(inventory, change.old),
        version(inventory, change.new),
    );
    format!("{old} -> {new}")
}

/// Bytes up to 9,999, then KiB without decimals, then larger units with one.
pub(super) fn human_size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    // apk reckons with single precision.
    let mut size = bytes as f32;
    let mut whole = bytes;
    let mut unit = 0;
    while unit + 1 < units.len() && size >= 10_000.0 {
        size /= 1024.0;
        whole /= 1024;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit < 2 {
        format!("{whole} {name}")
    } else {
        format!("{size:.1} {name}")
    }
}

/// As apk 2.14 has it, without decimals.
fn whole_size(bytes: u64) -> String {
    let (mut size, mut units) = (bytes, ["B", "KiB", "MiB", "GiB", "TiB"].iter());
    let mut unit = units.next();
    while size >= 10_000 {
        let Some(larger) = units.next() else { break };
        unit = Some(larger);
        size /= 1024;
    }
    format!("{size} {}", unit.copied().unwrap_or_default())
}

// --- what is about to happen, by kind -----------------------------------------------------

/// Gives whether there is something to agree to.
fn summarize(session: &mut Session, changeset: &Changeset) -> bool {
    let newer_words = session.out.words == Dialect::Apk3;
    let details = newer_words && session.out.verbosity >= 2;
    let (inventory, out) = (&session.inventory, &mut session.out);
    let mut sorted: Vec<&Planned> = changeset.changes.iter().collect();
    let name = |change: &Planned| {
        let package = change.old.or(change.new);
        package.map_or("", |package| inventory[package].record.name.as_str())
    };
    sorted.sort_by(|a, b| name_order(name(a), name(b)));
    let of = |kinds: &[ChangeKind]| -> Vec<&Planned> {
        let fitting = sorted.iter().filter(|change| kinds.contains(&change.kind));
        fitting.copied().collect()
    };
    let gone: Vec<&Planned> = sorted
        .iter()
        .copied()
        .filter(|change| {
            let name = change.new.map(|new| inventory.name_of(new));
            newer_words
                && name.is_some_and(|name| {
                    !inventory.is_offered(name)
                        && (details || !inventory.text(name).starts_with('.'))
                })
        })
        .collect();
    list(
        inventory,
        out,
        "NOTE: Consider running apk upgrade with --prune and/or --available.\n\
         The following packages are no longer available from a repository",
        &gone,
        false,
    );
    let (removed, lowered) = (of(&[ChangeKind::Purge]), of(&[ChangeKind::Downgrade]));
    let will = |what: &str| format!("The following packages will be {what}");
    list(inventory, out, &will("REMOVED"), &removed, details);
    list(inventory, out, &will("DOWNGRADED"), &lowered, details);
    if removed.is_empty()
        && lowered.is_empty()
        && !session.globals.interactive
        && out.verbosity <= 2
    {
        return false;
    }
    let new = of(&[ChangeKind::Install]);
    list(
        inventory,
        out,
        "The following NEW packages will be installed",
        &new,
        details,
    );
    let upgraded = of(&[ChangeKind::Upgrade, ChangeKind::Replace]);
    list(inventory, out, &will("upgraded"), &upgraded, details);
    let again = sorted.iter().filter(|change| change.reinstall);
    let again: Vec<&Planned> = again.copied().collect();
    list(inventory, out, &will("reinstalled"), &again, details);
    sizes(inventory, out, changeset);
    let listed = [&removed, &lowered, &new, &upgraded, &again];
    listed.iter().any(|changes| !changes.is_empty())
}

fn sizes(inventory: &Inventory, out: &mut Out, changeset: &Changeset) {
    let coming = changeset.changes.iter().filter_map(|change| {
        let new = change.new.filter(|new| Some(*new) != change.old)?;
        let from_file = out.words == Dialect::Apk2 && inventory.file_of(new).is_some();
        let local = from_file || inventory.source(new).is_some_and(|source| source.local);
        (!local).then_some(inventory[new].record.size)
    });
    let download: u64 = coming.sum();
    let human = match out.words {
        Dialect::Apk2 => whole_size,
        Dialect::Apk3 => human_size,
    };
    if download > 0 {
        let size = human(download);
        out.message(format_args!("Need to download {size} of packages."));
    }
    let size = |package: Option<PackageId>| {
        package.map_or(0, |package| {
            i128::from(inventory[package].record.installed_size)
        })
    };
    let changes = changeset.changes.iter();
    let more: i128 = changes
        .map(|change| size(change.new) - size(change.old))
        .sum();
    let words = if more < 0 {
        "disk space will be freed"
    } else {
        "additional disk space will be used"
    };
    let amount = human(u64::try_from(more.unsigned_abs()).unwrap_or(u64::MAX));
    out.message(format_args!("After this operation, {amount} of {words}."));
}

/// Changes below a heading: a line for each, or names alone.
fn list(inventory: &Inventory, out: &mut Out, heading: &str, changes: &[&Planned], details: bool) {
    if changes.is_empty() {
        return;
    }
    out.line(format_args!("{heading}:"));
    let mut names = Indented::new("", 2);
    for change in changes {
        if details {
            let versions = match (change.reinstall, change.old, change.new) {
                (true, ..) | (_, None, _) | (_, _, None) => {
                    version(inventory, change.old.or(change.new))
                }
                _ => both_versions(inventory, change),
            };
            out.line(format_args!(
                "  {} ({versions})",
                tagged_name(inventory, change)
            ));
        } else {
            let package = change.new.or(change.old);
            names.item(package.map_or("", |package| inventory[package].record.name.as_str()));
        }
    }
    names.end(out);
}

/// Words in lines of 50 columns, each line after the first indented.
pub(super) struct Indented {
    text: String,
    column: usize,
    indent: usize,
}

impl Indented {
    /// Begins with a text; `indent` columns are left free where it ends in a newline or is empty, else as many as it has.
    pub(super) fn new(start: &str, indent: usize) -> Indented {
        let column = start.chars().count();
        Indented {
            text: start.to_owned(),
            column,
            indent: if indent == 0 { column + 1 } else { indent },
        }
    }

    pub(super) fn item(&mut self, word: &str) {
        let length = word.len();
        if self.column <= self.indent {
            let blank = self.indent - self.column;
            self.text += &format!("{:blank$}{word}", "");
            self.column += blank + length;
        } else if self.column + length + 1 >= WIDTH {
            self.text += &format!("\n{:indent$}{word}", "", indent = self.indent);
            self.column = self.indent + length;
        } else {
            self.text += &format!(" {word}");
            self.column += 1 + length;
        }
    }

    /// Ends the last line, if there is one.
    pub(super) fn end(self, out: &mut Out) {
        if self.column > 0 {
            out.line(&self.text);
        }
    }
}

const WIDTH: usize = 50;
