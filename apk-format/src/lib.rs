//! Alpine's packages, indexes and databases as values.
//!
//! | module | reads and writes |
//! |---|---|
//! | [`version`] | versions, and which is newer |
//! | [`dependency`] | what packages want, refuse and provide |
//! | [`digest`] | SHA-1 and SHA-256 in the forms apk writes |
//! | [`glob`] | patterns over names |
//! | [`index`] | what a repository offers: `APKINDEX.tar.gz` or `Packages.adb` |
//! | [`signature`] | who vouches for an index or a package |
//! | [`package`] | one `.apk` file, in one pass |
//! | [`adb`] | the container of v3 files, and what is in it |
//! | [`database`] | what a system holds: `lib/apk/db/*` and `etc/apk/world` |
//! | [`stanza`] | the paragraphs that index and database are made of |
//!
//! No function opens a file: all take text, bytes or [`Read`](std::io::Read). Nothing in the input is trusted:
//! no bytes make a reader panic, or use memory out of proportion to what it returns. The rules are those of
//! apk-tools 3.0.6; what is written is what apk-tools 2.14 or 3.0 writes. Both package formats are known: v2, which
//! Alpine publishes, and v3 (ADB), which OpenWrt does; they are seen alike.
//!
//! ```
//! # let index_file = include_bytes!("../../fixtures/samples/v2/x86_64/APKINDEX.tar.gz");
//! # let key_file = include_bytes!("../../fixtures/samples/keys/sample-rsa.key.pub");
//! use apk_format::{Dependency, Index, KeyRing, Trust};
//!
//! let mut keys = KeyRing::new();
//! keys.add("sample-rsa.key.pub", key_file)?;
//! let index = Index::read(&index_file[..], &keys, Trust::Required)?;
//!
//! let wanted = Dependency::parse("base~1.2")?;
//! let found = index.records.iter().find(|record| {
//!     record.name == wanted.name && wanted.satisfied_by_version(Some(&record.version))
//! });
//! assert_eq!(found.map(|record| record.version.as_str()), Some("1.2.3_rc1-r4"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod adb;
pub mod database;
pub mod dependency;
pub mod digest;
pub mod glob;
mod gzip;
pub mod index;
mod memory;
pub mod package;
pub mod signature;
pub mod stanza;
mod ustar;
pub mod version;

pub use database::{
    Dialect, InstalledDb, InstalledDir, InstalledError, InstalledFile, InstalledPackage,
    ScriptArchive, ScriptArchiveError, ScriptEntry, Trigger, Triggers, TriggersError, World,
    WorldError, xattr_hash,
};
pub use dependency::{Constraint, Dependency, DependencyError, Op, Provide};
pub use digest::{Digest, DigestError, DigestKind};
pub use index::{
    Atoms, Index, IndexDraft, IndexDraftError, IndexError, OlderIndex, PlaceError, Record,
    RecordError, RecordProblem, Text, Uninstallable,
};
pub use package::{
    Contents, Directories, Draft, DraftError, Entry, EntryKind, InfoError, Member, Package,
    PackageError, PackageInfo, PathError, Script, ScriptKind,
};
pub use signature::{
    Algorithm, KeyError, KeyId, KeyRing, PrivateKey, SignatureError, SigningError, Trust,
};
pub use ustar::ArchiveError;
pub use version::{Version, VersionError};
