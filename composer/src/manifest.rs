//! The manifest: what is asked for.
//!
//! TOML, and unknown keys are errors: a key that means nothing is a wish that nobody hears.

use std::collections::BTreeMap;

use apk_format::{Dependency, Dialect};
use serde::{Deserialize, Deserializer, de};

/// A parsed manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Where packages come from.
    pub repositories: Repositories,
    /// What is made, by the branch's name.
    pub branch: BTreeMap<String, Branch>,
    /// What the commits say of themselves.
    #[serde(default)]
    pub commit: CommitSettings,
}

/// Where packages come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repositories {
    /// Local directories, relative to the manifest, each perhaps with a tag in front: `@edge ./edge`.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Files or directories with public keys, relative to the manifest. A key's file name is its name.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Every branch is made for each of these.
    pub arch: Vec<String>,
}

/// One system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The ref that will name it; `{arch}` stands for the architecture.
    #[serde(rename = "ref")]
    pub name: String,
    /// What is wanted, in the words of `/etc/apk/world`.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Directories, tars or `ref:REV`, laid over the packages in this order.
    #[serde(default)]
    pub overlays: Vec<String>,
    /// A tree to start from instead of nothing.
    pub from: Option<From>,
    /// The form of the package database: `2.14` or `3.0`. Without it that of the base, else that of the apk-tools in
    /// the system, else 3.0.
    #[serde(default, deserialize_with = "dialect")]
    pub dialect: Option<Dialect>,
    /// The branch that this one adds to: its packages are wanted here too, the builds chosen there are the only ones
    /// here, its overlays come first, and its `from` and `dialect` hold.
    pub extends: Option<String>,
}

/// A tree to start from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum From {
    /// A commit of the repository composed into; `{arch}` stands for the architecture.
    Ref(String),
    /// An archive, relative to the manifest.
    Tar(String),
    /// A directory, relative to the manifest.
    Dir(String),
}

/// What the commits say of themselves. In the texts `{arch}`, `{branch}`, `{ref}`, `{version}` and `{changes}` are
/// replaced.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitSettings {
    /// Stored under the metadata key `version`.
    pub version: Option<String>,
    /// The subject; `{changes}` if none is given.
    pub subject: Option<String>,
    /// The body; the list of changed packages if none is given.
    pub body: Option<String>,
    /// Seconds since 1970.
    pub timestamp: Option<i64>,
}

fn dialect<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Dialect>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(de::Error::custom)
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or not the keys and types that a manifest has.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A package that no world could hold.
    #[error(
        "branch {branch:?}: {text:?} is not a package wish, the form is name(@tag)([<>~=]version)"
    )]
    Package {
        /// The branch.
        branch: String,
        /// What stands there.
        text: String,
    },
    /// Nothing to make.
    #[error("the manifest has no branch")]
    NoBranch,
    /// Nothing to make it for.
    #[error("repositories.arch is empty")]
    NoArch,
    /// A text that cannot be part of a path.
    #[error("{text:?} in repositories.arch is not the name of an architecture")]
    Arch {
        /// What stands there.
        text: String,
    },
    /// Two branches or architectures that would move one ref.
    #[error(
        "branch {branch:?} moves the ref {name:?} a second time; put {{arch}} or the branch's name into it"
    )]
    SameRef {
        /// The later branch.
        branch: String,
        /// The ref.
        name: String,
    },
    /// A branch that extends one that is not there.
    #[error("branch {branch:?} extends {parent:?}, which is no branch of the manifest")]
    UnknownParent {
        /// The branch.
        branch: String,
        /// What stands there.
        parent: String,
    },
    /// Branches that extend each other.
    #[error("branches extend each other in a circle: {}", branches.join(", "))]
    Circle {
        /// Each extends the next one, and the last the first.
        branches: Vec<String>,
    },
    /// A tree to start from beside a branch to extend.
    #[error(
        "branch {branch:?} has `from` beside `extends`; it starts from the tree that its parent starts from"
    )]
    FromBesideExtends {
        /// The branch.
        branch: String,
    },
}

impl Manifest {
    /// Reads and checks the text of a manifest.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if manifest.branch.is_empty() {
            return Err(ManifestError::NoBranch);
        }
        manifest.check_archs()?;
        let mut refs = std::collections::BTreeSet::new();
        for (name, branch) in &manifest.branch {
            manifest.check_extends(name, branch)?;
            branch.world(name)?;
            for arch in &manifest.repositories.arch {
                if !refs.insert(branch.ref_for(arch)) {
                    return Err(ManifestError::SameRef {
                        branch: name.clone(),
                        name: branch.ref_for(arch),
                    });
                }
            }
        }
        Ok(manifest)
    }

    fn check_extends(&self, name: &str, branch: &Branch) -> Result<(), ManifestError> {
        if branch.extends.is_some() && branch.from.is_some() {
            return Err(ManifestError::FromBesideExtends {
                branch: name.to_owned(),
            });
        }
        let mut line = vec![name.to_owned()];
        let mut next = branch.extends.as_ref();
        while let Some(parent) = next {
            let Some(known) = self.branch.get(parent) else {
                return Err(ManifestError::UnknownParent {
                    branch: line.pop().unwrap_or_default(),
                    parent: parent.clone(),
                });
            };
            if let Some(start) = line.iter().position(|one| one == parent) {
                return Err(ManifestError::Circle {
                    branches: line.split_off(start),
                });
            }
            line.push(parent.clone());
            next = known.extends.as_ref();
        }
        Ok(())
    }

    /// A branch and those that it extends, itself last.
    #[must_use]
    pub fn line(&self, branch: &str) -> Vec<&Branch> {
        let mut line = Vec::new();
        let mut next = self.branch.get(branch);
        while let Some(one) = next.filter(|_| line.len() < self.branch.len()) {
            line.push(one);
            let parent = one.extends.as_ref();
            next = parent.and_then(|parent| self.branch.get(parent));
        }
        line.reverse();
        line
    }

    /// What is wanted in a branch: the wishes of those it extends, each in its place unless a later one has its name.
    pub fn world(&self, branch: &str) -> Result<Vec<Dependency>, ManifestError> {
        let mut world: Vec<Dependency> = Vec::new();
        for one in self.line(branch) {
            let earlier = world.len();
            for wish in one.world(branch)? {
                let (inherited, _) = world.split_at_mut(earlier);
                match inherited.iter_mut().find(|known| known.name == wish.name) {
                    Some(known) => *known = wish,
                    None => world.push(wish),
                }
            }
        }
        Ok(world)
    }

    fn check_archs(&self) -> Result<(), ManifestError> {
        if self.repositories.arch.is_empty() {
            return Err(ManifestError::NoArch);
        }
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        match self.repositories.arch.iter().find(|arch| !plain(arch)) {
            Some(arch) => Err(ManifestError::Arch { text: arch.clone() }),
            None => Ok(()),
        }
    }
}

impl Branch {
    /// The wishes as dependencies. `branch` is the branch's name, for messages.
    pub fn world(&self, branch: &str) -> Result<Vec<Dependency>, ManifestError> {
        let parse = |text: &String| {
            let refuse = || ManifestError::Package {
                branch: branch.to_owned(),
                text: text.clone(),
            };
            Dependency::parse(text)
                .ok()
                .filter(|wish| !wish.name.is_empty())
                .ok_or_else(refuse)
        };
        self.packages.iter().map(parse).collect()
    }

    /// The ref for one architecture.
    #[must_use]
    pub fn ref_for(&self, arch: &str) -> String {
        self.name.replace("{arch}", arch)
    }
}

/// Turns a byte position into line and column, so that the message is one sentence.
fn syntax(text: &str, error: &toml::de::Error) -> ManifestError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    ManifestError::Syntax {
        line,
        column,
        message: error.message().replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[repositories]\nurls = [\"./repo\"]\narch = [\"x86_64\"]\n\
                        [branch.base]\nref = \"os/{arch}\"\npackages = [\"a>=1\", \"b@edge\"]\n";

    #[test]
    fn reads_a_manifest() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let base = &manifest.branch["base"];
        assert_eq!(base.ref_for("x86_64"), "os/x86_64");
        let world: Vec<String> = base
            .world("base")
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(world, ["a>=1", "b@edge"]);
    }

    #[test]
    fn a_child_wants_what_its_parents_want() {
        let text = format!(
            "{GOOD}[branch.c]\nref = \"c/{{arch}}\"\nextends = \"base\"\npackages = [\"c\", \"a>2\", \"a<9\"]\n"
        );
        let manifest = Manifest::parse(&text).unwrap();
        let world = manifest.world("c").unwrap();
        let world: Vec<String> = world.iter().map(ToString::to_string).collect();
        assert_eq!(world, ["a<9", "b@edge", "c"]);
        assert_eq!(manifest.line("c").len(), 2);
    }

    #[test]
    fn points_at_what_is_wrong() {
        let typo = GOOD.replace("packages", "pakages");
        let error = Manifest::parse(&typo).unwrap_err();
        assert!(
            matches!(
                error,
                ManifestError::Syntax {
                    line: 6,
                    column: 1,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("pakages"), "{error}");
        let number = GOOD.replace("\"os/{arch}\"", "3.20");
        assert!(matches!(
            Manifest::parse(&number),
            Err(ManifestError::Syntax { line: 5, .. })
        ));
        let wish = GOOD.replace("a>=1", "a>=");
        assert!(matches!(
            Manifest::parse(&wish),
            Err(ManifestError::Package { .. })
        ));
        let twice = GOOD
            .replace("[\"x86_64\"]", "[\"x86_64\", \"aarch64\"]")
            .replace("/{arch}", "");
        assert!(matches!(
            Manifest::parse(&twice),
            Err(ManifestError::SameRef { .. })
        ));
        let more = |text: &str| {
            Manifest::parse(&format!("{GOOD}{text}"))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            more("[branch.x]\nref = \"x/{arch}\"\nextends = \"bose\"\n"),
            r#"branch "x" extends "bose", which is no branch of the manifest"#
        );
        assert_eq!(
            more(
                "[branch.x]\nref = \"x/{arch}\"\nextends = \"y\"\n[branch.y]\nref = \"y/{arch}\"\nextends = \"x\"\n"
            ),
            "branches extend each other in a circle: x, y"
        );
        assert!(
            more("[branch.x]\nref = \"x/{arch}\"\nextends = \"base\"\nfrom = { dir = \"d\" }\n")
                .contains("beside")
        );
        let arch = GOOD.replace("x86_64", "../x");
        assert!(matches!(
            Manifest::parse(&arch),
            Err(ManifestError::Arch { .. })
        ));
    }
}
