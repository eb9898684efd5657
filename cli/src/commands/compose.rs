//! `compose`: a manifest becomes commits.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use composer::Dialect;
use composer::event::{Event, Notice, Watch};
use composer::manifest::Manifest;
use composer::{ComposeError, Composed, Options, compose};
use indicatif::{ProgressBar, ProgressStyle};
use ostree_store::repo::{Repo, RepoMode};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Failure, Within};

/// Compose a commit for every branch and architecture of a manifest
///
/// Packages are read from local repositories, verified, and become objects without being unpacked. Every ref moves
/// at the end, together; if anything fails, the repository is as it was.
///
/// A line `REF COMMIT` is printed for each branch. What was not done, such as install scripts, is said on stderr.
#[derive(Args, Debug)]
pub(crate) struct ComposeArgs {
    /// The manifest, in TOML; paths in it are relative to its directory
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// How to store files if the repository is made: bare, bare-user, bare-user-only or archive
    #[arg(long, value_name = "MODE", default_value = "bare-user")]
    mode: String,
    /// The form of the package database, where the manifest does not say it: 2.14 or 3.0
    #[arg(long, value_name = "VERSION")]
    dialect: Option<String>,
    /// Only choose packages and print what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document about all branches instead
    #[arg(long)]
    json: bool,
    /// Show no progress bar
    #[arg(long)]
    no_progress: bool,
}

/// What `--json` tells.
#[derive(Debug, Serialize)]
struct Report<'a> {
    branches: &'a [Composed],
}

pub(crate) fn run(args: &ComposeArgs, repo: &Path, console: &mut Console) -> Result<(), Failure> {
    let shown = args.manifest.display();
    let text =
        std::fs::read_to_string(&args.manifest).within(format_args!("cannot read {shown}"))?;
    let manifest = Manifest::parse(&text).within(format_args!("{shown}"))?;
    let repo = open_or_make(repo, &args.mode, console)?;
    let options = Options {
        dir: args.manifest.parent().unwrap_or(Path::new("")).to_owned(),
        timestamp: source_date_epoch()?,
        dialect: args.dialect.as_deref().map(parse_dialect).transpose()?,
        dry_run: args.dry_run,
    };
    let watch =
        Progress::new(!args.no_progress && !console.is_quiet() && io::stderr().is_terminal());
    let composed = compose(&manifest, &repo, &options, &watch);
    watch.bar.finish_and_clear();
    let composed = composed.map_err(failure)?;
    if args.json {
        return console.json(&Report {
            branches: &composed,
        });
    }
    composed.iter().try_for_each(|branch| tell(branch, console))
}

/// The repository, which is made when there is nothing at the path.
fn open_or_make(path: &Path, mode: &str, console: &mut Console) -> Result<Repo, Failure> {
    let mode = RepoMode::named(mode)
        .ok_or_else(|| Failure::usage(format_args!("{mode:?} is not a mode of a repository")))?;
    if path.join("config").exists() {
        return Ok(Repo::open(path)?);
    }
    if path
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(Failure::new(format_args!(
            "{} is a directory with something else in it",
            path.display()
        ))
        .hint("give --repo the path of a repository, or of nothing yet"));
    }
    let repo = Repo::create(path, mode).within("cannot make the repository")?;
    console.say(format_args!(
        "made the {mode} repository {}",
        path.display()
    ))?;
    Ok(repo)
}

fn parse_dialect(text: &str) -> Result<Dialect, Failure> {
    text.parse().map_err(Failure::usage)
}

/// The time that reproducible builds agree on.
fn source_date_epoch() -> Result<Option<i64>, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            let wrong = |_| {
                Failure::new("Failed to convert SOURCE_DATE_EPOCH")
                    .hint("it is the number of seconds since 1970, in decimal digits")
            };
            text.trim().parse().map(Some).map_err(wrong)
        }
        Err(_) => Ok(None),
    }
}

fn tell(branch: &Composed, console: &mut Console) -> Result<(), Failure> {
    let Some(commit) = &branch.commit else {
        console.line(format_args!("{}:", branch.name))?;
        let width = branch.steps.len().to_string().len();
        return branch
            .steps
            .iter()
            .enumerate()
            .try_for_each(|(index, step)| {
                console.line(format_args!(
                    "({:>width$}/{}) {step}",
                    index + 1,
                    branch.steps.len()
                ))
            });
    };
    for line in told(&branch.notices) {
        console.say(format_args!("{}: {line}", branch.name))?;
    }
    let unchanged = if branch.unchanged { ", unchanged" } else { "" };
    console.say(format_args!(
        "{}: {} packages{unchanged}",
        branch.name,
        branch.packages.len()
    ))?;
    console.line(format_args!("{} {commit}", branch.name))
}

/// A sentence for each notice; those about scripts of one package share one.
fn told(notices: &[Notice]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut scripts: Vec<(&str, Vec<&str>)> = Vec::new();
    for notice in notices {
        match notice {
            Notice::ScriptNotRun { package, script } => match scripts.last_mut() {
                Some((last, kinds)) if *last == package.as_str() => kinds.push(script),
                _ => scripts.push((package, vec![script])),
            },
            other => lines.push(sentence(other)),
        }
    }
    lines.extend(scripts.into_iter().map(|(package, kinds)| {
        format!(
            "scripts of {package} recorded, not run: {}",
            kinds.join(", ")
        )
    }));
    lines
}

fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::ScriptNotRun { package, script } => {
            format!("{script} of {package} recorded, not run")
        }
        Notice::NotRepresentable {
            path,
            package,
            kind,
        } => {
            format!("{path} of {package} is a {kind}, which OSTree cannot hold, and was left out")
        }
        Notice::Replaced {
            path,
            package,
            previous,
        } => format!("{path} of {previous} replaced by {package}"),
        Notice::Left {
            path,
            package,
            owner,
        } => format!("{path} of {package} left out, {owner} replaces it"),
        Notice::Overwritten { path, package } => {
            format!("{path} of the base overwritten by {package}")
        }
        Notice::ConfigurationKept {
            path,
            new_version: Some(beside),
            package,
        } => {
            format!("{path} was changed in the base and stays; that of {package} is {beside}")
        }
        Notice::ConfigurationKept {
            path,
            new_version: None,
            package,
        } => {
            format!("{path} of the base stays, equal to that of {package}")
        }
        Notice::Overlaid { path, overlay } => format!("{path} replaced by the overlay {overlay}"),
        Notice::RepositorySkipped { url } => {
            format!("repository {url} of the base not asked, it is not a directory here")
        }
    }
}

pub(super) fn failure(error: ComposeError) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A bar over the bytes of the packages.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(shown: bool) -> Progress {
        let bar = if shown {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{msg:24!} [{bar:40}] {bytes}/{total_bytes}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar }
    }
}

impl Watch for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::IndexRead { path, .. } => self.bar.set_message((*path).to_owned()),
            Event::Solved { bytes, .. } => self.bar.set_length(*bytes),
            Event::Imported { package, bytes } => {
                self.bar.set_message((*package).to_owned());
                self.bar.inc(*bytes);
            }
            Event::Committed { name, .. } => self.bar.set_message((*name).to_owned()),
        }
    }
}
