//! Where the file of a package is, as an index may say.
//!
//! | in the specification | is |
//! |---|---|
//! | `${name}` `${version}` `${arch}` | what the index lists |
//! | `${hash}` | the first 20 bytes of the identity, in hex |
//! | `${hash:8}` | the first 8 characters of it; so for the others |
//!
//! The last component must begin with `${name}` and one of `_`, `-` and `.`. Nothing that an index lists brings more
//! slashes into a path, and none of its components is `..`.

use crate::index::Record;

impl Record {
    /// The path that a specification gives this package.
    pub fn place(&self, spec: &str) -> Result<String, PlaceError> {
        let invalid = || PlaceError::Specification {
            spec: spec.to_owned(),
        };
        let last = spec.rsplit('/').next().unwrap_or_default();
        let after = last.strip_prefix("${name}").ok_or_else(invalid)?;
        if !after.starts_with(['_', '-', '.']) {
            return Err(invalid());
        }
        let (mut path, mut rest) = (String::new(), spec);
        while let Some((before, variable)) = rest.split_once("${") {
            path.push_str(before);
            let (variable, behind) = variable.split_once('}').ok_or_else(invalid)?;
            path.push_str(&self.variable(variable).ok_or_else(invalid)??);
            rest = behind;
        }
        path.push_str(rest);
        if path.split('/').any(|part| part == "..") {
            return Err(invalid());
        }
        Ok(path)
    }

    /// What a variable stands for; `None` if nobody knows it.
    fn variable(&self, text: &str) -> Option<Result<String, PlaceError>> {
        let (name, length) = match text.split_once(':') {
            Some((name, length)) => (name, super::decimal(length)?),
            None => (text, u64::MAX),
        };
        let hash;
        let value = match name {
            "name" => self.name.as_str(),
            "version" => self.version.as_str(),
            "arch" => self.arch.as_deref().unwrap_or_default(),
            "hash" => {
                hash = self.identity.to_x1();
                hash.get(2..)?
            }
            _ => return None,
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let cut = value.get(..length).unwrap_or(value);
        Some(if cut.contains('/') {
            Err(PlaceError::Slash {
                name: self.name.to_string(),
                text: value.to_owned(),
            })
        } else {
            Ok(cut.to_owned())
        })
    }
}

/// Why a package has no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A specification that apk refuses, too, or that leads out of the repository.
    #[error("{spec:?} is no valid specification of package names")]
    Specification {
        /// All of it.
        spec: String,
    },
    /// A slash where none can be.
    #[error("the index lists {text:?} for {name:?}, which cannot be part of a file name")]
    Slash {
        /// The package.
        name: String,
        /// What has a slash in it.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::version::Version;

    fn record(name: &str) -> Record {
        let mut record = Record::new(Digest::sha256(b""), name, Version::lenient("1-r0"));
        record.arch = Some("x86_64".into());
        record
    }

    #[test]
    fn variables_are_replaced() {
        for (spec, path) in [
            ("${name}-${version}.apk", "hello-1-r0.apk"),
            (
                "${arch}/${name}-${version}.${hash:8}.apk",
                "x86_64/hello-1-r0.e3b0c442.apk",
            ),
            ("${name:3}/${name}_x", "hel/hello_x"),
            (
                "${hash}/${name}.apk",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4/hello.apk",
            ),
        ] {
            assert_eq!(record("hello").place(spec).as_deref(), Ok(path));
        }
    }

    #[test]
    fn others_are_refused() {
        for spec in [
            "",
            "x",
            "${name}",
            "${name}x",
            "${name}-${hashes:8}",
            "${name}-${version",
            "${name}-${version:x}",
            "../${name}-1",
        ] {
            let error = record("hello").place(spec).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{spec:?} is no valid specification of package names")
            );
        }
        assert!(matches!(
            record("../etc/passwd").place("${name}-${version}.apk"),
            Err(PlaceError::Slash { .. })
        ));
    }
}
