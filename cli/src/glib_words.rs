//! The words of a command line as GLib's option parser reads them, put so that clap can read them in no other way.
//!
//! | on the command line | is read as |
//! |---|---|
//! | the first word without a dash | the command, wherever it stands |
//! | `--name=VALUE`, `--name VALUE` | the value, whatever it looks like |
//! | `--flag=VALUE` | `--flag`, whatever the value says |
//! | `-abc` | `-a -b -c`; one of them may take the next word as its value, and only one |
//! | `-b` as the last word | an option without its value |
//! | `-` | no option |
//! | `--` | the end of the options; the command may still follow |
//! | `-h`, `-?`, `--help`, `--help-all` | help, at once |
//! | `--version`, and `-V`, which is ours | the version, if the options make sense |
//! | numbers | as C writes them, within 32 bits |
//!
//! A name is never shortened, and a value never stands directly behind its letter: `-bmain` asks for `-b`, `-m` and
//! others. What is known comes from clap's definitions of the command, after which GLib's rules are done with: clap
//! receives whole names with their values joined on, then `--`, then the operands.
//!
//! From the commands of ostree's `remote` it hides all that follows, and itself.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

/// How strictly the words are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// As ostree does: `--repo PATH` may stand only behind the command, operands that no command looks at are dropped.
    Ostree,
    /// A value before the command is not taken for it, and operands that nobody looks at are an error.
    Ours,
}

/// A command line that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The commands, the outermost first.
    pub(crate) path: Vec<String>,
    /// The program's name and the words for clap.
    pub(crate) words: Vec<OsString>,
}

/// A command line that cannot be read, down to which command it can, and why no further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The commands, the outermost first; the last may be one that does not exist.
    pub(crate) path: Vec<String>,
    pub(crate) reason: Reason,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NoCommand,
    UnknownCommand,
    /// The word, and the option in it.
    UnknownOption {
        word: String,
        option: String,
    },
    NoValue(String),
    /// A letter that takes a value, after another that took it.
    SecondValue(String),
    NoNumber {
        value: String,
        option: String,
    },
    NumberTooLarge {
        value: String,
        option: String,
    },
}

/// Reads a command line, the program's name first.
pub(crate) fn read(args: &[OsString], root: &Command, rules: Rules) -> Result<Line, Unreadable> {
    let (program, rest) = args.split_at(args.len().min(1));
    let mut rest: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
    let mut path = Vec::new();
    let mut command = root;
    let mut found = true;
    while found && command.has_subcommands() {
        let Some(at) = place_of_command(&rest, root, rules) else {
            break;
        };
        let name = rest.remove(at).to_string_lossy().into_owned();
        match command.find_subcommand(&name) {
            Some(sub) => command = sub,
            None => found = false,
        }
        if rules == Rules::Ostree && path.is_empty() && name == "remote" {
            // What the commands of `remote` never see.
            let end = rest.iter().skip(at).position(|word| *word == "--");
            rest.truncate(end.map_or(rest.len(), |end| at + end));
        }
        path.push(name);
    }
    let unfinished = !found || command.has_subcommands();
    let scope = Scope {
        root,
        command,
        // Without a command ostree knows of no repository, and neither does this one.
        without_repo: rules == Rules::Ostree && (unfinished || path == ["checksum"]),
    };
    let mut reading = Reading::default();
    let outcome = reading.all(&rest, &scope).and_then(|()| {
        let asked = reading.help.is_some() || reading.version;
        match (unfinished && !asked, found) {
            (false, _) => Ok(()),
            (true, true) => Err(Reason::NoCommand),
            (true, false) => Err(Reason::UnknownCommand),
        }
    });
    if let Err(reason) = outcome {
        return Err(Unreadable { path, reason });
    }
    let known: &[String] = if found {
        &path
    } else {
        path.split_last().map_or(&[], |(_, known)| known)
    };
    let words = reading.words(program, known, command, rules);
    Ok(Line { path, words })
}

/// Where the command stands: the first word that is no option.
fn place_of_command(words: &[&OsStr], root: &Command, rules: Rules) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let bytes = word.as_bytes();
        if bytes.first() != Some(&b'-') {
            return Some(at);
        }
        let name = bytes.strip_prefix(b"--").unwrap_or_default();
        let has_value = |arg: &Arg| takes_value(arg) && has_name(arg, name);
        let skips_value = rules == Rules::Ours && root.get_arguments().any(has_value);
        at += if skips_value { 2 } else { 1 };
    }
    None
}

/// The options that are known.
struct Scope<'a> {
    root: &'a Command,
    command: &'a Command,
    without_repo: bool,
}

impl<'a> Scope<'a> {
    /// The command's own options, then those of every command.
    fn options(&self) -> impl Iterator<Item = &'a Arg> {
        let own = self.command.get_arguments();
        let not_known = self.without_repo.then_some("repo");
        let options = own.chain(self.root.get_arguments());
        options.filter(move |arg| {
            let is_known = not_known.is_none() || arg.get_long() != not_known;
            is_known && !arg.is_positional()
        })
    }
}

/// What was read up to now.
#[derive(Debug, Default)]
struct Reading {
    options: Vec<OsString>,
    operands: Vec<OsString>,
    help: Option<&'static str>,
    version: bool,
}

impl Reading {
    fn all(&mut self, words: &[&OsStr], scope: &Scope<'_>) -> Result<(), Reason> {
        let mut left = words.iter().copied();
        while let Some(word) = left.next() {
            let bytes = word.as_bytes();
            if bytes == b"--" {
                self.operands.extend(left.map(OsStr::to_owned));
                break;
            }
            if let Some(name) = bytes.strip_prefix(b"--") {
                self.long(word, name, &mut left, scope)?;
            } else if let Some(letters @ [_, ..]) = bytes.strip_prefix(b"-") {
                self.letters(word, letters, &mut left, scope)?;
            } else {
                self.operands.push(word.to_owned());
            }
            if self.help.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn long<'a>(
        &mut self,
        word: &OsStr,
        text: &[u8],
        left: &mut impl Iterator<Item = &'a OsStr>,
        scope: &Scope<'_>,
    ) -> Result<(), Reason> {
        let mut parts = text.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let joined = parts.next();
        match (text, scope.options().find(|arg| has_name(arg, name))) {
            (b"help" | b"help-all", _) => self.help = Some("--help"),
            (_, Some(arg)) if takes_value(arg) => {
                let option = format!("--{}", String::from_utf8_lossy(name));
                let value = joined.map(OsStr::from_bytes).or_else(|| left.next());
                self.take(arg, &option, value)?;
            }
            (_, Some(arg)) => self.set(arg),
            (_, None) if name == b"version" => self.version = true,
            (_, None) => {
                return Err(Reason::UnknownOption {
                    word: word.to_string_lossy().into_owned(),
                    option: format!("--{}", String::from_utf8_lossy(name)),
                });
            }
        }
        Ok(())
    }

    fn letters<'a>(
        &mut self,
        word: &OsStr,
        letters: &[u8],
        left: &mut impl Iterator<Item = &'a OsStr>,
        scope: &Scope<'_>,
    ) -> Result<(), Reason> {
        let mut taken = false;
        for letter in letters.iter().copied().map(char::from) {
            let option = format!("-{letter}");
            let found = scope.options().find(|arg| has_letter(arg, letter));
            match found {
                Some(_) if taken && found.is_some_and(takes_value) => {
                    return Err(Reason::SecondValue(option));
                }
                Some(arg) if takes_value(arg) => {
                    self.take(arg, &option, left.next())?;
                    taken = true;
                }
                Some(arg) => self.set(arg),
                None if letter == 'V' => self.version = true,
                None if letter == 'h' || letter == '?' => {
                    self.help = Some("-h");
                    return Ok(());
                }
                None => {
                    let word = word.to_string_lossy().into_owned();
                    return Err(Reason::UnknownOption { word, option });
                }
            }
        }
        Ok(())
    }

    /// Remembers an option that stands for itself.
    fn set(&mut self, arg: &Arg) {
        match arg.get_action() {
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong => {
                self.help = Some("--help");
            }
            ArgAction::Version => self.version = true,
            _ => self.options.push(whole_name(arg)),
        }
    }

    /// Remembers an option and its value.
    fn take(&mut self, arg: &Arg, option: &str, value: Option<&OsStr>) -> Result<(), Reason> {
        let Some(value) = value else {
            return Err(Reason::NoValue(option.to_owned()));
        };
        let mut word = whole_name(arg);
        if arg.get_long().is_some() {
            word.push("=");
        }
        if is_number(arg) {
            word.push(number(&value.to_string_lossy(), option)?.to_string());
        } else {
            word.push(value);
        }
        self.options.push(word);
        Ok(())
    }

    /// The same for clap.
    fn words(
        self,
        program: &[OsString],
        path: &[String],
        command: &Command,
        rules: Rules,
    ) -> Vec<OsString> {
        let mut words = program.to_vec();
        words.extend(path.iter().map(OsString::from));
        if let Some(help) = self.help {
            words.push(help.into());
        } else if self.version {
            // The version is the same everywhere, and the command's operands are not needed for it.
            words.truncate(program.len());
            words.push("--version".into());
        } else {
            words.extend(self.options);
            let most = match rules {
                Rules::Ostree => most_operands(command),
                Rules::Ours => usize::MAX,
            };
            if most > 0 && !self.operands.is_empty() {
                words.push("--".into());
                words.extend(self.operands.into_iter().take(most));
            }
        }
        words
    }
}

/// How many operands the command looks at; the others ostree does not even count.
fn most_operands(command: &Command) -> usize {
    let most = |arg: &Arg| match arg.get_action() {
        ArgAction::Append => usize::MAX,
        _ => 1,
    };
    command
        .get_positionals()
        .map(most)
        .fold(0, usize::saturating_add)
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn has_name(arg: &Arg, name: &[u8]) -> bool {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    arg.get_long()
        .into_iter()
        .chain(aliases)
        .any(|long| long.as_bytes() == name)
}

fn has_letter(arg: &Arg, letter: char) -> bool {
    let aliases = arg.get_all_short_aliases().unwrap_or_default();
    arg.get_short() == Some(letter) || aliases.contains(&letter)
}

fn whole_name(arg: &Arg) -> OsString {
    match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}").into(),
        (None, Some(letter)) => format!("-{letter}").into(),
        (None, None) => OsString::new(),
    }
}

fn is_number(arg: &Arg) -> bool {
    let parser: &ValueParser = arg.get_value_parser();
    let of = parser.type_id();
    of == TypeId::of::<i32>() || of == TypeId::of::<i64>()
}

/// A number as C's `strtol` reads it, which must be all of the text.
fn number(text: &str, option: &str) -> Result<i32, Reason> {
    let wrong = || Reason::NoNumber {
        value: text.to_owned(),
        option: option.to_owned(),
    };
    let whole = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (sign, digits) = match whole.strip_prefix(['-', '+']) {
        Some(digits) => (if whole.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, whole),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match hex {
        Some(digits) => (16, digits),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(wrong());
    }
    let large = || Reason::NumberTooLarge {
        value: text.to_owned(),
        option: option.to_owned(),
    };
    let value = i64::from_str_radix(digits, radix).map_err(|_| large())?;
    i32::try_from(sign * value).map_err(|_| large())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Command {
        let flag = |name: &'static str, letter: char| {
            Arg::new(name)
                .long(name)
                .short(letter)
                .action(ArgAction::SetTrue)
        };
        let value = |name: &'static str, letter: char| Arg::new(name).long(name).short(letter);
        Command::new("o")
            .version("1")
            .arg(Arg::new("repo").long("repo").global(true))
            .subcommand(
                Command::new("commit")
                    .args([value("branch", 'b'), value("body", 'm'), flag("inode", 'I')])
                    .arg(
                        Arg::new("uid")
                            .long("uid")
                            .value_parser(clap::value_parser!(i64)),
                    )
                    .arg(Arg::new("path")),
            )
            .subcommand(Command::new("remote").subcommand(Command::new("list")))
    }

    fn words(line: &str, rules: Rules) -> Result<String, Reason> {
        let args: Vec<OsString> = ["o"]
            .into_iter()
            .chain(line.split_whitespace())
            .map(OsString::from)
            .collect();
        match read(&args, &definition(), rules) {
            Ok(line) => Ok(line.words[1..].join(OsStr::new(" ")).into_string().unwrap()),
            Err(error) => Err(error.reason),
        }
    }

    #[test]
    fn every_word_is_read_as_glib_reads_it() {
        for (line, read) in [
            ("--repo=r commit x", "commit --repo=r -- x"),
            ("commit -bI main", "commit --branch=main --inode"),
            ("commit -Ib -m", "commit --inode --branch=-m"),
            ("commit --branch --body", "commit --branch=--body"),
            ("commit --inode=no", "commit --inode"),
            ("-- commit -b x", "commit -- -b"),
            ("commit --uid 0x10 a b", "commit --uid=16 -- a"),
            ("commit -", "commit -- -"),
            ("commit --help -Q", "commit --help"),
            ("commit --version", "--version"),
            ("nope -?", "-h"),
            ("remote --repo=r list", "remote list --repo=r"),
        ] {
            assert_eq!(words(line, Rules::Ostree), Ok(read.to_owned()), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let unknown = |word: &str, option: &str| Reason::UnknownOption {
            word: word.to_owned(),
            option: option.to_owned(),
        };
        for (line, reason) in [
            ("commit -bmain x", Reason::SecondValue("-m".to_owned())),
            ("commit -b", Reason::NoValue("-b".to_owned())),
            ("commit --branch", Reason::NoValue("--branch".to_owned())),
            ("commit -IQ", unknown("-IQ", "-Q")),
            ("commit --bran=x", unknown("--bran=x", "--bran")),
            ("--repo r commit", unknown("--repo", "--repo")),
            ("remote", Reason::NoCommand),
            ("nope", Reason::UnknownCommand),
        ] {
            assert_eq!(words(line, Rules::Ostree), Err(reason), "{line}");
        }
    }

    #[test]
    fn our_own_face_finds_the_command_behind_a_value() {
        assert_eq!(
            words("--repo r commit a b", Rules::Ours),
            Ok("commit --repo=r -- a b".to_owned())
        );
    }

    #[test]
    fn numbers_are_those_of_c() {
        for (text, value) in [
            ("5", 5),
            ("-1", -1),
            ("+7", 7),
            (" 010", 8),
            ("0xFf", 255),
            ("0", 0),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(number(text, "--n"), Ok(value), "{text:?}");
        }
        for text in ["", "x", "09", "0x", "1x", "--1", "- 1", "1 "] {
            assert!(
                matches!(number(text, "--n"), Err(Reason::NoNumber { .. })),
                "{text:?}"
            );
        }
        for text in ["2147483648", "99999999999999999999"] {
            assert!(
                matches!(number(text, "--n"), Err(Reason::NumberTooLarge { .. })),
                "{text}"
            );
        }
    }
}
