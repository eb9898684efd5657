//! `apk manifest`: checksums of the files of installed packages, or of package files.

use std::fs::File;

use apk_format::{Digest, EntryKind, KeyRing, Package, Trust};
use composer::inventory::{NameId, PackageId};

use super::applet::Applet;
use super::out::Out;
use super::phrases;
use super::session::{Code, Parts, Session};
use super::trouble::Trouble;

pub(super) const APPLET: Applet = Applet {
    name: "manifest",
    parts: Parts {
        any_arch: false,
        ..Parts::ALL
    },
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, operands: &[String]) -> Code {
    if operands.is_empty() {
        return 0;
    }
    let (names, files) = session.inventory.named_by(operands);
    let keys = session.keys();
    let trust = session.trust();
    for path in files {
        let prefix = prefix(&session.out, &path);
        if let Err(trouble) = of_file(&path, &prefix, &keys, trust, &mut session.out) {
            session.tell_trouble(&path, &trouble);
        }
    }
    for name in names {
        of_installed(session, name);
    }
    0
}

fn prefix(out: &Out, of: &str) -> String {
    if out.verbosity > 1 {
        format!("{of}: ")
    } else {
        String::new()
    }
}

fn of_installed(session: &mut Session, name: NameId) {
    // What provides its own name comes as often as it does, as in apk.
    let inventory = &session.inventory;
    let providers = inventory.providers(name).iter().map(|one| one.package);
    let mut builds: Vec<PackageId> = providers
        .filter(|package| inventory.name_of(*package) == name)
        .collect();
    inventory.sort(&mut builds);
    for package in builds {
        let known = &session.inventory[package];
        let Some(installed) = &known.installed else {
            continue;
        };
        let prefix = prefix(&session.out, &known.record.name);
        let files = installed.dirs.iter().flat_map(|dir| &dir.files);
        for (path, file) in installed.paths().zip(files) {
            let algorithm = match file.checksum {
                Some(_) if installed.flags.sha256 => "sha256-160",
                Some(Digest::Sha1(_)) => "sha1",
                Some(Digest::Sha256(_)) => "sha256",
                None => "none",
            };
            let hex = file
                .checksum
                .map(|digest| digest.to_hex())
                .unwrap_or_default();
            session
                .out
                .line(format_args!("{prefix}{algorithm}:{hex}  {path}"));
        }
    }
}

/// The name of a digest's algorithm, and the digest.
fn shown(checksum: Option<Digest>) -> (&'static str, String) {
    match checksum {
        Some(digest @ Digest::Sha1(_)) => ("sha1", digest.to_hex()),
        Some(digest @ Digest::Sha256(_)) => ("sha256", digest.to_hex()),
        None => ("none", String::new()),
    }
}

/// The regular files of a package file, as far as it can be trusted. What is found out at its end is told then.
fn of_file(
    path: &str,
    prefix: &str,
    keys: &KeyRing,
    trust: Trust,
    out: &mut Out,
) -> Result<(), Trouble> {
    let wrong = |error| phrases::package(&error);
    let file = File::open(path).map_err(|error| phrases::system(&error))?;
    let mut package = Package::open(file).map_err(wrong)?;
    let signed = package.verify_signature(keys, trust);
    signed.map_err(|error| phrases::signature(&error))?;
    let v3 = package.unique_id().is_some();
    while let Some(entry) = package.next_entry().map_err(wrong)? {
        let checksum = match &entry.kind {
            EntryKind::File { .. } | EntryKind::HardLink { .. } => entry.checksum,
            EntryKind::Dir => continue,
            _ if v3 => None,
            _ => continue,
        };
        let (algorithm, hex) = shown(checksum);
        out.line(format_args!("{prefix}{algorithm}:{hex}  {}", entry.path));
    }
    package.finish().map_err(wrong)
}
