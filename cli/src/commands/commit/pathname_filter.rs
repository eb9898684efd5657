//! `--tar-pathname-filter=REGEX,REPLACEMENT`: other names for the entries of archives.
//!
//! The words are those of Perl and of GLib's `g_regex_replace`; the first comma divides them. Of Perl's syntax
//! recursion, `\g`, branch resets, `\Q…\E` and `\h` are missing here.
//!
//! | in the replacement | is |
//! |---|---|
//! | `\0`, `\g<0>` | everything that matched |
//! | `\1` … `\99`, `\g<1>`, `\g<name>` | a group; nothing if there is none |
//! | `\123`, `\012`, `\x41`, `\x{20ac}` | a character by its number: three octal digits, or hexadecimal |
//! | `\a \b \f \n \r \t \v \\` | a control character, a backslash |
//! | `\l`, `\u` | the next character in lower, upper case |
//! | `\L`, `\U` | everything up to `\E` in lower, upper case |

use std::iter::Peekable;
use std::str::Chars;

use fancy_regex::{Captures, Regex, RegexBuilder};
use ostree_store::tree::import_tar::Renamer;

use crate::failure::Failure;

/// How often a match may try another way before it is given up: an expression can make that take for ever.
const BACKTRACKS: usize = 1_000_000;

/// The longest name that is made, in bytes. A path has 4,096.
const MAX_NAME: usize = 64 << 10;

/// Reads the option's value.
pub(crate) fn parse(filter: &str) -> Result<Renamer, Failure> {
    let (expression, replacement) = filter
        .split_once(',')
        .ok_or_else(|| Failure::usage("Missing ',' in --tar-pathname-filter"))?;
    if recurses(expression) {
        return Err(Failure::usage(
            "--tar-pathname-filter: recursion and \\g in expressions are not in apk-ostree",
        ));
    }
    let regex = RegexBuilder::new(expression)
        .backtrack_limit(BACKTRACKS)
        .build()
        .map_err(|error| {
            Failure::usage(format_args!(
                "--tar-pathname-filter: Error while compiling regular expression ‘{expression}’: {error}"
            ))
        })?;
    // Where the replacement makes no sense ostree aborts at the first entry.
    let pieces = pieces(replacement).map_err(|cause| {
        Failure::usage(format_args!(
            "--tar-pathname-filter: Error while parsing replacement text “{replacement}”: {cause}"
        ))
    })?;
    Ok(Renamer::new(move |name| replace(&regex, &pieces, name)))
}

/// Whether a group is called in an expression, which can take any amount of memory. The library also takes `\g1` for
/// such a call, which in Perl is what the group has matched.
fn recurses(expression: &str) -> bool {
    let mut rest = expression;
    while let Some(at) = rest.find(['\\', '(']) {
        let (_, found) = rest.split_at(at);
        let mut letters = found.chars();
        letters.next();
        if found.starts_with('\\') {
            if letters.next() == Some('g') {
                return true;
            }
            // Both letters are done with.
            rest = letters.as_str();
            continue;
        }
        rest = letters.as_str();
        let is_call = |text: &str| {
            let digits = text.trim_start_matches(['+', '-']);
            text.starts_with(['R', '&'])
                || text.starts_with("P>")
                || digits.starts_with(|c: char| c.is_ascii_digit())
        };
        if rest.strip_prefix('?').is_some_and(is_call) {
            return true;
        }
    }
    false
}

/// Replaces every match. Like GLib's, the search goes on where the last match ended, one character further if it began
/// there too, and passes over a match that it finds a second time.
fn replace(regex: &Regex, pieces: &[Piece], name: &str) -> Result<String, String> {
    let mut renamed = Renamed::default();
    let (mut from, mut copied, mut before) = (0, 0, None);
    while from <= name.len() {
        let found = regex.captures_from_pos(name, from);
        let Some(captures) = found.map_err(|error| error.to_string())? else {
            break;
        };
        let Some(whole) = captures.get(0) else { break };
        from = if whole.end() == from {
            let rest = name.get(from..).unwrap_or_default();
            from + rest.chars().next().map_or(1, char::len_utf8)
        } else {
            whole.end()
        };
        if before.replace(whole.range()) == Some(whole.range()) {
            continue;
        }
        renamed.push_unchanged(name.get(copied..whole.start()).unwrap_or_default());
        copied = whole.end();
        renamed.case = Case::AsItIs;
        pieces
            .iter()
            .for_each(|piece| renamed.push(piece, &captures));
        if renamed.text.len() > MAX_NAME {
            return Err("the name becomes too long".to_owned());
        }
    }
    renamed.push_unchanged(name.get(copied..).unwrap_or_default());
    Ok(renamed.text)
}

/// A part of the replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
    Case(Case),
}

/// What happens to the letters that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Case {
    #[default]
    AsItIs,
    Lower,
    Upper,
    /// Only to the next one.
    LowerOnce,
    UpperOnce,
}

#[derive(Default)]
struct Renamed {
    text: String,
    case: Case,
}

impl Renamed {
    fn push_unchanged(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn push(&mut self, piece: &Piece, captures: &Captures<'_, str>) {
        match piece {
            Piece::Case(case) => self.case = *case,
            Piece::Text(text) => self.push_cased(text),
            Piece::Group(number) => {
                self.push_cased(captures.get(*number).map_or("", |group| group.as_str()));
            }
            Piece::Named(name) => {
                self.push_cased(captures.name(name).map_or("", |group| group.as_str()));
            }
        }
    }

    fn push_cased(&mut self, text: &str) {
        let mut rest = text.chars();
        match (self.case, rest.next()) {
            (_, None) => {}
            (Case::AsItIs, _) => self.text.push_str(text),
            (Case::Lower, _) => self.text.push_str(&text.to_lowercase()),
            (Case::Upper, _) => self.text.push_str(&text.to_uppercase()),
            (Case::LowerOnce, Some(first)) => self.push_once(first.to_lowercase(), rest.as_str()),
            (Case::UpperOnce, Some(first)) => self.push_once(first.to_uppercase(), rest.as_str()),
        }
    }

    fn push_once(&mut self, first: impl Iterator<Item = char>, rest: &str) {
        self.text.extend(first);
        self.text.push_str(rest);
        self.case = Case::AsItIs;
    }
}

fn pieces(replacement: &str) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        let piece = match letter {
            '\\' => escape(&mut letters)?,
            letter => Piece::Text(letter.to_string()),
        };
        match (pieces.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(more)) => before.push_str(&more),
            (_, piece) => pieces.push(piece),
        }
    }
    Ok(pieces)
}

/// What stands behind a backslash.
fn escape(letters: &mut Peekable<Chars<'_>>) -> Result<Piece, &'static str> {
    let text = |c: char| Ok(Piece::Text(c.to_string()));
    match letters.next() {
        None => Err("stray final “\\”"),
        Some('a') => text('\x07'),
        Some('b') => text('\x08'),
        Some('f') => text('\x0c'),
        Some('n') => text('\n'),
        Some('r') => text('\r'),
        Some('t') => text('\t'),
        Some('v') => text('\x0b'),
        Some('\\') => text('\\'),
        Some('l') => Ok(Piece::Case(Case::LowerOnce)),
        Some('u') => Ok(Piece::Case(Case::UpperOnce)),
        Some('L') => Ok(Piece::Case(Case::Lower)),
        Some('U') => Ok(Piece::Case(Case::Upper)),
        Some('E') => Ok(Piece::Case(Case::AsItIs)),
        Some('x') => text(hexadecimal(letters)?),
        Some('g') => reference(letters),
        Some(digit @ '0'..='9') => number(digit, letters),
        Some(_) => Err("unknown escape sequence"),
    }
}

/// `41` or `{20ac}`.
fn hexadecimal(letters: &mut Peekable<Chars<'_>>) -> Result<char, &'static str> {
    let expected = "hexadecimal digit expected";
    let mut number = 0_u32;
    let mut add = |letter: Option<char>| {
        let digit = letter
            .and_then(|letter| letter.to_digit(16))
            .ok_or(expected)?;
        number = number.checked_mul(16).ok_or("no such character")? + digit;
        Ok::<u32, &'static str>(number)
    };
    let number = if letters.next_if_eq(&'{').is_some() {
        let mut last = add(letters.next())?;
        while letters.next_if_eq(&'}').is_none() {
            last = add(letters.next())?;
        }
        last
    } else {
        add(letters.next())?;
        add(letters.next())?
    };
    character(number)
}

/// `<1>` or `<name>`.
fn reference(letters: &mut Peekable<Chars<'_>>) -> Result<Piece, &'static str> {
    if letters.next() != Some('<') {
        return Err("missing “<” in symbolic reference");
    }
    let mut name = String::new();
    loop {
        match letters.next() {
            None => return Err("unfinished symbolic reference"),
            Some('>') if name.is_empty() => return Err("zero-length symbolic reference"),
            Some('>') => break,
            Some(letter) => name.push(letter),
        }
    }
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return name.parse().map(Piece::Group).map_err(|_| "digit expected");
    }
    match name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => Ok(Piece::Named(name)),
        false => Err("illegal symbolic reference"),
    }
}

/// Three octal digits, or two or three of them behind a zero, are a character; fewer digits a group.
fn number(first: char, letters: &mut Peekable<Chars<'_>>) -> Result<Piece, &'static str> {
    let octal = first == '0' && letters.peek().is_some_and(char::is_ascii_digit);
    let mut digits = if octal {
        String::new()
    } else {
        first.to_string()
    };
    while digits.len() < 3 {
        let third_of_a_group = digits.len() == 2 && digits.contains(['8', '9']);
        let wanted = |letter: &char| match octal {
            true => letter.is_digit(8),
            false => letter.is_ascii_digit() && !third_of_a_group,
        };
        let Some(digit) = letters.next_if(wanted) else {
            break;
        };
        if !octal && digits.len() == 2 && !digit.is_digit(8) {
            // GLib takes the digit away and still means the group of two digits.
            break;
        }
        digits.push(digit);
    }
    if octal || digits.len() == 3 {
        let number = u32::from_str_radix(&digits, 8).unwrap_or(0);
        return Ok(Piece::Text(character(number)?.to_string()));
    }
    Ok(Piece::Group(digits.parse().unwrap_or(0)))
}

fn character(number: u32) -> Result<char, &'static str> {
    char::from_u32(number)
        .filter(|c| *c != '\0')
        .ok_or("no such character")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(expression: &str, replacement: &str, name: &str) -> String {
        let regex = Regex::new(expression).unwrap();
        replace(&regex, &pieces(replacement).unwrap(), name).unwrap()
    }

    #[test]
    fn groups_are_not_called() {
        for calls in [
            r"\g0*",
            r"(a)\g<1>",
            "(?R)",
            "(a(?1))",
            "(?&n)",
            "(?P>n)",
            "(?-1)",
            "(?+1)",
        ] {
            assert!(recurses(calls), "{calls}");
        }
        for others in [
            r"\\g", "(?i)a", "(?-i)a", "(?<n>a)", "(?P<n>a)", "(?=a)", "(a)(b)", "g",
        ] {
            assert!(!recurses(others), "{others}");
        }
    }

    /// What `g_regex_replace` of GLib 2.74 gives; more is compared with the real tool in the tests of the command.
    #[test]
    fn names_are_replaced_as_by_glib() {
        for (expression, replacement, name, expected) in [
            ("x*", "-", "axb", "-a--b-"),
            ("(?=[a-z])", "_", "ab", "_a_b"),
            ("(.)(.)", r"\2\1", "abc", "bac"),
            ("(?<n>[a-z]+)", r"<\g<n>>", "abc", "<abc>"),
            ("a", r"\U&\0", "aa", "&A&A"),
            ("b", r"\101\x41\x{e9}\0101", "b", "AAéA"),
            ("b", r"\12\9\g<zz>", "abc", "ac"),
            ("$", "Z", "a", "aZ"),
        ] {
            assert_eq!(
                renamed(expression, replacement, name),
                expected,
                "{expression}"
            );
        }
    }

    #[test]
    fn endless_searches_and_names_are_errors() {
        let renamer = parse("(a+)+\\1b,x").unwrap();
        let debug = format!("{renamer:?}");
        assert_eq!(debug, "Renamer");
        let regex = RegexBuilder::new(r"(a*)*(a*)*\1\2b")
            .backtrack_limit(1000)
            .build()
            .unwrap();
        assert!(replace(&regex, &[], &"a".repeat(4000)).is_err());
        let long = pieces(&"x".repeat(1000)).unwrap();
        assert!(replace(&Regex::new("a").unwrap(), &long, &"a".repeat(4000)).is_err());
    }
}
