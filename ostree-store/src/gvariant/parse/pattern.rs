//! What types a text can have, before one is chosen.

use super::{Kind, Node, TextError, TextFault};
use crate::gvariant::Type;

/// A set of types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Every type.
    Any,
    /// Every number, integers first of all.
    Number,
    /// `s`, `o` or `g`.
    Text,
    Basic(u8),
    Array(Box<Pattern>),
    Maybe(Box<Pattern>),
    Tuple(Vec<Pattern>),
    Entry(Box<(Pattern, Pattern)>),
    /// The pattern itself, or any number of maybes around it: `just` need not be said.
    Loose(Box<Pattern>),
}

impl From<&Type> for Pattern {
    fn from(of: &Type) -> Pattern {
        match of {
            Type::Basic(letter) => Pattern::Basic(*letter),
            Type::Array(inner) => Pattern::Array(Box::new(Pattern::from(&**inner))),
            Type::Maybe(inner) => Pattern::Maybe(Box::new(Pattern::from(&**inner))),
            Type::Tuple(members) => Pattern::Tuple(members.iter().map(Pattern::from).collect()),
            Type::Entry(pair) => {
                Pattern::Entry(Box::new((Pattern::from(&pair.0), Pattern::from(&pair.1))))
            }
        }
    }
}

impl Pattern {
    /// The types that a node can have.
    pub(super) fn of(node: &Node<'_>) -> Result<Pattern, TextError> {
        let strict = match &node.kind {
            Kind::Typed(of, _) => return Ok(Pattern::from(of)),
            Kind::Maybe(None) => return Ok(Pattern::Maybe(Box::new(Pattern::Any))),
            Kind::Maybe(Some(inner)) => return Ok(Pattern::Maybe(Box::new(Pattern::of(inner)?))),
            Kind::Bool(_) => Pattern::Basic(b'b'),
            Kind::Number(token) if is_floating(token) => Pattern::Basic(b'd'),
            Kind::Number(_) => Pattern::Number,
            Kind::Text(_) => Pattern::Text,
            Kind::ByteString(_) => Pattern::Array(Box::new(Pattern::Basic(b'y'))),
            Kind::Array(elements) => Pattern::Array(Box::new(common(elements.iter())?)),
            Kind::Tuple(members) => {
                Pattern::Tuple(members.iter().map(Pattern::of).collect::<Result<_, _>>()?)
            }
            Kind::Variant(_) => Pattern::Basic(b'v'),
            Kind::Entry(pair) => entry(node, common([&pair.0].into_iter())?, Some(&pair.1))?,
            Kind::Dict(entries) => {
                let keys = common(entries.iter().map(|(key, _)| key))?;
                let first = entries.first().map(|(_, value)| value);
                Pattern::Array(Box::new(entry(node, keys, first)?))
            }
        };
        Ok(Pattern::Loose(Box::new(strict)))
    }

    /// The type to take: integers are `i`, texts are `s`, and nothing is a maybe that need not be one.
    pub(super) fn choose(&self) -> Option<Type> {
        Some(match self {
            Pattern::Any => return None,
            Pattern::Number => Type::Basic(b'i'),
            Pattern::Text => Type::Basic(b's'),
            Pattern::Basic(letter) => Type::Basic(*letter),
            Pattern::Loose(inner) => inner.choose()?,
            Pattern::Array(inner) => Type::Array(Box::new(inner.choose()?)),
            Pattern::Maybe(inner) => Type::Maybe(Box::new(inner.choose()?)),
            Pattern::Tuple(members) => {
                Type::Tuple(members.iter().map(Pattern::choose).collect::<Option<_>>()?)
            }
            Pattern::Entry(pair) => Type::Entry(Box::new((pair.0.choose()?, pair.1.choose()?))),
        })
    }

    /// The types in both. Takes the patterns apart instead of copying them: one long type may stand beside many
    /// short texts.
    fn and(self, other: Pattern) -> Option<Pattern> {
        use Pattern::{Any, Array, Basic, Entry, Loose, Maybe, Number, Text, Tuple};
        Some(match (self, other) {
            (Any, pattern) | (pattern, Any) => pattern,
            (Loose(a), Loose(b)) => Loose(Box::new(a.and(*b)?)),
            (loose @ Loose(_), Maybe(inner)) => Maybe(Box::new(loose.and(*inner)?)),
            (Maybe(inner), loose @ Loose(_)) => Maybe(Box::new(inner.and(loose)?)),
            (Loose(inner), strict) | (strict, Loose(inner)) => inner.and(strict)?,
            (Number, Basic(letter)) | (Basic(letter), Number) if b"ynqiuxthd".contains(&letter) => {
                Basic(letter)
            }
            (Text, Basic(letter)) | (Basic(letter), Text) if b"sog".contains(&letter) => {
                Basic(letter)
            }
            (Array(a), Array(b)) => Array(Box::new(a.and(*b)?)),
            (Maybe(a), Maybe(b)) => Maybe(Box::new(a.and(*b)?)),
            (Entry(a), Entry(b)) => {
                let ((key_a, value_a), (key_b, value_b)) = (*a, *b);
                Entry(Box::new((key_a.and(key_b)?, value_a.and(value_b)?)))
            }
            (Tuple(a), Tuple(b)) if a.len() == b.len() => {
                let members = a.into_iter().zip(b).map(|(a, b)| a.and(b));
                Tuple(members.collect::<Option<_>>()?)
            }
            (a, b) if a == b => a,
            _ => return None,
        })
    }
}

/// A dict entry; the value of an empty dictionary can be anything.
fn entry(node: &Node<'_>, key: Pattern, value: Option<&Node<'_>>) -> Result<Pattern, TextError> {
    let key = match key {
        Pattern::Loose(inner) => *inner,
        strict => strict,
    };
    let basic = match &key {
        Pattern::Number | Pattern::Text => true,
        Pattern::Any => value.is_none(),
        Pattern::Basic(letter) => *letter != b'v',
        _ => false,
    };
    if !basic {
        return Err(TextFault::KeyType.at(node.at.clone()));
    }
    let value = value.map_or(Ok(Pattern::Any), Pattern::of)?;
    Ok(Pattern::Entry(Box::new((key, value))))
}

/// The types that all of them can have. If there is none, the first two that do not agree are told.
fn common<'n>(nodes: impl Iterator<Item = &'n Node<'n>> + Clone) -> Result<Pattern, TextError> {
    let mut all = Pattern::Any;
    for (index, node) in nodes.clone().enumerate() {
        match all.and(Pattern::of(node)?) {
            Some(both) => all = both,
            None => return Err(disagreement(nodes.take(index), node)),
        }
    }
    Ok(all)
}

fn disagreement<'n>(before: impl Iterator<Item = &'n Node<'n>>, node: &Node<'_>) -> TextError {
    let both = |a, b| Pattern::of(a).ok()?.and(Pattern::of(b).ok()?);
    for earlier in before {
        if both(node, earlier).is_none() {
            return TextError {
                at: earlier.at.clone(),
                other: Some(node.at.clone()),
                fault: TextFault::NoCommonType,
            };
        }
    }
    TextFault::NoCommonType.at(node.at.clone())
}

/// Whether a number is a `d` by its looks.
fn is_floating(token: &str) -> bool {
    token.contains('.')
        || (!token.starts_with("0x") && token.contains('e'))
        || token.contains("inf")
        || token.contains("nan")
}
