//! Every input that fuzzing kept, through the functions that the fuzz targets call.

use std::path::Path;

use crate::targets;

#[test]
fn the_corpus_is_replayed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    fixtures::corpus::replay(&corpus, targets::TARGETS);
}
