//! The v3 index, `Packages.adb`: values and their signatures, and nothing behind them.

use std::io::Read;

use crate::adb::block::{BlockKind, Blocks, Schema};
use crate::adb::schema::{IndexView, InfoView, SchemaError};
use crate::adb::value::{Adb, Budget};
use crate::digest::Digest;
use crate::index::{Index, IndexError, Record, Uninstallable};
use crate::package::info_from_view;
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
) -> Result<Vec<u8>, IndexError> {
    let mut blocks = Blocks::open(reader)?;
    let schema = blocks.schema();
    if schema != Schema::INDEX {
        return Err(IndexError::Schema { schema });
    }
    blocks.next_block()?;
    let values = blocks.payload(VALUES_LIMIT)?;
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

/// What the values mean.
pub(super) fn index(values: &[u8]) -> Result<Index, IndexError> {
    let adb = Adb::new(values).map_err(|source| SchemaError::value("index", source))?;
    let view = IndexView::new(adb, adb.root())?;
    let mut budget = Budget::for_payload(values.len());
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let packages = view.packages()?;
    let record = |value| record(InfoView::new(packages.adb(), value)?, &mut budget);
    Ok(Index {
        description: optional(view.description()?),
        records: packages.values().map(record).collect::<Result<_, _>>()?,
        pkgname_spec: optional(view.pkgname_spec()?),
    })
}

fn record(view: InfoView<'_>, budget: &mut Budget) -> Result<Record, IndexError> {
    budget
        .spend(RECORD)
        .map_err(|source| SchemaError::value("packages", source))?;
    let info = info_from_view(view, budget)?;
    let hashes = view.hashes()?;
    let identity = Digest::from_bytes(hashes).ok_or_else(|| IndexError::Identity {
        name: info.name.clone(),
        length: hashes.len(),
    })?;
    let mut record = info.into_record(identity, view.file_size()?);
    note_losses(view, &mut record);
    Ok(record)
}

/// Fields that whoever made the index lost, as `apk convndx` does where it cannot read them. apk takes them for empty:
/// here a package without its version or its dependencies cannot be installed.
fn note_losses(view: InfoView<'_>, record: &mut Record) {
    let lost = |field| {
        let slot = InfoView::SLOTS.iter().find(|slot| slot.name == field);
        slot.is_some_and(|slot| view.value(slot.number).is_lost())
    };
    let field = if record.version.as_str().is_empty() {
        Some("version")
    } else {
        lost("depends").then_some("depends")
    };
    record.uninstallable = field
        .map(Uninstallable::Lost)
        .or(record.uninstallable.take());
    for (letter, field) in [("p:", "provides"), ("i:", "install-if")] {
        if lost(field) {
            record.ignored.push(letter.to_owned());
        }
    }
}

/// How many bytes of values are read: they are kept in memory. The largest index of Alpine would need some 8 MiB.
const VALUES_LIMIT: u64 = 128 << 20;

/// What a record costs beside its texts and lists. The shortest that a writer makes has 60 bytes.
const RECORD: usize = 128;
