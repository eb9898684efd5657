//! Repositories and archives made by somebody who means harm: an error, bounded memory, nothing outside the
//! destination.
//!
//! Every command here runs with 256 MiB of memory and two minutes: that is the bound stated in the documentation, and
//! it is enforced by the kernel. What counts is memory that can be written (`RLIMIT_DATA`), not address space: the
//! allocator reserves 64 MiB of that for each thread and uses next to nothing of it.

mod archives;
pub(crate) mod forged;
mod huge_directory;
mod many_entries;
mod repositories;

use crate::pair::Answer;
use std::path::Path;
use std::process::{Command, Stdio};

/// The bound on memory, in KiB.
const MEMORY: u32 = 256 << 10;

/// Runs our `ostree` within the bound.
pub(crate) fn bounded(dir: &Path, args: &[&str]) -> Answer {
    // Output that never ends is cut off, as `head` would do; the command must take that well, too.
    let script = format!(
        "ulimit -d {MEMORY}; ulimit -v 1048576; ulimit -c 0; exec timeout -s KILL 120 \"$0\" ostree \"$@\" >/dev/null"
    );
    let mut command = Command::new("sh");
    command
        .current_dir(dir)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("SOURCE_DATE_EPOCH", "1700000000");
    command
        .arg("-c")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_apk-ostree"));
    command.args(args).stdin(Stdio::null());
    Answer::of(command)
}

/// A command under attack ends by itself, with success or an error in words.
#[track_caller]
fn ended_well(answer: &Answer, what: &str, args: &[&str]) {
    let words: String = answer.stderr.chars().take(2000).collect();
    assert!(
        matches!(answer.code, Some(0 | 1)),
        "{what}: {args:?} ended with {:?}: {words}",
        answer.code
    );
    assert!(
        !answer.stderr.contains("panicked"),
        "{what}: {args:?}: {words}"
    );
    assert!(
        answer.code == Some(0) || answer.stderr.contains("error: "),
        "{what}: {args:?}: {words}"
    );
}
