//! What a system holds: the files of `lib/apk/db`, and `etc/apk/world`.
//!
//! | file | type |
//! |---|---|
//! | `lib/apk/db/installed` | [`InstalledDb`] |
//! | `lib/apk/db/scripts.tar`, `scripts.tar.gz` | [`ScriptArchive`] |
//! | `lib/apk/db/triggers` | [`Triggers`] |
//! | `etc/apk/world` | [`World`] |
//! | `etc/apk/repositories` | [`RepositoryReader`] |
//!
//! Each is read and written byte for byte as apk does, in the [`Dialect`] of 2.14 or 3.0.
//!
//! ```
//! use apk_format::InstalledDb;
//!
//! let text = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1-r0\nS:9\nI:9\nT:\nU:\nL:MIT\n\
//!             F:usr\nF:usr/bin\nM:0:5:750\nR:a\na:0:0:755\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\n\n";
//! let database = InstalledDb::parse(text)?;
//! assert_eq!(database.packages[0].dirs[1].files[0].mode, 0o755);
//! assert_eq!(database.write(), text);
//! # Ok::<(), apk_format::database::InstalledError>(())
//! ```

mod dialect;
mod directory_order;
mod installed;
mod protected;
mod repositories;
mod scripts;
mod triggers;
mod world;

pub use dialect::{Dialect, DialectError};
pub use directory_order::DirectoryOrder;
pub use installed::{
    Flags, InstalledDb, InstalledDir, InstalledError, InstalledFile, InstalledPackage, xattr_hash,
};
pub use protected::{ProtectedPaths, Protection};
pub use repositories::{
    IndexFile, ListedRepository, RepositoryLineError, RepositoryReader, SubstituteError,
    local_path, substitute,
};
pub(crate) use scripts::write_file;
pub use scripts::{ScriptArchive, ScriptArchiveError, ScriptEntry};
pub use triggers::{Trigger, Triggers, TriggersError};
pub use world::{World, WorldError};
