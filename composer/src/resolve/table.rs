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
        pub(super) struct $name(u32);

        impl Key for $name {
            fn new(row: usize) -> Self {
                // So many rows would not fit into any memory.
                $name(u32::try_from(row).unwrap_or(u32::MAX))
            }

            fn row(self) -> usize {
                self.0 as usize
            }
        }
    };
}

impl NameId {
    /// Whether it was handed out when there were this many already.
    pub(super) fn is_from(self, length: usize) -> bool {
        self.row() >= length
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

    pub(super) fn keys(&self) -> impl Iterator<Item = K> + Clone + use<K, V> {
        (0..self.rows.len()).map(K::new)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.iter()
    }
}

/// A list of values for each key of a table, all of them in one piece.
#[derive(Debug)]
pub(super) struct Lists<K, V> {
    items: Vec<V>,
    /// Where each list ends, and the next one begins.
    ends: Vec<u32>,
    key: PhantomData<K>,
}

impl<K, V> Default for Lists<K, V> {
    fn default() -> Self {
        Lists {
            items: Vec::new(),
            ends: Vec::new(),
            key: PhantomData,
        }
    }
}

impl<K: Key, V: Copy> Lists<K, V> {
    /// Has room for so many lists, and items in them.
    pub(super) fn with_capacity(lists: usize, items: usize) -> Self {
        Lists {
            items: Vec::with_capacity(items),
            ends: Vec::with_capacity(lists),
            key: PhantomData,
        }
    }

    /// Adds a value to the list that is being made.
    pub(super) fn push(&mut self, value: V) {
        self.items.push(value);
    }

    /// Ends the list that is being made, which is that of the next key.
    pub(super) fn end(&mut self) {
        self.ends.push(place(self.items.len()));
    }

    /// Puts values into the lists of their keys, which are so many. They stay in their order there.
    pub(super) fn sorted(keys: usize, values: impl Iterator<Item = (K, V)> + Clone) -> Self {
        let mut lists = Lists::default();
        let Some((_, any)) = values.clone().next() else {
            return lists;
        };
        // First how many there are of each key, then where the list of each begins, and in the end where it ends.
        lists.ends.resize(keys, 0);
        for (key, _) in values.clone() {
            if let Some(count) = lists.ends.get_mut(key.row()) {
                *count += 1;
            }
        }
        let mut start = 0;
        for end in &mut lists.ends {
            start += std::mem::replace(end, start);
        }
        lists.items.resize(start as usize, any);
        for (key, value) in values {
            if let Some(end) = lists.ends.get_mut(key.row())
                && let Some(item) = lists.items.get_mut(*end as usize)
            {
                *item = value;
                *end += 1;
            }
        }
        lists
    }

    /// The list of a key; empty if it has none.
    pub(super) fn get(&self, key: K) -> &[V] {
        let end = |row: usize| self.ends.get(row).map(|end| *end as usize);
        let start = key.row().checked_sub(1).map_or(Some(0), end);
        let items = start.zip(end(key.row()));
        let items = items.and_then(|(start, end)| self.items.get(start..end));
        items.unwrap_or_default()
    }

    /// How many items all lists have together.
    pub(super) fn items(&self) -> usize {
        self.items.len()
    }
}

/// So many items would not fit into any memory.
fn place(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
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
