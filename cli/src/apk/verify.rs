//! `apk verify`: whether package files are what they claim, and who vouches for them.

use std::fs::File;
use std::path::Path;

use apk_format::{KeyRing, Package, Trust};

use super::applet::Applet;
use super::phrases;
use super::session::{Code, Session};

pub(super) const APPLET: Applet = Applet {
    name: "verify",
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, files: &[String]) -> Code {
    let keys = session.keys();
    let mut wrong = 0;
    for path in files {
        let result = verify(Path::new(path), &keys, session.trust());
        if session.out.verbosity >= 1 {
            let words = result.as_ref().err().map_or("OK", String::as_str);
            session.out.line(format_args!("{path}: {words}"));
        } else if result.is_err() {
            session.out.line(path);
        }
        wrong += Code::from(result.is_err());
    }
    wrong
}

/// Reads a package to its end; gives what is wrong with it.
fn verify(path: &Path, keys: &KeyRing, trust: Trust) -> Result<(), String> {
    let file = File::open(path).map_err(|error| phrases::system(&error))?;
    let package = Package::open(file).map_err(|error| phrases::package(&error))?;
    let signed = package.verify_signature(keys, trust);
    signed.map_err(|error| phrases::signature(&error).to_owned())?;
    package.finish().map_err(|error| phrases::package(&error))
}
