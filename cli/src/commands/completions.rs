//! `completions`: what a shell needs to complete our command line.

use std::str;

use clap::Args;
use clap_complete::Shell;

use crate::console::Console;
use crate::face::Face;
use crate::failure::Failure;

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, console: &mut Console) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Face::ApkOstree.command(),
        "apk-ostree",
        &mut script,
    );
    console.data(format_args!("{}", str::from_utf8(&script)?))
}
