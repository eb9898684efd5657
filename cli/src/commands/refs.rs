//! `refs`: names for commits, listed, made and deleted.

use std::collections::BTreeMap;

use clap::Args;
use ostree_store::repo::{RefName, Repo};
use serde::Serialize;

use super::refs_in_collections as collections;
use crate::console::Console;
use crate::failure::Failure;

/// List, make or delete refs
#[derive(Args, Debug)]
pub(crate) struct RefsArgs {
    /// Only refs below this one, named relative to it; with --create the commit, with --collections a collection
    #[arg(value_name = "PREFIX")]
    pub(super) prefixes: Vec<String>,
    /// Print whole names
    #[arg(long)]
    list: bool,
    /// Delete the refs instead
    #[arg(long)]
    pub(super) delete: bool,
    /// List aliases; with --create make one of the ref given in place of PREFIX
    #[arg(long, short = 'A')]
    alias: bool,
    /// Make a ref for the commit given in place of PREFIX
    #[arg(long, value_name = "NEWREF")]
    pub(super) create: Option<String>,
    /// List refs with their collections; with --create NEWREF is COLLECTION-ID:REF
    #[arg(long, short = 'c')]
    collections: bool,
    /// Print the commits too, behind a tab
    #[arg(long, short = 'r')]
    pub(super) revision: bool,
    /// Let --create replace a ref
    #[arg(long)]
    pub(super) force: bool,
    /// Print a JSON array of refs and their commits
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` tells of a ref; always the whole name.
#[derive(Debug, Serialize)]
struct Record {
    r#ref: String,
    commit: String,
}

/// What `--json` tells of an alias.
#[derive(Debug, Serialize)]
struct Alias {
    alias: String,
    r#ref: String,
}

pub(crate) fn run(args: &RefsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    match (args.prefixes.as_slice(), &args.create) {
        ([], _) if args.delete => Err(Failure::usage(
            "At least one PREFIX is required when deleting refs",
        )),
        ([], Some(_)) => Err(Failure::usage(
            "You must specify a revision when creating a new ref",
        )),
        ([_, _, ..], Some(_)) => Err(Failure::usage(
            "You must specify only 1 existing ref when creating a new ref",
        )),
        _ if args.collections => collections::run(args, repo, console),
        ([rev], Some(new)) => create(args, new, rev, repo),
        _ if args.delete => args
            .prefixes
            .iter()
            .try_for_each(|prefix| delete(args, prefix, repo)),
        _ if args.alias => list_aliases(args, repo, console),
        _ => list(args, repo, console),
    }
}

fn create(args: &RefsArgs, new: &str, rev: &str, repo: &Repo) -> Result<(), Failure> {
    let exists = repo.resolve_local_if_any(new)?.is_some();
    let replaces_alias = || {
        let name: Option<RefName> = new.parse().ok();
        args.alias && name.is_some_and(|name| repo.is_alias(&name))
    };
    if exists && !args.force && !replaces_alias() {
        return Err(already_exists(new));
    }
    let name: RefName = new.parse()?;
    if args.alias {
        return Ok(repo.write_alias(&name, rev)?);
    }
    let commit = repo.resolve(rev)?;
    Ok(repo.write_ref(&name, Some(&commit))?)
}

/// The failure of `--create` without `--force`.
pub(super) fn already_exists(new: &str) -> Failure {
    Failure::new(format_args!(
        "--create specified but ref {new} already exists"
    ))
    .hint("--force replaces it")
}

/// Deletes refs, or aliases if only those are asked for. An alias goes under its own name wherever it leads.
fn delete(args: &RefsArgs, prefix: &str, repo: &Repo) -> Result<(), Failure> {
    let aliases = repo.aliases(None)?;
    let only_aliases = args.alias && !aliases.contains_key(prefix);
    let names: Vec<String> = if aliases.contains_key(prefix) {
        vec![prefix.to_owned()]
    } else if only_aliases {
        repo.aliases(Some(prefix))?.into_keys().collect()
    } else {
        repo.ref_texts_below(prefix)?.into_keys().collect()
    };
    let names: Vec<RefName> = names
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let leads_somewhere = |name: &&RefName| !matches!(repo.read_ref(name), Ok(None) | Err(_));
    for name in names.iter().filter(leads_somewhere) {
        // ostree does not look at the remote either.
        if let Some((alias, _)) = aliases.iter().find(|(_, target)| *target == name.name()) {
            let words = format!("Ref '{}' has an active alias: '{alias}'", name.name());
            return Err(Failure::new(words).hint("delete the alias first"));
        }
    }
    names
        .iter()
        .try_for_each(|name| Ok(repo.write_ref(name, None)?))
}

fn list_aliases(args: &RefsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    for prefix in prefixes(args) {
        let aliases = repo.aliases(prefix)?;
        if args.json {
            let record = |(alias, r#ref)| Alias { alias, r#ref };
            console.json(&aliases.into_iter().map(record).collect::<Vec<_>>())?;
            continue;
        }
        for (alias, target) in aliases {
            console.line(format_args!("{alias} -> {target}"))?;
        }
    }
    Ok(())
}

fn list(args: &RefsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    for prefix in prefixes(args) {
        match prefix {
            None => tell(args, "", repo.ref_texts()?, console)?,
            Some(prefix) => tell(args, prefix, repo.ref_texts_below(prefix)?, console)?,
        }
    }
    Ok(())
}

/// The prefixes given, or none once.
pub(super) fn prefixes(args: &RefsArgs) -> Vec<Option<&str>> {
    if args.prefixes.is_empty() {
        return vec![None];
    }
    args.prefixes
        .iter()
        .map(|prefix| Some(prefix.as_str()))
        .collect()
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
    let mut lines: Vec<String> = refs
        .into_iter()
        .map(|(name, text)| {
            let name = if args.list {
                whole(name, prefix)
            } else {
                relative(name, prefix)
            };
            match args.revision {
                true => format!("{name}\t{}", text.trim_end()),
                false => name,
            }
        })
        .collect();
    lines.sort_unstable();
    lines.iter().try_for_each(|line| console.line(line))
}

/// The whole name; below all refs of a remote ostree shows it as `remote:./name`.
fn whole(name: String, prefix: &str) -> String {
    let remote = prefix.strip_suffix('.').unwrap_or(prefix);
    match name.strip_prefix(remote) {
        Some(rest) if remote.ends_with(':') => format!("{remote}./{rest}"),
        _ => name,
    }
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
