//! `lib/apk/db/triggers`: which directories wake which package's trigger script.
//!
//! One line for each package that has triggers: its identity, then globs of absolute directories, with spaces
//! between. In a glob `*` and `?` do not match `/`. apk 3 knows globs with `+` before them: such a one passes only
//! directories that changed, even when the package is new.
//!
//! ```
//! use apk_format::Triggers;
//!
//! let text = "Q1yY8lhMF1VhgegJgkcXfqaNabDJw= /bin /lib/modules/*\n";
//! let triggers = Triggers::parse(text)?;
//! assert!(triggers.entries[0].matches("/lib/modules/6.6.1"));
//! assert!(!triggers.entries[0].matches("/lib/modules/6.6.1/kernel"));
//! assert_eq!(triggers.write(), text);
//! # Ok::<(), apk_format::database::TriggersError>(())
//! ```

use std::fmt::Write;

use super::InstalledDb;
use crate::digest::Digest;

/// All triggers, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// One for each package: as they were installed (apk 2), or sorted as the packages (apk 3).
    pub entries: Vec<Trigger>,
}

/// The triggers of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Of the package.
    pub identity: Digest,
    /// As the package wrote them.
    pub globs: Vec<String>,
}

impl Trigger {
    /// Whether one of the globs matches a directory, given with its leading slash.
    pub fn matches(&self, directory: &str) -> bool {
        self.globs
            .iter()
            .any(|glob| glob_matches(glob.strip_prefix('+').unwrap_or(glob), directory))
    }
}

impl Triggers {
    /// Reads the whole file; empty lines are ignored.
    pub fn parse(text: &str) -> Result<Triggers, TriggersError> {
        let lines = text
            .split('\n')
            .enumerate()
            .filter(|(_, line)| !line.is_empty());
        let entries = lines.map(|(at, line)| {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let identity = words.next().and_then(|word| Digest::parse(word).ok());
            let identity = identity.ok_or_else(|| TriggersError {
                line: at + 1,
                text: line.to_owned(),
            })?;
            Ok(Trigger {
                identity,
                globs: words.map(str::to_owned).collect(),
            })
        });
        Ok(Triggers {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Brings the entries into the order of `installed`, as apk 3 has them; those of packages that are not installed
    /// come last.
    pub fn sort_as(&mut self, installed: &InstalledDb) {
        let places = installed.places();
        self.entries.sort_by_key(|entry| {
            let place = places.get(&entry.identity);
            place.copied().unwrap_or(usize::MAX)
        });
    }

    /// The whole file.
    pub fn write(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {}", entry.identity.to_q1(), entry.globs.join(" "));
        }
        text
    }
}

/// A line that does not begin with an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the triggers is {text:?}, not an identity and globs")]
pub struct TriggersError {
    /// Counted from 1.
    pub line: usize,
    /// The whole line.
    pub text: String,
}

/// Whether `glob` matches the whole of `path`, where only `/` matches `/`.
fn glob_matches(glob: &str, path: &str) -> bool {
    let (mut globs, mut parts) = (glob.split('/'), path.split('/'));
    loop {
        match (globs.next(), parts.next()) {
            (Some(glob), Some(part)) if component_matches(&tokens(glob), part) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// One element of a glob.
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    /// `[…]`: ranges, and whether they are what must not be there.
    Set(Vec<(char, char)>, bool),
    /// A character for itself.
    Char(char),
}

impl Token {
    fn fits(&self, character: char) -> bool {
        match self {
            Token::Any => false,
            Token::One => true,
            Token::Set(ranges, negated) => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character))
                    != *negated
            }
            Token::Char(own) => *own == character,
        }
    }
}

fn tokens(glob: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = glob.chars();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().unwrap_or('\\')),
            '[' => match set(rest.as_str()) {
                Some((set, after)) => {
                    rest = after.chars();
                    set
                }
                None => Token::Char('['),
            },
            other => Token::Char(other),
        });
    }
    tokens
}

/// Reads a set after its `[`; `None` if it is never closed.
fn set(text: &str) -> Option<(Token, &str)> {
    let (negated, text) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    // A `]` in the first place stands for itself.
    let close = text
        .char_indices()
        .skip(1)
        .find(|(_, character)| *character == ']')?
        .0;
    let mut characters = text.get(..close)?.chars().peekable();
    let mut ranges = Vec::new();
    while let Some(low) = characters.next() {
        let mut ahead = characters.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) => {
                ranges.push((low, high));
                characters = ahead;
            }
            _ => ranges.push((low, low)),
        }
    }
    Some((Token::Set(ranges, negated), text.get(close + 1..)?))
}

/// Matches with one place to come back to, the last `*`: its time is the product of the lengths at worst.
fn component_matches(glob: &[Token], text: &str) -> bool {
    let (mut glob, mut text) = (glob, text);
    let mut star: Option<(&[Token], &str)> = None;
    loop {
        match (glob.split_first(), text.chars().next()) {
            (Some((Token::Any, after)), _) => {
                star = Some((after, text));
                glob = after;
            }
            (Some((token, after)), Some(character)) if token.fits(character) => {
                glob = after;
                text = text.get(character.len_utf8()..).unwrap_or_default();
            }
            (None, None) => return true,
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                let Some(skipped) = from.chars().next() else {
                    return false;
                };
                let from = from.get(skipped.len_utf8()..).unwrap_or_default();
                star = Some((after, from));
                (glob, text) = (after, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stay_within_a_component() {
        for (glob, path, expected) in [
            ("/usr/share/*", "/usr/share/a", true),
            ("/usr/share/*", "/usr/share/a/b", false),
            ("/usr/share/*", "/usr/share", false),
            ("/usr/lib*/gtk-?.0", "/usr/lib64/gtk-3.0", true),
            ("/a*b*c", "/abbcbc", true),
            ("/a*b*c", "/abbcb", false),
            ("/[a-c]x", "/bx", true),
            ("/[!a-c]x", "/bx", false),
            ("/[]x]", "/]", true),
            ("/[x", "/[x", true),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("/é?", "/éü", true),
            ("", "", true),
        ] {
            assert_eq!(glob_matches(glob, path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn a_line_without_identity_is_named() {
        let error = Triggers::parse("\nfoo /bin\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"line 2 of the triggers is "foo /bin", not an identity and globs"#
        );
    }
}
