//! Every input that fuzzing kept, through the functions that the fuzz targets call.

#[path = "../../fuzz/src/targets.rs"]
#[allow(
    unreachable_pub,
    missing_docs,
    reason = "it is the library of another package, too"
)]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_is_replayed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut inputs: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("no corpus of {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "no corpus of {name}");
        for input in inputs {
            println!("{}", input.display()); // shown if it fails
            target(&fs::read(&input).unwrap());
        }
    }
    let dirs = fs::read_dir(corpus).unwrap().count();
    assert_eq!(dirs, targets::TARGETS.len());
}
