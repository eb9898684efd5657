//! Repository tags, numbered in the order in which they are met.

use std::ops::{BitAnd, BitOrAssign};

/// How many different tags one resolution can tell apart, the default included. apk itself stops at 16.
const LIMIT: u32 = u128::BITS;

/// More than 127 different repository tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} different repository tags", LIMIT - 1)]
pub struct TooManyTags;

/// Some of the tags in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagSet(u128);

impl TagSet {
    pub(super) const EMPTY: TagSet = TagSet(0);
    /// What repositories and dependencies without a tag have. It has the lowest number.
    pub(super) const DEFAULT: TagSet = TagSet(1);

    pub(super) fn intersects(self, other: TagSet) -> bool {
        self.0 & other.0 != 0
    }

    /// The tag with the lowest number, if there is any.
    pub(super) fn lowest(self) -> Option<TagSet> {
        (self.0 != 0).then(|| TagSet(self.0 & self.0.wrapping_neg()))
    }
}

impl BitAnd for TagSet {
    type Output = TagSet;

    fn bitand(self, other: TagSet) -> TagSet {
        TagSet(self.0 & other.0)
    }
}

impl BitOrAssign for TagSet {
    fn bitor_assign(&mut self, other: TagSet) {
        self.0 |= other.0;
    }
}

/// The tags met so far; the default is not written down.
#[derive(Debug, Default)]
pub(super) struct Tags<'a> {
    met: Vec<&'a str>,
}

impl<'a> Tags<'a> {
    /// The set of this one tag, which gets the next number if it is new.
    pub(super) fn meet(&mut self, tag: Option<&'a str>) -> Result<TagSet, TooManyTags> {
        let Some(tag) = tag.filter(|tag| !tag.is_empty()) else {
            return Ok(TagSet::DEFAULT);
        };
        let place = self
            .met
            .iter()
            .position(|met| *met == tag)
            .unwrap_or_else(|| {
                self.met.push(tag);
                self.met.len() - 1
            });
        let number = u32::try_from(place + 1).map_err(|_| TooManyTags)?;
        1_u128.checked_shl(number).map(TagSet).ok_or(TooManyTags)
    }

    pub(super) fn len(&self) -> usize {
        self.met.len()
    }

    /// Forgets the tags that were met after this many.
    pub(super) fn truncate(&mut self, length: usize) {
        self.met.truncate(length);
    }

    /// The texts of a set, by number; `None` is the default.
    pub(super) fn texts(&self, set: TagSet) -> impl Iterator<Item = Option<&'a str>> {
        let all = std::iter::once(None).chain(self.met.iter().copied().map(Some));
        all.enumerate()
            .filter(move |(number, _)| set.0 >> number & 1 == 1)
            .map(|(_, tag)| tag)
    }
}
