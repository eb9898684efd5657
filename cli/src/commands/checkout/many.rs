//! `checkout --from-file` and `--from-stdin`: several commits, or parts of them, into one directory.
//!
//! ```text
//! REV NUL SUBPATH NUL REV NUL SUBPATH NUL …
//! ```
//!
//! An empty REV ends the list. Without a NUL behind the last REV it is checked out whole. Paths are read while the
//! work goes on, so that a program can write them one after the other.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use super::Job;
use crate::console::Console;
use crate::failure::{Failure, Within};

/// The longest REV or SUBPATH in bytes: what Linux takes for a path.
const LONGEST: u64 = 4096;

impl Job<'_> {
    /// Checks out all that is listed into one directory.
    pub(super) fn many(&self, destination: &Path, console: &mut Console) -> Result<(), Failure> {
        let mut list: Box<dyn BufRead> = match &self.args.from_file {
            Some(path) if !self.args.from_stdin => {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let file = File::open(path)
                    .within(format_args!("Error opening file {}", absolute.display()))?;
                Box::new(BufReader::new(file))
            }
            _ => Box::new(stdin().lock()),
        };
        while let Some(rev) = word(&mut list)?.filter(|rev| !rev.is_empty()) {
            let subpath = word(&mut list)?;
            let commit = self.repo.resolve(&rev)?;
            self.one(commit, subpath.as_deref(), destination, console)
                .within(format_args!("Processing tree {commit}"))?;
        }
        Ok(())
    }
}

/// The bytes up to the next NUL, or `None` at the end.
pub(crate) fn word(list: &mut dyn BufRead) -> Result<Option<String>, Failure> {
    let mut bytes = Vec::new();
    let read = list.take(LONGEST + 1).read_until(0, &mut bytes);
    read.within("cannot read the list of checkouts")?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.len() as u64 > LONGEST {
        return Err(Failure::new(
            "a word in the list of checkouts has more than 4096 bytes",
        ));
    }
    let word = String::from_utf8(bytes);
    word.map(Some)
        .map_err(|_| Failure::new("Invalid UTF-8 in the list of checkouts"))
}
