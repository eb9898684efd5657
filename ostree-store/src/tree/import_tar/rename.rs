//! Other names for the entries of an archive.

use std::fmt;
use std::sync::Arc;

/// Makes another name of an entry's name.
///
/// The name given is relative to the root, empty for the root itself; that of a directory may end in a slash. The
/// name returned need not be tidy, but must not lead upwards.
#[derive(Clone)]
pub struct Renamer(Arc<Rename>);

type Rename = dyn Fn(&str) -> Result<String, String> + Send + Sync;

impl Renamer {
    /// Renames by this function, whose error says why it cannot.
    pub fn new(rename: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static) -> Renamer {
        Renamer(Arc::new(rename))
    }

    /// The other name, or why there is none.
    pub fn rename(&self, name: &str) -> Result<String, String> {
        (self.0)(name)
    }
}

impl fmt::Debug for Renamer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renamer")
    }
}
