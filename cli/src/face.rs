//! Under which name the program was started, and what follows from that.
//!
//! | started as | commands | wrong command line ends with |
//! |---|---|---|
//! | `ostree`, or `apk-ostree ostree …` | those of ostree | 1, after the command's help |
//! | anything else | the same and our own | 2 |
//!
//! Both faces read the command line as GLib's option parser does ([`glib_words`]), and the last of a repeated option
//! counts. What ostree has and we have not is named as such.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use crate::app::{ApkOstree, Ostree, Request};
use crate::failure::Failure;
use crate::glib_words::{self, Reason, Rules, Unreadable};

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
        last_counts(command)
    }

    /// Reads the command line.
    pub(crate) fn parse(self, args: &[OsString]) -> Result<Request, Failure> {
        let mut command = self.command();
        let line = glib_words::read(args, &command, self.rules())
            .map_err(|unreadable| self.unreadable(&unreadable))?;
        let matches = command
            .try_get_matches_from_mut(line.words)
            .map_err(|e| self.refuse(&line.path, &e))?;
        let request = match self {
            Face::ApkOstree => ApkOstree::from_arg_matches(&matches).map(Request::from),
            Face::Ostree => Ostree::from_arg_matches(&matches).map(Request::from),
        };
        request.map_err(|e| self.refuse(&line.path, &e))
    }

    fn rules(self) -> Rules {
        match self {
            Face::ApkOstree => Rules::Ours,
            Face::Ostree => Rules::Ostree,
        }
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

    /// A command line that breaks GLib's rules.
    fn unreadable(self, what: &Unreadable) -> Failure {
        let similar = match &what.reason {
            Reason::UnknownOption { option, .. } => self.similar(&what.path, Some(option)),
            Reason::UnknownCommand => self.similar(&what.path, None),
            _ => None,
        };
        self.usage(words_of_glib(what), &what.path, similar)
    }

    /// From clap's error to ostree's words.
    fn refuse(self, path: &[String], error: &clap::Error) -> Failure {
        if matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        ) {
            return Failure::answer(error.render());
        }
        self.usage(words(error, path), path, None)
    }

    /// The failure, with what helps on this face.
    fn usage(self, message: String, path: &[String], similar: Option<String>) -> Failure {
        let failure = Failure::usage(message);
        let mut command = self.command();
        command.build(); // so that the help says `ostree ls`
        let mut whole = &mut command;
        for name in path {
            if whole.find_subcommand(name).is_none() {
                break;
            }
            whole = match whole.find_subcommand_mut(name) {
                Some(found) => found,
                None => return failure,
            };
        }
        match (self, similar) {
            (Face::Ostree, _) => failure.after_help(whole.render_help()),
            (Face::ApkOstree, Some(word)) => failure.hint(format!("there is `{word}`")),
            (Face::ApkOstree, None) => {
                let name = whole.get_bin_name().unwrap_or_else(|| whole.get_name());
                failure.hint(format!("`{name} --help` says what there is"))
            }
        }
    }

    /// What clap would offer in place of an unknown option or command.
    fn similar(self, path: &[String], option: Option<&str>) -> Option<String> {
        let words = std::iter::once(self.name()).chain(path.iter().map(String::as_str));
        let error = self
            .command()
            .try_get_matches_from(words.chain(option))
            .err()?;
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg]
            .map(|kind| text_of(&error, kind))
            .into_iter()
            .find(|word| !word.is_empty())
    }

    fn name(self) -> &'static str {
        match self {
            Face::ApkOstree => "apk-ostree",
            Face::Ostree => "ostree",
        }
    }
}

/// Makes the last of a repeated option count, everywhere.
fn last_counts(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    let command = command.args_override_self(true);
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, last_counts)
    })
}

/// The sentence for words that break GLib's rules.
fn words_of_glib(what: &Unreadable) -> String {
    let unknown = match &what.reason {
        Reason::UnknownOption { option, .. } => left_out(&what.path, Some(option)),
        _ => left_out(&what.path, None),
    };
    if let Some(words) = unknown {
        return words;
    }
    let path: Vec<&str> = what.path.iter().map(String::as_str).collect();
    match (&what.reason, path.as_slice()) {
        (Reason::NoCommand, ["remote"]) => "No \"remote\" subcommand specified".to_owned(),
        (Reason::NoCommand, _) => "No command specified".to_owned(),
        (Reason::UnknownCommand, ["remote", name]) => {
            format!("Unknown \"remote\" subcommand '{name}'")
        }
        (Reason::UnknownCommand, path) => {
            format!("Unknown command '{}'", path.last().unwrap_or(&""))
        }
        (Reason::UnknownOption { word, .. }, _) => format!("Unknown option {word}"),
        (Reason::NoValue(option), _) => format!("Missing argument for {option}"),
        (Reason::SecondValue(option), _) => format!("Error parsing option {option}"),
        (Reason::NoNumber { value, option }, _) => {
            format!("Cannot parse integer value “{value}” for {option}")
        }
        (Reason::NumberTooLarge { value, option }, _) => {
            format!("Integer value “{value}” for {option} out of range")
        }
    }
}

/// The sentence for a command line that makes no sense to a command.
fn words(error: &clap::Error, path: &[String]) -> String {
    let invalid = text_of(error, ContextKind::InvalidArg);
    let option = invalid.split_whitespace().next().unwrap_or_default();
    let value = text_of(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => format!("unexpected argument {option:?}"),
        ErrorKind::MissingRequiredArgument => missing(path.last(), &invalid),
        ErrorKind::InvalidValue if value.is_empty() => format!("Missing argument for {option}"),
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
fn missing(asked: Option<&String>, names: &str) -> String {
    match asked.map_or("", String::as_str) {
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

/// The sentence for a command or an option that ostree has and we have not.
fn left_out(path: &[String], option: Option<&str>) -> Option<String> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let here = Face::Ostree.command();
    match path.as_slice() {
        ["remote", name, ..] if COMMANDS_OF_REMOTE.contains(name) => Some(format!(
            "ostree's command 'remote {name}' is not in apk-ostree"
        )),
        [name, ..] if COMMANDS_OF_OSTREE.contains(name) && here.find_subcommand(name).is_none() => {
            Some(format!("ostree's command '{name}' is not in apk-ostree"))
        }
        [name, ..] => {
            let option = option?;
            OPTIONS_OF_OSTREE
                .iter()
                .find(|(command, options)| command == name && options.contains(&option))
                .map(|_| format!("the option {option} of ostree's {name} is not in apk-ostree"))
        }
        [] => None,
    }
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
