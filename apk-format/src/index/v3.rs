//! The v3 index, `Packages.adb`: values and their signatures, and nothing behind them.

use bytes::Bytes;
use std::io::Read;

use crate::adb::block::{BlockKind, Blocks, Schema};
use crate::adb::schema::{IndexView, SchemaError};
use crate::adb::value::{Adb, Budget};
use crate::index::{Index, IndexError, listed};
use crate::signature::adb::{self, AdbSignatures};
use crate::signature::{KeyRing, Trust};

/// Reads an index to its end and checks its signature before looking at a record.
pub(super) fn read(reader: impl Read, keys: &KeyRing, trust: Trust) -> Result<Index, IndexError> {
    index(&read_values(reader, keys, trust)?)
}

/// Reads the values to the end of the file, and checks their signature.
pub(super) fn read_values(
    reader: impl Read,
    keys: &KeyRing,
    trust: Trust,
) -> Result<Bytes, IndexError> {
    let mut blocks = Blocks::open(reader)?;
    let schema = blocks.schema();
    if schema != Schema::INDEX {
        return Err(IndexError::Schema { schema });
    }
    blocks.next_block()?;
    let values = blocks.kept_payload(VALUES_LIMIT)?;
    let mut signatures = AdbSignatures::default();
    while let Some(block) = blocks.next_block()? {
        if block.kind != BlockKind::Signature || signatures.len() == adb::COUNT_LIMIT {
            let limit = adb::COUNT_LIMIT;
            return Err(IndexError::Signatures { limit });
        }
        signatures.add(blocks.payload(adb::LENGTH_LIMIT)?);
    }
    signatures.verify(schema, &values, keys, trust)?;
    Ok(values)
}

/// What the values mean. The records keep them, and read them later.
pub(super) fn index(values: &Bytes) -> Result<Index, IndexError> {
    let adb = Adb::new(values).map_err(|source| SchemaError::value("index", source))?;
    let view = IndexView::new(adb, adb.root())?;
    let budget = Budget::for_payload(values.len());
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let packages = view.packages()?;
    Ok(Index {
        description: optional(view.description()?),
        records: listed::records(values, packages, budget)?,
        pkgname_spec: optional(view.pkgname_spec()?),
    })
}

/// How many bytes of values are read: they are kept in memory. The largest index of Alpine would need some 8 MiB.
const VALUES_LIMIT: u64 = 64 << 20;
