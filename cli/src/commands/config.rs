//! `config`: the settings of a repository, read and changed.

use clap::Args;
use ostree_store::repo::Repo;

use crate::console::Console;
use crate::failure::Failure;

/// Read or change the repository's settings
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// get KEY, set KEY VALUE, or unset KEY; KEY is GROUP.KEY unless --group is given
    #[arg(value_name = "OPERATION")]
    words: Vec<String>,
    /// The group of KEY, such as `remote "origin"`
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

pub(crate) fn run(
    args: &ConfigArgs,
    repo: &mut Repo,
    console: &mut Console,
) -> Result<(), Failure> {
    let Some((operation, rest)) = args.words.split_first() else {
        return Err(Failure::usage("OPERATION must be specified"));
    };
    let most = if operation == "set" { 2 } else { 1 };
    if rest.len() > most {
        return Err(Failure::usage("Too many arguments given"));
    }
    match (operation.as_str(), rest) {
        ("set", [key, value]) => {
            let (group, key) = args.place(key)?;
            let mut config = repo.config().clone();
            config.set(group, key, value)?;
            Ok(repo.write_config(config)?)
        }
        ("set", _) => Err(args.incomplete(
            "GROUP name, KEY and VALUE must be specified",
            "KEY and VALUE must be specified",
        )),
        ("get", [key]) => {
            let (group, key) = args.place(key)?;
            console.line(repo.config().string(group, key)?)
        }
        ("unset", [key]) => {
            let (group, key) = args.place(key)?;
            let mut config = repo.config().clone();
            if config.unset(group, key) {
                repo.write_config(config)?;
            }
            Ok(())
        }
        ("get" | "unset", _) => Err(args.incomplete(
            "Group name and key must be specified",
            "KEY must be specified",
        )),
        _ => Err(Failure::new(format_args!("Unknown operation {operation}"))
            .hint("there are get, set and unset")),
    }
}

impl ConfigArgs {
    /// The group and the key that are meant. A group with a dot in its name needs `--group`.
    fn place<'a>(&'a self, key: &'a str) -> Result<(&'a str, &'a str), Failure> {
        match &self.group {
            Some(group) => Ok((group, key)),
            None => key
                .split_once('.')
                .ok_or_else(|| Failure::new("Key must be of the form \"sectionname.keyname\"")),
        }
    }

    /// Words are missing; which ones are asked for depends on `--group`.
    fn incomplete(&self, with_group: &str, without: &str) -> Failure {
        Failure::new(if self.group.is_some() {
            with_group
        } else {
            without
        })
    }
}
