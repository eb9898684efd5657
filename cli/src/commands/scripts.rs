//! `scripts`: which scripts and triggers packages bring, and what they do.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use apk_format::{Digest, Index, KeyRing, Package, PackageError, Script, Trust};
use clap::Args;
use composer::scripts::{Class, classes, interpreter};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Failure, Within};

/// List the scripts and triggers of packages, and what they do
///
/// Only the beginning of a package is read, and nothing is run. No signature is needed.
#[derive(Args, Debug)]
pub(crate) struct ScriptsArgs {
    /// Package files, and indexes with their packages beside them
    #[arg(value_name = "FILE-OR-INDEX", required = true)]
    files: Vec<PathBuf>,
    /// Print a JSON array of packages that have scripts or triggers
    #[arg(long)]
    json: bool,
}

/// A package with scripts or triggers.
#[derive(Debug, Serialize)]
struct Scripted {
    package: String,
    identity: String,
    file: String,
    scripts: Vec<Listed>,
    triggers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    kind: &'static str,
    interpreter: Option<String>,
    size: usize,
    classes: Vec<Class>,
}

pub(crate) fn run(args: &ScriptsArgs, console: &mut Console) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut missing = 0_usize;
    for path in &args.files {
        match read(path, None) {
            Ok(package) => found.push(package),
            Err(Refused::Index) => {
                for (file, identity) in listed(path)? {
                    match read(&file, Some(&identity)) {
                        Ok(package) => found.push(package),
                        Err(error) => {
                            missing += 1;
                            console.complain(format_args!("error: {}", error.told(&file)))?;
                        }
                    }
                }
            }
            Err(error) => return Err(Failure::new(error.told(path))),
        }
    }
    found.retain(|package| !package.scripts.is_empty() || !package.triggers.is_empty());
    if args.json {
        console.json(&found)?;
    } else {
        found
            .iter()
            .try_for_each(|package| print(package, console))?;
    }
    if missing > 0 {
        return Err(Failure::new(format_args!(
            "{missing} packages of the index could not be read"
        )));
    }
    Ok(())
}

fn print(package: &Scripted, console: &mut Console) -> Result<(), Failure> {
    for script in &package.scripts {
        let interpreter = script.interpreter.as_deref().unwrap_or("(no script)");
        let classes: Vec<String> = script.classes.iter().map(ToString::to_string).collect();
        let classes = if classes.is_empty() {
            "-".to_owned()
        } else {
            classes.join(",")
        };
        console.line(format_args!(
            "{} {} {} bytes {classes} {interpreter}",
            package.package, script.kind, script.size
        ))?;
    }
    for glob in &package.triggers {
        console.line(format_args!("{} triggered-by {glob}", package.package))?;
    }
    Ok(())
}

enum Refused {
    /// The file is an index.
    Index,
    Broken(Failure),
}

impl Refused {
    fn told(&self, path: &Path) -> String {
        match self {
            Refused::Index => format!("{}: it is an index", path.display()),
            Refused::Broken(failure) => format!("{}: {}", path.display(), failure.message()),
        }
    }
}

/// Reads a package up to its data; `expected` is what an index says it is.
fn read(path: &Path, expected: Option<&Digest>) -> Result<Scripted, Refused> {
    let broken = |error: Failure| Refused::Broken(error);
    let file = File::open(path).map_err(|error| broken(error.into()))?;
    let package = match Package::open(BufReader::new(file)) {
        Err(PackageError::Schema { .. } | PackageError::NotControl { .. }) => {
            return Err(Refused::Index);
        }
        opened => opened.map_err(|error| broken(error.into()))?,
    };
    if let Some(expected) = expected {
        package
            .check_identity(expected)
            .map_err(|error| broken(error.into()))?;
    }
    let info = package.info();
    Ok(Scripted {
        package: format!("{}-{}", info.name, info.version),
        identity: package.identity().to_string(),
        file: path.display().to_string(),
        scripts: package.scripts().iter().map(Listed::of).collect(),
        triggers: info.triggers.clone(),
    })
}

impl Listed {
    fn of(script: &Script) -> Listed {
        Listed {
            kind: script.kind.name(),
            interpreter: interpreter(&script.body),
            size: script.body.len(),
            classes: classes(&script.body).into_iter().collect(),
        }
    }
}

/// The packages that an index lists, and where they should be. Those without files have no scripts that would run.
fn listed(path: &Path) -> Result<Vec<(PathBuf, Digest)>, Failure> {
    let mut file = File::open(path)?;
    file.rewind()?;
    let reader: &mut dyn Read = &mut BufReader::new(file);
    let index = Index::read(reader, &KeyRing::new(), Trust::AllowUntrusted);
    let index = index.within(path.display())?;
    let dir = path.parent().unwrap_or(Path::new(""));
    let with_files = index
        .records
        .iter()
        .filter(|record| record.installed_size > 0);
    let spec = index.pkgname_spec.as_deref().unwrap_or(USUAL_NAME);
    let mut places = Vec::new();
    for record in with_files {
        let place = record.place(spec).within(path.display())?;
        let beside = dir.join(&place);
        // The paths that an index says begin beside it, or above the directory of its architecture.
        let above = dir.join("..").join(&place);
        let is_above = !beside.exists() && above.exists();
        let file = if is_above { above } else { beside };
        places.push((file, record.identity));
    }
    Ok(places)
}

const USUAL_NAME: &str = "${name}-${version}.apk";
