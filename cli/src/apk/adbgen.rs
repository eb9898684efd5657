//! `apk adbgen`: a v3 package or index out of the text that `adbdump` prints, on stdout, without files and signatures.

use std::fs;

use apk_format::adb::compression::Compression;
use apk_format::adb::file::FileWriter;
use apk_format::adb::generate::{GenerateError, Problem, generate};

use super::applet::Applet;
use super::generation::Stdout;
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "adbgen",
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, files: &[String]) -> Code {
    for path in files {
        if let Err(trouble) = print(session, path) {
            session.tell_trouble(path, &trouble);
            return FAILED;
        }
    }
    0
}

fn print(session: &mut Session, path: &str) -> Result<(), Trouble> {
    let text = fs::read_to_string(path).map_err(|error| phrases::stream(&error))?;
    let (schema, values) = generate(&text).map_err(|error| in_words(&error))?;
    let output = Stdout(&mut session.out);
    let started = FileWriter::start(output, Compression::None, schema, &values, &[]);
    let done = started.and_then(FileWriter::finish);
    done.map(drop)
        .map_err(|error| phrases::chain(&error).into())
}

fn in_words(error: &GenerateError) -> Trouble {
    match error {
        GenerateError::Line {
            problem: Problem::Schema | Problem::Key(_) | Problem::Place,
            ..
        } => Trouble::of(phrases::ADB_SCHEMA, error),
        error => Trouble::of(phrases::INVALID, error),
    }
}
