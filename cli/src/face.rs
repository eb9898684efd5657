//! Under which name the program was started, and what follows from that.
//!
//! | started as | commands | wrong command line ends with |
//! |---|---|---|
//! | `ostree`, or `apk-ostree ostree …` | those of ostree | 1, after the command's help |
//! | anything else | the same and our own | 2 |
//!
//! Both faces read the command line as GLib's option parser does: the last of a repeated option counts, the word
//! after an option is its value whatever it looks like. What ostree has and we have not is named as such.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, FromArgMatches};

use crate::app::{ApkOstree, Ostree, Request};
use crate::failure::Failure;

/// A name under which the program can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// Everything.
    ApkOstree,
    /// The same commands, options, output and exit codes as ostree.
    Ostree,
}

impl Face {
    /// The face that the arguments (the program's name first) ask for, and the arguments it should read.
    pub(crate) fn of(mut args: Vec<OsString>) -> (Face, Vec<OsString>) {
        let name = args.first().and_then(|arg| Path::new(arg).file_name());
        if name == Some(OsStr::new("ostree")) {
            return (Face::Ostree, args);
        }
        if args.get(1).is_some_and(|arg| arg == "ostree") {
            args.remove(0);
            return (Face::Ostree, args);
        }
        (Face::ApkOstree, args)
    }

    /// All that can be asked of this face, as clap wants it.
    pub(crate) fn command(self) -> clap::Command {
        let command = match self {
            Face::ApkOstree => ApkOstree::command(),
            Face::Ostree => Ostree::command(),
        };
        like_glib(command)
    }

    /// Reads the command line.
    pub(crate) fn parse(self, args: Vec<OsString>) -> Result<Request, Failure> {
        let mut command = self.command();
        let matches = command
            .try_get_matches_from_mut(args.clone())
            .map_err(|e| self.refuse(&args, &e))?;
        let request = match self {
            Face::ApkOstree => ApkOstree::from_arg_matches(&matches).map(Request::from),
            Face::Ostree => Ostree::from_arg_matches(&matches).map(Request::from),
        };
        request.map_err(|e| self.refuse(&args, &e))
    }

    /// Whether `hint:` lines are wanted.
    pub(crate) fn gives_hints(self) -> bool {
        self == Face::ApkOstree
    }

    /// The exit code for a command line that makes no sense.
    pub(crate) fn usage_exit_code(self) -> u8 {
        match self {
            Face::ApkOstree => 2,
            Face::Ostree => 1,
        }
    }

    /// From clap's error to ostree's words.
    fn refuse(self, args: &[OsString], error: &clap::Error) -> Failure {
        if matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        ) {
            return Failure::answer(error.render());
        }
        let mut command = self.command();
        let asked = subcommand_asked(args);
        let failure = Failure::usage(words(error, args, asked.as_deref()));
        let mut whole = &mut command;
        if let Some(asked) = asked
            .as_deref()
            .filter(|asked| whole.find_subcommand(asked).is_some())
        {
            whole.build(); // so that the help says `ostree ls`
            whole = match whole.find_subcommand_mut(asked) {
                Some(found) => found,
                None => return failure,
            };
        }
        match self {
            Face::Ostree => failure.after_help(whole.render_help()),
            Face::ApkOstree => {
                let name = whole
                    .get_bin_name()
                    .unwrap_or_else(|| whole.get_name())
                    .to_owned();
                let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg];
                match similar
                    .map(|kind| text_of(error, kind))
                    .into_iter()
                    .find(|word| !word.is_empty())
                {
                    Some(word) => failure.hint(format!("there is `{word}`")),
                    None => failure.hint(format!("`{name} --help` says what there is")),
                }
            }
        }
    }
}

/// Makes every option take the next word as its value, and the last of a repeated option count.
fn like_glib(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    let command = command.args_override_self(true).mut_args(|arg| {
        let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        if takes_value && !arg.is_positional() {
            arg.allow_hyphen_values(true)
        } else {
            arg
        }
    });
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, like_glib)
    })
}

/// The first word that is not an option: the subcommand, whether there is such a one or not.
fn subcommand_asked(args: &[OsString]) -> Option<String> {
    let mut words = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "--repo" {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word.into_owned());
        }
    }
    None
}

/// The sentence for a command line that makes no sense.
fn words(error: &clap::Error, args: &[OsString], asked: Option<&str>) -> String {
    let invalid = text_of(error, ContextKind::InvalidArg);
    let option = invalid
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let value = text_of(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            unknown_option(&option, args, asked)
        }
        ErrorKind::UnknownArgument => format!("unexpected argument {option:?}"),
        ErrorKind::InvalidSubcommand if asked == Some("remote") => {
            unknown_of_remote(&text_of(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::InvalidSubcommand => unknown_command(asked.unwrap_or_default()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
            if asked == Some("remote") =>
        {
            "No \"remote\" subcommand specified".to_owned()
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "No command specified".to_owned()
        }
        ErrorKind::MissingRequiredArgument => missing(asked, &invalid),
        ErrorKind::InvalidValue if value.is_empty() => {
            let last = args.last().map(|last| last.to_string_lossy());
            let given = last
                .filter(|last| last.starts_with('-'))
                .map_or(option, |last| last.into_owned());
            format!("Missing argument for {given}")
        }
        ErrorKind::ValueValidation => format!("Cannot parse integer value “{value}” for {option}"),
        ErrorKind::TooManyValues => format!("option {option} takes no value"),
        _ => first_line(error),
    }
}

fn text_of(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// What ostree says when a command's argument is not there.
fn missing(asked: Option<&str>, names: &str) -> String {
    match asked.unwrap_or_default() {
        "ls" => "An COMMIT argument is required".to_owned(),
        "cat" => "A COMMIT and at least one PATH argument are required".to_owned(),
        "log" => "A rev argument is required".to_owned(),
        "show" => "An object argument is required".to_owned(),
        "diff" => "REV must be specified".to_owned(),
        "checkout" => "COMMIT must be specified".to_owned(),
        "export" => "A COMMIT argument is required".to_owned(),
        "pull-local" => "DESTINATION must be specified".to_owned(),
        _ => format!("{} must be given", names.trim_matches(['<', '>'])),
    }
}

fn unknown_of_remote(name: &str) -> String {
    if COMMANDS_OF_REMOTE.contains(&name) {
        return format!("ostree's command 'remote {name}' is not in apk-ostree");
    }
    format!("Unknown \"remote\" subcommand '{name}'")
}

fn unknown_command(name: &str) -> String {
    if COMMANDS_OF_OSTREE.contains(&name) {
        return format!("ostree's command '{name}' is not in apk-ostree");
    }
    format!("Unknown command '{name}'")
}

fn unknown_option(option: &str, args: &[OsString], asked: Option<&str>) -> String {
    let asked = asked.unwrap_or_default();
    let known = OPTIONS_OF_OSTREE
        .iter()
        .find(|(command, _)| *command == asked);
    if known.is_some_and(|(_, options)| options.contains(&option)) {
        return format!("the option {option} of ostree's {asked} is not in apk-ostree");
    }
    // ostree shows the whole word: `--option=value`, or several letters behind one dash.
    let mut words = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    let given = words.find(|word| match option.strip_prefix("--") {
        Some(_) => word.split('=').next() == Some(option),
        None => {
            word.starts_with('-')
                && !word.starts_with("--")
                && word.contains(option.trim_start_matches('-'))
        }
    });
    format!("Unknown option {}", given.as_deref().unwrap_or(option))
}

/// The commands of ostree 2022.7 to 2026.4, of which some are not here.
const COMMANDS_OF_OSTREE: &[&str] = &[
    "admin",
    "cat",
    "checkout",
    "checksum",
    "commit",
    "config",
    "create-usb",
    "diff",
    "export",
    "find-remotes",
    "fsck",
    "gpg-sign",
    "init",
    "log",
    "ls",
    "prune",
    "pull",
    "pull-local",
    "refs",
    "remote",
    "reset",
    "rev-parse",
    "show",
    "sign",
    "static-delta",
    "summary",
];

/// The commands of `ostree remote` that are not here: they fetch, or hold keys and cookies for fetching.
const COMMANDS_OF_REMOTE: &[&str] = &[
    "add-cookie",
    "delete-cookie",
    "gpg-import",
    "gpg-list-keys",
    "list-cookies",
    "refs",
    "summary",
];

/// Options that ostree has and we have not, by command.
const OPTIONS_OF_OSTREE: &[(&str, &[&str])] = &[
    (
        "checkout",
        &[
            "--selinux-policy",
            "--selinux-prefix",
            "--composefs",
            "--composefs-noverity",
        ],
    ),
    (
        "commit",
        &[
            "--editor",
            "-e",
            "--selinux-policy",
            "--selinux-policy-from-base",
            "-P",
            "--gpg-sign",
            "--gpg-homedir",
            "--sign",
            "--sign-from-file",
            "--sign-type",
            "--generate-composefs-metadata",
            "--selinux-labeling-epoch",
        ],
    ),
    (
        "pull-local",
        &[
            "--require-static-deltas",
            "--gpg-verify",
            "--gpg-verify-summary",
        ],
    ),
    ("show", &["--gpg-homedir", "--gpg-verify-remote"]),
    ("remote", &["--gpg-import", "--sign-verify", "--sysroot"]),
    (
        "summary",
        &["--gpg-sign", "--gpg-homedir", "--sign", "--sign-type"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn face(args: &[&str]) -> (Face, Vec<OsString>) {
        Face::of(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_name_decides() {
        assert_eq!(face(&["/usr/bin/ostree", "ls"]).0, Face::Ostree);
        assert_eq!(face(&["./apk-ostree", "ls"]).0, Face::ApkOstree);
        let (asked, rest) = face(&["apk-ostree", "ostree", "ls"]);
        assert_eq!((asked, rest.len()), (Face::Ostree, 2));
    }

    #[test]
    fn the_definitions_are_sound() {
        Face::ApkOstree.command().debug_assert();
        Face::Ostree.command().debug_assert();
    }

    /// An option or command that was added must leave the list of what is missing.
    #[test]
    fn nothing_is_both_here_and_missing() {
        let command = Face::Ostree.command();
        for (name, options) in OPTIONS_OF_OSTREE {
            let sub = command.find_subcommand(name).unwrap();
            for option in *options {
                let here = |arg: &clap::Arg| match option.strip_prefix("--") {
                    Some(long) => arg.get_long() == Some(long),
                    None => arg.get_short() == option.chars().nth(1),
                };
                assert!(!sub.get_arguments().any(here), "{name} {option}");
            }
        }
    }
}
