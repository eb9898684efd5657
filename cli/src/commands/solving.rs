//! What `solve` and `why` choose from: repositories, and what is installed, without a root.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use apk_format::{
    Dependency, Index, IndexError, InstalledDb, KeyRing, Record, SignatureError, Trust, World,
};
use clap::Args;
use composer::catalog::{self, Source};
use composer::resolve::{Installed, Problem, Repository, ResolveError, Universe};

use crate::console::Console;
use crate::failure::{Failure, Within};

/// Where packages come from, and what is there.
#[derive(Args, Debug)]
pub(crate) struct Sources {
    /// Architecture of the system; packages made for others cannot be chosen. The first names the directory
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    /// Repository in the order of preference, perhaps with a tag: DIR or '@tag DIR', where DIR has ARCH/APKINDEX.tar.gz or APKINDEX.tar.gz in it, or is an index itself
    #[arg(long, short = 'X', value_name = "DIR")]
    pub(crate) repository: Vec<String>,
    /// Packages that are installed, as in lib/apk/db/installed
    #[arg(long, value_name = "FILE")]
    pub(crate) installed: Option<PathBuf>,
    /// What is wanted so far, as in etc/apk/world
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// Use only indexes signed with a key from this file or directory; else no signature is looked at
    #[arg(long, value_name = "PATH")]
    pub(crate) keys: Vec<PathBuf>,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    architectures: Vec<String>,
    repositories: Vec<(Option<String>, Vec<Record>)>,
    installed: InstalledDb,
    pub(crate) world: Vec<Dependency>,
}

impl Sources {
    /// Reads everything.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let arch = self.arch.first().ok_or_else(|| {
            Failure::usage("no --arch given").hint("for instance --arch x86_64, as Alpine names it")
        })?;
        let (keys, trust) = if self.keys.is_empty() {
            (KeyRing::new(), Trust::AllowUntrusted)
        } else {
            let keys = catalog::read_keys(&self.keys)?;
            (catalog::key_ring(&keys)?, Trust::Required)
        };
        let mut repositories = Vec::new();
        for text in &self.repository {
            let source = Source::parse(text, Path::new(""))?;
            let path = index_path(&source.path, arch);
            let shown = path.display();
            let file = File::open(&path).within(format_args!("cannot read {shown}"))?;
            let index = Index::read(BufReader::new(file), &keys, trust)
                .map_err(|error| self.untrusted(error))
                .within(format_args!("{shown}"))?;
            repositories.push((source.tag, index.records));
        }
        let installed = self.installed.as_deref().map(read_text).transpose()?;
        let installed = match (&installed, &self.installed) {
            (Some(text), Some(path)) => {
                InstalledDb::parse(text).within(format_args!("{}", path.display()))?
            }
            _ => InstalledDb::default(),
        };
        let world = match &self.world {
            Some(path) => {
                let text = read_text(path)?;
                let world = World::parse(text.trim());
                world
                    .within(format_args!("{}", path.display()))?
                    .dependencies
            }
            None => Vec::new(),
        };
        Ok(Loaded {
            architectures: self.arch.clone(),
            repositories,
            installed,
            world,
        })
    }
}

impl Sources {
    /// An index that cannot be used, and what would help.
    fn untrusted(&self, error: IndexError) -> Failure {
        let places: Vec<_> = self
            .keys
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let places = places.join(", ");
        let hint = match &error {
            IndexError::Signature(SignatureError::Unsigned) => {
                "sign the index, as `abuild-sign` does; without --keys no signature is looked at"
                    .to_owned()
            }
            IndexError::Signature(SignatureError::Bad { .. }) => format!(
                "copy or make the index again; if another key has this name, use the repository's own; \
                 keys are read from {places}"
            ),
            IndexError::Signature(_) => format!(
                "name the file or directory of that public key with --keys; keys are read from {places}"
            ),
            _ => "copy or make the index again".to_owned(),
        };
        Failure::from(error).hint(hint)
    }
}

impl Loaded {
    /// As the solver wants it.
    pub(crate) fn universe(&self) -> Universe<'_> {
        let repositories = self.repositories.iter();
        let repositories = repositories.map(|(tag, records)| Repository {
            tag: tag.as_deref(),
            records,
            ..Repository::default()
        });
        let installed = self.installed.packages.iter().map(|package| Installed {
            record: &package.record,
            tag: package.tag.as_deref(),
            replaces: &package.replaces,
        });
        Universe {
            repositories: repositories.collect(),
            installed: installed.collect(),
            architectures: self.architectures.iter().map(String::as_str).collect(),
            ..Universe::default()
        }
    }

    /// The same, linked.
    pub(crate) fn problem(&self) -> Result<Problem<'_>, Failure> {
        Ok(Problem::new(&self.universe(), &self.world)?)
    }
}

/// The index of a repository: the path itself, or below it, in either format.
fn index_path(path: &Path, arch: &str) -> PathBuf {
    if path.is_file() {
        return path.to_owned();
    }
    let below = path.join(arch);
    let places = [below.join(V2), below.join(V3), path.join(V2), path.join(V3)];
    let found = places.into_iter().find(|place| place.exists());
    found.unwrap_or_else(|| below.join(V2))
}

const V2: &str = "APKINDEX.tar.gz";
const V3: &str = "Packages.adb";

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).within(format_args!("cannot read {}", path.display()))
}

/// Dependencies as a world holds them, out of operands.
pub(crate) fn dependencies(words: &[String]) -> Result<Vec<Dependency>, Failure> {
    let parse = |word: &String| {
        Dependency::parse(word).map_err(|error| {
            Failure::from(error).hint("the form is [!]name[@tag][op version], op being of < > = ~")
        })
    };
    words.iter().map(parse).collect()
}

/// A request without a solution, on stderr: apk's report, the smallest part that has none either, a hint.
pub(crate) fn unsolved(
    error: &ResolveError,
    contradiction: Option<&composer::resolve::Contradiction>,
) -> Failure {
    let mut words = error.to_string();
    if let Some(found) = contradiction {
        words = format!("{words}\n{found}");
    }
    let failure = Failure::new(words);
    let report = match error {
        ResolveError::Unsatisfiable(reasons) => reasons.hints().next(),
        ResolveError::UnknownTags(_) => {
            Some("give a repository that tag: --repository '@tag DIR'".into())
        }
        _ => None,
    };
    let tried = contradiction.and_then(|found| found.hint.clone());
    match tried.or(report) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Says that nothing vouches for the indexes, to those who want to know.
pub(crate) fn tell_trust(sources: &Sources, console: &mut Console) -> Result<(), Failure> {
    if sources.keys.is_empty() {
        console.detail("the indexes' signatures are not looked at; --keys does")?;
    }
    Ok(())
}
