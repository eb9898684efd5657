//! One `.apk` file: what it says of itself, and the files it brings.
//!
//! A v2 package is a row of gzip members; their contents, joined, are one tar stream:
//!
//! | member | tar entries | hashed as |
//! |---|---|---|
//! | signature, 0 or more | `.SIGN.<algorithm>.<key name>` | – |
//! | control | `.PKGINFO`, scripts `.pre-install` … | identity (SHA-1), and what is signed |
//! | data | directories and files | data hash (SHA-256), in `.PKGINFO` |
//!
//! A v3 package is an [ADB file](crate::adb): values that describe the package and its files, signatures, then a block
//! for the content of each file. Whoever reads a package need not know which of the two it is:
//!
//! | | v2 | v3 |
//! |---|---|---|
//! | identity | SHA-1 of the compressed control member | SHA-256 of the values |
//! | checksum of a file, symlink | SHA-1 of content, target | SHA-256 of content, target |
//! | owners | names and numbers | names; the number is 65534 |
//! | order of entries | that of the archive | sorted; a directory may have no entry of its own |
//!
//! Everything is read in one pass, forwards, in memory that does not depend on the size of the files:
//!
//! 1. [`Package::open`] reads everything before the data;
//! 2. [`Package::check_identity`] or [`Package::verify_signature`] says whether this is the package meant;
//! 3. [`Package::next_entry`] and [`Read`](std::io::Read) on the package give the files;
//! 4. [`Package::finish`] says whether all of it was what was promised. **Nothing read in step 3
//!    may be trusted before.**
//!
//! ```
//! # let file = include_bytes!("../../../fixtures/samples/v2/x86_64/base-1.2.3_rc1-r4.apk");
//! use std::io::Read;
//! use apk_format::{Digest, EntryKind, Package};
//!
//! let mut package = Package::open(&file[..])?;
//! package.check_identity(&Digest::parse("Q1DgPhZoj8zYu3xZ/vTX+E/c5j0nM=")?)?;
//! assert_eq!(package.info().name, "base");
//!
//! let mut group = String::new();
//! while let Some(entry) = package.next_entry()? {
//!     if entry.path == "etc/group" {
//!         assert_eq!(entry.kind, EntryKind::File { size: 20 });
//!         package.read_to_string(&mut group)?;
//!     }
//! }
//! package.finish()?;
//! assert!(group.contains("web:x:77"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod control;
mod entry;
mod error;
mod info;
mod make;
mod reader;
mod v2;
mod v3;

pub use control::{Script, ScriptKind};
pub use entry::{Entry, EntryKind, PathError};
pub use error::{Member, PackageError};
pub use info::{InfoError, PackageInfo};
pub(crate) use make::signature_member;
pub use make::{Contents, Directories, Draft, DraftError};
pub(crate) use reader::Metadata;
pub use reader::Package;
pub(crate) use v3::info as stored;
