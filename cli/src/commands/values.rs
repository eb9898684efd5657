//! Values of options, and words, as ostree takes them.

use std::num::ParseIntError;

use crate::console::Console;
use crate::face::Face;
use crate::failure::Failure;

/// A boolean as ostree's options take it.
pub(crate) fn parse_bool(text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" | "none" => Ok(false),
        _ => Err(Failure::usage(format_args!(
            "Invalid boolean argument '{text}'"
        ))),
    }
}

/// A number as C reads it: `0x` before hex digits, `0` before octal ones.
pub(crate) fn parse_number(text: &str) -> Result<i64, ParseIntError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let octal = digits.len() > 1 && digits.starts_with('0');
    let (digits, radix) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => (digits, 16),
        None => (digits, if octal { 8 } else { 10 }),
    };
    i64::from_str_radix(&format!("{sign}{digits}"), radix)
}

/// Refuses words behind a command that takes none; ostree does not look at them.
pub(super) fn refuse_words(words: &[String], console: &Console) -> Result<(), Failure> {
    match words.first().filter(|_| console.face() != Face::Ostree) {
        Some(word) => Err(Failure::usage(format_args!("unexpected argument {word:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [
            ("8", 8),
            ("010", 8),
            ("0x10", 16),
            ("0", 0),
            ("-1", -1),
            ("-0x1", -1),
        ] {
            assert_eq!(parse_number(text), Ok(number), "{text}");
        }
        for text in ["", "abc", "09", "0x", "1x", "--1"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
    }
}
