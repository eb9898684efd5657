//! Which packages make up a system: the same ones, from the same repositories and in the same order, as apk 3.0.6 chooses.
//!
//! [`resolve`] is a pure function of what there is (a [`Universe`]) and what is wanted (a [`Request`]). It follows apk's
//! solver step by step, because matching its result means matching the order of its decisions:
//!
//! ```text
//! graph      names and packages, linked
//! operation  the request as a world, and wishes for single packages
//! discover   every name within reach gets a number, which ranks it
//! solver     constraints are applied; names whose situation changed are reconsidered (reconsider);
//!            one name is decided (queues: which; decide: for whom); again, until nothing is undecided
//! changes    the decisions as a list of installations and removals, in order
//! explain    or, if anything went wrong, the reasons (report: as apk words them)
//! ```
//!
//! Nothing is tried twice: a decision once taken stays. A request that has a solution may therefore fail, in the same
//! cases as apk fails.

mod changes;
mod decide;
mod discover;
mod explain;
mod graph;
pub(crate) mod names;
mod operation;
mod queues;
mod reconsider;
mod report;
mod solver;
mod state;
mod table;
mod tags;

use apk_format::Dependency;
use apk_format::index::Record;

pub use operation::{Operation, Preference};
pub use report::{Complaint, MissingName, PackageProblem, Unsatisfiable};
pub use tags::TooManyTags;

use changes::ChangeList;
use graph::Graph;
use operation::Plan;
use solver::Solver;

/// Finds the packages that a request asks for, and the order in which they are installed.
///
/// The installed packages of the universe may be kept, replaced and removed. The same input gives the same result.
pub fn resolve<'a>(
    universe: &Universe<'a>,
    request: &Request<'a>,
) -> Result<Solution<'a>, ResolveError> {
    let mut graph = Graph::read(universe, request.world)?;
    let plan = Plan::make(&mut graph, request)?;
    let mut solver = Solver::new(&graph, &plan);
    solver.solve(&plan);
    let changes = ChangeList::make(&mut solver, &plan);
    if solver.errors > 0 {
        return Err(explain::explain(&solver, &plan, &changes).into());
    }
    Ok(Solution {
        changes: changes.into_public(&solver),
        world: plan.into_world(),
    })
}

/// Everything that could be installed, and what is.
#[derive(Clone, Debug, Default)]
pub struct Universe<'a> {
    /// In the order of preference, which is the order of reading.
    pub repositories: Vec<Repository<'a>>,
    /// In the order of the installed database; empty for a new system.
    pub installed: Vec<Installed<'a>>,
    /// The architectures of the system. Packages made for others cannot be chosen; `noarch` always can.
    pub architectures: Vec<&'a str>,
}

/// What one repository offers.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'a> {
    /// Packages of a tagged repository are used only for dependencies of the world with this tag, and for what these need.
    pub tag: Option<&'a str>,
    /// In the order of the index.
    pub records: &'a [Record],
}

/// A package that is there already.
#[derive(Clone, Copy, Debug)]
pub struct Installed<'a> {
    /// What the installed database knows of it. It is taken as it is also when a repository has the package.
    pub record: &'a Record,
    /// The repository tag it was installed with.
    pub tag: Option<&'a str>,
    /// What it replaces; only the names matter, and these only for the order of packages that become due together.
    pub replaces: &'a [Dependency],
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What was asked for so far, in the order of the world file.
    pub world: &'a [Dependency],
    /// What is done now.
    pub operation: Operation<'a>,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Solution<'a> {
    /// In the order in which apk performs them. Packages that stay as they are stand in this list too.
    pub changes: Vec<Change<'a>>,
    /// What is asked for from now on, sorted as apk sorts it.
    pub world: Vec<Dependency>,
}

/// A package that comes, goes, changes or stays. At least one of `old` and `new` is there.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What is installed now.
    pub old: Option<Chosen<'a>>,
    /// What is installed afterwards.
    pub new: Option<Chosen<'a>>,
    /// Whether to install it even if it is there already.
    pub reinstall: bool,
}

/// A package that was chosen, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// What is known of it: by the installed database, else by the first repository that has it.
    pub record: &'a Record,
    /// Where to take it from; `None` if only the installed system has it.
    pub offer: Option<Offer>,
    /// The repository tag under which it is installed.
    pub tag: Option<&'a str>,
}

/// A place in a [`Universe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Which of the repositories: the first that has the package.
    pub repository: usize,
    /// Which of its records.
    pub record: usize,
}

/// What a [`Change`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It stays as it is.
    Keep,
    /// It was not there.
    Install,
    /// It goes.
    Purge,
    /// To a higher version.
    Upgrade,
    /// To a lower version.
    Downgrade,
    /// The same version with other content.
    Replace,
    /// The same package once more.
    Reinstall,
    /// The same package under another repository tag.
    Retag,
}

impl Solution<'_> {
    /// What differs afterwards: everything but the packages that stay as they are.
    pub fn effective(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes
            .iter()
            .filter(|change| change.kind() != ChangeKind::Keep)
    }
}

impl Change<'_> {
    /// What is done to the package.
    pub fn kind(&self) -> ChangeKind {
        let (old, new) = match (&self.old, &self.new) {
            (_, None) => return ChangeKind::Purge,
            (None, Some(_)) => return ChangeKind::Install,
            (Some(old), Some(new)) => (old, new),
        };
        if old.record.identity.same_identity(&new.record.identity) {
            return match (self.reinstall, old.tag == new.tag) {
                (true, _) => ChangeKind::Reinstall,
                (false, true) => ChangeKind::Keep,
                (false, false) => ChangeKind::Retag,
            };
        }
        match new.record.version.cmp(&old.record.version) {
            std::cmp::Ordering::Less => ChangeKind::Downgrade,
            std::cmp::Ordering::Equal => ChangeKind::Replace,
            std::cmp::Ordering::Greater => ChangeKind::Upgrade,
        }
    }
}

/// Why there is no solution.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// The request cannot be met, or not by the way apk looks for a solution.
    #[error(transparent)]
    Unsatisfiable(#[from] Box<Unsatisfiable>),
    /// Dependencies of the world have repository tags that no repository has.
    #[error("no repository has the tag of {}", quoted(.0))]
    UnknownTags(Vec<Dependency>),
    /// An operand is the name of nothing.
    #[error("no package and nothing provided is called {0:?}")]
    UnknownName(String),
    /// The universe has too many tags.
    #[error(transparent)]
    TooManyTags(#[from] TooManyTags),
}

fn quoted(dependencies: &[Dependency]) -> String {
    dependencies
        .iter()
        .map(|dependency| format!("{:?}", dependency.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}
