//! `apk adbdump`: what is in a v3 package or index, as text.

use std::fs::File;

use apk_format::adb::dump::{DumpError, Format, dump};

use super::applet::Applet;
use super::generation::Stdout;
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, FAILED, Session};

pub(super) const APPLET: Applet = Applet {
    name: "adbdump",
    options: &[Opt::value("format")],
    set: |_, _, said: &Said| format(said.text()).is_some(),
    run,
    ..Applet::NONE
};

fn format(name: &str) -> Option<Format> {
    match name {
        "default" | "yaml" => Some(Format::Yaml),
        "json" => Some(Format::Json),
        _ => None,
    }
}

fn run(session: &mut Session, files: &[String]) -> Code {
    let format = session.value("format").and_then(format).unwrap_or_default();
    let keys = session.keys();
    for path in files {
        let opened = File::open(path).map_err(|error| phrases::system(&error));
        let printed = opened.and_then(|file| {
            let output = Stdout(&mut session.out);
            dump(file, output, format, &keys).map_err(|error| words(&error))
        });
        if let Err(words) = printed {
            session.out.error(format_args!("{path}: {words}"));
            return FAILED;
        }
    }
    0
}

fn words(error: &DumpError) -> String {
    match error {
        DumpError::Block(error) => phrases::frame(error),
        DumpError::Value(_) => phrases::ADB_BLOCK.to_owned(),
        DumpError::Write(error) => phrases::system(error),
    }
}
