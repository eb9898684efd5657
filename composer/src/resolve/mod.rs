//! Which packages make up a system: the same ones, from the same repositories and in the same order, as apk 3.0.6 chooses.
//!
//! [`resolve`] is a pure function of what there is (a [`Universe`]) and what is wanted (a [`Request`]). It follows apk's
//! solver step by step, because matching its result means matching the order of its decisions:
//!
//! ```text
//! graph      names and packages, linked (link)
//! operation  the request as a world, and wishes for single packages
//! discover   every name within reach gets a number, which ranks it
//! solver     constraints are applied; names whose situation changed are reconsidered (reconsider);
//!            one name is decided (queues: which; decide: for whom); again, until nothing is undecided
//! changes    the decisions as a list of installations and removals, in order
//! explain    or, if anything went wrong, the reasons (report: as apk words them)
//! narrow     or the smallest part of the request that goes wrong too (wants: in plain sentences)
//! why_not    why something was not chosen
//! ```
//!
//! Nothing is tried twice: a decision once taken stays. A request that has a solution may therefore fail, in the same
//! cases as apk fails.

mod changes;
mod decide;
mod discover;
mod explain;
mod graph;
mod link;
pub(crate) mod names;
mod narrow;
mod operation;
mod queues;
mod reach;
mod reconsider;
mod report;
mod solver;
mod state;
mod table;
mod tags;
mod wants;
mod why_not;

use apk_format::Dependency;
use apk_format::index::Record;

pub use operation::{Operation, Preference};
pub use report::{Complaint, MissingName, PackageProblem, Unsatisfiable};
pub use tags::TooManyTags;
pub use wants::{Contradiction, Fact, Want, WhyNot};

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
    Problem::new(universe, request.world)?.resolve(request.operation, request.options)
}

/// A universe and a world that were read once, for several requests.
#[derive(Debug)]
pub struct Problem<'a> {
    graph: Graph<'a>,
    world: &'a [Dependency],
}

impl<'a> Problem<'a> {
    /// Links everything that there is; the world comes first because its names are met first.
    pub fn new(universe: &Universe<'a>, world: &'a [Dependency]) -> Result<Self, ResolveError> {
        Ok(Problem {
            graph: Graph::read(universe, world)?,
            world,
        })
    }

    /// As [`resolve`]: requests before this one leave no trace.
    pub fn resolve(
        &mut self,
        operation: Operation<'a>,
        options: RequestOptions,
    ) -> Result<Solution<'a>, ResolveError> {
        let mark = self.graph.mark();
        let result = self.solve(operation, options);
        self.graph.forget_since(mark);
        result
    }

    /// The smallest part of a request without a solution that has none either; `None` if it has a solution, or fails
    /// before it comes to that.
    pub fn contradiction(
        &mut self,
        operation: Operation<'a>,
        options: RequestOptions,
    ) -> Option<Contradiction> {
        let mark = self.graph.mark();
        let request = Request {
            world: self.world,
            operation,
            options,
        };
        let plan = Plan::make(&mut self.graph, &request);
        let found = plan
            .ok()
            .and_then(|plan| narrow::narrow(&mut self.graph, &plan, None));
        self.graph.forget_since(mark);
        found
    }

    fn solve(
        &mut self,
        operation: Operation<'a>,
        options: RequestOptions,
    ) -> Result<Solution<'a>, ResolveError> {
        let request = Request {
            world: self.world,
            operation,
            options,
        };
        let graph = &mut self.graph;
        let mut plan = Plan::make(graph, &request)?;
        let mut steps = 0;
        loop {
            let mut solver = Solver::new(graph, &plan);
            solver.solve(&plan);
            let changes = ChangeList::make(&mut solver, &plan);
            steps += solver.work;
            if steps > solver.limit {
                return Err(ResolveError::TooMuchWork {
                    limit: solver.limit,
                });
            }
            if solver.errors == 0 {
                return Ok(Solution {
                    steps,
                    changes: changes.into_public(&solver),
                    world: plan.into_world(),
                });
            }
            // Each time some entry of the world goes, so this ends.
            if !options.broken_world || !plan.disable_broken(&solver) {
                return Err(explain::explain(&solver, &plan, &changes).into());
            }
        }
    }
}

/// Everything that could be installed, and what is.
#[derive(Clone, Debug, Default)]
pub struct Universe<'a> {
    /// In the order of preference, which is the order of reading.
    pub repositories: Vec<Repository<'a>>,
    /// In the order of the installed database; empty for a new system.
    pub installed: Vec<Installed<'a>>,
    /// What the command itself brings, in the order of its operands.
    pub given: Vec<Given<'a>>,
    /// Builds beside which there may be no other of their names.
    pub pinned: Vec<&'a Record>,
    /// The architectures of the system. Packages made for others cannot be chosen; `noarch` always can.
    pub architectures: Vec<&'a str>,
}

/// What one repository offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repository<'a> {
    /// Packages of a tagged repository are used only for dependencies of the world with this tag, and for what these need.
    pub tag: Option<&'a str>,
    /// In the order of the index.
    pub records: &'a [Record],
    /// Whether its packages can be had.
    pub access: Access,
}

/// Whether the packages of a repository can be had. Where several repositories have one, the first in this order gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It is on this machine.
    #[default]
    Local,
    /// It is on another one.
    Remote,
    /// It is out of reach: its packages are known, and chosen only if they are installed or empty.
    Unreachable,
}

/// A package that comes with the command.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// What is known of it.
    pub record: &'a Record,
    /// Whether there is a file of it; else it is made up, and empty.
    pub file: bool,
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// What was asked for so far, in the order of the world file.
    pub world: &'a [Dependency],
    /// What is done now.
    pub operation: Operation<'a>,
    /// What holds for the request as a whole.
    pub options: RequestOptions,
}

/// What holds for a request as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestOptions {
    /// Entries of the world that cannot be had are left out: `--force-broken-world`.
    pub broken_world: bool,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Solution<'a> {
    /// In the order in which apk performs them. Packages that stay as they are stand in this list too.
    pub changes: Vec<Change<'a>>,
    /// What is asked for from now on, sorted as apk sorts it.
    pub world: Vec<Dependency>,
    /// How many steps it took, to measure effort without a clock.
    pub steps: u64,
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
    /// Where to take it from; `None` if no repository within reach has it.
    pub offer: Option<Offer>,
    /// The repository tag under which it is installed.
    pub tag: Option<&'a str>,
}

/// A place in a [`Universe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Which of the repositories: the first local one that has the package, else the first.
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
    /// The index is made in a way that keeps the solver busy beyond all measure: [`WORK_BASE`] and [`WORK_FACTOR`].
    #[error(
        "the packages depend on each other in a way that needs more than {limit} steps to solve"
    )]
    TooMuchWork {
        /// How many steps were allowed.
        limit: u64,
    },
}

/// Steps that every request may take, whatever its size.
pub const WORK_BASE: u64 = 200_000_000;
/// Steps that it may take besides for each name, package, dependency and provide there is. The worst of 8,000 requests
/// to a real index of 5,000 packages took 20.
pub const WORK_FACTOR: u64 = 1000;

fn quoted(dependencies: &[Dependency]) -> String {
    dependencies
        .iter()
        .map(|dependency| format!("{:?}", dependency.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}
