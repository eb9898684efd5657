//! Looking after a repository: whether all is well in it, and what nobody needs any more.

pub mod fsck;
pub mod prune;
mod reach;

pub use reach::Unsound;

use crate::checksum::Checksum;
use crate::object::ObjectKind;

/// The name of an object.
pub type Object = (ObjectKind, Checksum);
