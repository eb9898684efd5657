//! `refs`: names for commits, listed, made and deleted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use ostree_store::repo::{RefName, Repo};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Failure, Within};

/// List, make or delete refs
#[derive(Args, Debug)]
pub(crate) struct RefsArgs {
    /// Only refs below this one, named relative to it; with --create the commit
    #[arg(value_name = "PREFIX")]
    prefixes: Vec<String>,
    /// Print whole names
    #[arg(long)]
    list: bool,
    /// Delete the refs instead
    #[arg(long)]
    delete: bool,
    /// Make a ref for the commit given in place of PREFIX
    #[arg(long, value_name = "NEWREF")]
    create: Option<String>,
    /// Let --create replace a ref
    #[arg(long)]
    force: bool,
    /// Print a JSON array of refs and their commits
    #[arg(long)]
    json: bool,
}

/// What `--json` tells of a ref; always the whole name.
#[derive(Debug, Serialize)]
struct Record {
    r#ref: String,
    commit: String,
}

pub(crate) fn run(args: &RefsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    match &args.create {
        Some(new) => create(args, new, repo),
        None if args.delete => delete(args, repo),
        None => list(args, repo, console),
    }
}

fn create(args: &RefsArgs, new: &str, repo: &Repo) -> Result<(), Failure> {
    let rev = match args.prefixes.as_slice() {
        [rev] => rev,
        [] => {
            return Err(Failure::usage(
                "You must specify a revision when creating a new ref",
            ));
        }
        _ => {
            return Err(Failure::usage(
                "You must specify only 1 existing ref when creating a new ref",
            ));
        }
    };
    let commit = repo.resolve(rev)?;
    let name: RefName = new.parse()?;
    if !args.force && repo.resolve_if_any(new)?.is_some() {
        return Err(Failure::new(format_args!(
            "--create specified but ref {new} already exists"
        ))
        .hint("--force replaces it"));
    }
    Ok(repo.write_ref(&name, Some(&commit))?)
}

fn delete(args: &RefsArgs, repo: &Repo) -> Result<(), Failure> {
    if args.prefixes.is_empty() {
        return Err(Failure::usage(
            "At least one PREFIX is required when deleting refs",
        ));
    }
    for prefix in &args.prefixes {
        for name in select(prefix, repo)?.into_keys() {
            if let Some(alias) = alias_of(repo, &name)? {
                return Err(Failure::new(format_args!(
                    "Ref '{name}' has an active alias: '{alias}'"
                )));
            }
            repo.write_ref(&name.parse()?, None)?;
        }
    }
    Ok(())
}

fn list(args: &RefsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    if args.prefixes.is_empty() {
        return tell(args, "", repo.ref_texts()?, console);
    }
    for prefix in &args.prefixes {
        tell(args, prefix, select(prefix, repo)?, console)?;
    }
    Ok(())
}

fn tell(
    args: &RefsArgs,
    prefix: &str,
    refs: BTreeMap<String, String>,
    console: &mut Console,
) -> Result<(), Failure> {
    if args.json {
        let record = |(name, text): (String, String)| Record {
            r#ref: name,
            commit: text.trim_end().to_owned(),
        };
        return console.json(&refs.into_iter().map(record).collect::<Vec<_>>());
    }
    let mut names: Vec<String> = refs.into_keys().collect();
    if !args.list {
        names = names
            .into_iter()
            .map(|name| relative(name, prefix))
            .collect();
    }
    names.sort_unstable();
    names.iter().try_for_each(|name| console.line(name))
}

/// The ref itself, or every ref below the prefix, with the content of its file.
fn select(prefix: &str, repo: &Repo) -> Result<BTreeMap<String, String>, Failure> {
    let below = match prefix.strip_suffix(':') {
        Some(_) => prefix.to_owned(), // all refs of a remote
        None => {
            prefix.parse::<RefName>().within("Listing refs")?;
            format!("{prefix}/")
        }
    };
    let mut refs = repo.ref_texts()?;
    refs.retain(|name, _| name == prefix || name.starts_with(&below));
    Ok(refs)
}

/// The name without the prefix; the remote stays.
fn relative(name: String, prefix: &str) -> String {
    let (remote, below) = match prefix.split_once(':') {
        Some((remote, below)) => (format!("{remote}:"), below),
        None => (String::new(), prefix),
    };
    let rest = name
        .strip_prefix(&remote)
        .and_then(|rest| rest.strip_prefix(below)?.strip_prefix('/'));
    match rest {
        Some(rest) => format!("{remote}{rest}"),
        None => name,
    }
}

/// Another ref that is a symbolic link to this one.
fn alias_of(repo: &Repo, name: &str) -> Result<Option<String>, Failure> {
    let heads = repo.path().join("refs/heads");
    let target = heads.join(name);
    let points_here = |alias: &PathBuf| {
        alias.is_symlink()
            && alias.canonicalize().ok().as_deref() == target.canonicalize().ok().as_deref()
    };
    for other in repo.ref_texts()?.into_keys() {
        if other != name && points_here(&heads.join(&other)) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and prefixes as the real tool prints them.
    #[test]
    fn names_are_relative_to_the_prefix() {
        for (name, prefix, shown) in [
            ("x/y/z", "x", "y/z"),
            ("x/y/z", "x/y", "z"),
            ("main", "main", "main"),
            ("rem:a/b", "rem:a", "rem:b"),
            ("rem:a/b", "rem:a/b", "rem:a/b"),
            ("rem:foo", "rem:", "rem:foo"),
        ] {
            assert_eq!(
                relative(name.to_owned(), prefix),
                shown,
                "{name} below {prefix}"
            );
        }
    }
}
