//! What the values of a file mean: typed views of objects, read where they lie.
//!
//! A view looks at a slot when it is asked. Null texts, blobs and lists are empty, null numbers are 0; texts must be
//! UTF-8. Slots that are not listed here are not looked at.

use crate::adb::value::{Adb, Slots, Value, ValueError};

/// One field of an object: its slot, and how it is called in the text form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Counted from 1.
    pub number: usize,
    /// As `adbdump` prints it.
    pub name: &'static str,
}

/// An object of a certain shape; made by [`views!`].
macro_rules! views {
    ($($(#[$about:meta])* $view:ident { $($(#[$doc:meta])* $field:ident: $kind:ident = $slot:literal $name:literal,)* })*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug)]
            pub struct $view<'a> {
                adb: Adb<'a>,
                slots: Slots<'a>,
            }

            impl<'a> $view<'a> {
                /// Its fields, in the order of the slots.
                pub const SLOTS: &'static [Slot] = &[$(Slot { number: $slot, name: $name },)*];

                /// Sees a value as this; null has only null fields.
                pub fn new(adb: Adb<'a>, value: Value) -> Result<Self, SchemaError> {
                    let slots = adb.slots(value).map_err(|source| SchemaError::value(stringify!($view), source))?;
                    Ok($view { adb, slots })
                }

                /// The value in a slot, whatever it is.
                pub fn value(self, slot: usize) -> Value {
                    self.slots.get(slot)
                }

                $(
                    $(#[$doc])*
                    pub fn $field(self) -> Result<views!(@type $kind), SchemaError> {
                        views!(@read $kind, self.adb, self.slots.get($slot), $name)
                    }
                )*
            }
        )*
    };
    (@type text) => { &'a str };
    (@type bytes) => { &'a [u8] };
    (@type number) => { u64 };
    (@type list) => { List<'a> };
    (@type $view:ident) => { $view<'a> };
    (@read text, $adb:expr, $value:expr, $name:literal) => { text($adb, $value, $name) };
    (@read bytes, $adb:expr, $value:expr, $name:literal) => {
        $adb.blob($value).map_err(|source| SchemaError::value($name, source))
    };
    (@read number, $adb:expr, $value:expr, $name:literal) => {
        $adb.int($value).map_err(|source| SchemaError::value($name, source))
    };
    (@read list, $adb:expr, $value:expr, $name:literal) => { List::new($adb, $value, $name) };
    (@read $view:ident, $adb:expr, $value:expr, $name:literal) => { $view::new($adb, $value) };
}

views! {
    /// The root of a package.
    PackageView {
        /// What it says of itself.
        info: InfoView = 1 "info",
        /// [`DirView`]s, sorted by name.
        paths: list = 2 "paths",
        /// What it runs.
        scripts: ScriptsView = 3 "scripts",
        /// Texts, in the order given.
        triggers: list = 4 "triggers",
        /// Who wins when packages replace each other.
        replaces_priority: number = 5 "replaces-priority",
    }

    /// What a package says of itself, or an index of it.
    InfoView {
        /// Its name.
        name: text = 1 "name",
        /// Its version.
        version: text = 2 "version",
        /// In a package 20 bytes, its unique id; in an index its identity, 32 bytes, or 20 for v2 packages.
        hashes: bytes = 3 "hashes",
        /// One line.
        description: text = 4 "description",
        /// For which machines.
        arch: text = 5 "arch",
        /// An SPDX expression.
        license: text = 6 "license",
        /// The source package.
        origin: text = 7 "origin",
        /// Who makes it.
        maintainer: text = 8 "maintainer",
        /// Where it is at home.
        url: text = 9 "url",
        /// 20 bytes: the commit of the recipe.
        repo_commit: bytes = 10 "repo-commit",
        /// Unix seconds.
        build_time: number = 11 "build-time",
        /// Bytes; 0 for a package without files and scripts.
        installed_size: number = 12 "installed-size",
        /// Bytes of the package file; in an index only.
        file_size: number = 13 "file-size",
        /// Decides among providers.
        provider_priority: number = 14 "provider-priority",
        /// [`DependencyView`]s.
        depends: list = 15 "depends",
        /// [`DependencyView`]s.
        provides: list = 16 "provides",
        /// [`DependencyView`]s.
        replaces: list = 17 "replaces",
        /// [`DependencyView`]s.
        install_if: list = 18 "install-if",
        /// [`DependencyView`]s that apk does not use.
        recommends: list = 19 "recommends",
        /// On which part of the system it is installed.
        layer: number = 20 "layer",
        /// Texts, in the order given.
        tags: list = 21 "tags",
    }

    /// What one package wants of another.
    DependencyView {
        /// Of the other, or of what it provides.
        name: text = 1 "name",
        /// What the other is compared to.
        version: text = 2 "version",
        /// How; a set of [`MATCH`](crate::adb::schema::matches) bits, 0 for the usual one.
        matching: number = 3 "match",
    }

    /// One directory of a package, and the files in it.
    DirView {
        /// From the root, without a slash at either end; empty for the root.
        name: text = 1 "name",
        /// Whose it is.
        acl: AclView = 2 "acl",
        /// [`FileView`]s, sorted by name.
        files: list = 3 "files",
    }

    /// Anything in a directory that is none.
    FileView {
        /// One component.
        name: text = 1 "name",
        /// Whose it is.
        acl: AclView = 2 "acl",
        /// Bytes.
        size: number = 3 "size",
        /// Unix seconds.
        mtime: number = 4 "mtime",
        /// SHA-256 of the content of a regular file.
        hash: bytes = 5 "hash",
        /// The type in 2 bytes, and where a link goes or which device it is; empty for regular files.
        target: bytes = 6 "target",
    }

    /// Whose a file is, and what may be done with it.
    AclView {
        /// The lower 12 bits of the mode.
        mode: number = 1 "mode",
        /// The owner's name.
        user: text = 2 "user",
        /// The group's name.
        group: text = 3 "group",
        /// Blobs: name, zero, value; sorted.
        xattrs: list = 4 "xattrs",
    }

    /// What a package runs.
    ScriptsView {
        /// `trigger`
        trigger: bytes = 1 "trigger",
        /// `pre-install`
        pre_install: bytes = 2 "pre-install",
        /// `post-install`
        post_install: bytes = 3 "post-install",
        /// `pre-deinstall`
        pre_deinstall: bytes = 4 "pre-deinstall",
        /// `post-deinstall`
        post_deinstall: bytes = 5 "post-deinstall",
        /// `pre-upgrade`
        pre_upgrade: bytes = 6 "pre-upgrade",
        /// `post-upgrade`
        post_upgrade: bytes = 7 "post-upgrade",
    }

    /// The root of an index.
    IndexView {
        /// What the repository says of itself.
        description: text = 1 "description",
        /// [`InfoView`]s, sorted by name, version and hashes.
        packages: list = 2 "packages",
        /// Where the packages are, with `${name}` and the like; empty for the usual places.
        pkgname_spec: text = 3 "pkgname-spec",
    }

    /// The root of an installed database, which only `apk convdb` writes.
    InstalledView {
        /// Blobs, each a row of blocks with the values of a [`PackageView`].
        packages: list = 1 "packages",
    }
}

/// The bits of [`DependencyView::matching`]: which outcomes of the comparison will do.
pub mod matches {
    /// `=`
    pub const EQUAL: u64 = 1;
    /// `<`
    pub const LESS: u64 = 2;
    /// `>`
    pub const GREATER: u64 = 4;
    /// `~`
    pub const FUZZY: u64 = 8;
    /// `!`
    pub const CONFLICT: u64 = 16;
    /// All outcomes.
    pub const ANY: u64 = 7;
}

/// An array whose elements are of one shape.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    adb: Adb<'a>,
    slots: Slots<'a>,
    name: &'static str,
}

impl<'a> List<'a> {
    fn new(adb: Adb<'a>, value: Value, name: &'static str) -> Result<List<'a>, SchemaError> {
        let slots = adb
            .slots(value)
            .map_err(|source| SchemaError::value(name, source))?;
        Ok(List { adb, slots, name })
    }

    /// How many elements there are.
    pub fn len(self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.slots.is_empty()
    }

    /// An element, counted from 0.
    pub fn value(self, index: usize) -> Value {
        self.slots.get(index.saturating_add(1))
    }

    /// All elements.
    pub fn values(self) -> impl ExactSizeIterator<Item = Value> + 'a {
        self.slots.iter()
    }

    /// All elements as texts.
    pub fn texts(self) -> impl Iterator<Item = Result<&'a str, SchemaError>> {
        self.slots
            .iter()
            .map(move |value| text(self.adb, value, self.name))
    }

    /// All elements as bytes.
    pub fn blobs(self) -> impl Iterator<Item = Result<&'a [u8], SchemaError>> {
        let blob = move |value| {
            self.adb
                .blob(value)
                .map_err(|source| SchemaError::value(self.name, source))
        };
        self.slots.iter().map(blob)
    }

    /// The payload that the elements lie in.
    pub fn adb(self) -> Adb<'a> {
        self.adb
    }
}

fn text<'a>(adb: Adb<'a>, value: Value, field: &'static str) -> Result<&'a str, SchemaError> {
    let bytes = adb
        .blob(value)
        .map_err(|source| SchemaError::value(field, source))?;
    std::str::from_utf8(bytes).map_err(|_| SchemaError::NotUtf8 { field })
}

/// Why the values of a file do not mean what its schema says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A value cannot be read.
    #[error("the field {field} cannot be read")]
    Value {
        /// As `adbdump` prints it.
        field: &'static str,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A text is none.
    #[error("the field {field} is not UTF-8")]
    NotUtf8 {
        /// As `adbdump` prints it.
        field: &'static str,
    },
    /// A field is missing without which the object means nothing.
    #[error("the field {field} is missing")]
    Missing {
        /// As `adbdump` prints it.
        field: &'static str,
    },
    /// A field holds what it cannot hold.
    #[error("the field {field} holds {text}")]
    Holds {
        /// As `adbdump` prints it.
        field: &'static str,
        /// What is there.
        text: String,
    },
    /// An array that must be sorted, without doubles.
    #[error("the field {field} is not sorted, or names {text:?} twice")]
    Order {
        /// As `adbdump` prints it.
        field: &'static str,
        /// The element that should not stand where it does.
        text: String,
    },
}

impl SchemaError {
    pub(crate) fn value(field: &'static str, source: ValueError) -> SchemaError {
        SchemaError::Value { field, source }
    }
}
