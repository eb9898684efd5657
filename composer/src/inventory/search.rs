//! Which packages the operands of a query mean.
//!
//! | operand | compared with | |
//! |---|---|---|
//! | with `*` or `?` | every name, or the other fields asked for | as a glob, without case |
//! | any other | the same | whole; `name=1`, `name>1` … want a version as well |
//! | anything, in search mode | the same | anywhere within, without case |
//! | `/path`, when owners are asked for | the files of installed packages | |
//!
//! Without being asked for all matches, one package of each name is given: the installed one, else the newest.

use apk_format::{Dependency, DependencyError, Op, dependency, glob, version};

use super::field::{Field, Fields, NamedBy, Question, Value};
use super::{Inventory, NameId, PackageId};
use crate::resolve::{self, Access, Operation, Request, ResolveError, Universe};
use crate::root::Root;

/// What is searched for, and what is said of what is found.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "apk's options are independent switches"
)]
pub struct Spec {
    /// With everything that the packages depend on, as the solver chooses it.
    pub recursive: bool,
    /// Starting from the world.
    pub world: bool,
    /// Operands may stand anywhere in a text.
    pub search: bool,
    /// No operands mean everything.
    pub empty_matches_all: bool,
    /// Every match, not the best of each name.
    pub all_matches: bool,
    /// Only packages that can be had.
    pub available: bool,
    /// Only installed packages.
    pub installed: bool,
    /// Only names that no repository offers.
    pub orphaned: bool,
    /// Only packages that are newer than what is installed.
    pub upgradable: bool,
    /// What operands are compared with; names if it is empty.
    pub matching: Fields,
    /// What is said of packages.
    pub fields: Fields,
    /// In the reverse lists only installed packages.
    pub dependants_installed: bool,
    /// How packages are named in the reverse lists.
    pub named_by: NamedBy,
}

impl Spec {
    /// What is asked of each package.
    #[must_use]
    pub fn question(&self) -> Question {
        Question {
            fields: self.fields,
            installed_only: self.dependants_installed,
            named_by: self.named_by,
        }
    }
}

/// What an operand led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The operand, without the version it wanted.
    pub query: String,
    /// The name by which the package was found, if it was by a name.
    pub name: Option<NameId>,
    /// The package; `None` if the operand means nothing.
    pub package: Option<PackageId>,
    /// For the owner of a path: where the link led that was followed.
    pub path_target: Option<String>,
}

/// The answer to a query.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// In the order of finding.
    pub found: Vec<Found>,
    /// How many exact operands meant nothing.
    pub missing: usize,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// An operand of a recursive query is no dependency.
    #[error("{text:?} is no dependency")]
    Dependency {
        /// The operand.
        text: String,
        /// Why.
        source: DependencyError,
    },
    /// A recursive query has no solution.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// An operand cannot be compared with one of the fields.
    #[error("operands cannot be compared with every field")]
    Unmatchable,
}

impl Inventory {
    /// Finds what operands mean. `root` is asked for links of which the owner is wanted.
    pub fn search(
        &self,
        spec: &Spec,
        operands: &[String],
        root: Option<&Root>,
    ) -> Result<Answer, SearchError> {
        if !Fields::matchable().contains_all(spec.matching) {
            return Err(SearchError::Unmatchable);
        }
        let mut answer = Answer::default();
        if spec.empty_matches_all && operands.is_empty() {
            for name in self.names() {
                self.everything(spec, name, &mut answer.found);
            }
            return Ok(answer);
        }
        if spec.recursive {
            for package in self.closure(spec, operands)? {
                answer.found.push(Found {
                    package: Some(package),
                    ..Found::default()
                });
            }
            return Ok(answer);
        }
        let matching = if spec.matching.is_empty() {
            Fields::of(&[Field::Name])
        } else {
            spec.matching
        };
        for operand in operands {
            let before = answer.found.len();
            if matching.contains(Field::Owner) && operand.starts_with('/') {
                let owner = self.who_owns(operand, root);
                answer
                    .found
                    .extend(owner.package.is_some().then_some(owner));
            }
            let wanted = Wanted::read(operand, spec, matching);
            self.find_all(spec, &wanted, &mut answer.found);
            if answer.found.len() == before {
                answer.found.push(Found {
                    query: wanted.query,
                    ..Found::default()
                });
                answer.missing += usize::from(wanted.glob.is_none());
            }
        }
        Ok(answer)
    }

    /// The same, each package once, in the order in which apk shows them.
    pub fn search_packages(
        &self,
        spec: &Spec,
        operands: &[String],
        root: Option<&Root>,
    ) -> Result<(Vec<PackageId>, usize), SearchError> {
        let answer = self.search(spec, operands, root)?;
        let mut seen = vec![false; self.packages.len()];
        let mut packages: Vec<PackageId> =
            answer.found.iter().filter_map(|one| one.package).collect();
        packages.retain(|id| {
            let seen = seen.get_mut(id.0);
            seen.is_some_and(|seen| !std::mem::replace(seen, true))
        });
        self.sort(&mut packages);
        Ok((packages, answer.missing))
    }

    /// The owner of a path; if it has none and is a link with an absolute target, the owner of the target.
    #[must_use]
    pub fn who_owns(&self, path: &str, root: Option<&Root>) -> Found {
        let mut found = Found {
            query: path.to_owned(),
            package: self.owner(path),
            ..Found::default()
        };
        if found.package.is_none() {
            let target = root.and_then(|root| root.link_target(path));
            if let Some(target) = target.filter(|target| target.starts_with('/')) {
                found.package = self.owner(&target);
                found.path_target = found.package.map(|_| target);
            }
        }
        found
    }

    fn everything(&self, spec: &Spec, name: NameId, found: &mut Vec<Found>) {
        if spec.orphaned && self.is_offered(name) {
            return;
        }
        for package in self.builds(name).filter(|id| self.passes(spec, *id)) {
            found.push(Found {
                name: Some(name),
                package: Some(package),
                ..Found::default()
            });
        }
    }

    fn passes(&self, spec: &Spec, package: PackageId) -> bool {
        (!spec.installed || self[package].installed.is_some())
            && (!spec.available || self.is_available(package))
            && (!spec.upgradable || self.upgradable_from(package).is_some())
    }

    fn find_all(&self, spec: &Spec, wanted: &Wanted, found: &mut Vec<Found>) {
        let by_name_alone = wanted.matching == Fields::of(&[Field::Name]);
        if by_name_alone && wanted.glob.is_none() {
            if let Some(name) = self.find(&wanted.query) {
                self.find_in(spec, wanted, name, found);
            }
        } else {
            for name in self.names() {
                self.find_in(spec, wanted, name, found);
            }
        }
    }

    /// The matches among the packages of one name.
    fn find_in(&self, spec: &Spec, wanted: &Wanted, name: NameId, found: &mut Vec<Found>) {
        if spec.orphaned && self.is_offered(name) {
            return;
        }
        let others = wanted.matching.without(Field::Name);
        let by_name = wanted.matching.contains(Field::Name) && wanted.fits_operand(self.text(name));
        if !by_name && others.is_empty() {
            return;
        }
        let mut matches = Vec::new();
        for package in self.builds(name).filter(|id| self.passes(spec, *id)) {
            let version = self[package].record.version.as_str();
            if by_name && wanted.accepts(version) {
                matches.push((Some(name), package));
                if !spec.all_matches {
                    continue;
                }
            }
            self.match_fields(wanted, others, package, &mut matches);
        }
        if spec.all_matches {
            found.extend(matches.into_iter().map(|(name, package)| Found {
                name,
                package: Some(package),
                ..Found::default()
            }));
        } else if let Some(best) = self.best(matches.iter().map(|(_, package)| *package)) {
            found.push(Found {
                query: wanted.query.clone(),
                package: Some(best),
                ..Found::default()
            });
        }
    }

    /// The installed one that came last, else the newest.
    fn best(&self, packages: impl Iterator<Item = PackageId>) -> Option<PackageId> {
        packages.reduce(|best, one| {
            let newer = self[one].record.version > self[best].record.version;
            if self[one].installed.is_some() || newer {
                one
            } else {
                best
            }
        })
    }

    fn match_fields(
        &self,
        wanted: &Wanted,
        fields: Fields,
        package: PackageId,
        matches: &mut Vec<(Option<NameId>, PackageId)>,
    ) {
        for field in fields.iter() {
            let record = &self[package].record;
            let replaces = self[package]
                .installed
                .as_ref()
                .map(|i| i.replaces.as_slice());
            let dependencies = match field {
                Field::Depends => record.depends.as_slice(),
                Field::InstallIf => record.install_if.as_slice(),
                Field::Recommends => record.recommends.as_slice(),
                Field::Replaces => replaces.unwrap_or_default(),
                Field::Provides => {
                    for provide in &record.provides {
                        let version = provide.version.as_ref().map_or("", |v| v.as_str());
                        if wanted.fits(&provide.name) && wanted.accepts_provided(version) {
                            matches.push((self.find(&provide.name), package));
                        }
                    }
                    continue;
                }
                _ => {
                    let value = self.value(package, field, &Question::default());
                    let texts = match value {
                        Some(Value::Text(text)) => vec![text],
                        Some(Value::Counted(texts) | Value::Found(texts)) => texts,
                        Some(Value::Number(_)) | None => Vec::new(),
                    };
                    let fitting = texts.iter().filter(|text| wanted.fits(text));
                    matches.extend(fitting.map(|_| (None, package)));
                    continue;
                }
            };
            let fitting = dependencies.iter().filter(|one| wanted.is_written_as(one));
            matches.extend(fitting.map(|one| (self.find(&one.name), package)));
        }
    }

    /// What the solver would install for the operands, in its order.
    fn closure(&self, spec: &Spec, operands: &[String]) -> Result<Vec<PackageId>, SearchError> {
        let mut wanted = Vec::new();
        for operand in operands {
            wanted.push(
                Dependency::parse(operand).map_err(|source| SearchError::Dependency {
                    text: operand.clone(),
                    source,
                })?,
            );
        }
        let request = Request {
            world: if spec.world { &self.world } else { &[] },
            operation: Operation::Gather {
                wanted: &wanted,
                available: spec.available,
            },
            ..Request::default()
        };
        let universe = self.universe();
        let solution = resolve::resolve(&universe, &request)?;
        let chosen = solution.changes.iter().filter_map(|change| change.new);
        Ok(chosen
            .filter_map(|new| {
                self.by_identity
                    .get(&super::key(&new.record.identity))
                    .copied()
            })
            .collect())
    }

    /// Everything there is, as the solver wants it.
    #[must_use]
    pub fn universe(&self) -> Universe<'_> {
        let available = self.repositories.iter().filter(|one| one.available);
        let installed = self.packages.iter().filter_map(|package| {
            let installed = package.installed.as_ref()?;
            Some(resolve::Installed {
                record: &package.record,
                tag: installed.tag.as_deref(),
                replaces: &installed.replaces,
            })
        });
        let access = |one: &super::Repository| match (one.reachable, one.local) {
            (false, _) => Access::Unreachable,
            (true, true) => Access::Local,
            (true, false) => Access::Remote,
        };
        Universe {
            repositories: available
                .flat_map(|one| {
                    one.tags.iter().map(move |tag| resolve::Repository {
                        tag: tag.as_deref(),
                        records: &one.records,
                        access: access(one),
                    })
                })
                .collect(),
            installed: installed.collect(),
            architectures: self.architectures.iter().map(String::as_str).collect(),
            given: self
                .given
                .iter()
                .map(|given| resolve::Given {
                    record: &self[given.package].record,
                    file: given.file.is_some(),
                })
                .chain(self.only_cached().map(|package| resolve::Given {
                    record: &self[package].record,
                    file: false,
                }))
                .collect(),
            ..Universe::default()
        }
    }
}

/// An operand as it is compared.
struct Wanted {
    /// The name in it.
    query: String,
    /// The whole operand, or what stands for it in search mode.
    operand: String,
    /// The operand as a glob, if it is one.
    glob: Option<String>,
    /// What it says of versions.
    constraint: Option<(bool, Op, String)>,
    matching: Fields,
}

impl Wanted {
    fn read(operand: &str, spec: &Spec, matching: Fields) -> Wanted {
        if spec.search {
            let pattern = format!("*{operand}*");
            return Wanted {
                query: pattern.clone(),
                operand: pattern.clone(),
                glob: Some(pattern),
                constraint: None,
                matching,
            };
        }
        let (query, constraint) = match dependency::split(operand) {
            Some((conflict, name, Some(op), version)) => {
                (name, Some((conflict, op, version.to_owned())))
            }
            Some((true, name, None, _)) => (name, Some((true, Op::ANY, String::new()))),
            Some((false, name, None, _)) => (name, None),
            None => (operand, None),
        };
        Wanted {
            query: query.to_owned(),
            operand: operand.to_owned(),
            glob: glob::is_glob(operand).then(|| operand.to_owned()),
            constraint,
            matching,
        }
    }

    /// Whether a name is the operand as it was written, version and all: apk's rule for names.
    fn fits_operand(&self, text: &str) -> bool {
        match &self.glob {
            Some(pattern) => glob::matches(pattern, text),
            None => self.operand == text,
        }
    }

    fn fits(&self, text: &str) -> bool {
        match &self.glob {
            Some(pattern) => glob::matches(pattern, text),
            None => self.query == text,
        }
    }

    /// Whether a version is wanted.
    fn accepts(&self, provided: &str) -> bool {
        let Some((conflict, op, wanted)) = &self.constraint else {
            return true;
        };
        let fuzzy = op.contains(Op::FUZZY);
        let fits = op.contains(Op::ANY) || op.accepts(version::compare(provided, wanted, fuzzy));
        fits != *conflict
    }

    /// Whether the version of something provided is wanted. apk compares it the other way round: `a>1` finds who
    /// provides `a` in a version that 1 is greater than.
    fn accepts_provided(&self, provided: &str) -> bool {
        let Some((conflict, op, wanted)) = &self.constraint else {
            return true;
        };
        let fuzzy = op.contains(Op::FUZZY);
        let fits = op.contains(Op::ANY) || op.accepts(version::compare(wanted, provided, fuzzy));
        fits != *conflict
    }

    /// Whether a dependency is the operand, letter by letter where it speaks of versions.
    fn is_written_as(&self, dependency: &Dependency) -> bool {
        if !self.fits(&dependency.name) {
            return false;
        }
        match (&self.constraint, &dependency.constraint) {
            (None, _) => true,
            (
                Some((conflict, op, version)),
                apk_format::Constraint::Version {
                    op: own,
                    version: v,
                },
            ) => *conflict == dependency.conflict && op == own && version == v.as_str(),
            (Some((conflict, op, _)), apk_format::Constraint::Any) => {
                *conflict == dependency.conflict && op.contains(Op::ANY)
            }
            (Some(_), apk_format::Constraint::Identity(_)) => false,
        }
    }
}

/// Whether something is installed that an operand wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// The operand is no dependency.
    Unreadable,
    /// Nothing is.
    Absent,
    /// It is: this package, or none if the operand wants that there is none.
    Present(Option<PackageId>),
}

impl Inventory {
    /// Whether the operand, a dependency, holds in the installed system. The first installed provider decides.
    #[must_use]
    pub fn existence(&self, operand: &str) -> Existence {
        let operand = operand.trim_end_matches([' ', '\n']);
        let wanted = match Dependency::parse(operand) {
            Ok(wanted) => wanted,
            Err(DependencyError::Version { .. }) => return self.existence_of_unversioned(operand),
            Err(_) => return Existence::Unreadable,
        };
        let holds = |package: PackageId, version: Option<&apk_format::Version>| {
            wanted.satisfied_by(Some(&self[package].record.identity), version)
        };
        self.first_installed(&wanted.name, wanted.conflict, holds)
    }

    /// The same for a dependency whose version cannot be read: it compares with any other all the same.
    fn existence_of_unversioned(&self, operand: &str) -> Existence {
        let Some((conflict, name, op, version)) = dependency::split(operand) else {
            return Existence::Unreadable;
        };
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let holds = |_, provided: Option<&apk_format::Version>| {
            let provided = provided.map_or("", apk_format::Version::as_str);
            let fits = op.is_none_or(|op| {
                op.accepts(version::compare(provided, version, op.contains(Op::FUZZY)))
            });
            fits != conflict
        };
        self.first_installed(name, conflict, holds)
    }

    fn first_installed(
        &self,
        name: &str,
        conflict: bool,
        holds: impl Fn(PackageId, Option<&apk_format::Version>) -> bool,
    ) -> Existence {
        let mut providers = self
            .find(name)
            .map_or(&[][..], |name| self.providers(name))
            .iter();
        match providers.find(|one| self[one.package].installed.is_some()) {
            Some(one) if holds(one.package, one.version.as_ref()) => {
                Existence::Present(Some(one.package))
            }
            None if conflict => Existence::Present(None),
            _ => Existence::Absent,
        }
    }

    /// The names that operands mean: by themselves, or if one of them has a `*` all as globs. No operands mean all.
    /// Sorted as apk shows them; what is the name of nothing comes second, in the order of the operands.
    #[must_use]
    pub fn named_by(&self, operands: &[String]) -> (Vec<NameId>, Vec<String>) {
        if operands.is_empty() {
            return (self.sorted_names(), Vec::new());
        }
        let exact = operands.iter().filter(|operand| !operand.contains('*'));
        let unknown = exact.filter(|operand| self.find(operand).is_none());
        let unknown = unknown.cloned().collect();
        let mut names = if operands.iter().any(|operand| operand.contains('*')) {
            self.sorted_names()
        } else {
            let mut names: Vec<NameId> = operands
                .iter()
                .filter_map(|operand| self.find(operand))
                .collect();
            names.sort_by(|a, b| dependency::name_order(self.text(*a), self.text(*b)));
            names
        };
        names.retain(|name| {
            operands
                .iter()
                .any(|operand| glob::matches(operand, self.text(*name)))
        });
        (names, unknown)
    }

    /// The names or packages that one field of the packages found speaks of; each once, sorted.
    ///
    /// apk 3.0.6 gives up on `replaces` at the first package that is not installed, and loses what comes after it.
    #[must_use]
    pub fn summarize(&self, field: Field, spec: &Spec, found: &[Found]) -> Vec<String> {
        let mut packages = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let by_package = spec.named_by == NamedBy::Package;
        for package in found.iter().filter_map(|one| one.package) {
            let record = &self[package].record;
            let replaces = self[package]
                .installed
                .as_ref()
                .map(|i| i.replaces.as_slice());
            let mut wanted = |list: &[Dependency]| {
                let wanted = list.iter().filter(|one| !one.conflict);
                names.extend(wanted.map(|one| one.name.clone()));
            };
            match field {
                Field::Package => packages.push(package),
                Field::Name => names.push(record.name.to_string()),
                Field::Origin => names.extend(record.origin.clone().map(String::from)),
                Field::Depends => wanted(&record.depends),
                Field::InstallIf => wanted(&record.install_if),
                Field::Recommends => wanted(&record.recommends),
                Field::Replaces => wanted(replaces.unwrap_or_default()),
                Field::Provides => names.extend(record.provides.iter().map(|p| p.name.clone())),
                Field::ReverseDepends if by_package => {
                    packages.extend(self.dependants(package, spec.dependants_installed));
                }
                Field::ReverseInstallIf if by_package => {
                    packages.extend(self.awaiting(package, spec.dependants_installed));
                }
                _ => {
                    if let Some(Value::Found(texts)) = self.value(package, field, &spec.question())
                    {
                        names.extend(texts);
                    }
                }
            }
        }
        if names.is_empty() {
            self.sort(&mut packages);
            packages.dedup();
            return packages.into_iter().map(|id| self.title(id)).collect();
        }
        names.sort_by(|a, b| dependency::name_order(a, b));
        names.dedup();
        names
    }
}
