//! Checksums of all objects of a directory, beside reading and hashing its files.

use benches::corpora::Tree;
use benches::rounds::{Job, Settings, measure};
use benches::tools::cores;
use benches::{Failure, floor};
use ostree_store::object::Checksummer;
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;
use rayon::ThreadPool;

fn main() -> Result<(), Failure> {
    let settings = Settings::from_args()?;
    let mut threads = vec![cores(), 1];
    threads.dedup();
    let pools: Vec<ThreadPool> = threads
        .into_iter()
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
        .collect::<Result<_, _>>()?;
    for tree in [Tree::mixed, Tree::small] {
        let tree = tree()?;
        let title = format!(
            "checksums of the {} tree ({} files, {} MB)",
            tree.name,
            tree.files,
            tree.bytes / 1_000_000
        );
        if settings.wants(&title) {
            let ours = pools.iter().map(|pool| checksums(&tree, pool));
            let floors = pools.iter().map(|pool| hashes(&tree, pool));
            measure(&title, ours.chain(floors).collect(), &settings)?;
        }
    }
    Ok(())
}

fn checksums<'j>(tree: &'j Tree, pool: &'j ThreadPool) -> Job<'j> {
    let name = format!(
        "import_dir into Checksummer, threads: {}",
        pool.current_num_threads()
    );
    Job::new(name, tree.bytes, |_, meter| {
        meter.here(|| -> Result<_, Failure> {
            let tree =
                pool.install(|| import_dir(&tree.dir, &Modifier::default(), &Checksummer))?;
            Ok(tree.write(&Checksummer)?)
        })??;
        Ok(())
    })
}

fn hashes<'j>(tree: &'j Tree, pool: &'j ThreadPool) -> Job<'j> {
    let name = format!(
        "floor: read, SHA-256; threads: {}",
        pool.current_num_threads()
    );
    Job::new(name, tree.bytes, |_, meter| {
        let bytes = meter.here(|| pool.install(|| floor::tree(&tree.dir)))??;
        if bytes == tree.bytes {
            Ok(())
        } else {
            Err("the tree has changed".into())
        }
    })
}
