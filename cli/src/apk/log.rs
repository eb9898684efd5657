//! `var/log/apk.log`: what a run that changes a root was asked for, when, and everything it said.
//!
//! | apk-tools | writes |
//! |---|---|
//! | 2.14 | no log |
//! | 3.0 | an empty line; ``Running `COMMAND LINE` at YYYY-MM-DD HH:MM:SS``, in UTC; the program's version; then its output |
//!
//! A root whose database has the form of 2.14 gets none. As long as a new root has no form yet the lines wait.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};

use composer::root::Root;

use super::session::machine;

/// Where it is in a root.
pub(super) const PATH: &str = "var/log/apk.log";

/// The log of this run.
#[derive(Debug, Default)]
pub(super) enum Log {
    /// There is none.
    #[default]
    Off,
    /// Lines that wait until it is clear whether there is to be one.
    Waiting(String),
    /// It is written.
    Open(File),
}

impl Log {
    /// Begins with the command line and the time.
    pub(super) fn begin(args: impl Iterator<Item = OsString>, now: jiff::Timestamp) -> Log {
        let args: Vec<_> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        let when = now.strftime("%Y-%m-%d %H:%M:%S");
        Log::Waiting(format!(
            "\nRunning `{}` at {when}\napk-ostree {}, compiled for {}.\n",
            args.join(" "),
            env!("CARGO_PKG_VERSION"),
            machine()
        ))
    }

    /// Opens the file, which is made if there is none, and writes what has waited.
    pub(super) fn open(&mut self, root: &Root) -> io::Result<()> {
        if let Log::Waiting(text) = self {
            let mut file = composer::install::open_log(root, PATH)?;
            file.write_all(text.as_bytes())?;
            *self = Log::Open(file);
        }
        Ok(())
    }

    /// Adds a line. A full disk does not end the run, which has more important things to write.
    pub(super) fn line(&mut self, line: &str) {
        match self {
            Log::Off => {}
            Log::Waiting(text) => *text += &format!("{line}\n"),
            Log::Open(file) => drop(file.write_all(format!("{line}\n").as_bytes())),
        }
    }
}
