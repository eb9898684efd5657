//! Wants that cannot hold together, and why one is not met: values, and their plain sentences.

use std::fmt;

use serde::Serialize;

/// Wants of which all but any one can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// Entries of the world, then dependencies of packages.
    pub wants: Vec<Want>,
    /// What there is of it, and what is not.
    pub facts: Vec<Fact>,
    /// A change of the request that was tried and helps, or the name that was perhaps meant.
    pub hint: Option<String>,
}

/// A want: an entry of the world, or a dependency of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Want {
    /// The package, as `name-version`; `None` for the world.
    pub by: Option<String>,
    /// Whether it is refused instead.
    pub conflict: bool,
    /// As a dependency is written, without its exclamation mark.
    pub wanted: String,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// Nothing has that name.
    NoSuchPackage {
        /// The name.
        name: String,
        /// Packages with nearly that name, the most similar first.
        similar: Vec<String>,
    },
    /// A name that packages have only beside their own.
    OnlyByName {
        /// The name.
        name: String,
        /// The packages.
        provided_by: Vec<String>,
    },
    /// What there is under a name.
    Available {
        /// The name.
        name: String,
        /// Packages, the nearest version first.
        versions: Vec<String>,
    },
    /// A package that no system of this architecture can have.
    Uninstallable {
        /// `name-version`
        package: String,
        /// Why.
        reasons: Vec<String>,
    },
    /// A package that only repositories have that may not be used for it.
    Masked {
        /// `name-version`
        package: String,
        /// Their tags, with the `@`, or apk's word for what hides it.
        tags: Vec<String>,
    },
    /// Packages of which a system can have one.
    SameName {
        /// `name-version`
        package: String,
        /// The others, and the name that is shared if it is not the package's own: `name-version[provided]`.
        others: Vec<String>,
    },
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Want {
            by,
            conflict,
            wanted,
        } = self;
        match (by, conflict) {
            (None, false) => write!(f, "{wanted} is wanted"),
            (None, true) => write!(f, "{wanted} is refused"),
            (Some(by), false) => write!(f, "{by} needs {wanted}"),
            (Some(by), true) => write!(f, "{by} cannot stand beside {wanted}"),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::NoSuchPackage { name, .. } => write!(f, "nothing is called {name}"),
            Fact::OnlyByName { name, provided_by } => write!(
                f,
                "{name} comes with {}, but only if asked for by that name",
                provided_by.join(", ")
            ),
            Fact::Available { name, versions } if versions.is_empty() => {
                write!(f, "of {name} there is no version")
            }
            Fact::Available { name, versions } => {
                write!(f, "of {name} there is {}", versions.join(", "))
            }
            Fact::Uninstallable { package, reasons } if reasons.is_empty() => {
                write!(
                    f,
                    "{package} cannot be installed: its record has an unknown field"
                )
            }
            Fact::Uninstallable { package, reasons } => {
                write!(f, "{package} cannot be installed: {}", reasons.join(", "))
            }
            Fact::Masked { package, tags } => {
                write!(f, "{package} is only in {}", tags.join(", "))
            }
            Fact::SameName { package, others } => {
                write!(
                    f,
                    "a system has only one of {package}, {}",
                    others.join(", ")
                )
            }
        }
    }
}

/// One sentence a line: a heading, the wants, the facts.
impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wants.as_slice() {
            [] => f.write_str("this cannot be had:")?,
            [_] => f.write_str("this want cannot be met:")?,
            _ => f.write_str("these wants cannot hold together:")?,
        }
        for want in &self.wants {
            write!(f, "\n  {want}")?;
        }
        for fact in &self.facts {
            write!(f, "\n  ({fact})")?;
        }
        Ok(())
    }
}

/// Why a system does not have something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum WhyNot {
    /// It has it.
    Chosen {
        /// `name-version`
        package: String,
    },
    /// Nothing has that name.
    NoSuchName {
        /// Packages with nearly that name, the most similar first.
        similar: Vec<String>,
    },
    /// There is no such version.
    NoSuchVersion {
        /// What there is, the nearest version first.
        nearest: Vec<String>,
    },
    /// It could be had; without being asked the solver prefers something else.
    Possible {
        /// What it would be.
        package: String,
        /// What is chosen now, if anything.
        instead: Option<String>,
        /// What would be different.
        changes: Vec<String>,
        /// Why the other is preferred; nothing if nobody wants either.
        preferred: Option<String>,
    },
    /// It cannot stand beside what is wanted.
    RuledOut {
        /// The wants that rule it out, itself among them.
        contradiction: Contradiction,
    },
}
