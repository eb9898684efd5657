//! What a record says of others: enough to link packages, without reading the rest.
//!
//! A solver links every package of an index and then reads the fields of the few it reaches. An outline of lines in
//! which nothing is malformed or unknown is made of parts of these lines; any other record is read, and its outline
//! shows the fields.

use crate::dependency::{Dependency, Provide, atom_name, atom_provide, atoms};
use crate::digest::Digest;
use crate::index::Record;
use crate::index::atoms::Atom;
use crate::index::record::{Fields, Uninstallable, decimal, low_16_bits};
use crate::version::Version;

/// The fields of a [`Record`] that link it with others: see [`Fields`] for what they mean.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// `C`
    pub identity: Digest,
    /// `P`
    pub name: &'a str,
    /// `V`: as written.
    pub version: &'a str,
    /// `A`
    pub arch: Option<&'a str>,
    /// `S`
    pub size: u64,
    /// `I`
    pub installed_size: u64,
    /// `k`
    pub provider_priority: u16,
    /// Why the package may not be installed.
    pub uninstallable: Option<&'a Uninstallable>,
    /// What was left out: see [`Fields::ignored`].
    pub ignored: &'a [String],
    lists: Lists<'a>,
}

/// Where the lists of a record are.
#[derive(Clone, Debug)]
enum Lists<'a> {
    /// In lines, of well-formed atoms only.
    Lines {
        depends: &'a str,
        provides: &'a str,
        install_if: &'a str,
    },
    /// In fields that were read.
    Read(&'a Fields),
}

impl Record {
    /// What links the record with others.
    pub fn outline(&self) -> Outline<'_> {
        let of_lines = self.lines().and_then(Outline::of_lines);
        of_lines.unwrap_or_else(|| Outline::of_fields(self))
    }
}

impl<'a> Outline<'a> {
    /// The names in `D`, in its order; those of conflicts too.
    pub fn depends(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (lines, read) = match self.lists {
            Lines { depends, .. } => (depends, &[][..]),
            Read(fields) => ("", &*fields.depends),
        };
        names(lines, read)
    }

    /// The names in `i`, in its order; those of conflicts too.
    pub fn install_if(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (lines, read) = match self.lists {
            Lines { install_if, .. } => (install_if, &[][..]),
            Read(fields) => ("", &*fields.install_if),
        };
        names(lines, read)
    }

    /// The names in `p`, in its order, and the versions as written.
    pub fn provides(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let (lines, read) = match self.lists {
            Lines { provides, .. } => (provides, &[][..]),
            Read(fields) => ("", &*fields.provides),
        };
        let read = read.iter().map(|provide: &'a Provide| {
            let version = provide.version.as_ref().map(Version::as_str);
            (provide.name.as_str(), version)
        });
        atoms(lines).map(atom_provide).chain(read)
    }

    fn of_fields(fields: &'a Fields) -> Outline<'a> {
        Outline {
            identity: fields.identity,
            name: &fields.name,
            version: fields.version.as_str(),
            arch: fields.arch.as_deref(),
            size: fields.size,
            installed_size: fields.installed_size,
            provider_priority: fields.provider_priority,
            uninstallable: fields.uninstallable.as_ref(),
            ignored: &fields.ignored,
            lists: Read(fields),
        }
    }

    /// Of the lines of a paragraph that can be read; `None` unless all in them is well-formed and known.
    fn of_lines(text: &'a str) -> Option<Outline<'a>> {
        let mut outline = Outline {
            identity: Digest::Sha1([0; 20]),
            name: "",
            version: "",
            arch: None,
            size: 0,
            installed_size: 0,
            provider_priority: 0,
            uninstallable: None,
            ignored: &[],
            lists: Lines {
                depends: "",
                provides: "",
                install_if: "",
            },
        };
        let mut rest = text;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            let (line, after) = rest.split_at_checked(end)?;
            outline.add(line)?;
            rest = after.get(1..).unwrap_or_default();
        }
        Some(outline)
    }

    fn add(&mut self, line: &'a str) -> Option<()> {
        let (key, value) = (*line.as_bytes().first()?, line.get(2..)?);
        match key {
            b'C' => self.identity = Digest::parse(value).ok()?,
            b'P' => self.name = value,
            b'V' => self.version = value,
            b'A' => self.arch = (!value.is_empty()).then_some(value),
            b'S' => self.size = decimal(value)?,
            b'I' => self.installed_size = decimal(value)?,
            b'k' => self.provider_priority = low_16_bits(decimal(value)?),
            b'D' | b'p' | b'i' => self.add_list(key, value)?,
            b'T' | b'U' | b'L' | b'o' | b'm' | b't' | b'c' => {}
            b'F' | b'M' | b'R' | b'Z' | b'a' | b'r' | b'q' | b's' | b'f' | b'g' => {}
            _ => return None,
        }
        Some(())
    }

    fn add_list(&mut self, key: u8, value: &'a str) -> Option<()> {
        let Lines {
            depends,
            provides,
            install_if,
        } = &mut self.lists
        else {
            return None;
        };
        let (list, good) = match key {
            b'D' => (depends, are_dependencies(value)),
            b'i' => (install_if, are_dependencies(value)),
            _ => (provides, Provide::all_good(value)),
        };
        // A letter that comes twice adds up.
        (good && list.is_empty()).then(|| *list = value)
    }
}

use Lists::{Lines, Read};

fn are_dependencies(list: &str) -> bool {
    Dependency::all_good(list) || atoms(list).all(Dependency::is_well_formed)
}

fn names<'a>(lines: &'a str, read: &'a [Dependency]) -> impl Iterator<Item = &'a str> + use<'a> {
    let read = read.iter().map(|dependency| dependency.name.as_str());
    atoms(lines).map(atom_name).chain(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;

    const HEAD: &str = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1\n";

    /// The outline of lines is that of the fields which are read from them.
    #[track_caller]
    fn check(rest: &str, reads: bool) {
        let records = Index::parse_records(&format!("{HEAD}{rest}")).unwrap();
        let outline = records[0].outline();
        assert_eq!(matches!(outline.lists, Read(_)), reads);
        let fields = Outline::of_fields(&records[0]);
        assert_eq!(shown(&outline), shown(&fields));
    }

    fn shown(outline: &Outline<'_>) -> String {
        let depends: Vec<_> = outline.depends().collect();
        let provides: Vec<_> = outline.provides().collect();
        let install_if: Vec<_> = outline.install_if().collect();
        let lists = Lines {
            depends: "",
            provides: "",
            install_if: "",
        };
        let rest = Outline {
            lists,
            ..outline.clone()
        };
        format!("{rest:?} {depends:?} {provides:?} {install_if:?}")
    }

    #[test]
    fn well_formed_lines_are_not_read() {
        for rest in [
            "",
            "A:x86_64\nS:5\nI:6\nk:65541\nT:text\nF:dir\n",
            "A:\nD:a !b c>=1 d~2 !e<3 f><Q1qKcZ+j23xssAXmgQhkOO8dHnbWw= g<=>x  h<>=1 =1\n",
            "p:a b=1 c= d<no /bin/sh so:x=1\ni:a b=1 !c\n",
            "D:\nD:a\nk:1\nk:2\n",
        ] {
            check(rest, false);
        }
    }

    #[test]
    fn others_are_read() {
        for rest in [
            "D:a b=bad\n",
            "D:a@tag\n",
            "D:a=\n",
            "D:a><Q1\n",
            "i:a=bad b\n",
            "p:!a b\n",
            "p:a@b c\n",
            "D:a\nD:b\n",
            "p:a\np:b=1\n",
            "i:a\ni:b=1\n",
            "X:1\n",
            "x:1\n",
        ] {
            check(rest, true);
        }
    }

    #[test]
    fn what_was_read_or_changed_counts() {
        let records = Index::parse_records(&format!("{HEAD}S:1\nD:b\n")).unwrap();
        let mut other = records[0].clone();
        other.size = 7;
        assert_eq!((records[0].outline().size, other.outline().size), (1, 7));
        assert!(other.outline().depends().eq(["b"]));
    }
}
