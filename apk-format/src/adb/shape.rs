//! What each slot holds, as a table: for whoever walks over all values, whatever they mean.

/// What a value is.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Fields in the order of the slots.
    Object(&'static [Field]),
    /// An object that is written as one text.
    Dependency,
    /// Elements of one shape.
    Array(&'static Shape),
    /// A blob of blocks, with the values of a package.
    Package,
    /// A number, in octal digits where it is a mode.
    Number { octal: bool },
    /// A blob that is text, with lines of its own where it is a script.
    Text { multiline: bool },
    /// A blob that is none.
    Hex,
    /// A blob of name, zero and value.
    Xattr,
}

/// One slot of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static Shape,
}

macro_rules! fields {
    ($($name:literal: $shape:expr,)*) => {
        Shape::Object(&[$(Field { name: $name, shape: $shape },)*])
    };
}

const TEXT: &Shape = &Shape::Text { multiline: false };
const SCRIPT: &Shape = &Shape::Text { multiline: true };
const NUMBER: &Shape = &Shape::Number { octal: false };
const MODE: &Shape = &Shape::Number { octal: true };
const TEXTS: &Shape = &Shape::Array(TEXT);
const DEPENDENCIES: &Shape = &Shape::Array(&Shape::Dependency);

const INFO: &Shape = &fields! {
    "name": TEXT,
    "version": TEXT,
    "hashes": &Shape::Hex,
    "description": TEXT,
    "arch": TEXT,
    "license": TEXT,
    "origin": TEXT,
    "maintainer": TEXT,
    "url": TEXT,
    "repo-commit": &Shape::Hex,
    "build-time": NUMBER,
    "installed-size": NUMBER,
    "file-size": NUMBER,
    "provider-priority": NUMBER,
    "depends": DEPENDENCIES,
    "provides": DEPENDENCIES,
    "replaces": DEPENDENCIES,
    "install-if": DEPENDENCIES,
    "recommends": DEPENDENCIES,
    "layer": NUMBER,
    "tags": TEXTS,
};

const ACL: &Shape = &fields! {
    "mode": MODE,
    "user": TEXT,
    "group": TEXT,
    "xattrs": &Shape::Array(&Shape::Xattr),
};

const FILE: &Shape = &fields! {
    "name": TEXT,
    "acl": ACL,
    "size": NUMBER,
    "mtime": NUMBER,
    "hash": &Shape::Hex,
    "target": &Shape::Hex,
};

const DIR: &Shape = &fields! {
    "name": TEXT,
    "acl": ACL,
    "files": &Shape::Array(FILE),
};

const SCRIPTS: &Shape = &fields! {
    "trigger": SCRIPT,
    "pre-install": SCRIPT,
    "post-install": SCRIPT,
    "pre-deinstall": SCRIPT,
    "post-deinstall": SCRIPT,
    "pre-upgrade": SCRIPT,
    "post-upgrade": SCRIPT,
};

/// The root of a package.
pub(crate) const PACKAGE: Shape = fields! {
    "info": INFO,
    "paths": &Shape::Array(DIR),
    "scripts": SCRIPTS,
    "triggers": TEXTS,
    "replaces-priority": NUMBER,
};

/// The root of an index.
pub(crate) const INDEX: Shape = fields! {
    "description": TEXT,
    "packages": &Shape::Array(INFO),
    "pkgname-spec": TEXT,
};

/// The root of an installed database.
pub(crate) const INSTALLED: Shape = fields! {
    "packages": &Shape::Array(&Shape::Package),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adb::schema::*;

    /// The two tables of the same facts say the same.
    #[test]
    fn views_and_shapes_agree() {
        let shapes: [(&Shape, &[Slot]); 8] = [
            (&PACKAGE, PackageView::SLOTS),
            (&INDEX, IndexView::SLOTS),
            (&INSTALLED, InstalledView::SLOTS),
            (INFO, InfoView::SLOTS),
            (ACL, AclView::SLOTS),
            (FILE, FileView::SLOTS),
            (DIR, DirView::SLOTS),
            (SCRIPTS, ScriptsView::SLOTS),
        ];
        for (shape, slots) in shapes {
            let Shape::Object(fields) = shape else {
                panic!()
            };
            let names: Vec<_> = fields.iter().map(|field| field.name).collect();
            let expected: Vec<_> = slots.iter().map(|slot| slot.name).collect();
            assert_eq!(names, expected);
            assert!(
                slots
                    .iter()
                    .enumerate()
                    .all(|(at, slot)| slot.number == at + 1)
            );
        }
    }
}
