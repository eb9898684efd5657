//! Text → value, as GLib reads it when no type is given.
//!
//! | text | type |
//! |---|---|
//! | `true`, `false` | `b` |
//! | `5`, `-0x1f`, `017` | `i`, or any other number that is asked for |
//! | `1.5`, `1e9`, `inf`, `nan` | `d` |
//! | `'a'`, `"a"` | `s`, or `o`, `g`; escapes `\a \b \f \n \r \t \v \uXXXX \UXXXXXXXX`, a backslash before a newline is nothing |
//! | `b'a'` | `ay` with a NUL at the end; octal escapes too |
//! | `[…]`, `{k: v, …}`, `{k, v}`, `(…)`, `(a,)` | array, dictionary, dict entry, tuple |
//! | `just x`, `nothing` | maybe; `just` may be left out where the type is known |
//! | `<x>` | `v` |
//! | `@TYPE x`, `uint32 x`, `byte x`, … | what is said |
//!
//! It goes in three steps: tokens become nodes, nodes agree on a [`pattern`] of types, and the one type that is
//! then chosen makes the value (`build`). Elements of an array agree with each other; of a dictionary only the keys do,
//! and the first value decides for all.
//!
//! Source: GLib's documentation of the text format; the texts of errors and what is refused: GLib 2.74.

mod build;
mod literal;
mod pattern;
mod tokens;

use std::ops::Range;

use self::build::Builder;
use self::tokens::Tokens;
use super::{MAX_DEPTH, Type, Value};

/// How many values a text may make, the types in them included: a short text can ask for every element of a long
/// array to be wrapped many times over, and one long type can stand for many empty arrays.
const MAX_VALUES: usize = 1_000_000;

/// Why a text is no value, and where: bytes from the start of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}:{fault}", place(.at), .other.as_ref().map(|other| format!(",{}", place(other))).unwrap_or_default())]
pub struct TextError {
    /// Where; an empty range is a point.
    pub at: Range<usize>,
    /// The other one of two places that do not agree.
    pub other: Option<Range<usize>>,
    /// What is wrong.
    pub fault: TextFault,
}

fn place(at: &Range<usize>) -> String {
    if at.is_empty() {
        at.start.to_string()
    } else {
        format!("{}-{}", at.start, at.end)
    }
}

/// What can be wrong with a text, in GLib's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum TextFault {
    #[error("expected value")]
    ValueExpected,
    #[error("expected '{token}'{purpose}")]
    TokenExpected {
        token: &'static str,
        purpose: &'static str,
    },
    #[error("expected end of input")]
    NotAtEnd,
    #[error("unknown keyword")]
    UnknownKeyword,
    #[error("unterminated string constant")]
    Unterminated,
    #[error("invalid {digits}-character unicode escape")]
    UnicodeEscape { digits: usize },
    #[error("invalid type declaration")]
    TypeDeclaration,
    #[error("type declarations must be definite")]
    IndefiniteType,
    #[error("type declaration recurses too deeply")]
    DeepType,
    #[error("variant nested too deeply")]
    Deep,
    #[error("unable to infer type")]
    NoType,
    #[error("unable to find a common type")]
    NoCommonType,
    #[error("dictionary keys must have basic types")]
    KeyType,
    #[error("can not parse as value of type '{of}'")]
    WrongType { of: String },
    #[error("invalid character in number")]
    NumberCharacter,
    #[error("number out of range for type '{of}'")]
    OutOfRange { of: char },
    #[error("integer too big for any type")]
    IntegerTooBig,
    #[error("number too big for any type")]
    NumberTooBig,
    #[error("not a valid object path")]
    ObjectPath,
    #[error("not a valid signature")]
    Signature,
    /// Not an error of GLib's, which would take the memory.
    #[error("more than {MAX_VALUES} values")]
    TooMany,
}

impl TextFault {
    fn at(self, at: Range<usize>) -> TextError {
        TextError {
            at,
            other: None,
            fault: self,
        }
    }
}

impl Value {
    /// Reads the text form of a value, whose type follows from the text. What [`Value`]'s `Display` prints is read
    /// back as the same value.
    ///
    /// ```
    /// use ostree_store::gvariant::Value;
    ///
    /// let value = Value::parse_text("{'size': <uint64 5>, 'names': <['a', 'b']>}")?;
    /// assert_eq!(value.type_of().to_string(), "a{sv}");
    /// assert_eq!(Value::parse_text("foo").unwrap_err().to_string(), "0-3:unknown keyword");
    /// # Ok::<(), ostree_store::gvariant::TextError>(())
    /// ```
    pub fn parse_text(text: &str) -> Result<Value, TextError> {
        // As a text ends in C. No string of a value can hold a NUL.
        let text = text.split('\0').next().unwrap_or_default();
        let mut tokens = Tokens::new(text);
        let node = node(&mut tokens, MAX_DEPTH)?;
        let value = Builder::new(MAX_VALUES).resolve(&node)?;
        tokens.finish()?;
        Ok(value)
    }
}

/// The number at the beginning of a text as C's `strtod` reads it; zero if there is none.
pub(crate) fn c_double(text: &str) -> f64 {
    literal::fraction(text).value
}

/// A value in the text whose type is not known yet.
struct Node<'a> {
    at: Range<usize>,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Bool(bool),
    /// The token; how it is read depends on the type that is wanted.
    Number(&'a str),
    Text(String),
    ByteString(Vec<u8>),
    Maybe(Option<Box<Node<'a>>>),
    Array(Vec<Node<'a>>),
    Tuple(Vec<Node<'a>>),
    Variant(Box<Node<'a>>),
    Dict(Vec<(Node<'a>, Node<'a>)>),
    Entry(Box<(Node<'a>, Node<'a>)>),
    Typed(Type, Box<Node<'a>>),
}

/// Reads one value; `depth` levels may still follow.
fn node<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Node<'a>, TextError> {
    let token = tokens.peek();
    let start = tokens.at().start;
    if depth == 0 {
        return Err(TextFault::Deep.at(start..start));
    }
    let inner = depth - 1;
    let kind = match token.as_bytes() {
        [b'[', ..] => array(tokens, inner)?,
        [b'(', ..] => tuple(tokens, inner)?,
        [b'<', ..] => variant(tokens, inner)?,
        [b'{', ..] => braces(tokens, inner)?,
        b"true" | b"false" => {
            tokens.next();
            Kind::Bool(token == "true")
        }
        b"inf" | b"nan" | [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => {
            tokens.next();
            Kind::Number(token)
        }
        [b'n' | b'j', ..] => maybe(tokens, inner)?,
        [b'@', ..] | [b'a'..=b'z', b'a'..=b'z' | b'A'..=b'Z', ..] => typed(tokens, depth)?,
        [b'\'' | b'"', ..] => Kind::Text(literal::text(token, tokens.take())?),
        [b'b', b'\'' | b'"', ..] => Kind::ByteString(literal::bytes(token, tokens.take())?),
        _ => return Err(TextFault::ValueExpected.at(start..start)),
    };
    Ok(Node {
        at: start..tokens.end(),
        kind,
    })
}

fn array<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Kind<'a>, TextError> {
    tokens.next();
    let mut elements = Vec::new();
    while !tokens.consume("]") {
        if !elements.is_empty() {
            tokens.require(",", " or ']' to follow array element")?;
        }
        elements.push(node(tokens, depth)?);
    }
    Ok(Kind::Array(elements))
}

/// The first member must be followed by a comma: `(a)` is no tuple.
fn tuple<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Kind<'a>, TextError> {
    tokens.next();
    let mut members = Vec::new();
    while !tokens.consume(")") {
        if members.len() > 1 {
            tokens.require(",", " or ')' to follow tuple element")?;
        }
        members.push(node(tokens, depth)?);
        if members.len() == 1 {
            tokens.require(",", " after first tuple element")?;
        }
    }
    Ok(Kind::Tuple(members))
}

fn variant<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Kind<'a>, TextError> {
    tokens.next();
    let value = node(tokens, depth)?;
    tokens.require(">", " to follow variant value")?;
    Ok(Kind::Variant(Box::new(value)))
}

/// A dictionary, or one dict entry by itself.
fn braces<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Kind<'a>, TextError> {
    tokens.next();
    if tokens.consume("}") {
        return Ok(Kind::Dict(Vec::new()));
    }
    let key = node(tokens, depth)?;
    if tokens.consume(",") {
        let value = node(tokens, depth)?;
        tokens.require("}", " at end of dictionary entry")?;
        return Ok(Kind::Entry(Box::new((key, value))));
    }
    tokens.require(":", " or ',' to follow dictionary entry key")?;
    let mut entries = vec![(key, node(tokens, depth)?)];
    while !tokens.consume("}") {
        tokens.require(",", " or '}' to follow dictionary entry")?;
        let key = node(tokens, depth)?;
        tokens.require(":", " to follow dictionary entry key")?;
        entries.push((key, node(tokens, depth)?));
    }
    Ok(Kind::Dict(entries))
}

fn maybe<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Kind<'a>, TextError> {
    if tokens.consume("just") {
        return Ok(Kind::Maybe(Some(Box::new(node(tokens, depth)?))));
    }
    if tokens.consume("nothing") {
        return Ok(Kind::Maybe(None));
    }
    Err(TextFault::UnknownKeyword.at(tokens.at()))
}

fn typed<'a>(tokens: &mut Tokens<'a>, depth: usize) -> Result<Kind<'a>, TextError> {
    let of = match tokens.peek().strip_prefix('@') {
        Some(text) => declared(text, depth).map_err(|fault| fault.at(tokens.at()))?,
        None => keyword(tokens.peek()).ok_or_else(|| TextFault::UnknownKeyword.at(tokens.at()))?,
    };
    tokens.next();
    Ok(Kind::Typed(of, Box::new(node(tokens, depth - 1)?)))
}

fn declared(text: &str, depth: usize) -> Result<Type, TextFault> {
    // One level more than a value may have is still called a type.
    let parse = |text: &str| Type::within(text, MAX_DEPTH + 1);
    match parse(text) {
        Some(of) if levels(&of) > depth => Err(TextFault::DeepType),
        Some(of) => Ok(of),
        None => {
            // `*`, `?` and `r` stand for any type, any basic one, any tuple.
            let example = text.replace('*', "v").replace('?', "s").replace('r', "()");
            Err(parse(&example).map_or(TextFault::TypeDeclaration, |_| TextFault::IndefiniteType))
        }
    }
}

fn levels(of: &Type) -> usize {
    match of {
        Type::Basic(_) => 1,
        Type::Array(inner) | Type::Maybe(inner) => 1 + levels(inner),
        Type::Tuple(members) => 1 + members.iter().map(levels).max().unwrap_or(0),
        Type::Entry(pair) => 1 + levels(&pair.0).max(levels(&pair.1)),
    }
}

fn keyword(word: &str) -> Option<Type> {
    let letter = match word {
        "boolean" => b'b',
        "byte" => b'y',
        "int16" => b'n',
        "uint16" => b'q',
        "int32" => b'i',
        "handle" => b'h',
        "uint32" => b'u',
        "int64" => b'x',
        "uint64" => b't',
        "double" => b'd',
        "string" => b's',
        "objectpath" => b'o',
        "signature" => b'g',
        _ => return None,
    };
    Some(Type::Basic(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real tool answers to each is compared in the tests of the command.
    #[test]
    fn a_type_follows_from_the_text() {
        for (text, of) in [
            ("5", "i"),
            ("[1, uint64 2]", "at"),
            ("[1, nothing]", "ami"),
            ("[[], [1.5]]", "aad"),
            ("{'a': <1>, 'b': <'x'>}", "a{sv}"),
            ("{1, 'x'}", "{is}"),
            ("(1,)", "(i)"),
            ("()", "()"),
            ("@a{sv} {}", "a{sv}"),
            ("b'x'", "ay"),
            ("['/a', objectpath '/b']", "ao"),
        ] {
            let value = Value::parse_text(text).unwrap();
            assert_eq!(value.type_of().to_string(), of, "{text}");
            assert_eq!(Value::parse_text(&value.to_string()), Ok(value), "{text}");
        }
    }

    #[test]
    fn many_values_from_little_text_are_refused() {
        let declared = format!("@{}i 1", "m".repeat(100));
        let text = format!("[{declared}{}]", ",1".repeat(60_000));
        let error = Value::parse_text(&text).unwrap_err();
        assert_eq!(error.fault, TextFault::TooMany);
        let wide = format!("[@a({}) []{}]", "i".repeat(50_000), ",[]".repeat(50_000));
        assert_eq!(
            Value::parse_text(&wide).unwrap_err().fault,
            TextFault::TooMany
        );
        let deep = "[".repeat(100_000);
        assert_eq!(Value::parse_text(&deep).unwrap_err().fault, TextFault::Deep);
    }
}
