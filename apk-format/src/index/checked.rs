//! Finds the packages of a v3 index without reading them.
//!
//! Every offset, length, text and number is looked at, as [`listed`](super::listed) looks at it, but nothing is kept:
//! what was found can be read later. Lists share most of their atoms, and packages most of their texts, so those that
//! were just looked at are only counted.

use bytes::Bytes;

use crate::adb::schema::List;
use crate::adb::value::{Adb, Budget, Value};
use crate::digest::Digest;
use crate::index::listed::RECORD;
use crate::index::{Record, record};

/// The packages of a list, in its order; `None` if not all of them can be read, or if it is not sure.
pub(super) fn find(values: &Bytes, packages: List<'_>, budget: Budget) -> Option<Vec<Record>> {
    if packages.len() > record::PACKAGES_LIMIT {
        return None;
    }
    let mut check = Check {
        adb: packages.adb(),
        budget,
        lines: Known::new(0),
        atoms: Known::new(ATOM),
    };
    let mut found = Vec::new();
    for value in packages.values() {
        check.package(value)?;
        if found.is_empty() {
            // Not before one could be read: the length of the list may be a lie.
            found.reserve(packages.len());
        }
        found.push(value);
    }
    Some(Record::stored(values.clone(), found))
}

struct Check<'a> {
    adb: Adb<'a>,
    budget: Budget,
    lines: Known,
    atoms: Known,
}

impl Check<'_> {
    fn package(&mut self, value: Value) -> Option<()> {
        self.budget.spend(RECORD).ok()?;
        let mut slots = [Value::NULL; 21];
        let there = self.adb.slots(value).ok()?;
        for (slot, value) in slots.iter_mut().zip(there.iter()) {
            *slot = value;
        }
        // In the order of the slots of an `InfoView`.
        let [name, version, hashes, description, rest @ ..] = slots;
        let [arch, license, origin, maintainer, url, commit, rest @ ..] = rest;
        let [built, installed, size, priority, rest @ ..] = rest;
        let [
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
        ] = rest;
        if self.line(name)? == 0 {
            return None;
        }
        for text in [version, arch, license, origin, maintainer, url] {
            self.line(text)?;
        }
        self.description(description)?;
        for number in [built, installed, size, priority, layer] {
            self.adb.int(number).ok()?;
        }
        Digest::from_bytes(self.adb.blob(hashes).ok()?)?;
        self.adb.blob(commit).ok()?;
        for list in [depends, provides, replaces, install_if, recommends] {
            self.list(list)?;
        }
        self.tags(tags)
    }

    /// A text without line breaks and zeros; gives its length.
    fn line(&mut self, value: Value) -> Option<usize> {
        let length = match self.lines.get(value) {
            Some(length) => length,
            None => {
                let bytes = self.adb.blob(value).ok()?;
                is_line(bytes).then_some(())?;
                self.lines.put(value, bytes.len())
            }
        };
        self.budget.spend(length).ok()?;
        Some(length)
    }

    /// A text that may have line breaks, but no zeros.
    fn description(&mut self, value: Value) -> Option<()> {
        let bytes = self.adb.blob(value).ok()?;
        let good = is_plain(bytes) || (is_text(bytes) && !bytes.contains(&0));
        good.then_some(())?;
        self.budget.spend(bytes.len()).ok()
    }

    /// Atoms that can be read; what is malformed in them is said when they are.
    fn list(&mut self, value: Value) -> Option<()> {
        if value.is_null() {
            return Some(());
        }
        for value in self.adb.slots(value).ok()?.iter() {
            let cost = match self.atoms.get(value) {
                Some(cost) => cost,
                None => {
                    let cost = self.atom(value)?;
                    self.atoms.put(value, cost)
                }
            };
            self.budget.spend(cost).ok()?;
        }
        Some(())
    }

    /// What an atom takes of the budget.
    fn atom(&self, value: Value) -> Option<usize> {
        let slots = self.adb.slots(value).ok()?;
        let name = self.adb.blob(slots.get(NAME)).ok()?;
        let version = self.adb.blob(slots.get(VERSION)).ok()?;
        self.adb.int(slots.get(MATCH)).ok()?;
        // What is provided as such a version is read in another way, which takes more.
        let odd = matches!(version.first(), Some(b'<'..=b'>' | b'~'));
        let good = !odd && is_text(name) && is_text(version);
        good.then(|| name.len() + version.len() + ATOM)
    }

    fn tags(&mut self, value: Value) -> Option<()> {
        let slots = self.adb.slots(value).ok()?;
        for value in slots.iter() {
            let word = self.adb.blob(value).ok()?;
            if word.is_empty() || word.contains(&b' ') || !is_line(word) {
                return None;
            }
            self.budget.spend(word.len() + size_of::<String>()).ok()?;
        }
        Some(())
    }
}

/// What values cost that were looked at, as far as there is room: the last one of each row of places.
struct Known(Box<[(Value, u32)]>);

impl Known {
    /// Knows what null costs.
    fn new(null: usize) -> Known {
        let null = u32::try_from(null).unwrap_or_default();
        Known(vec![(Value::NULL, null); 1 << ROOM].into())
    }

    fn get(&self, value: Value) -> Option<usize> {
        let (known, cost) = self.0.get(place(value))?;
        (*known == value).then_some(*cost as usize)
    }

    fn put(&mut self, value: Value, cost: usize) -> usize {
        if let (Some(known), Ok(cost)) = (self.0.get_mut(place(value)), u32::try_from(cost)) {
            *known = (value, cost);
        }
        cost
    }
}

fn place(value: Value) -> usize {
    (value.word().wrapping_mul(0x9e37_79b1) >> (u32::BITS - ROOM)) as usize
}

/// Whether bytes are text on one line.
fn is_line(bytes: &[u8]) -> bool {
    is_plain(bytes) || (is_text(bytes) && memchr::memchr2(b'\n', b'\0', bytes).is_none())
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

/// Whether there are only ASCII characters, and no line breaks and zeros among them. Most texts are so short that
/// looking at eight bytes at once is the fastest way.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let bad = words.iter().fold(0, |bad, word| bad | odd_bytes(*word));
    let mut last = [b' '; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    (bad | odd_bytes(last)) == 0
}

/// Not 0 where one of the bytes is no ASCII, a line break or a zero.
fn odd_bytes(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(bytes);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    (word | zeros(word) | zeros(word ^ (ONES * 0x0a))) & (ONES * 0x80)
}

// Slots of a `DependencyView`.
const NAME: usize = 1;
const VERSION: usize = 2;
const MATCH: usize = 3;

/// What an atom takes of the budget beside its texts.
const ATOM: usize = 16;

/// How many values are known, as a power of 2.
const ROOM: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adb::schema::{DependencyView, IndexView, InfoView};
    use crate::index::listed;

    fn values() -> Vec<u8> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../fixtures/samples/v3/x86_64/Packages.adb"
        );
        let file = std::fs::read(path).unwrap();
        let mut blocks = crate::adb::block::Blocks::open(&file[..]).unwrap();
        blocks.next_block().unwrap();
        blocks.payload(1 << 20).unwrap()
    }

    /// What is found, and what is read of it one after the other; `None` if there are no packages at all.
    type Both = (Option<Vec<Record>>, Option<Vec<Record>>);

    fn both(values: Vec<u8>, budget: Budget) -> Option<Both> {
        let values = Bytes::from(values);
        let adb = Adb::new(&values).ok()?;
        let packages = IndexView::new(adb, adb.root()).ok()?.packages().ok()?;
        let found = find(&values, packages, budget);
        let read = listed::read(packages, &mut budget.clone());
        Some((found, read.ok()))
    }

    #[track_caller]
    fn same((found, read): Both) {
        if let Some(found) = found {
            assert_eq!(Some(found), read);
        }
    }

    #[test]
    fn packages_are_found_as_they_are_read() {
        let (found, read) = both(values(), Budget::bytes(1 << 20)).unwrap();
        assert!(found.as_ref().is_some_and(|found| found.len() > 1));
        assert_eq!(found, read);
    }

    /// Whatever a word or a byte is changed to: what is found can be read, and means the same.
    #[test]
    fn what_is_found_can_be_read() {
        let values = values();
        let mut refused = 0;
        for at in (8..values.len() - 4).step_by(4) {
            let own = u32::try_from(at).unwrap();
            for kind in [0, 1, 2, 8, 9, 0xa, 0xd, 0xe, 0xf] {
                for place in [own, 8, 0x0fff_ffff] {
                    let mut changed = values.clone();
                    changed[at..at + 4].copy_from_slice(&(kind << 28 | place).to_le_bytes());
                    let Some((found, read)) = both(changed, Budget::bytes(1 << 20)) else {
                        continue;
                    };
                    refused += usize::from(found.is_none());
                    same((found, read));
                }
            }
        }
        assert!(refused > 1000, "{refused}");
        for at in 8..values.len() {
            for value in [0, b'\n', b' ', b'=', b'~', 0x80, 0xff] {
                let mut changed = values.clone();
                changed[at] = value;
                if let Some(both) = both(changed, Budget::bytes(1 << 20)) {
                    same(both);
                }
            }
        }
    }

    #[test]
    fn budgets_end_at_the_same_package() {
        let enough = |left: &u64| both(values(), Budget::bytes(*left)).unwrap().1.is_some();
        let needed = (0..1 << 16).find(enough).unwrap();
        for left in needed - 200..needed + 200 {
            let (found, read) = both(values(), Budget::bytes(left)).unwrap();
            assert_eq!(found, read, "{left}");
        }
    }

    #[test]
    fn slots_are_those_of_the_schema() {
        let names = InfoView::SLOTS.iter().map(|slot| slot.name);
        assert_eq!(
            names.collect::<Vec<_>>().join(" "),
            "name version hashes description arch license origin maintainer url repo-commit build-time installed-size \
             file-size provider-priority depends provides replaces install-if recommends layer tags"
        );
        let names = DependencyView::SLOTS.iter().map(|slot| slot.name);
        assert_eq!(names.collect::<Vec<_>>(), ["name", "version", "match"]);
        assert_eq!((NAME, VERSION, MATCH), (1, 2, 3));
    }

    #[test]
    fn lines_are_told_from_others() {
        for length in 0..40 {
            let line = vec![b'x'; length];
            assert!(is_plain(&line) && is_line(&line));
            for at in 0..length {
                for byte in 0..=255 {
                    let mut changed = line.clone();
                    changed[at] = byte;
                    let plain = byte.is_ascii() && byte != 0 && byte != b'\n';
                    assert_eq!(is_plain(&changed), plain, "{byte} at {at} of {length}");
                    assert_eq!(is_line(&changed), plain);
                }
            }
        }
        for (text, line) in [
            ("\u{e9}t\u{e9}", true),
            ("\u{e9}\n", false),
            ("\u{e9}\0", false),
        ] {
            assert_eq!(is_line(text.as_bytes()), line);
        }
    }
}
