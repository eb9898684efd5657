//! The command line: global options, the commands, and the one match that dispatches.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::apk;
use crate::commands::{
    cat, checkout, checksum, commit, completions, compose, config, diff, export, fsck, init,
    keygen, log, ls, man, prune, pull_local, refs, remote, reset, rev_parse, scripts, show, sign,
    solve, summary, why,
};
use crate::console::Console;
use crate::face::Face;
use crate::failure::Failure;
use crate::place;

/// Compose OSTree commits out of Alpine packages, without ostree or apk
///
/// The commands of ostree stand here under their own names, with its options and output.
#[derive(Debug, Parser)]
#[command(
    name = "apk-ostree",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub(crate) struct ApkOstree {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Build and read OSTree repositories, without libostree
#[derive(Debug, Parser)]
#[command(name = "ostree", version = VERSION_AS_OSTREE, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Ostree {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: OstreeCommand,
}

/// The form in which ostree tells its version, so that a script that looks for `Version:` finds ours.
const VERSION_AS_OSTREE: &str = concat!(
    "without libostree\napk-ostree:\n Version: '",
    env!("CARGO_PKG_VERSION"),
    "'\n Interface: 'ostree 2022.7'"
);

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Globals {
    /// Repository; without it the current directory if it is one, else $OSTREE_REPO
    #[arg(long, global = true, value_name = "PATH")]
    repo: Option<PathBuf>,
    /// Say more about what is done
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Say only results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Ostree(OstreeCommand),
    Compose(compose::ComposeArgs),
    Keygen(keygen::KeygenArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages into a directory
    Man(man::ManArgs),
    Scripts(scripts::ScriptsArgs),
    Sign(sign::SignArgs),
    Solve(Box<solve::SolveArgs>),
    Why(Box<why::WhyArgs>),
    /// Behave exactly as ostree, exit codes included
    #[command(name = "ostree")]
    AsOstree {
        #[command(subcommand)]
        command: OstreeCommand,
    },
    /// Behave exactly as apk: `apk-ostree apk --help` says what there is
    #[command(name = "apk", disable_help_flag = true)]
    AsApk {
        /// The command of apk
        #[arg(value_name = "COMMAND", value_parser = PossibleValuesParser::new(apk::commands()))]
        command: Option<String>,
        /// Its operands and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
}

/// The commands of ostree.
#[derive(Debug, Subcommand)]
pub(crate) enum OstreeCommand {
    Cat(cat::CatArgs),
    Checkout(checkout::CheckoutArgs),
    Checksum(checksum::ChecksumArgs),
    Commit(Box<commit::CommitArgs>),
    Config(config::ConfigArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    Fsck(fsck::FsckArgs),
    Init(init::InitArgs),
    Log(log::LogArgs),
    Ls(ls::LsArgs),
    Prune(prune::PruneArgs),
    PullLocal(pull_local::PullLocalArgs),
    Refs(refs::RefsArgs),
    Remote(remote::RemoteArgs),
    Reset(reset::ResetArgs),
    RevParse(rev_parse::RevParseArgs),
    Show(show::ShowArgs),
    Summary(summary::SummaryArgs),
}

/// What was asked for, whichever face was asked.
#[derive(Debug)]
pub(crate) struct Request {
    globals: Globals,
    command: Command,
}

impl From<ApkOstree> for Request {
    fn from(asked: ApkOstree) -> Request {
        Request {
            globals: asked.globals,
            command: asked.command,
        }
    }
}

impl From<Ostree> for Request {
    fn from(asked: Ostree) -> Request {
        Request {
            globals: asked.globals,
            command: Command::Ostree(asked.command),
        }
    }
}

/// Does what was asked for.
pub(crate) fn run(request: Request, face: Face) -> Result<(), Failure> {
    let globals = request.globals;
    let mut console = Console::new(globals.quiet, globals.verbose, face);
    let done = match request.command {
        Command::Ostree(command) | Command::AsOstree { command } => {
            dispatch(&command, &globals, &mut console)
        }
        Command::Compose(args) => place::path(globals.repo.as_deref())
            .and_then(|repo| compose::run(&args, &repo, &mut console)),
        Command::Completions(args) => completions::run(&args, &mut console),
        Command::Man(args) => man::run(&args, &mut console),
        // The face is chosen before options are read, so that these are apk's.
        Command::AsApk { .. } => Err(Failure::usage("options of apk stand behind `apk`")),
        Command::Keygen(args) => keygen::run(&args, &mut console),
        Command::Scripts(args) => scripts::run(&args, &mut console),
        Command::Sign(args) => sign::run(&args, &mut console),
        Command::Solve(args) => solve::run(&args, &mut console),
        Command::Why(args) => why::run(&args, globals.repo.as_deref(), &mut console),
    };
    // What was written before a failure is still data.
    let flushed = console.flush();
    done.and(flushed)
}

fn dispatch(
    command: &OstreeCommand,
    globals: &Globals,
    console: &mut Console,
) -> Result<(), Failure> {
    let repo = || place::open(globals.repo.as_deref());
    match command {
        OstreeCommand::Cat(args) => cat::run(args, &repo()?, console),
        OstreeCommand::Checkout(args) => checkout::run(args, repo()?, console),
        OstreeCommand::Checksum(args) => checksum::run(args, console.face(), console),
        OstreeCommand::Commit(args) => commit::run(args, repo()?, console),
        OstreeCommand::Config(args) => config::run(args, &mut repo()?, console),
        OstreeCommand::Diff(args) => diff::run(args, &repo()?, console),
        OstreeCommand::Export(args) => export::run(args, &repo()?, console),
        OstreeCommand::Fsck(args) => fsck::run(args, &repo()?, console),
        OstreeCommand::Init(args) => init::run(args, &place::path(globals.repo.as_deref())?),
        OstreeCommand::Log(args) => log::run(args, &repo()?, console),
        OstreeCommand::Ls(args) => ls::run(args, &repo()?, console),
        OstreeCommand::Prune(args) => prune::run(args, &repo()?, console),
        OstreeCommand::PullLocal(args) => pull_local::run(args, repo()?, console),
        OstreeCommand::Refs(args) => refs::run(args, &repo()?, console),
        OstreeCommand::Remote(args) => remote::run(args, &mut repo()?, console),
        OstreeCommand::Reset(args) => reset::run(args, &repo()?),
        OstreeCommand::RevParse(args) => rev_parse::run(args, &repo()?, console),
        OstreeCommand::Show(args) => show::run(args, &repo()?, console),
        OstreeCommand::Summary(args) => summary::run(args, &repo()?, console),
    }
}
