//! The face of apk: its commands, options, answers and exit codes, as apk-tools 3.0.6 has them.
//!
//! | room | is |
//! |---|---|
//! | [`options`] | words of the command line, read as apk reads them |
//! | [`globals`] | options of every command |
//! | [`config`] | options that hold for every run |
//! | [`applet`] | what a command is; a file for each |
//! | [`session`] | one run: what was said, what was opened |
//! | [`query`] | the options that queries share |
//! | [`generation`] | the options that makers of files share, and how files are written |
//! | [`serialize`] | plain, JSON, YAML |
//! | [`phrases`], [`trouble`] | errors in apk's words; behind them, what only we can say |
//! | [`out`] | answers, warnings, errors |
//!
//! [`changes`] tells what is to be done to a root, [`carry`] does it. What apk has and this has not is refused by name
//! ([`MISSING`]). A command that is added gets a file here, an entry in [`APPLETS`], and leaves [`MISSING`].
//!
//! With `--dialect 2.14`, what changes a root speaks as apk-tools 2.14.10 does where its words are others. Which packages
//! are chosen is always as in 3.0.6.
//!
//! | exit code | |
//! |---|---|
//! | 0 | done |
//! | 1 … 98 | a wrong command line, or what the command counts: operands without meaning, packages with faults |
//! | 99 | failed |

mod adbdump;
mod adbgen;
mod adbsign;
mod add;
mod applet;
mod audit;
mod cache;
mod carry;
mod changes;
mod config;
mod convndx;
mod del;
mod dot;
mod extract;
mod fetch;
mod fix;
mod generation;
mod globals;
mod index;
mod info;
mod list;
mod log;
mod manifest;
mod mkndx;
mod mkpkg;
mod no_package;
mod options;
mod out;
mod phrases;
mod policy;
mod progress;
mod query;
mod search;
mod serialize;
mod session;
mod trouble;
mod update;
mod upgrade;
mod verify;
mod version;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use applet::Applet;
use globals::Next;
use options::{Opt, Setting, Word, Words};
use session::{Code, Session};

/// What apk is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    words: Vec<OsString>,
    /// The exit code of `--help`: that of apk under its name, that of everybody else otherwise.
    help: Code,
}

/// The words after `apk`, if the program was started as such or asked to be it.
pub(crate) fn asked(args: &[OsString]) -> Option<Asked> {
    let (program, rest) = args.split_first()?;
    let asked = |words: &[OsString], help| {
        let words = words.to_vec();
        Some(Asked { words, help })
    };
    if Path::new(program).file_name()? == "apk" {
        return asked(rest, 1);
    }
    match rest.split_first()? {
        (first, rest) if first == "apk" => asked(rest, 0),
        _ => None,
    }
}

pub(crate) use session::machine;

/// The names of the commands, for help and for shells.
pub(crate) fn commands() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().map(|applet| applet.name)
}

/// Does what was asked for, and gives the exit code.
pub(crate) fn run(asked: Asked) -> ExitCode {
    let mut session = Session::new();
    session.help_code = asked.help;
    let code = match asked.words.into_iter().map(OsString::into_string).collect() {
        Ok(words) => start(&mut session, words),
        Err(word) => {
            let word = word.to_string_lossy();
            session
                .out
                .error(format_args!("command line: '{word}' is not UTF-8"));
            1
        }
    };
    session.finish_log();
    let written = session.out.finish();
    // The process ends here: to take whole indexes apart would cost a tenth of its time.
    std::mem::forget(std::mem::take(&mut session.inventory));
    match u8::try_from(code) {
        Ok(code) if written => ExitCode::from(code.min(FAILURE)),
        _ => ExitCode::from(FAILURE),
    }
}

const FAILURE: u8 = 99;

/// The commands that are here, in alphabetical order.
const APPLETS: &[Applet] = &[
    adbdump::APPLET,
    adbgen::APPLET,
    adbsign::APPLET,
    add::APPLET,
    audit::APPLET,
    cache::APPLET,
    convndx::APPLET,
    del::APPLET,
    dot::APPLET,
    extract::APPLET,
    fetch::APPLET,
    fix::APPLET,
    index::APPLET,
    info::APPLET,
    list::APPLET,
    manifest::APPLET,
    mkndx::APPLET,
    mkpkg::APPLET,
    policy::APPLET,
    query::APPLET,
    search::APPLET,
    update::APPLET,
    upgrade::APPLET,
    verify::APPLET,
    version::APPLET,
];

/// The commands of apk-tools 3.0.6 that are not here.
const MISSING: &[&str] = &["convdb", "stats"];

fn start(session: &mut Session, words: Vec<String>) -> Code {
    let applet = find_applet(&words);
    if let Some(applet) = applet {
        session.parts = applet.parts;
        (applet.prepare)(session);
    }
    let options = applet.map_or(&[][..], |applet| applet.options);
    let shared = match applet {
        Some(applet) if applet.queries => query::OPTIONS,
        Some(applet) if applet.commits => changes::OPTIONS,
        Some(applet) if applet.makes => generation::OPTIONS,
        _ => &[],
    };
    let groups: [&[Opt]; 3] = [globals::OPTIONS, options, shared];
    config::load(session, applet, &groups);
    let mut operands = Vec::new();
    let mut pending = applet;
    for word in Words::new(&groups, &words) {
        match word {
            Word::Wrong(wrong) => return refuse(session, &wrong),
            Word::Operand(word) if pending.is_some_and(|applet| applet.name == word) => {
                pending = None;
            }
            Word::Operand(word) => {
                if !(word.is_empty() && applet.is_some_and(|applet| applet.drops_empty)) {
                    operands.push(word);
                }
            }
            Word::Setting(setting) => match set(session, applet, setting) {
                Ok(()) => {}
                Err(code) => return code,
            },
        }
    }
    match applet {
        Some(applet) => match open(session, applet) {
            Ok(()) => (applet.run)(session, &operands),
            Err(code) => code,
        },
        None => unknown(session, operands.first()),
    }
}

/// Opens what the command looks at; under the lock if it will change something.
fn open(session: &mut Session, applet: &Applet) -> Result<(), Code> {
    session.writes = (applet.commits || applet.locks) && !session.simulate;
    let globals = &session.globals;
    session.out.bar = progress::Bar::new(globals.progress, globals.progress_fd);
    session.open()
}

/// The first word that is a command. Options of a command are not known yet, so that a value of one may be taken for it.
fn find_applet(words: &[String]) -> Option<&'static Applet> {
    let groups = [globals::OPTIONS];
    Words::new(&groups, words).find_map(|word| match word {
        Word::Operand(word) => APPLETS.iter().find(|applet| applet.name == word),
        _ => None,
    })
}

/// Applies one option of the command line, or ends the run.
fn set(session: &mut Session, applet: Option<&Applet>, setting: Setting) -> Result<(), Code> {
    let (key, value) = (setting.key.clone(), setting.said.text().to_owned());
    if apply(session, applet, setting)? {
        return Ok(());
    }
    let wrong = format!("invalid argument for option '{key}': '{value}'");
    Err(refuse(session, &wrong))
}

/// Applies one option; `false` if its value makes no sense, an error if it ends the run.
fn apply(session: &mut Session, applet: Option<&Applet>, setting: Setting) -> Result<bool, Code> {
    let (name, said) = (setting.name, setting.said);
    let accepted = match setting.group {
        0 => return set_global(session, applet, name, &said).map(|()| true),
        1 => {
            session.own.push((name, said.clone()));
            applet.is_none_or(|applet| (applet.set)(session, name, &said))
        }
        _ if applet.is_some_and(|applet| applet.commits) => changes::set(session, name, &said),
        _ if applet.is_some_and(|applet| applet.makes) => generation::set(session, name, &said),
        _ => query::set(session, name, &said),
    };
    match session.ended {
        Some(code) => Err(code),
        None => Ok(accepted),
    }
}

fn set_global(
    session: &mut Session,
    applet: Option<&Applet>,
    name: &'static str,
    said: &options::Said,
) -> Result<(), Code> {
    let verbosity = session.out.verbosity;
    match session.globals.set(name, said) {
        Next::Continue => {}
        Next::Quieter => session.out.verbosity = verbosity.saturating_sub(1),
        Next::Louder => session.out.verbosity = verbosity.saturating_add(1),
        Next::Arch => {
            session.out.line(session::machine());
            return Err(0);
        }
        Next::Version => {
            version_line(session);
            return Err(0);
        }
        Next::Help => {
            help(session, applet);
            return Err(session.help_code);
        }
        Next::Missing => return Err(lacks(session, name)),
    }
    Ok(())
}

/// Refuses an option of apk that is not there.
fn lacks(session: &mut Session, name: &str) -> Code {
    session
        .out
        .error(format_args!("apk's option '--{name}' is not in apk-ostree"));
    1
}

fn refuse(session: &mut Session, wrong: &str) -> Code {
    session.out.error(format_args!("command line: {wrong}"));
    1
}

fn unknown(session: &mut Session, word: Option<&String>) -> Code {
    match word {
        None => help(session, None),
        Some(word) if MISSING.contains(&word.as_str()) => session
            .out
            .error(format_args!("apk's command '{word}' is not in apk-ostree")),
        Some(word) => session.out.error(format_args!(
            "'{word}' is not an apk command. See 'apk --help'."
        )),
    }
    1
}

/// The version that this behaves as, in apk's own form, and what it really is.
fn version_line(session: &mut Session) {
    let machine = session::machine();
    session
        .out
        .line(format_args!("apk-tools 3.0.6, compiled for {machine}."));
    session
        .out
        .line(concat!("apk-ostree ", env!("CARGO_PKG_VERSION")));
}

fn help(session: &mut Session, applet: Option<&Applet>) {
    version_line(session);
    let out = &mut session.out;
    match applet {
        Some(applet) => {
            out.line(format_args!(
                "\nUsage: apk {} [options] [operands]",
                applet.name
            ));
            usage(out, "Options of the command", applet.options);
            if applet.queries {
                usage(out, "Options of queries", query::OPTIONS);
            }
            if applet.commits {
                usage(out, "Options of what changes a root", changes::OPTIONS);
            }
            if applet.makes {
                usage(out, "Options of what makes files", generation::OPTIONS);
            }
        }
        None => {
            out.line("\nUsage: apk [options] command [options] [operands]\n\nCommands:");
            for applet in APPLETS {
                out.line(format_args!("  {}", applet.name));
            }
        }
    }
    usage(out, "Options of every command", globals::OPTIONS);
}

fn usage(out: &mut out::Out, title: &str, options: &[Opt]) {
    if !options.is_empty() {
        out.line(format_args!("\n{title}:"));
        options
            .iter()
            .for_each(|option| out.line(format_args!("  {}", option.usage())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<(Vec<OsString>, Code)> {
        let asked = asked(&line.split(' ').map(OsString::from).collect::<Vec<_>>())?;
        Some((asked.words, asked.help))
    }

    #[test]
    fn the_name_decides() {
        assert_eq!(words("/sbin/apk list"), Some((vec!["list".into()], 1)));
        assert_eq!(words("apk-ostree apk list"), Some((vec!["list".into()], 0)));
        assert_eq!(words("apk-ostree list"), None);
        assert_eq!(words("apk"), Some((Vec::new(), 1)));
    }

    /// A command that was added must leave the list of what is missing.
    #[test]
    fn nothing_is_both_here_and_missing() {
        let names: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
        assert!(names.is_sorted() && MISSING.is_sorted());
        assert!(!names.iter().any(|name| MISSING.contains(name)));
    }
}
