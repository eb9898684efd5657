//! A file for each command: its arguments, whose documentation is the help, and its `run`.

pub(crate) mod cat;
pub(crate) mod checkout;
pub(crate) mod checksum;
pub(crate) mod commit;
mod commit_text;
pub(crate) mod completions;
pub(crate) mod compose;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod prune;
pub(crate) mod pull_local;
pub(crate) mod refs;
mod refs_in_collections;
pub(crate) mod remote;
pub(crate) mod reset;
pub(crate) mod rev_parse;
pub(crate) mod scripts;
pub(crate) mod show;
pub(crate) mod summary;
