//! Values as text, the way GLib prints them with type annotations.
//!
//! An annotation is given only where the text alone would mean another type: `uint32 5` but `5` for an `i`;
//! `@a(ayay) []` because nothing tells the type of an empty array; in a filled array only the first element is
//! annotated. Bytes that end in their only NUL are shown as `b'text'`.

use std::fmt::{self, Display, Write};

use super::{Type, Value};

impl Display for Value {
    /// Prints the value as `g_variant_print` does with annotations.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self, f, true)
    }
}

impl Value {
    /// Prints the value as `g_variant_print` does without annotations.
    #[must_use]
    pub fn plain(&self) -> impl Display {
        Plain(self)
    }
}

struct Plain<'a>(&'a Value);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, f, false)
    }
}

fn print(value: &Value, f: &mut fmt::Formatter<'_>, annotate: bool) -> fmt::Result {
    let word =
        |f: &mut fmt::Formatter<'_>, word: &str| if annotate { f.write_str(word) } else { Ok(()) };
    match value {
        Value::Byte(byte) => word(f, "byte ").and_then(|()| write!(f, "0x{byte:02x}")),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Int16(value) => word(f, "int16 ").and_then(|()| write!(f, "{value}")),
        Value::Uint16(value) => word(f, "uint16 ").and_then(|()| write!(f, "{value}")),
        Value::Int32(value) => write!(f, "{value}"),
        Value::Handle(value) => word(f, "handle ").and_then(|()| write!(f, "{value}")),
        Value::Uint32(value) => word(f, "uint32 ").and_then(|()| write!(f, "{value}")),
        Value::Int64(value) => word(f, "int64 ").and_then(|()| write!(f, "{value}")),
        Value::Uint64(value) => word(f, "uint64 ").and_then(|()| write!(f, "{value}")),
        Value::Double(value) => f.write_str(&double(*value)),
        Value::Str(text) => quoted(text, f),
        Value::Name(letter, text) => {
            word(
                f,
                if *letter == b'o' {
                    "objectpath "
                } else {
                    "signature "
                },
            )?;
            quoted(text, f)
        }
        Value::Variant(child) => {
            f.write_char('<')?;
            print(child, f, true)?;
            f.write_char('>')
        }
        Value::Bytes(bytes) => print_bytes(bytes, f, annotate),
        Value::Array(element, values) => print_array(element, values, f, annotate),
        Value::Maybe(of, value) => print_maybe(of, value.as_deref(), f, annotate),
        Value::Tuple(members) => print_tuple(members, f, annotate),
        Value::Entry(pair) => {
            f.write_char('{')?;
            print(&pair.0, f, annotate)?;
            f.write_str(", ")?;
            print(&pair.1, f, annotate)?;
            f.write_char('}')
        }
    }
}

/// Seventeen digits as C's `%.17g` has them, and `.0` where nothing else tells it from an integer.
fn double(value: f64) -> String {
    if !value.is_finite() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" });
    }
    let scientific = format!("{value:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..17).contains(&exponent) {
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let decimals = usize::try_from(16 - exponent).unwrap_or(0);
    let fixed = format!("{value:.decimals$}");
    if !fixed.contains('.') {
        return format!("{fixed}.0");
    }
    let short = fixed.trim_end_matches('0');
    if short.ends_with('.') {
        format!("{short}0")
    } else {
        short.to_owned()
    }
}

fn print_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>, annotate: bool) -> fmt::Result {
    match bytes.split_last() {
        None if annotate => f.write_str("@ay []"),
        None => f.write_str("[]"),
        Some((0, text)) if !text.contains(&0) => byte_string(text, f),
        Some(_) => {
            f.write_str(if annotate { "[byte " } else { "[" })?;
            for (index, byte) in bytes.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}0x{byte:02x}")?;
            }
            f.write_char(']')
        }
    }
}

fn byte_string(text: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let quote = if text.contains(&b'\'') { '"' } else { '\'' };
    write!(f, "b{quote}")?;
    for byte in text {
        match byte {
            0x08 => f.write_str("\\b")?,
            0x0b => f.write_str("\\v")?,
            0x0c => f.write_str("\\f")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            b'\\' => f.write_str("\\\\")?,
            b'"' => f.write_str("\\\"")?,
            0x20..=0x7e => f.write_char(char::from(*byte))?,
            _ => write!(f, "\\{byte:03o}")?,
        }
    }
    f.write_char(quote)
}

fn print_array(
    element: &Type,
    values: &[Value],
    f: &mut fmt::Formatter<'_>,
    annotate: bool,
) -> fmt::Result {
    let (open, close) = if matches!(element, Type::Entry(_)) {
        ('{', '}')
    } else {
        ('[', ']')
    };
    if values.is_empty() {
        return if annotate {
            write!(f, "@a{element} {open}{close}")
        } else {
            write!(f, "{open}{close}")
        };
    }
    f.write_char(open)?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        let annotate = annotate && index == 0;
        match value {
            Value::Entry(pair) => {
                print(&pair.0, f, annotate)?;
                f.write_str(": ")?;
                print(&pair.1, f, annotate)?;
            }
            other => print(other, f, annotate)?,
        }
    }
    f.write_char(close)
}

fn print_maybe(
    of: &Type,
    value: Option<&Value>,
    f: &mut fmt::Formatter<'_>,
    annotate: bool,
) -> fmt::Result {
    if annotate {
        write!(f, "@m{of} ")?;
    }
    match value {
        None => f.write_str("nothing"),
        Some(inner @ Value::Maybe(..)) => {
            if ends_in_nothing(inner) {
                f.write_str("just ")?;
            }
            print(inner, f, false)
        }
        Some(inner) => print(inner, f, false),
    }
}

/// Whether a chain of maybes ends in nothing, so that every level above it must be said.
fn ends_in_nothing(value: &Value) -> bool {
    match value {
        Value::Maybe(_, None) => true,
        Value::Maybe(_, Some(inner)) => ends_in_nothing(inner),
        _ => false,
    }
}

fn print_tuple(members: &[Value], f: &mut fmt::Formatter<'_>, annotate: bool) -> fmt::Result {
    f.write_char('(')?;
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        print(member, f, annotate)?;
    }
    f.write_str(if members.len() == 1 { ",)" } else { ")" })
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            c if c == quote || c == '\\' => write!(f, "\\{c}")?,
            '\x07' => f.write_str("\\a")?,
            '\x08' => f.write_str("\\b")?,
            '\x0b' => f.write_str("\\v")?,
            '\x0c' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if is_unprintable(c) && c > '\u{ffff}' => write!(f, "\\U{:08x}", u32::from(c))?,
            c if is_unprintable(c) => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}

/// Control and format characters, and those that Unicode will never assign. (GLib also escapes those that its version
/// of Unicode has not assigned yet.)
fn is_unprintable(c: char) -> bool {
    let number = u32::from(c);
    c.is_control()
        || number & 0xfffe == 0xfffe
        || (0xfdd0..=0xfdef).contains(&number)
        || FORMAT
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
}

/// The characters of Unicode's category Cf.
const FORMAT: [(u32, u32); 21] = [
    (0xad, 0xad),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x2064),
    (0x2066, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0001, 0xe0001),
    (0xe0020, 0xe007f),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The right-hand texts are what `ostree show --raw` and `ostree ls -X` print.
    #[test]
    fn prints_as_glib_does() {
        let xattrs: Type = "(ayay)".parse().unwrap();
        let pair = Value::Tuple(vec![
            Value::Bytes(b"user.foo\0".to_vec()),
            Value::Bytes(b"bar".to_vec()),
        ]);
        let cases = [
            (
                Value::Tuple(vec![
                    Value::Uint32(0),
                    Value::Uint32(0),
                    Value::Uint32(16877),
                    Value::Array(xattrs.clone(), vec![]),
                ]),
                "(uint32 0, uint32 0, uint32 16877, @a(ayay) [])",
            ),
            (
                Value::Array(xattrs, vec![pair]),
                "[(b'user.foo', [byte 0x62, 0x61, 0x72])]",
            ),
            (Value::from("1.0"), "'1.0'"),
            (Value::from("it's"), "\"it's\""),
            (Value::strings(["main"]), "['main']"),
            (Value::strings(Vec::<String>::new()), "@as []"),
            (Value::Tuple(vec![Value::Byte(7)]), "(byte 0x07,)"),
        ];
        for (value, text) in cases {
            assert_eq!(value.to_string(), text);
        }
    }
}
