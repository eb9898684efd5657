//! `completions`: what a shell needs to complete our command line.

use std::str;

use clap::Args;
use clap_complete::Shell;

use crate::apk;
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
    if args.shell == Shell::Fish {
        script.extend(fish_values().into_bytes());
    }
    console.data(format_args!("{}", str::from_utf8(&script)?))
}

/// The commands of apk, which the generator for this shell leaves out because they are values.
fn fish_values() -> String {
    let names: Vec<&str> = apk::commands().collect();
    let is_apk = "__fish_apk_ostree_using_subcommand apk";
    format!(
        "complete -c apk-ostree -n \"{is_apk}\" -f -a \"{}\"\n",
        names.join(" ")
    )
}
