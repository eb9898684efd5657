//! `remote`: the settings of other repositories. Nothing is fetched here.

use clap::{Args, Subcommand};
use ostree_store::repo::{IfRemoteExists, RemoteError, RemoteOption, Repo};
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;

/// Say where other repositories are
#[derive(Args, Debug)]
pub(crate) struct RemoteArgs {
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(Debug, Subcommand)]
enum RemoteCommand {
    Add(AddArgs),
    Delete(DeleteArgs),
    List(ListArgs),
    ShowUrl(ShowUrlArgs),
}

/// Add a remote repository
#[derive(Args, Debug)]
struct AddArgs {
    /// Name, URL (or metalink=URL), and the branches to pull if none are asked for
    #[arg(value_name = "NAME URL BRANCH")]
    words: Vec<String>,
    /// Set an option of the remote; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Do not ask for GPG signatures
    #[arg(long)]
    no_gpg_verify: bool,
    /// Do not ask for signatures of any kind
    #[arg(long)]
    no_sign_verify: bool,
    /// Do nothing if there is such a remote
    #[arg(long)]
    if_not_exists: bool,
    /// Replace the remote if there is such a one
    #[arg(long)]
    force: bool,
    /// Another program fetches the content; the URL may be left out
    #[arg(long, value_name = "NAME")]
    custom_backend: Option<String>,
    /// Fetch content from here
    #[arg(long, value_name = "URL")]
    contenturl: Option<String>,
    /// The collection to which its refs belong
    #[arg(long, value_name = "COLLECTION-ID")]
    collection_id: Option<String>,
}

/// Delete a remote repository's settings; refs stay
#[derive(Args, Debug)]
struct DeleteArgs {
    /// Name
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Do nothing if there is no such remote
    #[arg(long)]
    if_exists: bool,
}

/// List the names of remote repositories
#[derive(Args, Debug)]
struct ListArgs {
    /// Not used
    #[arg(hide = true)]
    _rest: Vec<String>,
    /// Print their URLs too
    #[arg(long, short = 'u')]
    show_urls: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Print the URL of a remote repository
#[derive(Args, Debug)]
struct ShowUrlArgs {
    /// Name
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What `--json` tells of a remote.
#[derive(Debug, Serialize)]
struct Record {
    remote: String,
    url: Option<String>,
}

pub(crate) fn run(
    args: &RemoteArgs,
    repo: &mut Repo,
    console: &mut Console,
) -> Result<(), Failure> {
    match &args.command {
        RemoteCommand::Add(args) => add(args, repo),
        RemoteCommand::Delete(args) => delete(args, repo),
        RemoteCommand::List(args) => list(args, repo, console),
        RemoteCommand::ShowUrl(args) => match args.names.first() {
            Some(name) => console.line(repo.remote_url(name)?),
            None => Err(Failure::usage("NAME must be specified")),
        },
    }
}

fn add(args: &AddArgs, repo: &mut Repo) -> Result<(), Failure> {
    let (name, url, branches) = match (args.words.as_slice(), &args.custom_backend) {
        ([name, url, branches @ ..], _) => (name, Some(url), branches),
        ([name], Some(_)) => (name, None, &[][..]),
        (_, Some(_)) => return Err(Failure::usage("NAME must be specified")),
        (_, None) => return Err(Failure::usage("NAME and URL must be specified")),
    };
    let if_exists = match (args.if_not_exists, args.force) {
        (true, true) => {
            return Err(Failure::usage(
                "Can only specify one of --if-not-exists and --force",
            ));
        }
        (true, false) => IfRemoteExists::Keep,
        (false, true) => IfRemoteExists::Replace,
        (false, false) => IfRemoteExists::Refuse,
    };
    let options = args.options(url, branches)?;
    Ok(repo.add_remote(name, &options, if_exists)?)
}

impl AddArgs {
    /// The settings in the order in which ostree writes them.
    fn options(
        &self,
        url: Option<&String>,
        branches: &[String],
    ) -> Result<Vec<(String, RemoteOption)>, Failure> {
        let mut options = Vec::new();
        let mut add = |key: &str, value| options.push((key.to_owned(), value));
        let text = |text: &str| RemoteOption::Text(text.to_owned());
        match url.map(|url| (url, url.strip_prefix("metalink="))) {
            Some((_, Some(metalink))) => add("metalink", text(metalink)),
            Some((url, None)) => add("url", text(url)),
            None => {}
        }
        if !branches.is_empty() {
            add("branches", RemoteOption::List(branches.to_vec()));
        }
        for (key, value) in [
            ("contenturl", &self.contenturl),
            ("custom-backend", &self.custom_backend),
        ] {
            if let Some(value) = value {
                add(key, text(value));
            }
        }
        for pair in &self.set {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| Failure::new("Missing '=' in KEY=VALUE for --set"))?;
            add(key, text(value));
        }
        if self.no_gpg_verify || self.no_sign_verify {
            add("gpg-verify", RemoteOption::Flag(false));
        }
        if self.no_sign_verify {
            add("sign-verify", RemoteOption::Flag(false));
        }
        if let Some(id) = &self.collection_id {
            add("collection-id", text(id));
        }
        Ok(options)
    }
}

fn delete(args: &DeleteArgs, repo: &mut Repo) -> Result<(), Failure> {
    let Some(name) = args.names.first() else {
        return Err(Failure::usage("NAME must be specified"));
    };
    match repo.delete_remote(name) {
        Err(RemoteError::NotFound { .. }) if args.if_exists => Ok(()),
        deleted => Ok(deleted?),
    }
}

fn list(args: &ListArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let names = repo.remotes();
    if args.json {
        let record = |remote: String| Record {
            url: repo.remote_url(&remote).ok(),
            remote,
        };
        return console.json(&names.into_iter().map(record).collect::<Vec<_>>());
    }
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for name in names {
        if args.show_urls {
            // The width counts bytes, as in C.
            let blanks = width - name.len();
            let url = repo.remote_url(&name)?;
            console.line(format_args!("{name}{:blanks$}  {url}", ""))?;
        } else {
            console.line(name)?;
        }
    }
    Ok(())
}
