//! Every input that fuzzing kept, through the functions that the fuzz targets call.

#[path = "../../fuzz/src/targets.rs"]
#[allow(
    unreachable_pub,
    missing_docs,
    reason = "it is the library of another package, too"
)]
mod targets;

use std::path::Path;

#[test]
fn the_corpus_is_replayed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    fixtures::corpus::replay(&corpus, targets::TARGETS);
}
