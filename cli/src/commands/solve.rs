//! `solve`: the packages that apk would choose, in apk's order, and why.

use apk_format::Dependency;
use clap::Args;
use clap::builder::PossibleValuesParser;
use composer::resolve::{
    Change, ChangeKind, Contradiction, Operation, Preference, RequestOptions, ResolveError,
    Solution, Unsatisfiable,
};
use composer::why::{Step, System};
use serde::Serialize;

use super::solving::{Sources, dependencies, tell_trust, unsolved};
use crate::console::Console;
use crate::failure::Failure;

/// Choose packages as apk 3.0 does, without a root
///
/// Prints one line NAME-VERSION for each change, in the order in which apk makes them; !NAME-VERSION is removed. What
/// stays as it is, is not printed. If there is no solution, the exit code is 1, and apk's report is on stderr with
/// the smallest part of the request that has no solution either.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "apk's options are independent switches"
)]
pub(crate) struct SolveArgs {
    #[command(flatten)]
    sources: Sources,
    /// What is done: packages added, deleted, upgraded or fixed
    #[arg(long, value_name = "OPERATION", default_value = "add",
          value_parser = PossibleValuesParser::new(["add", "del", "upgrade", "fix"]))]
    op: String,
    /// Of add and fix: upgrade the packages, and with add all they depend on
    #[arg(long, short)]
    upgrade: bool,
    /// Of add and upgrade: insist on the newest versions
    #[arg(long, short)]
    latest: bool,
    /// Of upgrade: prefer what repositories have to what is installed
    #[arg(long, short)]
    available: bool,
    /// Of upgrade: take what no repository has from the world
    #[arg(long)]
    prune: bool,
    /// Of upgrade: keep the named packages as they are
    #[arg(long)]
    ignore: bool,
    /// Of del: delete what depends on the packages too
    #[arg(long, short)]
    rdepends: bool,
    /// Of fix: fix what the packages depend on too
    #[arg(long, short)]
    depends: bool,
    /// Of fix: install the packages again, which is what it does unless --upgrade is given
    #[arg(long)]
    reinstall: bool,
    /// Leave out of the world what cannot be had
    #[arg(long)]
    force_broken_world: bool,
    /// Add a second word to each line: the position of the repository that has the package, from 0
    #[arg(long)]
    with_repo: bool,
    /// Print one JSON document with reasons
    #[arg(long)]
    json: bool,
    /// Packages, for add also dependencies such as 'name<2', name@tag or !name
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What `--json` tells of a solution.
#[derive(Serialize)]
struct Told {
    changes: Vec<Listed>,
    world: Vec<String>,
    packages: usize,
}

#[derive(Serialize)]
struct Listed {
    change: &'static str,
    package: String,
    name: String,
    version: Option<String>,
    old_version: Option<String>,
    tag: Option<String>,
    repository: Option<usize>,
    identity: String,
    size: u64,
    installed_size: u64,
    reasons: Vec<Step>,
    gone: Option<String>,
}

/// What it tells of a request without one.
#[derive(Serialize)]
struct Failed<'a> {
    error: String,
    report: Option<&'a Unsatisfiable>,
    contradiction: Option<&'a Contradiction>,
}

pub(crate) fn run(args: &SolveArgs, console: &mut Console) -> Result<(), Failure> {
    args.check()?;
    let loaded = args.sources.load()?;
    tell_trust(&args.sources, console)?;
    let mut problem = loaded.problem()?;
    let wanted = if args.op == "add" {
        dependencies(&args.names)?
    } else {
        Vec::new()
    };
    let names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    let operation = args.operation(&wanted, &names);
    let options = RequestOptions {
        broken_world: args.force_broken_world,
    };
    match problem.resolve(operation, options) {
        Ok(solution) => {
            if args.json {
                console.json(&told(&solution))?;
            } else {
                solution
                    .effective()
                    .try_for_each(|change| args.print(change, console))?;
            }
            // The process ends here: to take the whole index apart would cost a tenth of its time.
            std::mem::forget((solution, problem));
            std::mem::forget(loaded);
            Ok(())
        }
        Err(error) => {
            let contradiction = problem.contradiction(operation, options);
            if args.json {
                console.json(&Failed {
                    error: error.to_string(),
                    report: match &error {
                        ResolveError::Unsatisfiable(reasons) => Some(reasons),
                        _ => None,
                    },
                    contradiction: contradiction.as_ref(),
                })?;
            }
            Err(unsolved(&error, contradiction.as_ref()))
        }
    }
}

impl SolveArgs {
    /// Refuses options that the operation does not have.
    fn check(&self) -> Result<(), Failure> {
        let options = [
            ("--upgrade", self.upgrade, &["add", "fix"][..]),
            ("--latest", self.latest, &["add", "upgrade"]),
            ("--available", self.available, &["upgrade"]),
            ("--prune", self.prune, &["upgrade"]),
            ("--ignore", self.ignore, &["upgrade"]),
            ("--rdepends", self.rdepends, &["del"]),
            ("--depends", self.depends, &["fix"]),
            ("--reinstall", self.reinstall, &["fix"]),
        ];
        for (option, given, operations) in options {
            if given && !operations.contains(&self.op.as_str()) {
                let words = format_args!("{option} means nothing to {}", self.op);
                return Err(Failure::usage(words)
                    .hint(format!("it is an option of {}", operations.join(" and "))));
            }
        }
        Ok(())
    }

    fn operation<'a>(&self, wanted: &'a [Dependency], names: &'a [&'a str]) -> Operation<'a> {
        match self.op.as_str() {
            "del" => Operation::Delete {
                names,
                with_dependants: self.rdepends,
            },
            "fix" => Operation::Fix {
                names,
                reinstall: self.reinstall,
                upgrade: self.upgrade,
                with_dependencies: self.depends,
            },
            "upgrade" => Operation::Upgrade {
                only: if self.ignore { &[] } else { names },
                ignore: if self.ignore { names } else { &[] },
                available: self.available,
                latest: self.latest,
                prune: self.prune,
            },
            _ => Operation::Add {
                wanted,
                preference: match (self.upgrade, self.latest) {
                    (false, false) => Preference::Installed,
                    (true, false) => Preference::Upgrade,
                    (_, true) => Preference::Latest,
                },
            },
        }
    }

    fn print(&self, change: &Change<'_>, console: &mut Console) -> Result<(), Failure> {
        let Some(shown) = change.new.or(change.old) else {
            return Ok(());
        };
        let removed = if change.new.is_none() { "!" } else { "" };
        let record = shown.record;
        let place = shown
            .offer
            .filter(|_| self.with_repo && change.new.is_some());
        let place = place.map(|offer| format!(" {}", offer.repository));
        console.line(format_args!(
            "{removed}{}-{}{}",
            record.name,
            record.version,
            place.unwrap_or_default()
        ))
    }
}

fn told(solution: &Solution<'_>) -> Told {
    let afterwards = solution.changes.iter().filter_map(|change| change.new);
    let records: Vec<_> = afterwards.map(|new| new.record).collect();
    let packages = records.len();
    let system = System::new(records, &solution.world);
    let changes = solution.effective();
    Told {
        changes: changes
            .filter_map(|change| listed(change, &system))
            .collect(),
        world: solution.world.iter().map(ToString::to_string).collect(),
        packages,
    }
}

fn listed(change: &Change<'_>, system: &System<'_>) -> Option<Listed> {
    let shown = change.new.or(change.old)?;
    let record = shown.record;
    let package = change.new.and_then(|new| system.place(new.record));
    let chains = package
        .map(|package| system.chains(package))
        .unwrap_or_default();
    Some(Listed {
        change: verb(change.kind()),
        package: format!("{}-{}", record.name, record.version),
        name: record.name.to_string(),
        version: change.new.map(|new| new.record.version.to_string()),
        old_version: change.old.map(|old| old.record.version.to_string()),
        tag: shown.tag.map(str::to_owned),
        repository: change.new.and(shown.offer).map(|offer| offer.repository),
        identity: record.identity.to_string(),
        size: record.size,
        installed_size: record.installed_size,
        reasons: chains
            .into_iter()
            .filter_map(|mut chain| chain.pop())
            .collect(),
        gone: change.new.is_none().then(|| system.why_gone(record)),
    })
}

fn verb(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Keep => "keep",
        ChangeKind::Install => "install",
        ChangeKind::Purge => "purge",
        ChangeKind::Upgrade => "upgrade",
        ChangeKind::Downgrade => "downgrade",
        ChangeKind::Replace => "replace",
        ChangeKind::Reinstall => "reinstall",
        ChangeKind::Retag => "retag",
    }
}
