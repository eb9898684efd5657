//! Measurements: what a job costs, beside what the real tools need for it and what no program can go below.
//!
//! Every number comes from a run of the whole job on inputs made from a seed (or on real Alpine data, where that
//! is beside the source tree). `README.md` says how to run them and what was measured.
//!
//! | module | is |
//! |---|---|
//! | [`content`] | bytes of files that compress as texts and programs do |
//! | [`corpora`] | directory trees, made once and kept |
//! | [`packages`] | signed apk repositories, made once and kept |
//! | [`meter`] | time, processor time and memory of a child process or a function |
//! | [`rounds`] | jobs side by side: interleaved runs, medians, a table |
//! | [`tools`] | the commands that are compared |
//! | [`floor`] | the least work that a job demands |

pub mod content;
pub mod corpora;
pub mod floor;
pub mod meter;
pub mod packages;
pub mod rounds;
pub mod tools;

/// Why something could not be measured. Nobody tells these apart.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
