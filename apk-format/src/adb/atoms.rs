//! Lists of dependencies as they are written.

use std::cmp::Ordering;

use crate::adb::schema::matches;
use crate::adb::value::Value;
use crate::adb::writer::{ValueWriter, merge_sort};
use crate::dependency::{Constraint, Dependency, Provide};
use crate::version;

/// A dependency, or something provided, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Atom {
    name: String,
    version: String,
    /// 0 for the usual one: `=` with a version, anything without.
    matching: u64,
}

impl Atom {
    pub(crate) fn of_dependency(dependency: &Dependency) -> Atom {
        let (version, op) = match &dependency.constraint {
            Constraint::Any => (String::new(), matches::ANY),
            Constraint::Version { op, version } => (version.to_string(), op.matches()),
            Constraint::Identity(digest) => (digest.to_string(), matches::LESS | matches::GREATER),
        };
        let conflict = if dependency.conflict {
            matches::CONFLICT
        } else {
            0
        };
        Atom {
            name: dependency.name.clone(),
            version,
            matching: usual(op | conflict),
        }
    }

    pub(crate) fn of_provide(provide: &Provide) -> Atom {
        let version = provide.version.as_ref();
        Atom {
            name: provide.name.clone(),
            version: version.map(ToString::to_string).unwrap_or_default(),
            matching: 0,
        }
    }

    /// Writes the values of the atom.
    pub(crate) fn write(&self, writer: &mut ValueWriter) -> Value {
        let name = writer.blob(self.name.as_bytes());
        let version = writer.blob(self.version.as_bytes());
        let matching = match self.matching {
            0 => Value::NULL,
            bits => writer.int(bits),
        };
        writer.object(&[name, version, matching])
    }

    /// By name, version and match. Where only one has a version, versions are no reason to prefer one.
    fn compare(&self, other: &Atom) -> Ordering {
        let versions = || match (self.version.is_empty(), other.version.is_empty()) {
            (false, false) => version::compare(&self.version, &other.version, false),
            _ => Ordering::Equal,
        };
        let name = self.name.as_bytes().cmp(other.name.as_bytes());
        name.then_with(versions)
            .then_with(|| self.matching.cmp(&other.matching))
    }
}

/// Writes all atoms in the order given, and gives them sorted, each once.
pub(crate) fn atoms(list: impl Iterator<Item = Atom>, writer: &mut ValueWriter) -> Vec<Value> {
    sorted(list.map(|atom| (atom.write(writer), atom)).collect())
}

/// Sorts atoms that were written, and gives each once.
pub(crate) fn sorted(list: Vec<(Value, Atom)>) -> Vec<Value> {
    let sorted = merge_sort(list, &|(_, a): &(Value, Atom), (_, b)| a.compare(b));
    let mut values: Vec<Value> = sorted.into_iter().map(|(value, _)| value).collect();
    values.dedup();
    values
}

/// `=` with a version and anything without one are not written down.
fn usual(bits: u64) -> u64 {
    match bits {
        matches::EQUAL | matches::ANY => 0,
        bits => bits,
    }
}
