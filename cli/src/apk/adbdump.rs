//! `apk adbdump`: what is in a v3 package or index, as text.

use std::fs::File;

use apk_format::adb::dump::{DumpError, Format, dump};

use super::applet::Applet;
use super::generation::Stdout;
use super::options::{Opt, Said};
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

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
        let opened = File::open(path).map_err(|error| Trouble::from(phrases::system(&error)));
        let printed = opened.and_then(|file| {
            let output = Stdout(&mut session.out);
            dump(file, output, format, &keys).map_err(|error| trouble(&error))
        });
        if let Err(trouble) = printed {
            session.tell_trouble(path, &trouble);
            return FAILED;
        }
    }
    0
}

fn trouble(error: &DumpError) -> Trouble {
    match error {
        DumpError::Block(error) => phrases::frame(error),
        DumpError::Value(_) => Trouble::of(phrases::ADB_BLOCK, error),
        DumpError::Write(error) => phrases::system(error).into(),
    }
}
