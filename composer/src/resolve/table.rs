//! Rows reached by typed numbers: what keeps a name's number from being used for a package.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// The number of a row in a [`Table`] of one kind.
pub(super) trait Key: Copy {
    fn new(row: usize) -> Self;
    fn row(self) -> usize;
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) struct $name(usize);

        impl Key for $name {
            fn new(row: usize) -> Self {
                $name(row)
            }

            fn row(self) -> usize {
                self.0
            }
        }
    };
}

impl NameId {
    /// Whether it was handed out when there were this many already.
    pub(super) fn is_from(self, length: usize) -> bool {
        self.0 >= length
    }
}

key!(
    /// A name of the graph: of a package, or of something provided, wanted or waited for.
    NameId
);
key!(
    /// A package of the graph: one build, wherever it was found.
    PackageId
);

/// A growing row of values. Keys are handed out by the table that holds the row and never removed.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    rows: Vec<V>,
    key: PhantomData<K>,
}

impl<K: Key, V> Table<K, V> {
    /// Has room for so many rows.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Table {
            rows: Vec::with_capacity(rows),
            key: PhantomData,
        }
    }

    /// As many rows as `other` has, each made from its key.
    pub(super) fn beside<W>(other: &Table<K, W>, make: impl FnMut(K) -> V) -> Self {
        Table {
            rows: other.keys().map(make).collect(),
            key: PhantomData,
        }
    }

    pub(super) fn push(&mut self, value: V) -> K {
        let key = K::new(self.rows.len());
        self.rows.push(value);
        key
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes the rows from this number on; their keys must not be used any more.
    pub(super) fn truncate(&mut self, length: usize) -> Vec<V> {
        self.rows.split_off(length.min(self.rows.len()))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = K> + use<K, V> {
        (0..self.rows.len()).map(K::new)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.iter()
    }
}

impl<K: Key, V> Index<K> for Table<K, V> {
    type Output = V;

    #[expect(
        clippy::indexing_slicing,
        reason = "rows are never removed, so a key that was handed out is valid"
    )]
    fn index(&self, key: K) -> &V {
        &self.rows[key.row()]
    }
}

impl<K: Key, V> IndexMut<K> for Table<K, V> {
    #[expect(
        clippy::indexing_slicing,
        reason = "rows are never removed, so a key that was handed out is valid"
    )]
    fn index_mut(&mut self, key: K) -> &mut V {
        &mut self.rows[key.row()]
    }
}
