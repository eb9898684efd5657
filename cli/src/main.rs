//! The `apk-ostree` command: parse, run, report; nothing else.
//!
//! | module | is |
//! |---|---|
//! | [`face`] | under which name it was started, and what follows from that |
//! | [`apk`] | the face of apk, a room of its own |
//! | [`app`] | global options, the commands, the one match that dispatches |
//! | [`commands`] | a file for each command: its arguments and its `run` |
//! | [`console`] | stdout is data, stderr is talk |
//! | [`failure`] | from any error to: message, causes, hint, exit code |
//! | [`glib_words`] | the words of a command line as GLib reads them |
//! | [`place`] | which repository is meant |
//! | [`progress`] | how far work has got |
//! | [`size`] | bytes for people |
//! | [`timestamp`] | which time is meant |

mod apk;
mod app;
mod commands;
mod console;
mod face;
mod failure;
#[cfg(test)]
mod fuzz_corpus;
mod glib_words;
mod place;
mod progress;
mod size;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/src/targets.rs"]
#[allow(
    missing_docs,
    unreachable_pub,
    reason = "for the fuzz targets, which are another package"
)]
pub mod targets;
mod timestamp;

use std::process::ExitCode;

use face::Face;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if let Some(asked) = apk::asked(&args) {
        return apk::run(asked);
    }
    let (face, args) = Face::of(args);
    match face
        .parse(&args)
        .and_then(|request| app::run(request, face))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(face),
    }
}
