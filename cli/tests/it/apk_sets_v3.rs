//! Packages and repositories of a generated set once more, in the newer format, which only apk 3.0 reads.
//!
//! Our own writer makes them, uncompressed, so that the bytes stay what they are; the real apk says whether they are right.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use apk_format::adb::compression::Compression;
use apk_format::{Digest, Directories, Draft, EntryKind, IndexDraft, Package, PrivateKey};
use fixtures::sets::ARCH;

/// Writes `third`, which has the packages of `second`; `repos3`, the list with it in place of `second`; and a package file.
pub(crate) fn write(dir: &Path) {
    let key = fixtures::path("keys/apk-ostree-demo.rsa");
    let name = "apk-ostree-demo.rsa.pub";
    let keys = [PrivateKey::from_pem(name, &fs::read(key).unwrap()).unwrap()];
    let (old, new) = (dir.join("second").join(ARCH), dir.join("third").join(ARCH));
    fs::create_dir_all(&new).unwrap();
    let mut index = IndexDraft::new();
    let mut files: Vec<_> = fs::read_dir(&old)
        .unwrap()
        .map(|one| one.unwrap().path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "apk"))
    {
        let bytes = rewritten(&fs::read(file).unwrap(), &keys);
        let package = Package::open(&*bytes).unwrap();
        index.add(&package, bytes.len() as u64).unwrap();
        let place = dir
            .join("third")
            .join(package.info().arch.as_deref().unwrap());
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(file.file_name().unwrap()), &bytes).unwrap();
    }
    let index = index.write(Vec::new(), Compression::None, &keys).unwrap();
    fs::write(new.join("Packages.adb"), index).unwrap();
    let list = fs::read_to_string(dir.join("repos1")).unwrap();
    let third = dir.join("third");
    fs::write(
        dir.join("repos3"),
        format!("{list}v3 {}\n", third.display()),
    )
    .unwrap();
    let loose = dir.join("loose");
    let ibis = fs::read(loose.join("ibis-1-r0.apk")).unwrap();
    fs::write(loose.join("ibis3.apk"), rewritten(&ibis, &keys)).unwrap();
    fs::write(loose.join("unsigned3.apk"), rewritten(&ibis, &[])).unwrap();
}

/// A package of the older format in the newer one.
fn rewritten(old: &[u8], keys: &[PrivateKey]) -> Vec<u8> {
    let mut package = Package::open(old).unwrap();
    let mut draft = Draft {
        info: package.info().clone(),
        scripts: package.scripts().to_vec(),
        entries: Vec::new(),
        directories: Directories::Needed,
    };
    let mut contents = BTreeMap::new();
    while let Some(mut entry) = package.next_entry().unwrap() {
        if let EntryKind::File { .. } = entry.kind {
            let mut content = Vec::new();
            package.read_to_end(&mut content).unwrap();
            entry.checksum = Some(Digest::sha256(&content));
            contents.insert(entry.path.clone(), content);
        }
        draft.entries.retain(|known| known.path != entry.path); // the older format may have directories twice
        draft.entries.push(entry);
    }
    let mut content = |entry: &apk_format::Entry| -> io::Result<Box<dyn io::Read>> {
        Ok(Box::new(io::Cursor::new(contents[&entry.path].clone())))
    };
    draft
        .write_v3(Vec::new(), Compression::None, keys, &mut content)
        .unwrap()
}
