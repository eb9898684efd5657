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
//! This is how apk compares the operands of its queries with names and texts, byte by byte whatever the locale.
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
    compare(glob, text, true)
}

/// The same with regard to case.
pub fn matches_case(glob: &str, text: &str) -> bool {
    compare(glob, text, false)
}

fn compare(glob: &str, text: &str, fold: bool) -> bool {
    let (mut glob, mut text) = (glob.as_bytes(), text.as_bytes());
    // The one place to come back to: behind the last `*`, and where its match began to end.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = glob.split_first() {
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

/// What the first element of a glob makes of a byte.
enum Step<'a> {
    /// It matches; this is what follows the element.
    Fits(&'a [u8]),
    /// It does not.
    Differs,
    /// There is no element.
    Ended,
}

fn step(glob: &[u8], byte: Option<u8>, fold: bool) -> Step<'_> {
    let Some((first, rest)) = glob.split_first() else {
        return Step::Ended;
    };
    let Some(byte) = byte else {
        return Step::Differs;
    };
    let literal = |own: u8, after| {
        if own == byte || (fold && own.eq_ignore_ascii_case(&byte)) {
            Step::Fits(after)
        } else {
            Step::Differs
        }
    };
    match (first, rest.split_first()) {
        (b'?', _) => Step::Fits(rest),
        (b'\\', Some((own, after))) => literal(*own, after),
        (b'[', _) => match set(rest, byte, fold) {
            Some((true, after)) => Step::Fits(after),
            Some((false, _)) => Step::Differs,
            None => literal(b'[', rest),
        },
        (own, _) => literal(*own, rest),
    }
}

/// Reads a set after its `[`, and whether the byte is in it; `None` if it is never closed.
fn set(text: &[u8], byte: u8, fold: bool) -> Option<(bool, &[u8])> {
    let (negated, text) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let close = text.iter().skip(1).position(|byte| *byte == b']')? + 1;
    let (mut members, after) = (text.get(..close)?, text.get(close + 1..)?);
    let mut found = false;
    loop {
        let range = match members {
            [] => break,
            [low, b'-', high, rest @ ..] => {
                members = rest;
                *low..=*high
            }
            [one, rest @ ..] => {
                members = rest;
                *one..=*one
            }
        };
        let other = if byte.is_ascii_uppercase() {
            byte.to_ascii_lowercase()
        } else {
            byte.to_ascii_uppercase()
        };
        found |= range.contains(&byte) || (fold && range.contains(&other));
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
}
