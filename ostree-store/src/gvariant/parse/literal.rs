//! Texts, bytes and numbers as they are written.

use std::ops::Range;

use super::{TextError, TextFault};

/// The text in quotes. `at` is the place of the token.
pub(super) fn text(token: &str, at: Range<usize>) -> Result<String, TextError> {
    let unterminated = || TextFault::Unterminated.at(at.clone());
    let mut rest = token.chars();
    let quote = rest.next();
    let mut text = String::new();
    loop {
        match rest.next().ok_or_else(unterminated)? {
            c if Some(c) == quote => return Ok(text),
            '\\' => match rest.next().ok_or_else(unterminated)? {
                '\n' => {}
                letter @ ('u' | 'U') => {
                    let digits = if letter == 'u' { 4 } else { 8 };
                    let behind = rest.as_str();
                    let offset = at.start + token.len() - behind.len();
                    let valid = behind
                        .bytes()
                        .take_while(u8::is_ascii_hexdigit)
                        .take(digits);
                    let end = offset + valid.count();
                    let invalid = || TextFault::UnicodeEscape { digits }.at(offset..end);
                    text.push(escaped_char(behind, digits).ok_or_else(invalid)?);
                    rest = behind.get(digits..).unwrap_or_default().chars();
                }
                c => text.push(u8::try_from(c).ok().and_then(control).map_or(c, char::from)),
            },
            c => text.push(c),
        }
    }
}

/// The character with this number, which is not zero.
fn escaped_char(digits: &str, count: usize) -> Option<char> {
    let digits = digits.get(..count)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(digits, 16).ok()?;
    char::from_u32(number).filter(|c| *c != '\0')
}

/// The bytes in quotes behind a `b`, up to their first NUL and with one.
pub(super) fn bytes(token: &str, at: Range<usize>) -> Result<Vec<u8>, TextError> {
    let unterminated = || TextFault::Unterminated.at(at.clone());
    let mut rest = token.bytes().skip(1).peekable();
    let quote = rest.next();
    let mut bytes = Vec::new();
    loop {
        match rest.next().ok_or_else(unterminated)? {
            byte if Some(byte) == quote => break,
            b'\\' => match rest.next().ok_or_else(unterminated)? {
                b'\n' => {}
                digit @ b'0'..=b'7' => {
                    let mut number = digit - b'0';
                    for _ in 0..2 {
                        if let Some(digit) = rest.next_if(|byte| (b'0'..=b'7').contains(byte)) {
                            number = (number << 3) | (digit - b'0'); // of 0400 and more the low eight bits
                        }
                    }
                    bytes.push(number);
                }
                byte => bytes.push(control(byte).unwrap_or(byte)),
            },
            byte => bytes.push(byte),
        }
    }
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes.push(0);
    Ok(bytes)
}

/// The control character that a letter behind a backslash means.
fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}

/// A number read as far as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Read<T> {
    pub(super) value: T,
    /// Bytes that belong to it; none if there is no number.
    pub(super) length: usize,
    /// It is too large, or for a fraction too small, to be told exactly.
    pub(super) out_of_range: bool,
}

/// An unsigned integer as C's `strtoull` reads it with base 0: sign, `0x` before hex digits, `0` before octal ones.
pub(super) fn integer(text: &str) -> Read<u64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let (digits, radix) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (unsigned.get(2..).unwrap_or_default(), 16),
        [b'0', ..] => (unsigned, 8),
        _ => (unsigned, 10),
    };
    let count = digits.chars().take_while(|c| c.is_digit(radix)).count();
    let length = match count {
        0 if radix == 16 => sign + 1, // the zero before the x is a number
        0 => 0,
        count => text.len() - digits.len() + count,
    };
    let number = u64::from_str_radix(digits.get(..count.max(1)).unwrap_or("0"), radix);
    match number {
        _ if count == 0 => Read {
            value: 0,
            length,
            out_of_range: false,
        },
        Ok(value) if text.starts_with('-') => Read {
            value: value.wrapping_neg(),
            length,
            out_of_range: false,
        },
        Ok(value) => Read {
            value,
            length,
            out_of_range: false,
        },
        Err(_) => Read {
            value: u64::MAX,
            length,
            out_of_range: true,
        },
    }
}

/// A fraction as C's `strtod` reads it: decimal, hexadecimal, `inf`, `infinity`, `nan`.
pub(super) fn fraction(text: &str) -> Read<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let lower = unsigned.to_ascii_lowercase();
    let named = [
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ];
    let named = named.iter().find(|(name, _)| lower.starts_with(name));
    let (magnitude, length, finite) = match named {
        Some((name, value)) => (*value, name.len(), false),
        None => match lower.strip_prefix("0x").and_then(hexadecimal) {
            Some((value, length)) => (value, 2 + length, true),
            None => {
                let length = decimal(&lower);
                let value = lower.get(..length).and_then(|digits| digits.parse().ok());
                (value.unwrap_or(0.0), length, true)
            }
        },
    };
    Read {
        value: if text.starts_with('-') {
            -magnitude
        } else {
            magnitude
        },
        length: if length == 0 { 0 } else { sign + length },
        out_of_range: finite && (magnitude.is_infinite() || magnitude.is_subnormal()),
    }
}

/// How many bytes of `text` are a decimal number with point and exponent.
fn decimal(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let whole = digits(0);
    let mut length = whole;
    if byte(whole) == Some(b'.') {
        let behind = digits(whole + 1);
        if whole + behind == 0 {
            return 0;
        }
        length = whole + 1 + behind;
    } else if whole == 0 {
        return 0;
    }
    if byte(length) == Some(b'e') {
        let sign = usize::from(matches!(byte(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// What stands behind `0x`, and how many bytes of it belong to the number.
fn hexadecimal(text: &str) -> Option<(f64, usize)> {
    let (mut mantissa, mut exponent, mut digits, mut point) = (0_u64, 0_i32, 0_usize, false);
    let mut length = 0;
    for byte in text.bytes() {
        match char::from(byte).to_digit(16) {
            Some(digit) if mantissa >> 58 == 0 => {
                mantissa = (mantissa << 4) | u64::from(digit);
                exponent -= if point { 4 } else { 0 };
                digits += 1;
            }
            Some(digit) => {
                mantissa |= u64::from(digit != 0); // only matters for rounding
                exponent = exponent.saturating_add(if point { 0 } else { 4 });
                digits += 1;
            }
            None if byte == b'.' && !point => point = true,
            None => break,
        }
        length += 1;
    }
    if digits == 0 {
        return None;
    }
    if let Some(rest) = text.get(length..).and_then(|rest| rest.strip_prefix('p')) {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let behind = rest.get(sign..).unwrap_or_default();
        let count = behind.bytes().take_while(u8::is_ascii_digit).count();
        if count > 0 {
            let said = rest.get(..sign + count).unwrap_or_default();
            let said = said
                .parse()
                .unwrap_or(if said.starts_with('-') { -5000 } else { 5000 });
            exponent = exponent.saturating_add(said);
            length += 1 + sign + count;
        }
    }
    // No two steps of 2^±2000 and less can lose what the sum of them keeps, but for subnormal numbers.
    let half = exponent.clamp(-4000, 4000) / 2;
    let rest = exponent.clamp(-4000, 4000) - half;
    #[allow(clippy::cast_precision_loss, reason = "that is the rounding wanted")]
    let value = mantissa as f64 * 2_f64.powi(half) * 2_f64.powi(rest);
    Some((value, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, value, length) in [
            ("5", 5, 1),
            ("010", 8, 3),
            ("08", 0, 1),
            ("0x1F", 31, 4),
            ("0xg", 0, 1),
            ("+7a", 7, 2),
            ("x", 0, 0),
            ("-1", u64::MAX, 2),
        ] {
            let read = integer(text);
            assert_eq!((read.value, read.length), (value, length), "{text}");
        }
        assert!(integer("18446744073709551616").out_of_range);
        for (text, value, length) in [
            ("1.5", 1.5, 3),
            (".5", 0.5, 2),
            ("1.", 1.0, 2),
            ("1e", 1.0, 1),
            ("-1e3x", -1000.0, 4),
            ("0x1.8p1", 3.0, 7),
            ("0x10", 16.0, 4),
            (".", 0.0, 0),
            ("-infinity", f64::NEG_INFINITY, 9),
        ] {
            let read = fraction(text);
            assert_eq!((read.value, read.length), (value, length), "{text}");
        }
        assert!(fraction("1e999").out_of_range);
    }
}
