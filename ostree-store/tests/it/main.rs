//! Tests of what is public.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "in a test a panic is the report"
)]

mod checkout;
mod diff;
mod fsck;
mod fuzz_corpus;
mod gvariant;
mod import_dir;
mod import_tar;
mod later_formats;
mod objects;
mod partial;
mod peer;
mod prune;
mod refs;
#[cfg(feature = "stock-zlib")]
mod stock_zlib;
mod summary;
mod transaction;
mod transfer;
mod vectors;
mod walk;
