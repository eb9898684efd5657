//! Groups of `key=value` lines, as GLib's key files have them; what is not changed stays as it stands.
//!
//! | text | is |
//! |---|---|
//! | `[group]` | the beginning of a group; one that comes again goes on where it was |
//! | `key=value` | a value; white space around the key and before the value is no part of it; the last of equals counts |
//! | `# …` | a comment; kept here, dropped by ostree when it writes the file |
//! | `\s \t \n \r \\` in a value | space, tab, line feed, carriage return, backslash; `\;` in a list |
//!
//! Written back, groups are separated by one empty line, as GLib does.

use std::collections::BTreeMap;
use std::fmt;

/// A parsed key file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyFile {
    groups: Vec<Group>,
    by_name: BTreeMap<String, usize>,
    /// Comments behind the last group's keys.
    trailing: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    /// Comments before the group's line.
    comments: Vec<String>,
    lines: Vec<Line>,
    by_key: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Comment(String),
    Pair { key: String, value: String },
}

/// Why a text is no key file, or a name cannot be in one. The words are GLib's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A line of no known form.
    #[error("Key file contains line “{line}” which is not a key-value pair, group, or comment")]
    Line {
        /// The line.
        line: String,
    },
    /// A key before the first group.
    #[error("Key file does not start with a group")]
    NoGroup,
    /// A group that cannot be named so.
    #[error("Invalid group name: {name}")]
    GroupName {
        /// The name.
        name: String,
    },
    /// A key that cannot be named so.
    #[error("Invalid key name: {name}")]
    KeyName {
        /// The name.
        name: String,
    },
}

impl KeyFile {
    /// Reads the text of a key file.
    pub(super) fn parse(text: &str) -> Result<KeyFile, SyntaxError> {
        let mut file = KeyFile::default();
        let mut current = None;
        let mut comments = Vec::new();
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let trimmed = line.trim_start_matches(is_space);
            if trimmed.is_empty() {
                continue;
            }
            if trimmed.starts_with('#') {
                comments.push(trimmed.to_owned());
            } else if let Some(name) = group_name(trimmed) {
                current = Some(file.add_group(name, std::mem::take(&mut comments))?);
            } else {
                let (key, value) = key_and_value(trimmed, line)?;
                let group = current
                    .and_then(|at: usize| file.groups.get_mut(at))
                    .ok_or(SyntaxError::NoGroup)?;
                group.lines.extend(comments.drain(..).map(Line::Comment));
                group.add(key, value.to_owned())?;
            }
        }
        file.trailing = comments;
        Ok(file)
    }

    /// The value of a key as it stands in the file.
    pub(super) fn get(&self, group: &str, key: &str) -> Option<&str> {
        self.group(group)?.get(key)
    }

    /// Whether there is such a group.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.by_name.contains_key(group)
    }

    /// The names of all groups, in the file's order.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    /// Sets a key to a value that is written as it stands; a new key goes to the end of its group, a new group to the
    /// end of the file.
    pub(super) fn set(&mut self, group: &str, key: &str, value: String) -> Result<(), SyntaxError> {
        check_key(key)?;
        let at = match self.by_name.get(group) {
            Some(at) => *at,
            None => {
                let comments = std::mem::take(&mut self.trailing);
                let at = self.add_group(group, Vec::new())?;
                if let Some(last) = at.checked_sub(1).and_then(|at| self.groups.get_mut(at)) {
                    last.lines.extend(comments.into_iter().map(Line::Comment));
                }
                at
            }
        };
        match self.groups.get_mut(at) {
            Some(group) => group.set(key, value),
            None => Ok(()),
        }
    }

    /// Removes a key and says whether it was there.
    pub(super) fn unset(&mut self, group: &str, key: &str) -> bool {
        let at = self.by_name.get(group).copied();
        at.and_then(|at| self.groups.get_mut(at))
            .is_some_and(|group| group.unset(key))
    }

    /// Removes a group with its keys and says whether it was there.
    pub(super) fn remove_group(&mut self, group: &str) -> bool {
        let Some(at) = self.by_name.remove(group) else {
            return false;
        };
        self.groups.remove(at);
        for later in self.by_name.values_mut().filter(|later| **later > at) {
            *later -= 1;
        }
        true
    }

    fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(*self.by_name.get(name)?)
    }

    /// The place of a group, which is made if it is not there.
    fn add_group(&mut self, name: &str, comments: Vec<String>) -> Result<usize, SyntaxError> {
        if let Some(at) = self.by_name.get(name) {
            if let Some(group) = self.groups.get_mut(*at) {
                group.lines.extend(comments.into_iter().map(Line::Comment));
            }
            return Ok(*at);
        }
        check_group(name)?;
        self.groups.push(Group {
            name: name.to_owned(),
            comments,
            lines: Vec::new(),
            by_key: BTreeMap::new(),
        });
        let at = self.groups.len() - 1;
        self.by_name.insert(name.to_owned(), at);
        Ok(at)
    }
}

impl Group {
    fn get(&self, key: &str) -> Option<&str> {
        match self.lines.get(*self.by_key.get(key)?)? {
            Line::Pair { value, .. } => Some(value),
            Line::Comment(_) => None,
        }
    }

    fn set(&mut self, key: &str, new: String) -> Result<(), SyntaxError> {
        let at = self.by_key.get(key).copied();
        if let Some(Line::Pair { value, .. }) = at.and_then(|at| self.lines.get_mut(at)) {
            *value = new;
            return Ok(());
        }
        self.add(key, new)
    }

    /// Adds a line. One of the same key that is there already stays in the text, but no longer counts.
    fn add(&mut self, key: &str, new: String) -> Result<(), SyntaxError> {
        check_key(key)?;
        self.by_key.insert(key.to_owned(), self.lines.len());
        self.lines.push(Line::Pair {
            key: key.to_owned(),
            value: new,
        });
        Ok(())
    }

    /// Removes every line of a key; ostree removes the last one, so that the one before counts again.
    fn unset(&mut self, key: &str) -> bool {
        if self.by_key.remove(key).is_none() {
            return false;
        }
        self.lines
            .retain(|line| !matches!(line, Line::Pair { key: other, .. } if other == key));
        let pairs = self.lines.iter().enumerate();
        self.by_key = pairs
            .filter_map(|(at, line)| match line {
                Line::Pair { key, .. } => Some((key.clone(), at)),
                Line::Comment(_) => None,
            })
            .collect();
        true
    }
}

impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, group) in self.groups.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            for comment in &group.comments {
                writeln!(f, "{comment}")?;
            }
            writeln!(f, "[{}]", group.name)?;
            for line in &group.lines {
                match line {
                    Line::Comment(text) => writeln!(f, "{text}")?,
                    Line::Pair { key, value } => writeln!(f, "{key}={value}")?,
                }
            }
        }
        for comment in &self.trailing {
            writeln!(f, "{comment}")?;
        }
        Ok(())
    }
}

/// What GLib counts as white space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// The name in a group's line; anything but blanks behind the first `]` makes it another line.
fn group_name(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix('[')?.split_once(']')?;
    rest.chars().all(|c| c == ' ' || c == '\t').then_some(name)
}

fn key_and_value<'t>(trimmed: &'t str, line: &str) -> Result<(&'t str, &'t str), SyntaxError> {
    match trimmed.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((
            key.trim_end_matches(is_space),
            value.trim_start_matches(is_space),
        )),
        _ => Err(SyntaxError::Line {
            line: line.to_owned(),
        }),
    }
}

fn check_group(name: &str) -> Result<(), SyntaxError> {
    let wrong = |c: char| c == '[' || c == ']' || c.is_ascii_control();
    if name.is_empty() || name.contains(wrong) {
        return Err(SyntaxError::GroupName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// A key may end with a locale: `key[de_AT@euro]`.
fn check_key(name: &str) -> Result<(), SyntaxError> {
    let (base, locale) = match name.split_once('[') {
        Some((base, rest)) => (base, rest.strip_suffix(']')),
        None => (name, Some("")),
    };
    let of_locale = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    let is_name = !base.is_empty()
        && !base.contains(['=', ']', '\n', '\r'])
        && !base.starts_with(' ')
        && !base.ends_with(' ')
        && locale.is_some_and(|locale| locale.chars().all(of_locale));
    if is_name {
        return Ok(());
    }
    Err(SyntaxError::KeyName {
        name: name.to_owned(),
    })
}

/// The text of a string in a key file. `separator` is escaped too where the string is one of a list.
pub(super) fn escape(text: &str, separator: Option<char>) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut leading = true;
    for c in text.chars() {
        match c {
            ' ' if leading => escaped.push_str("\\s"),
            '\t' if leading => escaped.push_str("\\t"),
            ' ' | '\t' => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            _ if separator == Some(c) => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
        // The beginning goes on behind white space, and begins again behind a separator.
        leading = match c {
            ' ' | '\t' => leading,
            _ => separator == Some(c),
        };
    }
    escaped
}

/// The strings that a value means, separated by `separator`; without one it is a single string. `None` if an escape
/// is none.
pub(super) fn unescape(value: &str, separator: Option<char>) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    let mut string = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            string.push(match chars.next()? {
                's' => ' ',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                c if separator == Some(c) => c,
                _ => return None,
            });
        } else if separator == Some(c) {
            strings.push(std::mem::take(&mut string));
        } else {
            string.push(c);
        }
    }
    // A separator ends a string; only what follows the last one needs none.
    if !string.is_empty() || separator.is_none() {
        strings.push(string);
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays() {
        let text = "# top\n[core]\nmode=bare\n# why\nx=1\n\n# of b\n[b]\ny= 2 \n# end\n";
        let mut file = KeyFile::parse(text).unwrap();
        assert_eq!(file.to_string(), text.replace("y= ", "y="));
        file.set("core", "x", "2".to_owned()).unwrap();
        file.set("c", "z", "3".to_owned()).unwrap();
        assert!(file.unset("core", "mode"));
        assert!(!file.unset("core", "mode"));
        let wanted = "# top\n[core]\n# why\nx=2\n\n# of b\n[b]\ny=2 \n# end\n\n[c]\nz=3\n";
        assert_eq!(file.to_string(), wanted);
        assert!(file.remove_group("b"));
        assert_eq!(file.get("c", "z"), Some("3"));
        file.set("core", "x", "4".to_owned()).unwrap();
        assert_eq!(file.to_string(), "# top\n[core]\n# why\nx=4\n\n[c]\nz=3\n");
    }

    #[test]
    fn strings_come_back_from_their_escaped_form() {
        for text in ["", " \t a b", "a\\sb", "x\ny\r\\", "\\", "ü"] {
            assert_eq!(unescape(&escape(text, None), None).unwrap(), [text]);
            let listed = format!("{};", escape(text, Some(';')));
            assert_eq!(unescape(&listed, Some(';')).unwrap(), [text]);
        }
        assert_eq!(unescape("a;b\\;c", Some(';')).unwrap(), ["a", "b;c"]);
        assert_eq!(unescape("", Some(';')).unwrap(), Vec::<String>::new());
        assert_eq!(unescape("a\\", None), None);
        assert_eq!(unescape("\\q", None), None);
    }

    #[test]
    fn names_are_those_that_glib_takes() {
        for good in ["a", "a b", "a[de]", "a[de_AT@euro]", "ü"] {
            assert_eq!(check_key(good), Ok(()), "{good}");
        }
        for bad in ["", " a", "a ", "a[", "a]", "a[de", "a[d e]", "a[de]x"] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a]", "[", "a\tb"] {
            assert!(check_group(bad).is_err(), "{bad:?}");
        }
    }
}
