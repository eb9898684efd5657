//! The package database of the composed tree, derived for the whole set of packages.
//!
//! | file | content | order in apk 2.14 | in apk 3.0 |
//! |---|---|---|---|
//! | `lib/apk/db/installed` | every package and its files | by name | by name |
//! | `lib/apk/db/scripts.tar`, 3.0: `scripts.tar.gz` | install scripts | as installed | as `installed` |
//! | `lib/apk/db/triggers` | triggers | as installed | as `installed` |
//! | `etc/apk/world` | what was asked for | by name | by name |
//! | `etc/apk/arch` | the architecture | | |

use std::collections::HashMap;

use apk_format::{
    Dialect, Digest, InstalledDb, ScriptArchive, ScriptEntry, Trigger, Triggers, World,
};
use ostree_store::object::{DirMeta, FileHeader, Name, ObjectSink};
use ostree_store::repo::Transaction;
use ostree_store::tree::{Tree, TreeError};

use crate::base::{database_dir, names};
use crate::layer::Layer;
use crate::union::Union;

/// What the database holds beside the packages themselves.
#[derive(Debug)]
pub struct Records {
    /// The world of the whole tree.
    pub world: World,
    /// The scripts of the base.
    pub scripts: ScriptArchive,
    /// The triggers of the base.
    pub triggers: Triggers,
}

/// Writes the database into the tree.
pub fn add(
    union: &mut Union<'_>,
    records: Records,
    layers: &[&Layer],
    arch: &str,
    objects: &Transaction<'_>,
) -> Result<(), TreeError> {
    let by_identity: HashMap<Digest, &Layer> = layers
        .iter()
        .map(|layer| (layer.record.identity, *layer))
        .collect();
    let dialect = union.dialect;
    let mut scripts = scripts(union, records.scripts, &by_identity);
    let mut triggers = triggers(union, records.triggers, &by_identity);
    let mut installed = InstalledDb {
        packages: union.packages().cloned().collect(),
    };
    installed.sort();
    if dialect == Dialect::Apk3 {
        scripts.sort_as(&installed);
        triggers.sort_as(&installed);
    }
    let mut world = records.world;
    world.sort();
    let dir = database_dir(&union.tree);
    remove_other_scripts(&mut union.tree, dir, dialect, objects)?;
    for (path, content) in [
        (format!("{dir}/installed"), installed.write().into_bytes()),
        (
            format!("{dir}/{}", dialect.scripts_file()),
            scripts.write(dialect),
        ),
        (format!("{dir}/triggers"), triggers.write().into_bytes()),
        ("etc/apk/world".to_owned(), world.write().into_bytes()),
        ("etc/apk/arch".to_owned(), format!("{arch}\n").into_bytes()),
    ] {
        put(&mut union.tree, &path, &content, objects)?;
    }
    Ok(())
}

/// A base may have its scripts in the file of the other dialect, which would be read in place of ours.
fn remove_other_scripts(
    tree: &mut Tree,
    dir: &str,
    dialect: Dialect,
    objects: &Transaction<'_>,
) -> Result<(), TreeError> {
    let other = match dialect {
        Dialect::Apk2 => Dialect::Apk3,
        Dialect::Apk3 => Dialect::Apk2,
    };
    // The path is one of ours, whose names are valid.
    let dir = tree.descend(&names(dir).unwrap_or_default(), objects)?;
    dir.files.remove(other.scripts_file());
    Ok(())
}

fn scripts(
    union: &Union<'_>,
    base: ScriptArchive,
    layers: &HashMap<Digest, &Layer>,
) -> ScriptArchive {
    let mut entries = Vec::new();
    for package in union.packages() {
        let record = &package.record;
        match layers.get(&record.identity) {
            Some(layer) => entries.extend(layer.scripts.iter().map(|script| {
                let version = record.version.as_str();
                ScriptEntry::new(
                    &record.name,
                    version,
                    record.identity,
                    record.build_time,
                    script,
                )
            })),
            None => {
                entries.extend(
                    base.entries
                        .iter()
                        .filter(|entry| entry.identity == record.identity)
                        .cloned(),
                );
            }
        }
    }
    ScriptArchive { entries }
}

fn triggers(union: &Union<'_>, base: Triggers, layers: &HashMap<Digest, &Layer>) -> Triggers {
    let mut entries = Vec::new();
    for package in union.packages() {
        let identity = package.record.identity;
        match layers.get(&identity) {
            Some(layer) if layer.info.triggers.is_empty() => {}
            Some(layer) => entries.push(Trigger {
                identity,
                globs: layer.info.triggers.clone(),
            }),
            None => entries.extend(
                base.entries
                    .iter()
                    .filter(|entry| entry.identity == identity)
                    .cloned(),
            ),
        }
    }
    Triggers { entries }
}

/// Puts a file of root's, mode 644; directories on the way are made as apk makes them.
fn put(
    tree: &mut Tree,
    path: &str,
    content: &[u8],
    objects: &Transaction<'_>,
) -> Result<(), TreeError> {
    let meta = objects.dirmeta(&DirMeta::root_owned(0o755))?;
    let id = objects.file(
        &FileHeader::root_owned(0o644),
        content.len() as u64,
        &mut &*content,
    )?;
    // The paths are those above, whose names are valid.
    let mut components: Vec<Name> = names(path).unwrap_or_default();
    let Some(name) = components.pop() else {
        return Ok(());
    };
    let mut dir = tree;
    for component in &components {
        dir = dir.open_dir(objects, component)?;
        dir.meta.get_or_insert(meta);
    }
    dir.put_file(name, id)
}
