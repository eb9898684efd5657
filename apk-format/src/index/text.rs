//! Texts that lie within one larger text.
//!
//! An index of 5,000 packages has 50,000 texts. Records keep the whole of what was read, and say where in it their texts
//! are: none of them needs memory of its own.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytestring::ByteString;

/// A text that cannot be changed, and that costs little to copy. It keeps all that alive which it was read from.
///
/// ```
/// use apk_format::Text;
///
/// let name = Text::from("musl");
/// assert_eq!(name, "musl");
/// assert_eq!(name.len(), 4);
/// ```
#[derive(Clone, Default)]
pub struct Text {
    whole: Arc<ByteString>,
    start: u32,
    /// [`TO_THE_END`] for all from `start` on.
    length: u32,
}

/// What a length never is that is kept as such.
const TO_THE_END: u32 = u32::MAX;

impl Text {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        let start = self.start as usize;
        let text = match self.length {
            TO_THE_END => self.whole.get(start..),
            length => self.whole.get(start..start + length as usize),
        };
        text.unwrap_or_default()
    }
}

/// What many [`Text`]s are parts of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<ByteString>);

impl Shared {
    pub(crate) fn new(whole: impl Into<ByteString>) -> Shared {
        Shared(Arc::new(whole.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// This part of it. What lies elsewhere is copied, and so is what lies behind 4 GiB.
    pub(crate) fn part(&self, part: &str) -> Text {
        let start = part.as_ptr().addr().checked_sub(self.0.as_ptr().addr());
        let within = start.filter(|start| {
            let range = *start..start.saturating_add(part.len());
            self.0
                .get(range)
                .is_some_and(|found| std::ptr::eq(found, part))
        });
        match (within.map(u32::try_from), u32::try_from(part.len())) {
            (Some(Ok(start)), Ok(length)) if length != TO_THE_END => Text {
                whole: Arc::clone(&self.0),
                start,
                length,
            },
            _ => Text::from(part),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text {
            length: u32::try_from(text.len()).unwrap_or(TO_THE_END),
            start: 0,
            whole: Arc::new(text.into()),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::from(text.to_owned())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.as_str().to_owned()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_copied() {
        let whole = Shared::new("P:musl\nV:1.2.5-r0\n".to_owned());
        let line = whole.as_str().split('\n').nth(1).unwrap();
        let version = whole.part(line.strip_prefix("V:").unwrap());
        assert_eq!(version, "1.2.5-r0");
        assert!(std::ptr::eq(
            version.as_str().as_ptr(),
            whole.as_str()[9..].as_ptr()
        ));
        assert_eq!(whole.part(&whole.as_str()[18..]), "");
    }

    #[test]
    fn what_lies_elsewhere_is_copied() {
        let (whole, other) = (Shared::new("abc".to_owned()), "abcdef".to_owned());
        for part in [&other[..], &other[3..], "", "abc"] {
            assert_eq!(whole.part(part), part);
        }
        assert_eq!(Text::default(), "");
        assert_eq!(
            format!("{:>5}|{:?}", Text::from("abc"), Text::from("\n")),
            "  abc|\"\\n\""
        );
    }
}
