//! What a package says of itself; here, in the `.PKGINFO` of a v2 package.
//!
//! Lines `key = value`, split at the first ` = `. Empty lines, lines that begin with `#` and lines without ` = `
//! are ignored. There are no escapes.
//!
//! | key | may repeat | holds |
//! |---|---|---|
//! | `pkgname` `pkgver` `pkgdesc` `url` `license` `arch` `origin` `maintainer` `commit` | no | text |
//! | `size` | no | installed size in bytes; 0 for "no data" |
//! | `builddate` | no | Unix seconds |
//! | `provider_priority` `replaces_priority` | no | number, kept in 16 bits |
//! | `depend` `provides` `install_if` `replaces` | yes | atoms with spaces between |
//! | `triggers` | no | globs with spaces between |
//! | `datahash` | no | SHA-256 of the compressed data member, hex |
//! | anything else | | kept in [`PackageInfo::other`] |
//!
//! Of a key that may not repeat the last line counts.
//!
//! ```
//! use apk_format::PackageInfo;
//!
//! let info = PackageInfo::parse("# made by hand\npkgname = hello\npkgver = 1.0-r0\ndepend = so:libc.so.6\n")?;
//! assert_eq!(info.version.as_str(), "1.0-r0");
//! assert_eq!(info.depends[0].to_string(), "so:libc.so.6");
//! # Ok::<(), apk_format::InfoError>(())
//! ```

use crate::dependency::{Dependency, Provide};
use crate::digest::Digest;
use crate::index::{Atoms, Fields, Record, Text, Uninstallable, decimal, low_3_bits, low_16_bits};
use crate::version::Version;

/// What a package says of itself. The names of the fields are those of `.PKGINFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageInfo {
    /// `pkgname`
    pub name: String,
    /// `pkgver`: as written; it need not be valid.
    pub version: Version,
    /// `pkgdesc`
    pub description: String,
    /// `url`
    pub url: String,
    /// `license`
    pub license: String,
    /// `size`: in bytes; 0 means that the package has no data and runs no scripts.
    pub installed_size: u64,
    /// `arch`
    pub arch: Option<String>,
    /// `origin`: the source package.
    pub origin: Option<String>,
    /// `maintainer`
    pub maintainer: Option<String>,
    /// `builddate`: Unix seconds, 0 when missing.
    pub build_time: u64,
    /// `commit`: of the package recipe.
    pub commit: Option<String>,
    /// `provider_priority`: 0 when missing.
    pub provider_priority: u16,
    /// `depend`
    pub depends: Vec<Dependency>,
    /// `provides`
    pub provides: Vec<Provide>,
    /// `install_if`: all of these bring the package in.
    pub install_if: Vec<Dependency>,
    /// `replaces`: packages whose files may be overwritten.
    pub replaces: Vec<Dependency>,
    /// `replaces_priority`: who wins when both replace each other; 0 when missing.
    pub replaces_priority: u16,
    /// `triggers`: globs of directories; with `+` before it in apk 3, only directories that changed.
    pub triggers: Vec<String>,
    /// `datahash`: SHA-256 of the compressed data member.
    pub datahash: Option<Digest>,
    /// Packages that would go well with this one, which apk does not look at; in v3 packages only.
    pub recommends: Vec<Dependency>,
    /// Words that say something of the package, for whoever looks for them; in v3 packages only.
    pub tags: Vec<String>,
    /// On which part of the system it is installed, normally 0; in v3 packages only.
    pub layer: u64,
    /// Atoms that could not be read, with their key, in order.
    pub malformed: Vec<(String, String)>,
    /// Keys that mean nothing to apk, such as `packager`, in order.
    pub other: Vec<(String, String)>,
}

impl PackageInfo {
    /// Reads the whole file.
    ///
    /// Fails without `pkgname` or `pkgver`, and on numbers or a `datahash` that cannot be read. Malformed atoms are
    /// kept aside: what they mean depends on who asks.
    pub fn parse(text: &str) -> Result<PackageInfo, InfoError> {
        let mut info = PackageInfo::empty();
        for (at, line) in text.split('\n').enumerate() {
            if line.starts_with('#') {
                continue;
            }
            if let Some((key, value)) = line.split_once(" = ") {
                info.set(at + 1, key, value)?;
            }
        }
        if info.name.is_empty() {
            return Err(InfoError::Missing { key: "pkgname" });
        }
        if info.version.as_str().is_empty() {
            return Err(InfoError::Missing { key: "pkgver" });
        }
        Ok(info)
    }

    /// What is known of a package that is never opened, because it has no files.
    pub fn unopened(name: impl Into<String>, version: Version) -> PackageInfo {
        PackageInfo {
            name: name.into(),
            version,
            ..PackageInfo::empty()
        }
    }

    /// The record that `apk index` makes of a package with this identity and of this size in bytes.
    ///
    /// `apk index` refuses packages with malformed atoms; here such a package becomes uninstallable or loses the
    /// atom, as if the index had listed it.
    pub fn to_record(&self, identity: Digest, size: u64) -> Record {
        self.clone().into_record(identity, size)
    }

    /// The same, without copying what both have.
    pub fn into_record(self, identity: Digest, size: u64) -> Record {
        let mut record = Fields {
            identity,
            name: self.name.into(),
            version: self.version,
            arch: self.arch.map(Text::from),
            size,
            installed_size: self.installed_size,
            description: self.description.into(),
            url: self.url.into(),
            license: self.license.into(),
            origin: self.origin.map(Text::from),
            maintainer: self.maintainer.map(Text::from),
            build_time: self.build_time,
            commit: self.commit.map(Text::from),
            provider_priority: self.provider_priority,
            depends: self.depends.into(),
            provides: self.provides.into(),
            install_if: self.install_if.into(),
            recommends: self.recommends.into(),
            layer: low_3_bits(self.layer),
            tags: self.tags,
            uninstallable: None,
            ignored: Vec::new(),
        };
        for (key, atom) in self.malformed {
            match key.as_str() {
                "depend" => {
                    record
                        .uninstallable
                        .get_or_insert(Uninstallable::Dependency(atom));
                }
                "install_if" => record.install_if = Atoms::default(),
                _ => {}
            }
        }
        record.into()
    }

    fn empty() -> PackageInfo {
        PackageInfo {
            name: String::new(),
            version: Version::lenient(""),
            description: String::new(),
            url: String::new(),
            license: String::new(),
            installed_size: 0,
            arch: None,
            origin: None,
            maintainer: None,
            build_time: 0,
            commit: None,
            provider_priority: 0,
            depends: Vec::new(),
            provides: Vec::new(),
            install_if: Vec::new(),
            replaces: Vec::new(),
            replaces_priority: 0,
            triggers: Vec::new(),
            datahash: None,
            recommends: Vec::new(),
            tags: Vec::new(),
            layer: 0,
            malformed: Vec::new(),
            other: Vec::new(),
        }
    }

    fn set(&mut self, line: usize, key: &str, value: &str) -> Result<(), InfoError> {
        let text = || value.to_owned();
        let optional = || (!value.is_empty()).then(|| value.to_owned());
        let number = || {
            decimal(value).ok_or_else(|| InfoError::Number {
                line,
                key: key.to_owned(),
                text: value.to_owned(),
            })
        };
        match key {
            "pkgname" => self.name = text(),
            "pkgver" => self.version = Version::lenient(value),
            "pkgdesc" => self.description = text(),
            "url" => self.url = text(),
            "license" => self.license = text(),
            "size" => self.installed_size = number()?,
            "arch" => self.arch = optional(),
            "origin" => self.origin = optional(),
            "maintainer" => self.maintainer = optional(),
            "builddate" => self.build_time = number()?,
            "commit" => self.commit = optional(),
            "provider_priority" => self.provider_priority = low_16_bits(number()?),
            "replaces_priority" => self.replaces_priority = low_16_bits(number()?),
            "depend" | "provides" | "install_if" | "replaces" => self.add_atoms(key, value),
            "triggers" => {
                self.triggers = value
                    .split(' ')
                    .filter(|glob| !glob.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            "datahash" => self.datahash = Some(datahash(line, value)?),
            _ => self.other.push((key.to_owned(), text())),
        }
        Ok(())
    }

    fn add_atoms(&mut self, key: &str, value: &str) {
        let malformed = if key == "provides" {
            let (good, malformed) = Provide::parse_list(value);
            self.provides.extend(good);
            malformed
        } else {
            let (good, malformed) = Dependency::parse_list(value);
            match key {
                "depend" => self.depends.extend(good),
                "install_if" => self.install_if.extend(good),
                _ => self.replaces.extend(good),
            }
            malformed
        };
        self.malformed
            .extend(malformed.into_iter().map(|atom| (key.to_owned(), atom)));
    }
}

/// Why a `.PKGINFO` could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// A key without which a package is none.
    #[error(".PKGINFO has no {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A number that cannot be read.
    #[error("line {line} of .PKGINFO: {text:?} for {key} is not a number, or too large")]
    Number {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
        /// The value.
        text: String,
    },
    /// A data hash that is no SHA-256 in hex.
    #[error("line {line} of .PKGINFO: the datahash {text:?} is not 64 hex digits")]
    DataHash {
        /// Counted from 1.
        line: usize,
        /// The value.
        text: String,
    },
    /// The file is no text.
    #[error(".PKGINFO is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Within the file.
        offset: usize,
    },
}

fn datahash(line: usize, text: &str) -> Result<Digest, InfoError> {
    match Digest::from_hex(text) {
        Ok(digest @ Digest::Sha256(_)) => Ok(digest),
        _ => Err(InfoError::DataHash {
            line,
            text: text.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "pkgname = a\npkgver = 1\n";

    fn read(rest: &str) -> PackageInfo {
        PackageInfo::parse(&format!("{HEAD}{rest}")).unwrap()
    }

    #[test]
    fn lists_add_up_and_scalars_do_not() {
        let info = read(
            "depend = b c\ndepend = d=x\nprovides = v\nprovides = cmd:a=1\narch = x\narch = y\ntriggers = /a\ntriggers = /b /c",
        );
        assert_eq!(
            info.depends
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["b", "c"]
        );
        assert_eq!(info.provides.len(), 2);
        assert_eq!(info.malformed, [("depend".to_owned(), "d=x".to_owned())]);
        assert_eq!(info.arch.as_deref(), Some("y"));
        assert_eq!(info.triggers, ["/b", "/c"]);
        assert!(info.to_record(Digest::sha1(b""), 1).uninstallable.is_some());
    }

    #[test]
    fn lines_without_separator_are_ignored() {
        assert_eq!(
            read("\n#size = 9\nsize=7\nurl = \npkgdesc = a = b\n").description,
            "a = b"
        );
        assert_eq!(
            read("packager = me\n").other,
            [("packager".to_owned(), "me".to_owned())]
        );
    }

    #[test]
    fn errors_name_line_and_key() {
        for (text, message) in [
            ("", ".PKGINFO has no pkgname"),
            ("pkgname = a\n", ".PKGINFO has no pkgver"),
            (
                "\nsize = +1\n",
                r#"line 2 of .PKGINFO: "+1" for size is not a number, or too large"#,
            ),
            (
                "datahash = ab\n",
                r#"line 1 of .PKGINFO: the datahash "ab" is not 64 hex digits"#,
            ),
        ] {
            assert_eq!(PackageInfo::parse(text).unwrap_err().to_string(), message);
        }
    }
}
