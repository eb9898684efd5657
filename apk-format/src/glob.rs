//! Globs over names: `*`, `?` and `[…]`, without regard to the case of ASCII letters.
//!
//! | in a glob | matches |
//! |---|---|
//! | `*` | any bytes, `/` and a leading dot included |
//! | `?` | one byte |
//! | `[a-c]`, `[!a-c]`, `[^a-c]` | one byte of the set, or none of it; `]` in the first place stands for itself |
//! | `\x` | `x` |
//! | an open `[` without its `]` | itself |
//!
//! This is how apk compares the operands of its queries with names and texts, byte by byte whatever the locale. The
//! directories of triggers are compared component by component ([`matches_path`]).
//!
//! ```
//! use apk_format::glob;
//!
//! assert!(glob::matches("so:libZ.*", "so:libz.so.1"));
//! assert!(!glob::matches("z?", "zlib"));
//! assert!(glob::is_glob("z*") && !glob::is_glob("zlib"));
//! ```

/// Whether a text has one of the characters that make a glob of it: `*` or `?`. A `[` alone does not, by apk's rule.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `glob` matches the whole of `text`. The time is the product of the lengths at worst.
pub fn matches(glob: &str, text: &str) -> bool {
    compare(glob.as_bytes(), text.as_bytes(), true)
}

/// The same with regard to case.
pub fn matches_case(glob: &str, text: &str) -> bool {
    compare(glob.as_bytes(), text.as_bytes(), false)
}

/// Whether `glob` matches the whole of `path`, where only `/` matches `/`: character by character, with regard to case.
pub fn matches_path(glob: &str, path: &str) -> bool {
    let (mut globs, mut parts) = (glob.split('/'), path.split('/'));
    loop {
        match (globs.next(), parts.next()) {
            (Some(glob), Some(part)) => {
                let [glob, part] = [glob, part].map(|text| text.chars().collect::<Vec<char>>());
                if !compare(&glob, &part, false) {
                    return false;
                }
            }
            (rest, missing) => return rest.is_none() && missing.is_none(),
        }
    }
}

/// What a glob is compared by: bytes or characters.
trait Unit: Copy + PartialOrd + From<u8> {
    /// The same letter of ASCII in the other case, and anything else unchanged.
    fn other_case(self) -> Self;

    fn is(self, ascii: u8) -> bool {
        self == Self::from(ascii)
    }
}

impl Unit for u8 {
    fn other_case(self) -> u8 {
        if self.is_ascii_alphabetic() {
            self ^ 0x20
        } else {
            self
        }
    }
}

impl Unit for char {
    fn other_case(self) -> char {
        u8::try_from(self).map_or(self, |byte| char::from(byte.other_case()))
    }
}

fn compare<U: Unit>(glob: &[U], text: &[U], fold: bool) -> bool {
    let (mut glob, mut text) = (glob, text);
    // The one place to come back to: behind the last `*`, and where its match began to end.
    let mut star: Option<(&[U], &[U])> = None;
    loop {
        if let Some((first, after)) = glob.split_first()
            && first.is(b'*')
        {
            star = Some((after, text));
            glob = after;
            continue;
        }
        match (step(glob, text.first().copied(), fold), text.split_first()) {
            (Step::Fits(after), Some((_, rest))) => (glob, text) = (after, rest),
            (Step::Ended, None) => return true,
            _ => {
                let Some((after, [_, rest @ ..])) = star else {
                    return false;
                };
                star = Some((after, rest));
                (glob, text) = (after, rest);
            }
        }
    }
}

/// What the first element of a glob makes of a unit.
enum Step<'a, U> {
    /// It matches; this is what follows the element.
    Fits(&'a [U]),
    /// It does not.
    Differs,
    /// There is no element.
    Ended,
}

fn step<U: Unit>(glob: &[U], unit: Option<U>, fold: bool) -> Step<'_, U> {
    let Some((first, rest)) = glob.split_first() else {
        return Step::Ended;
    };
    let Some(unit) = unit else {
        return Step::Differs;
    };
    let literal = |own: U, after| {
        if own == unit || (fold && own == unit.other_case()) {
            Step::Fits(after)
        } else {
            Step::Differs
        }
    };
    if first.is(b'?') {
        return Step::Fits(rest);
    }
    if first.is(b'[')
        && let Some((found, after)) = set(rest, unit, fold)
    {
        return if found {
            Step::Fits(after)
        } else {
            Step::Differs
        };
    }
    match rest.split_first() {
        Some((own, after)) if first.is(b'\\') => literal(*own, after),
        _ => literal(*first, rest),
    }
}

/// Reads a set after its `[`, and whether the unit is in it; `None` if it is never closed.
fn set<U: Unit>(text: &[U], unit: U, fold: bool) -> Option<(bool, &[U])> {
    let (negated, text) = match text.split_first() {
        Some((first, rest)) if first.is(b'!') || first.is(b'^') => (true, rest),
        _ => (false, text),
    };
    let close = text.iter().skip(1).position(|unit| unit.is(b']'))? + 1;
    let (mut members, after) = (text.get(..close)?, text.get(close + 1..)?);
    let mut found = false;
    loop {
        let range = match members {
            [] => break,
            [low, dash, high, rest @ ..] if dash.is(b'-') => {
                members = rest;
                *low..=*high
            }
            [one, rest @ ..] => {
                members = rest;
                *one..=*one
            }
        };
        found |= range.contains(&unit) || (fold && range.contains(&unit.other_case()));
    }
    Some((found != negated, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_a_whole() {
        for (glob, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "a/.b", true),
            ("lib*", "libfoo", true),
            ("lib*", "alib", false),
            ("*LIB*", "alibb", true),
            ("a*b*c", "abbcbc", true),
            ("a*b*c", "abbcb", false),
            ("?", "", false),
            ("[a-c]x", "Bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn case_counts_where_it_should() {
        assert!(matches_case("[a-c]*X", "b-X") && !matches_case("[a-c]*X", "B-X"));
        assert!(!matches_case("*x", "X") && matches("*x", "X"));
    }

    #[test]
    fn many_stars_take_no_time() {
        let (glob, text) = ("*a".repeat(2000) + "b", "a".repeat(20_000));
        assert!(!matches(&glob, &text));
    }

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
            assert_eq!(matches_path(glob, path), expected, "{glob} {path}");
        }
    }
}
