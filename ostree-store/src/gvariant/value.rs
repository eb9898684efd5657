//! Values whose type is known only when they are read: commit metadata.

use std::fmt;
use std::str::FromStr;

use super::{ArrayWriter, MAX_DEPTH, MAX_VALUES, NotNormal, Span, TupleReader, TupleWriter};

/// A GVariant type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `y`, `b`, `n`, `q`, `i`, `u`, `x`, `t`, `h`, `d`, `s`, `o`, `g` or `v`.
    Basic(u8),
    /// `a` and the type of the elements.
    Array(Box<Type>),
    /// `m` and the type of what may be there.
    Maybe(Box<Type>),
    /// The members in parentheses.
    Tuple(Vec<Type>),
    /// Key and value in braces.
    Entry(Box<(Type, Type)>),
}

impl Type {
    /// The boundary, in bytes, on which values of this type start.
    pub(crate) fn align(&self) -> usize {
        match self {
            Type::Basic(b'n' | b'q') => 2,
            Type::Basic(b'i' | b'u' | b'h') => 4,
            Type::Basic(b'x' | b't' | b'd' | b'v') => 8,
            Type::Basic(_) => 1,
            Type::Array(inner) | Type::Maybe(inner) => inner.align(),
            Type::Tuple(members) => members.iter().map(Type::align).max().unwrap_or(1),
            Type::Entry(pair) => pair.0.align().max(pair.1.align()),
        }
    }

    /// How many types it consists of, itself included.
    pub(super) fn parts(&self) -> usize {
        match self {
            Type::Basic(_) => 1,
            Type::Array(inner) | Type::Maybe(inner) => 1 + inner.parts(),
            Type::Tuple(members) => 1 + members.iter().map(Type::parts).sum::<usize>(),
            Type::Entry(pair) => 1 + pair.0.parts() + pair.1.parts(),
        }
    }

    /// The size in bytes of every value of this type, if they are all the same.
    pub(crate) fn fixed_size(&self) -> Option<usize> {
        match self {
            Type::Basic(b'y' | b'b') => Some(1),
            Type::Basic(b'n' | b'q') => Some(2),
            Type::Basic(b'i' | b'u' | b'h') => Some(4),
            Type::Basic(b'x' | b't' | b'd') => Some(8),
            Type::Basic(_) | Type::Array(_) | Type::Maybe(_) => None,
            Type::Tuple(members) if members.is_empty() => Some(1), // the unit value is one zero byte
            Type::Tuple(members) => fixed_tuple(members.iter(), self.align()),
            Type::Entry(pair) => fixed_tuple([&pair.0, &pair.1].into_iter(), self.align()),
        }
    }
}

impl Type {
    /// What a value of this type takes of the limit: 1, and as much as the type it keeps for its elements.
    fn kept_letters(&self) -> usize {
        match self {
            Type::Array(inner) if **inner == Type::Basic(b'y') => 1,
            Type::Array(inner) | Type::Maybe(inner) => 1 + inner.letters(),
            _ => 1,
        }
    }

    fn letters(&self) -> usize {
        match self {
            Type::Basic(_) => 1,
            Type::Array(inner) | Type::Maybe(inner) => 1 + inner.letters(),
            Type::Tuple(members) => 1 + members.iter().map(Type::letters).sum::<usize>(),
            Type::Entry(pair) => 1 + pair.0.letters() + pair.1.letters(),
        }
    }
}

fn fixed_tuple<'a>(members: impl Iterator<Item = &'a Type>, align: usize) -> Option<usize> {
    let mut size = 0_usize;
    for member in members {
        size += super::padding(size, member.align()) + member.fixed_size()?;
    }
    Some(size + super::padding(size, align))
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Basic(letter) => write!(f, "{}", char::from(*letter)),
            Type::Array(inner) => write!(f, "a{inner}"),
            Type::Maybe(inner) => write!(f, "m{inner}"),
            Type::Tuple(members) => {
                f.write_str("(")?;
                members.iter().try_for_each(|member| member.fmt(f))?;
                f.write_str(")")
            }
            Type::Entry(pair) => write!(f, "{{{}{}}}", pair.0, pair.1),
        }
    }
}

/// A text that is not one GVariant type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a GVariant type")]
pub struct TypeError {
    text: String,
}

impl FromStr for Type {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Type, TypeError> {
        Type::within(text, MAX_DEPTH).ok_or_else(|| TypeError {
            text: text.chars().take(80).collect(),
        })
    }
}

impl Type {
    /// The type that `text` is, if it nests no deeper than `depth`.
    pub(super) fn within(text: &str, depth: usize) -> Option<Type> {
        let mut letters = text.bytes();
        parse_type(&mut letters, depth).filter(|_| letters.len() == 0)
    }
}

fn parse_type(letters: &mut std::str::Bytes<'_>, depth: usize) -> Option<Type> {
    let depth = depth.checked_sub(1)?;
    match letters.next()? {
        letter if b"ybnqiuxthdsogv".contains(&letter) => Some(Type::Basic(letter)),
        b'a' => Some(Type::Array(Box::new(parse_type(letters, depth)?))),
        b'm' => Some(Type::Maybe(Box::new(parse_type(letters, depth)?))),
        b'(' => {
            let mut members = Vec::new();
            loop {
                if letters.as_str_starts(b')') {
                    letters.next();
                    return Some(Type::Tuple(members));
                }
                members.push(parse_type(letters, depth)?);
            }
        }
        b'{' => {
            let key = parse_type(letters, depth)?;
            if !matches!(key, Type::Basic(letter) if letter != b'v') {
                return None;
            }
            let value = parse_type(letters, depth)?;
            (letters.next()? == b'}').then(|| Type::Entry(Box::new((key, value))))
        }
        _ => None,
    }
}

/// Looks at the next letter without taking it.
trait Peek {
    fn as_str_starts(&self, letter: u8) -> bool;
}

impl Peek for std::str::Bytes<'_> {
    fn as_str_starts(&self, letter: u8) -> bool {
        self.clone().next() == Some(letter)
    }
}

/// One value of any type.
///
/// Integers are as GVariant has them, in host order; ostree byte-swaps some of its own, see the object types.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `n`
    Int16(i16),
    /// `q`
    Uint16(u16),
    /// `i`
    Int32(i32),
    /// `h`
    Handle(i32),
    /// `u`
    Uint32(u32),
    /// `x`
    Int64(i64),
    /// `t`
    Uint64(u64),
    /// `d`
    Double(f64),
    /// `s`
    Str(String),
    /// `o` or `g`: the type letter and the text.
    Name(u8, String),
    /// `v`
    Variant(Box<Value>),
    /// `ay`
    Bytes(Vec<u8>),
    /// An array of anything but bytes: the type of its elements, and they.
    Array(Type, Vec<Value>),
    /// A maybe: the type of what may be there, and it.
    Maybe(Type, Option<Box<Value>>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict entry.
    Entry(Box<(Value, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.to_owned())
    }
}

impl Value {
    /// An `as`.
    pub fn strings<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Value {
        let elements = texts
            .into_iter()
            .map(|text| Value::Str(text.into()))
            .collect();
        Value::Array(Type::Basic(b's'), elements)
    }

    /// The text, if this is an `s`.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value's type.
    #[must_use]
    pub fn type_of(&self) -> Type {
        match self {
            Value::Byte(_) => Type::Basic(b'y'),
            Value::Bool(_) => Type::Basic(b'b'),
            Value::Int16(_) => Type::Basic(b'n'),
            Value::Uint16(_) => Type::Basic(b'q'),
            Value::Int32(_) => Type::Basic(b'i'),
            Value::Handle(_) => Type::Basic(b'h'),
            Value::Uint32(_) => Type::Basic(b'u'),
            Value::Int64(_) => Type::Basic(b'x'),
            Value::Uint64(_) => Type::Basic(b't'),
            Value::Double(_) => Type::Basic(b'd'),
            Value::Str(_) => Type::Basic(b's'),
            Value::Name(letter, _) => Type::Basic(*letter),
            Value::Variant(_) => Type::Basic(b'v'),
            Value::Bytes(_) => Type::Array(Box::new(Type::Basic(b'y'))),
            Value::Array(element, _) => Type::Array(Box::new(element.clone())),
            Value::Maybe(inner, _) => Type::Maybe(Box::new(inner.clone())),
            Value::Tuple(members) => Type::Tuple(members.iter().map(Value::type_of).collect()),
            Value::Entry(pair) => Type::Entry(Box::new((pair.0.type_of(), pair.1.type_of()))),
        }
    }

    /// Reads a value of type `of`.
    pub fn parse(of: &Type, bytes: &[u8]) -> Result<Value, NotNormal> {
        parse(of, Span::new(bytes), &mut Limits::default())
    }

    /// The serialized value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Value::Byte(value) => vec![*value],
            Value::Bool(value) => vec![u8::from(*value)],
            Value::Int16(value) => value.to_le_bytes().to_vec(),
            Value::Uint16(value) => value.to_le_bytes().to_vec(),
            Value::Int32(value) | Value::Handle(value) => value.to_le_bytes().to_vec(),
            Value::Uint32(value) => value.to_le_bytes().to_vec(),
            Value::Int64(value) => value.to_le_bytes().to_vec(),
            Value::Uint64(value) => value.to_le_bytes().to_vec(),
            Value::Double(value) => value.to_le_bytes().to_vec(),
            Value::Str(text) | Value::Name(_, text) => [text.as_bytes(), &[0]].concat(),
            Value::Variant(child) => [
                &child.encode(),
                &[0][..],
                child.type_of().to_string().as_bytes(),
            ]
            .concat(),
            Value::Bytes(bytes) => bytes.clone(),
            Value::Array(element, values) => encode_array(element, values),
            Value::Maybe(inner, value) => encode_maybe(inner, value.as_deref()),
            Value::Tuple(members) if members.is_empty() => vec![0],
            Value::Tuple(members) => encode_tuple(self.type_of().align(), members.iter()),
            Value::Entry(pair) => {
                encode_tuple(self.type_of().align(), [&pair.0, &pair.1].into_iter())
            }
        }
    }

    /// The value with every integer's bytes reversed, the form in which ostree shows stored values.
    #[must_use]
    pub fn byteswapped(&self) -> Value {
        let mut swapped = self.clone();
        swapped.swap_bytes();
        swapped
    }

    /// Reverses every integer's bytes.
    pub fn swap_bytes(&mut self) {
        match self {
            Value::Int16(value) => *value = value.swap_bytes(),
            Value::Uint16(value) => *value = value.swap_bytes(),
            Value::Int32(value) | Value::Handle(value) => *value = value.swap_bytes(),
            Value::Uint32(value) => *value = value.swap_bytes(),
            Value::Int64(value) => *value = value.swap_bytes(),
            Value::Uint64(value) => *value = value.swap_bytes(),
            Value::Double(value) => *value = f64::from_bits(value.to_bits().swap_bytes()),
            Value::Variant(child) | Value::Maybe(_, Some(child)) => child.swap_bytes(),
            Value::Array(_, values) | Value::Tuple(values) => {
                values.iter_mut().for_each(Value::swap_bytes);
            }
            Value::Entry(pair) => {
                pair.0.swap_bytes();
                pair.1.swap_bytes();
            }
            Value::Byte(_)
            | Value::Bool(_)
            | Value::Str(_)
            | Value::Name(..)
            | Value::Bytes(_)
            | Value::Maybe(_, None) => {}
        }
    }
}

fn encode_array(element: &Type, values: &[Value]) -> Vec<u8> {
    if element.fixed_size().is_some() {
        return values.iter().flat_map(Value::encode).collect();
    }
    let mut array = ArrayWriter::new(element.align());
    values
        .iter()
        .for_each(|value| array.element(&value.encode()));
    array.finish()
}

fn encode_maybe(inner: &Type, value: Option<&Value>) -> Vec<u8> {
    let mut bytes = value.map(Value::encode).unwrap_or_default();
    if value.is_some() && inner.fixed_size().is_none() {
        bytes.push(0);
    }
    bytes
}

fn encode_tuple<'a>(align: usize, members: impl Iterator<Item = &'a Value>) -> Vec<u8> {
    let mut tuple = TupleWriter::new(align);
    for member in members {
        let of = member.type_of();
        match of.fixed_size() {
            Some(_) => tuple.fixed(of.align(), &member.encode()),
            None => tuple.variable(of.align(), &member.encode()),
        }
    }
    tuple.finish()
}

/// What may still be read of one value.
struct Limits {
    depth: usize,
    values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: MAX_DEPTH,
            values: MAX_VALUES,
        }
    }
}

impl Limits {
    /// Counts the type that an array or a maybe carries: one long type may stand for many empty arrays.
    fn carry(&mut self, of: &Type, span: Span<'_>) -> Result<(), NotNormal> {
        let left = self.values.checked_sub(of.parts() - 1);
        self.values = left.ok_or_else(|| span.wrong("too many values"))?;
        Ok(())
    }
}

fn parse(of: &Type, span: Span<'_>, limits: &mut Limits) -> Result<Value, NotNormal> {
    limits.values = limits
        .values
        .checked_sub(of.kept_letters())
        .ok_or_else(|| span.wrong("too many values"))?;
    limits.depth = limits
        .depth
        .checked_sub(1)
        .ok_or_else(|| span.wrong("values nested too deep"))?;
    let value = parse_inside(of, span, limits);
    limits.depth += 1;
    value
}

fn parse_inside(of: &Type, span: Span<'_>, limits: &mut Limits) -> Result<Value, NotNormal> {
    match of {
        Type::Basic(letter) => parse_basic(*letter, span, limits),
        Type::Array(element) => parse_array(element, span, limits),
        Type::Maybe(inner) => parse_maybe(inner, span, limits),
        Type::Tuple(members) if members.is_empty() => match span.bytes() {
            [0] => Ok(Value::Tuple(Vec::new())),
            _ => Err(span.wrong("a unit value that is not one zero byte")),
        },
        Type::Tuple(members) => {
            let members: Vec<&Type> = members.iter().collect();
            Ok(Value::Tuple(parse_members(of, &members, span, limits)?))
        }
        Type::Entry(pair) => {
            let mut members = parse_members(of, &[&pair.0, &pair.1], span, limits)?.into_iter();
            match (members.next(), members.next()) {
                (Some(key), Some(value)) => Ok(Value::Entry(Box::new((key, value)))),
                _ => Err(span.wrong("a broken entry")),
            }
        }
    }
}

fn parse_basic(letter: u8, span: Span<'_>, limits: &mut Limits) -> Result<Value, NotNormal> {
    let what = "a number of the wrong size";
    Ok(match letter {
        b'y' => Value::Byte(u8::from_le_bytes(span.array(what)?)),
        b'b' => match span.bytes() {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return Err(span.wrong("a boolean that is neither 0 nor 1")),
        },
        b'n' => Value::Int16(i16::from_le_bytes(span.array(what)?)),
        b'q' => Value::Uint16(u16::from_le_bytes(span.array(what)?)),
        b'i' => Value::Int32(i32::from_le_bytes(span.array(what)?)),
        b'h' => Value::Handle(i32::from_le_bytes(span.array(what)?)),
        b'u' => Value::Uint32(u32::from_le_bytes(span.array(what)?)),
        b'x' => Value::Int64(i64::from_le_bytes(span.array(what)?)),
        b't' => Value::Uint64(u64::from_le_bytes(span.array(what)?)),
        b'd' => Value::Double(f64::from_le_bytes(span.array(what)?)),
        b's' => Value::Str(span.string()?.to_owned()),
        b'o' | b'g' => Value::Name(letter, span.string()?.to_owned()),
        _ => parse_variant(span, limits)?,
    })
}

fn parse_variant(span: Span<'_>, limits: &mut Limits) -> Result<Value, NotNormal> {
    let nul = span
        .bytes()
        .iter()
        .rposition(|byte| *byte == 0)
        .ok_or_else(|| span.wrong("a variant without a type"))?;
    let (child, of) = span
        .bytes()
        .split_at_checked(nul)
        .ok_or_else(|| span.wrong("a variant without a type"))?;
    let of = of.get(1..).unwrap_or_default();
    limits.values = limits
        .values
        .checked_sub(of.len())
        .ok_or_else(|| span.wrong("too many values"))?;
    let of = std::str::from_utf8(of)
        .ok()
        .and_then(|text| text.parse::<Type>().ok());
    let of = of.ok_or_else(|| span.wrong("a variant of an unknown type"))?;
    let child = span.prefix(child.len())?;
    Ok(Value::Variant(Box::new(parse(&of, child, limits)?)))
}

fn parse_array(element: &Type, span: Span<'_>, limits: &mut Limits) -> Result<Value, NotNormal> {
    if *element == Type::Basic(b'y') {
        return Ok(Value::Bytes(span.bytes().to_vec()));
    }
    limits.carry(element, span)?;
    let mut values = Vec::new();
    match element.fixed_size() {
        Some(size) => {
            for span in span.chunks(size)? {
                values.push(parse(element, span, limits)?);
            }
        }
        None => {
            for span in span.elements(element.align())? {
                values.push(parse(element, span?, limits)?);
            }
        }
    }
    Ok(Value::Array(element.clone(), values))
}

fn parse_maybe(inner: &Type, span: Span<'_>, limits: &mut Limits) -> Result<Value, NotNormal> {
    limits.carry(inner, span)?;
    if span.bytes().is_empty() {
        return Ok(Value::Maybe(inner.clone(), None));
    }
    let child = match (inner.fixed_size(), span.bytes().split_last()) {
        (Some(_), _) => span,
        (None, Some((0, child))) => span.prefix(child.len())?,
        (None, _) => return Err(span.wrong("a maybe without its zero byte")),
    };
    Ok(Value::Maybe(
        inner.clone(),
        Some(Box::new(parse(inner, child, limits)?)),
    ))
}

fn parse_members(
    of: &Type,
    members: &[&Type],
    span: Span<'_>,
    limits: &mut Limits,
) -> Result<Vec<Value>, NotNormal> {
    let variable = members
        .iter()
        .filter(|member| member.fixed_size().is_none())
        .count();
    let last_variable = members
        .last()
        .is_some_and(|member| member.fixed_size().is_none());
    let mut tuple = TupleReader::new(
        span,
        of.align(),
        variable - usize::from(last_variable),
        variable > 0,
    )?;
    let mut values = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let span = match member.fixed_size() {
            Some(size) => tuple.sized(member.align(), size)?,
            None if index + 1 == members.len() => tuple.rest(member.align())?,
            None => tuple.variable(member.align())?,
        };
        values.push(parse(member, span, limits)?);
    }
    tuple.finish()?;
    Ok(values)
}

/// An `a{sv}` in the order in which it stands, duplicates included: the metadata of commits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dict(pub(super) Vec<(String, Value)>);

impl Dict {
    /// Adds an entry at the end; an equal key already there stays too, as in ostree.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// The first value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads an `a{sv}`.
    pub fn parse(bytes: &[u8]) -> Result<Dict, NotNormal> {
        Dict::parse_span(Span::new(bytes))
    }

    pub(crate) fn parse_span(span: Span<'_>) -> Result<Dict, NotNormal> {
        let mut entries = Vec::new();
        let mut limits = Limits::default();
        for entry in span.elements(8)? {
            let mut pair = TupleReader::new(entry?, 8, 1, true)?;
            let key = pair.variable(1)?.string()?.to_owned();
            let value = match parse_variant(pair.rest(8)?, &mut limits)? {
                Value::Variant(child) => *child,
                other => other,
            };
            pair.finish()?;
            entries.push((key, value));
        }
        Ok(Dict(entries))
    }

    /// The serialized `a{sv}`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut array = ArrayWriter::new(8);
        for (key, value) in &self.0 {
            let mut entry = TupleWriter::new(8);
            entry.string(key);
            entry.variable(8, &Value::Variant(Box::new(value.clone())).encode());
            array.element(&entry.finish());
        }
        array.finish()
    }

    /// The same as one value, for printing.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let of = Type::Entry(Box::new((Type::Basic(b's'), Type::Basic(b'v'))));
        let entries = self.0.iter().map(|(key, value)| {
            Value::Entry(Box::new((
                Value::Str(key.clone()),
                Value::Variant(Box::new(value.clone())),
            )))
        });
        Value::Array(of, entries.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_round_trip_and_know_their_size() {
        for (text, align, size) in [
            ("y", 1, Some(1)),
            ("(yt)", 8, Some(16)),
            ("(ty)", 8, Some(16)),
            ("()", 1, Some(1)),
            ("a{sv}", 8, None),
            ("(uuua(ayay))", 4, None),
            ("mi", 4, None),
        ] {
            let of: Type = text.parse().unwrap();
            assert_eq!(
                (of.to_string().as_str(), of.align(), of.fixed_size()),
                (text, align, size)
            );
        }
        for bad in ["", "a", "(", "(s", "{s}", "{vs}", "ss", "z", "a{sv"] {
            assert!(bad.parse::<Type>().is_err(), "{bad}");
        }
        assert!("a".repeat(100_000).parse::<Type>().is_err());
    }

    #[test]
    fn deep_variants_are_refused() {
        let mut value = Value::Byte(1);
        for _ in 0..MAX_DEPTH + 1 {
            value = Value::Variant(Box::new(value));
        }
        assert!(Value::parse(&Type::Basic(b'v'), &value.encode()).is_err());
    }
}
