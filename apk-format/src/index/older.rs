//! A v3 index whose packages are listed again, without reading them again.

use bytes::Bytes;
use std::io::Read;

use crate::adb::schema::SchemaError;
use crate::adb::value::{Adb, Budget};
use crate::index::make::Listed;
use crate::index::{IndexDraft, IndexDraftError, IndexError, Record, v3};
use crate::signature::{KeyRing, Trust};

/// A v3 index that was made before, see [`IndexDraft::add_older`](crate::IndexDraft::add_older).
#[derive(Debug)]
pub struct OlderIndex {
    values: Bytes,
    budget: Budget,
    records: Vec<Record>,
}

impl OlderIndex {
    /// Reads an index of v3 to its end and checks its signature before looking at a record.
    pub fn read(reader: impl Read, keys: &KeyRing, trust: Trust) -> Result<OlderIndex, IndexError> {
        let values = v3::read_values(reader, keys, trust)?;
        let records = v3::index(&values)?.records;
        Ok(OlderIndex {
            budget: Budget::for_payload(values.len()),
            values,
            records,
        })
    }

    /// What it lists, in its order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl IndexDraft {
    /// Lists a package as an older index does: the one at this place of its
    /// [`records`](OlderIndex::records). Without such a one nothing is listed.
    pub fn add_older(&mut self, older: &mut OlderIndex, at: usize) -> Result<(), IndexDraftError> {
        let Some(record) = older.records().get(at) else {
            return Ok(());
        };
        let (name, version) = (record.name.to_string(), record.version.to_string());
        let hashes = record.identity.as_bytes().to_vec();
        let broken = |source| IndexDraftError::Package {
            name: name.clone(),
            source: SchemaError::value("packages", source),
        };
        let adb = Adb::new(&older.values).map_err(broken)?;
        let root = adb.slots(adb.root()).map_err(broken)?;
        let value = adb.slots(root.get(PACKAGES)).map_err(broken)?.get(at + 1);
        let value = self.writer.copy(adb, value, &mut older.budget);
        self.packages.push(Listed {
            value: value.map_err(broken)?,
            name: name.into_bytes(),
            version,
            hashes,
        });
        Ok(())
    }
}

/// The slot of an index that holds the packages.
const PACKAGES: usize = 2;
