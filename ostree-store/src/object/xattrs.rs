//! Extended attributes as objects hold them: `a(ayay)`, name with its NUL and raw value.

use crate::gvariant::{ArrayWriter, NotNormal, Span, TupleReader, TupleWriter, Type, Value};

/// The extended attributes of a file or directory, sorted bytewise by name.
///
/// Older versions of ostree kept the order of the archive when they read a tar; newer ones call such objects
/// corrupt, so the order is part of this type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xattrs(Vec<(Vec<u8>, Vec<u8>)>);

/// Attribute names that cannot stand together in one object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XattrsError {
    /// An empty name, or one with a NUL inside or none at its end.
    #[error("invalid xattr name {name:?}")]
    Name {
        /// The name as far as it can be shown.
        name: String,
    },
    /// More than any kernel lists.
    #[error("more than {MAX_XATTRS} xattrs")]
    Many,
    /// A name out of order or there twice.
    #[error("xattr {name:?} is out of order or there twice")]
    Order {
        /// The later of the two names.
        name: String,
    },
}

/// How many attributes a file may have. Linux lists 64 KiB of names at most, and each name takes two bytes at least.
const MAX_XATTRS: usize = 32 << 10;

impl Xattrs {
    /// No attributes.
    pub const NONE: Xattrs = Xattrs(Vec::new());

    /// Sorts the attributes; of a name given twice the last value stays.
    pub fn new(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, XattrsError> {
        let mut sorted = std::collections::BTreeMap::new();
        for (name, value) in pairs {
            check_name(&name)?;
            sorted.insert(name, value);
        }
        if sorted.len() > MAX_XATTRS {
            return Err(XattrsError::Many);
        }
        Ok(Xattrs(sorted.into_iter().collect()))
    }

    /// Name and value of each attribute, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes as a printable `a(ayay)`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let pairs = self.iter().map(|(name, value)| {
            Value::Tuple(vec![
                Value::Bytes([name, &[0]].concat()),
                Value::Bytes(value.to_vec()),
            ])
        });
        let bytes = Type::Array(Box::new(Type::Basic(b'y')));
        Value::Array(Type::Tuple(vec![bytes.clone(), bytes]), pairs.collect())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut array = ArrayWriter::new(1);
        for (name, value) in &self.0 {
            let mut pair = TupleWriter::new(1);
            pair.variable(1, &[name.as_slice(), &[0]].concat());
            pair.variable(1, value);
            array.element(&pair.finish());
        }
        array.finish()
    }

    pub(crate) fn parse(span: Span<'_>) -> Result<Self, super::ParseError> {
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for element in span.elements(1)? {
            let (name, value) = parse_pair(element?)?;
            let Some((name, &[0])) = name.split_last_chunk::<1>() else {
                return Err(XattrsError::Name { name: shown(name) }.into());
            };
            check_name(name)?;
            if pairs
                .last()
                .is_some_and(|(before, _)| before.as_slice() >= name)
            {
                return Err(XattrsError::Order { name: shown(name) }.into());
            }
            if pairs.len() == MAX_XATTRS {
                return Err(XattrsError::Many.into());
            }
            pairs.push((name.to_vec(), value.to_vec()));
        }
        Ok(Xattrs(pairs))
    }
}

fn parse_pair(element: Span<'_>) -> Result<(&[u8], &[u8]), NotNormal> {
    let mut pair = TupleReader::new(element, 1, 1, true)?;
    let (name, value) = (pair.variable(1)?.bytes(), pair.rest(1)?.bytes());
    pair.finish()?;
    Ok((name, value))
}

fn check_name(name: &[u8]) -> Result<(), XattrsError> {
    if name.is_empty() || name.contains(&0) {
        return Err(XattrsError::Name { name: shown(name) });
    }
    Ok(())
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
