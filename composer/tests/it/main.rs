//! Tests of what is public.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod composed;
mod demo;
mod extends;
mod install;
mod install_copies;
mod install_sets;
mod minirootfs;
mod on_base;
mod overlays;
mod properties;
mod recorded;
mod refusals;
mod resolve;
mod v3;
