//! What `--statoverride` and `--skip-list` say about single paths.
//!
//! | line | what it does to the entry |
//! |---|---|
//! | `NUMBER PATH` | adds the bits of the number to its mode; the first entry of that path uses the line up |
//! | `=NUMBER PATH` | replaces its permission bits by the number, as often as the path comes |
//! | `PATH` (skip list) | leaves the entry out, a directory with everything below; used up by the first entry |
//!
//! Numbers are read as C's `strtod` reads them, so `0600` is six hundred and `0x180` is what `chmod 600` means. Paths
//! begin with a slash and end without one. The filter of ostree sees every directory below the root of a directory
//! tree twice and keeps only what it changed the second time; so an added mode, used up the first time, changes
//! directories in archives and roots alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gvariant::c_double;

/// Rules for single paths. Entries use them up, so every commit needs rules of its own.
#[derive(Debug, Default)]
pub struct PathRules {
    additions: Mutex<BTreeMap<String, u32>>,
    replacements: BTreeMap<String, u32>,
    skipped: Mutex<BTreeSet<String>>,
}

/// A line that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed statoverride file (no space found)")]
pub struct MalformedRule;

impl PathRules {
    /// Reads the lines of a `--statoverride` file. Of two lines of the same kind for one path the later one counts.
    pub fn override_modes(&mut self, text: &str) -> Result<(), MalformedRule> {
        for line in lines(text) {
            let (number, path) = line.split_once(' ').ok_or(MalformedRule)?;
            match number.strip_prefix('=') {
                Some(number) => drop(self.replacements.insert(path.to_owned(), mode(number))),
                None => drop(lock(&self.additions).insert(path.to_owned(), mode(number))),
            }
        }
        Ok(())
    }

    /// Reads the lines of a `--skip-list` file.
    pub fn skip(&mut self, text: &str) {
        lock(&self.skipped).extend(lines(text).map(str::to_owned));
    }

    /// Whether there are no rules, or none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
            && lock(&self.additions).is_empty()
            && lock(&self.skipped).is_empty()
    }

    /// The paths of added modes that no entry had.
    #[must_use]
    pub fn unmatched_additions(&self) -> Vec<String> {
        lock(&self.additions).keys().cloned().collect()
    }

    /// The paths of the skip list that no entry had.
    #[must_use]
    pub fn unmatched_skips(&self) -> Vec<String> {
        lock(&self.skipped).iter().cloned().collect()
    }

    /// What becomes of a mode, type bits and all, with the type bits `kind`.
    pub(super) fn changed(&self, path: &str, st_mode: u32, kind: u32) -> u32 {
        if let Some(bits) = lock(&self.additions).remove(path) {
            return st_mode | bits;
        }
        self.replacements
            .get(path)
            .map_or(st_mode, |bits| kind | bits)
    }

    /// Whether the next entry of that path is left out.
    pub(super) fn will_skip(&self, path: &str) -> bool {
        lock(&self.skipped).contains(path)
    }

    /// Whether the entry is left out.
    pub(super) fn skips(&self, path: &str) -> bool {
        lock(&self.skipped).remove(path)
    }
}

/// The lines that are not empty. A carriage return is part of its line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.is_empty())
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "that is what ostree does to fractions; what is too large is refused later"
)]
fn mode(number: &str) -> u32 {
    (c_double(number.trim_start()) as i32).cast_unsigned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_used_up() {
        let mut rules = PathRules::default();
        rules
            .override_modes("2048 /a\n\n=0600 /b\n0x800 /c\n1e1 /d\nx /e\n")
            .unwrap();
        rules.skip("/a\n/z\n");
        assert_eq!(rules.changed("/a", 0o100_755, 0o100_000), 0o104_755);
        assert_eq!(rules.changed("/a", 0o100_755, 0o100_000), 0o100_755);
        for _ in 0..2 {
            assert_eq!(rules.changed("/b", 0o100_755, 0o100_000), 0o101_130);
        }
        assert!(rules.skips("/a") && !rules.skips("/a"));
        assert_eq!(rules.unmatched_additions(), ["/c", "/d", "/e"]);
        assert_eq!(rules.unmatched_skips(), ["/z"]);
        assert_eq!(rules.override_modes("5"), Err(MalformedRule));
    }
}
