//! Nodes of a known type become values.

use super::literal::{fraction, integer};
use super::pattern::Pattern;
use super::{Kind, Node, TextError, TextFault};
use crate::gvariant::{Type, Value};

/// Makes values, not more than a given number.
pub(super) struct Builder {
    left: usize,
}

impl Builder {
    pub(super) fn new(limit: usize) -> Self {
        Builder { left: limit }
    }

    /// The value of a node that may have any type.
    pub(super) fn resolve(&mut self, node: &Node<'_>) -> Result<Value, TextError> {
        let of = Pattern::of(node)?.choose();
        let of = of.ok_or_else(|| TextFault::NoType.at(node.at.clone()))?;
        self.value(node, &of)
    }

    fn value(&mut self, node: &Node<'_>, of: &Type) -> Result<Value, TextError> {
        let left = self.left.checked_sub(weight(node, of));
        self.left = left.ok_or_else(|| TextFault::TooMany.at(node.at.clone()))?;
        match (&node.kind, of) {
            // What was declared is in the pattern already; only in dictionaries the first value can say otherwise.
            (Kind::Typed(_, inner), of) => self.value(inner, of),
            (Kind::Maybe(inner), Type::Maybe(element)) => {
                let value = inner.as_ref().map(|inner| self.value(inner, element));
                let value = value.transpose()?.map(Box::new);
                Ok(Value::Maybe(Type::clone(element), value))
            }
            (Kind::Maybe(_), _) => Err(wrong_type(node, of)),
            (_, Type::Maybe(element)) => {
                let value = Some(Box::new(self.value(node, element)?));
                Ok(Value::Maybe(Type::clone(element), value))
            }
            _ => self.plain(node, of),
        }
    }

    fn plain(&mut self, node: &Node<'_>, of: &Type) -> Result<Value, TextError> {
        match (&node.kind, of) {
            (Kind::Bool(value), Type::Basic(b'b')) => Ok(Value::Bool(*value)),
            (Kind::Number(token), of) => number(token, node, of),
            (Kind::Text(text), Type::Basic(letter @ (b's' | b'o' | b'g'))) => {
                name(text, *letter).map_err(|fault| fault.at(node.at.clone()))
            }
            (Kind::ByteString(bytes), Type::Array(element)) if **element == Type::Basic(b'y') => {
                Ok(Value::Bytes(bytes.clone()))
            }
            (Kind::Variant(inner), Type::Basic(b'v')) => {
                Ok(Value::Variant(Box::new(self.resolve(inner)?)))
            }
            (Kind::Array(nodes), Type::Array(element)) => {
                let values = nodes.iter().map(|node| self.value(node, element));
                Ok(array(element, values.collect::<Result<_, _>>()?))
            }
            (Kind::Tuple(nodes), Type::Tuple(members)) if nodes.len() == members.len() => {
                let values = nodes.iter().zip(members);
                let values = values.map(|(node, member)| self.value(node, member));
                Ok(Value::Tuple(values.collect::<Result<_, _>>()?))
            }
            (Kind::Entry(pair), Type::Entry(types)) => self.entry(pair, types),
            (Kind::Dict(entries), Type::Array(element)) => {
                let Type::Entry(types) = &**element else {
                    return Err(wrong_type(node, of));
                };
                let entries = entries.iter().map(|pair| self.entry(pair, types));
                let entries = entries.collect::<Result<_, _>>()?;
                Ok(Value::Array(Type::clone(element), entries))
            }
            _ => Err(wrong_type(node, of)),
        }
    }

    fn entry(
        &mut self,
        pair: &(Node<'_>, Node<'_>),
        types: &(Type, Type),
    ) -> Result<Value, TextError> {
        let key = self.value(&pair.0, &types.0)?;
        let value = self.value(&pair.1, &types.1)?;
        Ok(Value::Entry(Box::new((key, value))))
    }
}

/// How much of the limit a value takes: arrays and maybes carry their whole type.
fn weight(node: &Node<'_>, of: &Type) -> usize {
    match (&node.kind, of) {
        (Kind::Typed(..), _) => 1,
        (_, Type::Array(_) | Type::Maybe(_)) => of.parts(),
        _ => 1,
    }
}

fn wrong_type(node: &Node<'_>, of: &Type) -> TextError {
    TextFault::WrongType { of: of.to_string() }.at(node.at.clone())
}

/// An array; bytes have a form of their own.
fn array(element: &Type, values: Vec<Value>) -> Value {
    if *element != Type::Basic(b'y') {
        return Value::Array(element.clone(), values);
    }
    let byte = |value| match value {
        Value::Byte(byte) => byte,
        _ => 0, // a value made for the type `y` is nothing else
    };
    Value::Bytes(values.into_iter().map(byte).collect())
}

fn name(text: &str, letter: u8) -> Result<Value, TextFault> {
    match letter {
        b'o' if !is_object_path(text) => Err(TextFault::ObjectPath),
        b'g' if format!("({text})").parse::<Type>().is_err() || text.contains('m') => {
            Err(TextFault::Signature)
        }
        b's' => Ok(Value::Str(text.to_owned())),
        letter => Ok(Value::Name(letter, text.to_owned())),
    }
}

/// `/`, or words of letters, digits and `_` with a slash before each.
fn is_object_path(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match text.strip_prefix('/') {
        Some("") => true,
        Some(rest) => rest.split('/').all(word),
        None => false,
    }
}

fn number(token: &str, node: &Node<'_>, of: &Type) -> Result<Value, TextError> {
    let fault = |fault: TextFault| fault.at(node.at.clone());
    let ends_at = |length: usize| {
        let at = node.at.start + length;
        match length < token.len() {
            true => Err(TextFault::NumberCharacter.at(at..at + 1)),
            false => Ok(()),
        }
    };
    if *of == Type::Basic(b'd') {
        let read = fraction(token);
        if read.out_of_range {
            return Err(fault(TextFault::NumberTooBig));
        }
        ends_at(read.length)?;
        return Ok(Value::Double(read.value));
    }
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let read = integer(unsigned);
    if read.out_of_range {
        return Err(fault(TextFault::IntegerTooBig));
    }
    ends_at(token.len() - unsigned.len() + read.length)?;
    let Type::Basic(letter) = of else {
        return Err(wrong_type(node, of));
    };
    let value = i128::from(read.value);
    let value = if token.starts_with('-') {
        -value
    } else {
        value
    };
    match integer_of(*letter, value) {
        Some(Some(value)) => Ok(value),
        Some(None) => Err(fault(TextFault::OutOfRange {
            of: char::from(*letter),
        })),
        None => Err(wrong_type(node, of)),
    }
}

/// The number as the type `letter`; nothing inside if it does not fit, nothing at all if that is no integer type.
fn integer_of(letter: u8, number: i128) -> Option<Option<Value>> {
    Some(match letter {
        b'y' => number.try_into().ok().map(Value::Byte),
        b'n' => number.try_into().ok().map(Value::Int16),
        b'q' => number.try_into().ok().map(Value::Uint16),
        b'i' => number.try_into().ok().map(Value::Int32),
        b'h' => number.try_into().ok().map(Value::Handle),
        b'u' => number.try_into().ok().map(Value::Uint32),
        b'x' => number.try_into().ok().map(Value::Int64),
        b't' => number.try_into().ok().map(Value::Uint64),
        _ => return None,
    })
}
