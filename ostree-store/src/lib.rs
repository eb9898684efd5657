//! OSTree's objects and repositories, read and written without libostree.
//!
//! Read downwards: each room uses only those above it.
//!
//! | room | is |
//! |---|---|
//! | [`checksum`] | names of objects |
//! | [`gvariant`] | the serialization that objects use |
//! | [`object`] | what the bytes of one object mean |
//! | [`repo`] | one repository on disk |
//! | [`tree`] | many objects seen as directories: import, export, comparison |
//! | [`transfer`] | commits taken from one repository into another |
//! | [`upkeep`] | checking a repository, and taking away what nobody needs |

pub mod checksum;
pub mod gvariant;
pub mod object;
mod path_error;
pub mod repo;
pub mod transfer;
pub mod tree;
pub mod upkeep;

pub use path_error::{PathError, SystemError};
