//! Looking after a repository.

pub mod fsck;
