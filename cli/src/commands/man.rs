//! `man`: the manual pages, one for each command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::console::Console;
use crate::face::Face;
use crate::failure::{Failure, Within};

/// Write the manual pages into a directory
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Where to; made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(args: &ManArgs, console: &mut Console) -> Result<(), Failure> {
    fs::create_dir_all(&args.dir).within(format_args!("cannot create {}", args.dir.display()))?;
    let mut command = Face::ApkOstree.command();
    command.build();
    page(&command, &args.dir, "apk-ostree", console)?;
    for sub in shown(&command) {
        let name = format!("apk-ostree-{}", sub.get_name());
        page(sub, &args.dir, &name, console)?;
        // The pages of ostree's commands under its own face would say the same again.
        if sub.get_name() != "ostree" {
            for below in shown(sub) {
                let name = format!("{name}-{}", below.get_name());
                page(below, &args.dir, &name, console)?;
            }
        }
    }
    Ok(())
}

fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn page(
    command: &clap::Command,
    dir: &Path,
    name: &str,
    console: &mut Console,
) -> Result<(), Failure> {
    let path = dir.join(format!("{name}.1"));
    let mut text = Vec::new();
    let written: io::Result<()> = clap_mangen::Man::new(command.clone().name(name.to_owned()))
        .render(&mut text)
        .and_then(|()| fs::write(&path, &text));
    written.within(format_args!("cannot write {}", path.display()))?;
    console.detail(format_args!("wrote {}", path.display()))
}
