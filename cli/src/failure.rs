//! From any error to: message, causes, hint, exit code.
//!
//! ```text
//! error: opening repo: opendir(/srv/repo): No such file or directory
//! hint: `apk-ostree init --repo /srv/repo` makes a repository
//! ```
//!
//! | exit code | `apk-ostree` | `ostree` |
//! |---|---|---|
//! | done, or nobody reads the rest | 0 | 0 |
//! | failed | 1 | 1 |
//! | wrong command line | 2 | 1 |

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use ostree_store::object::WriteError;
use ostree_store::repo::RevError;

use crate::face::Face;

/// What helps against faults that every command may meet, by what is said of them.
const REMEDIES: [(&str, &str); 4] = [
    (
        "No space left on device",
        "free some space and try again; the repository is as it was before",
    ),
    (
        "Locking repo ",
        "another process writes to the repository or deletes from it; try again, or raise core.lock-timeout-secs",
    ),
    (
        "min-free-space-",
        "free some space, or change core.min-free-space-percent in the repository's config",
    ),
    (
        "Permission denied",
        "run as the user who owns it, or give another --repo",
    ),
];

/// Why a command ends early.
///
/// Deliberately no [`Error`] itself, so that every error converts into it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

#[derive(Debug)]
enum Kind {
    /// The command could not do what it was asked.
    Failed,
    /// The command line makes no sense. What helps is said before the message.
    Usage { help: String },
    /// Help or version was asked for; the message is the answer.
    Answer,
    /// Nobody reads stdout any more.
    ClosedPipe,
}

impl Failure {
    /// A failure with this message: lower case unless ostree says it so, no full stop.
    pub(crate) fn new(message: impl Display) -> Failure {
        Failure {
            kind: Kind::Failed,
            message: message.to_string(),
            hint: None,
        }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(message: impl Display) -> Failure {
        Failure {
            kind: Kind::Usage {
                help: String::new(),
            },
            ..Failure::new(message)
        }
    }

    /// Puts the text of a command's help before a usage failure.
    pub(crate) fn after_help(mut self, text: impl Display) -> Failure {
        if let Kind::Usage { help } = &mut self.kind {
            *help = text.to_string();
        }
        self
    }

    /// Not a failure: the answer to `--help` or `--version`.
    pub(crate) fn answer(text: impl Display) -> Failure {
        Failure {
            kind: Kind::Answer,
            ..Failure::new(text)
        }
    }

    /// An error of writing to stdout; a closed pipe is none.
    pub(crate) fn stdout(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure {
                kind: Kind::ClosedPipe,
                ..Failure::new("")
            },
            _ => Failure::from(error).within("cannot write to stdout"),
        }
    }

    /// Says what was being done: `OUTER: MESSAGE`.
    pub(crate) fn within(mut self, outer: impl Display) -> Failure {
        self.message = format!("{outer}: {}", self.message);
        self
    }

    /// Adds what would help. ostree gives no hints, so its face leaves them out.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// What is said, without its hint.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints what there is to say and gives the exit code.
    pub(crate) fn report(self, face: Face) -> ExitCode {
        let mut words = String::new();
        match &self.kind {
            Kind::ClosedPipe => return ExitCode::SUCCESS,
            Kind::Answer => {
                let _ = io::stdout().write_all(self.message.as_bytes()); // nobody reads it, nobody misses it
                return ExitCode::SUCCESS;
            }
            Kind::Usage { help } if !help.is_empty() => words = format!("{help}\n"),
            Kind::Usage { .. } | Kind::Failed => {}
        }
        words.push_str(&format!("error: {}\n", self.message));
        let remedy = REMEDIES
            .iter()
            .find(|(words, _)| self.message.contains(words));
        let hint = self.hint.or(remedy.map(|(_, remedy)| (*remedy).to_owned()));
        if let Some(hint) = hint.filter(|_| face.gives_hints()) {
            words.push_str(&format!("hint: {hint}\n"));
        }
        let _ = io::stderr().write_all(words.as_bytes()); // the exit code still tells
        let usage = matches!(self.kind, Kind::Usage { .. });
        ExitCode::from(if usage { face.usage_exit_code() } else { 1 })
    }
}

impl<E: Error + 'static> From<E> for Failure {
    /// The [`chain`] of causes.
    fn from(error: E) -> Failure {
        let failure = Failure::new(chain(&error));
        match help_for(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// What helps against errors that people meet every day, wherever they come from.
fn help_for(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match error.downcast_ref() {
        Some(RevError::NotFound { .. }) => Some("`apk-ostree refs` lists the names there are"),
        Some(RevError::NotUnique { .. }) => Some("more digits would tell the commits apart"),
        _ => None,
    }
}

/// An error and its causes, joined by `: `.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    if let Some(refusal) = refusal(error) {
        return in_plain_words(refusal);
    }
    let mut message = in_plain_words(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = in_plain_words(error);
        // Some errors have their cause in their text already, where ostree has it in the middle.
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

/// The cause that has nothing to do with what was being written, so that ostree does not say what that was.
fn refusal<'e>(mut error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    loop {
        let found = error.downcast_ref::<WriteError>();
        if let Some(WriteError::FreeSpace { .. } | WriteError::ReadOnlyMode) = found {
            return Some(error);
        }
        error = error.source()?;
    }
}

/// The words of an error without the number that the standard library adds to those of the system.
fn in_plain_words(error: &dyn Error) -> String {
    let text = error.to_string();
    let plain = text
        .rsplit_once(" (os error ")
        .filter(|(_, number)| number.ends_with(')'));
    plain.map_or(text.clone(), |(words, _)| words.to_owned())
}

/// Says what was being done when something failed.
pub(crate) trait Within<T> {
    /// `OUTER: MESSAGE`.
    fn within(self, outer: impl Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Within<T> for Result<T, E> {
    fn within(self, outer: impl Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().within(outer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open /a")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_joined_in_the_words_of_the_system() {
        let outer = Outer(io::Error::from_raw_os_error(2));
        assert_eq!(
            Failure::from(outer).message,
            "cannot open /a: No such file or directory"
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("open /a: {source}")]
    struct Told {
        source: io::Error,
    }

    #[test]
    fn a_cause_already_told_is_not_told_again() {
        let told = Told {
            source: io::Error::other("nothing there"),
        };
        assert_eq!(Failure::from(told).message, "open /a: nothing there");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::stdout(io::ErrorKind::BrokenPipe.into());
        assert!(matches!(closed.kind, Kind::ClosedPipe));
    }
}
