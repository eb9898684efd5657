//! `--bootable`: the metadata says that there is one kernel, and which.

use ostree_store::checksum::DirTreeId;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::object::{DirTree, Name};
use ostree_store::repo::Transaction;
use ostree_store::tree::DirTreeSource;

use crate::failure::Failure;

/// Where kernels are: each in a directory of its own, named by its release.
const MODULES: [&str; 3] = ["usr", "lib", "modules"];

/// The release of the one kernel in the tree.
pub(super) fn kernel(root: &DirTreeId, source: &Transaction<'_>) -> Result<String, Failure> {
    let mut releases = Vec::new();
    for (name, (id, _)) in modules(root, source)?.dirs {
        let dir = source.dirtree(&id)?;
        let kernel = Name::new("vmlinuz")?;
        if dir.files.contains_key(&kernel) || dir.dirs.contains_key(&kernel) {
            releases.push(name.to_string());
        }
    }
    match releases.pop() {
        None => Err(Failure::new("No kernel found in /usr/lib/modules")),
        Some(_) if !releases.is_empty() => {
            Err(Failure::new("Multiple kernels found in /usr/lib/modules"))
        }
        Some(release) => Ok(release),
    }
}

/// The directory of kernels. Where it is no directory ostree aborts.
fn modules(root: &DirTreeId, source: &Transaction<'_>) -> Result<DirTree, Failure> {
    let mut path = String::new();
    let mut dir = source.dirtree(root)?;
    for name in MODULES {
        let name = Name::new(name)?;
        path = format!("{path}/{name}");
        dir = match dir.dirs.get(&name) {
            Some((tree, _)) => source.dirtree(tree)?,
            None if dir.files.contains_key(&name) => return Err(Failure::new("Not a directory")),
            None => {
                return Err(Failure::new(format_args!(
                    "No such file or directory: {path}"
                )));
            }
        };
    }
    Ok(dir)
}

/// The metadata with the kernel in it. ostree passes all of it through a hash table, whose order it has then.
pub(super) fn marked(mut metadata: Dict, release: String) -> Dict {
    metadata.push("ostree.bootable", Value::Bool(true));
    metadata.push("ostree.linux", Value::Str(release));
    metadata.in_hash_order()
}
