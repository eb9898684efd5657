//! `apk verify`: whether package files and indexes are what they claim, and who vouches for them.
//!
//! Of files that are cut off apk 3.0.6 says different things, by where; here it is always that they end too early. What is
//! wrong in v3 values is told before a signature that nobody knows, by apk after it.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use apk_format::{Index, IndexError, KeyRing, Package, PackageError, Trust};

use super::applet::Applet;
use super::no_package::may_be_other;
use super::phrases;
use super::session::{Code, Session};
use super::trouble::Trouble;

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
            let words = result.as_ref().err().map_or("OK", Trouble::words);
            session.out.line(format_args!("{path}: {words}"));
        } else if result.is_err() {
            session.out.line(path);
        }
        if let Err(trouble) = &result {
            session.explain_trouble(path, trouble);
        }
        wrong += Code::from(result.is_err());
    }
    wrong
}

/// Reads a package or an index to its end; gives what is wrong with it.
fn verify(path: &Path, keys: &KeyRing, trust: Trust) -> Result<(), Trouble> {
    let mut file = File::open(path).map_err(|error| Trouble::from(phrases::system(&error)))?;
    let package = match Package::open(&file) {
        Ok(package) => package,
        Err(error) if matches!(error, PackageError::Schema { .. }) || may_be_other(&error) => {
            file.rewind()
                .map_err(|error| Trouble::from(phrases::system(&error)))?;
            return match Index::read(file, keys, trust) {
                Ok(_) | Err(IndexError::NoRecords) => Ok(()), // an archive of files is as good
                Err(IndexError::ControlFiles { untrusted, other }) => match (untrusted, other) {
                    (Some(error), _) => Err(phrases::signature(&error)),
                    (None, Some(_)) => Err(Trouble::of(phrases::PACKAGE_FORMAT, &error)),
                    (None, None) => Ok(()),
                },
                Err(error) => Err(phrases::index(&error)),
            };
        }
        Err(error) => return Err(phrases::package(&error)),
    };
    let signed = package.verify_signature(keys, trust);
    signed.map_err(|error| phrases::signature(&error))?;
    package.finish().map_err(|error| phrases::package(&error))
}
