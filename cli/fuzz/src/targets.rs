//! What the command line reads itself, one function for each parser; a panic is a finding.
//!
//! The fuzz targets and the test that replays the corpus share these functions. Each one states a law beside "no
//! panic".

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::commands::checkout::many;
use crate::commands::commit::pathname_filter;
use crate::commands::{prune, values};
use crate::face::Face;
use crate::glib_words::{self, Rules};
use crate::timestamp;

/// A target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("command_line", command_line),
    ("option_values", option_values),
    ("pathname_filter", pathname_filter),
    ("timestamp", timestamp),
];

/// Words, divided by NULs, under either name: what is read of them is read as the same again, but for the commands of
/// `remote`, from which ostree hides what stands behind `--`.
pub fn command_line(bytes: &[u8]) {
    let Some((first, words)) = bytes.split_first() else {
        return;
    };
    let (face, rules) = match first & 1 {
        0 => (Face::Ostree, Rules::Ostree),
        _ => (Face::ApkOstree, Rules::Ours),
    };
    let words = words.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let args: Vec<OsString> = [b"program".to_vec()]
        .into_iter()
        .chain(words)
        .map(OsString::from_vec)
        .collect();
    let command = face.command();
    if let Ok(line) = glib_words::read(&args, &command, rules) {
        assert!(line.path.len() <= 2);
        if line.path.first().is_some_and(|name| name == "remote") {
            return;
        }
        let again = glib_words::read(&line.words, &command, rules);
        let same = again.as_ref().map(|again| &again.words);
        assert_eq!(same, Ok(&line.words));
    }
    if let Err(failure) = face.parse(&args) {
        drop(failure);
    }
}

/// A time: nothing but a time of our calendar, or the very number that was given.
pub fn timestamp(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(time) = timestamp::choose(Some(text)) {
        let shown = timestamp::iso8601(time);
        assert!(shown == "invalid" || shown.contains('T'));
        let exact = timestamp::choose(Some(&format!("@{time}")));
        assert_eq!(exact.ok(), Some(time));
    }
}

/// An expression with its replacement, a NUL, and a name: what is renamed keeps within the limit.
pub fn pathname_filter(bytes: &[u8]) {
    let nul = bytes.iter().position(|byte| *byte == 0);
    let (filter, name) = bytes.split_at(nul.unwrap_or(bytes.len()));
    let name = name.get(1..).unwrap_or_default();
    let (Ok(filter), Ok(name)) = (str::from_utf8(filter), str::from_utf8(name)) else {
        return;
    };
    if let Ok(renamer) = pathname_filter::parse(filter) {
        let _ = renamer.rename(name);
    }
}

/// The other values of options; the first byte says which.
pub fn option_values(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    if first % 4 == 0 {
        let mut list = rest;
        while let Ok(Some(word)) = many::word(&mut list) {
            assert!(word.len() <= 4096 && !word.contains('\0'));
        }
        return;
    }
    let Ok(text) = str::from_utf8(rest) else {
        return;
    };
    match first % 4 {
        1 => {
            if let Ok(number) = values::parse_number(text) {
                assert_eq!(values::parse_number(&number.to_string()), Ok(number));
            }
            let _ = values::parse_bool(text);
        }
        2 => {
            if let Ok((branch, _)) = prune::branch_depth(text) {
                assert!(text.as_bytes().starts_with(branch.as_bytes()));
            }
        }
        _ => {
            if let Ok(seconds) = prune::seconds(text) {
                assert!(seconds >= 0);
            }
            let _ = timestamp::epoch(text);
        }
    }
}
