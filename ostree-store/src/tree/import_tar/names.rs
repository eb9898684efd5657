//! Names in archives made relative to the root of a tree.
//!
//! | written | means |
//! |---|---|
//! | `usr/a`, `./usr/a`, `/usr/a`, `//usr//a/`, `usr/./a`, `/../usr/a` | `usr`, `a` |
//! | `.`, `./`, `/` | the root |
//! | `../a`, `usr/../a`, `/usr/../a` | an error |

use super::entries::shown;
use super::{ImportTarError, Renamer};
use crate::object::Name;

/// The longest name, in bytes: what Linux lets a path have. It also bounds how deep a tree becomes.
const MAX_NAME: usize = 4096;

/// Where an entry goes.
pub(super) struct Place {
    /// The components; none is the root.
    pub(super) names: Vec<Name>,
    /// The name as the archive has it, without what leads to the root and slashes at its end.
    text: String,
}

impl Place {
    /// Where the name leads, or what `renamer` makes of it.
    pub(super) fn new(written: &[u8], renamer: Option<&Renamer>) -> Result<Place, ImportTarError> {
        let relative = without_root(written);
        let names = components(written, relative).map_err(|error| match error {
            ImportTarError::Uplink { path, .. } => ImportTarError::Uplink {
                path,
                renamed: false,
            },
            other => other,
        })?;
        let text = String::from_utf8_lossy(relative); // the components are UTF-8, so all of it is
        let Some(renamer) = renamer else {
            let text = text.trim_end_matches('/').to_owned();
            return Ok(Place { names, text });
        };
        let renamed = renamer.rename(if text == "." { "" } else { &text });
        let renamed = renamed.map_err(|cause| ImportTarError::Rename {
            entry: shown(written),
            cause,
        })?;
        Ok(Place {
            names: components(written, renamed.as_bytes())?,
            text: renamed.trim_end_matches('/').to_owned(),
        })
    }

    /// The path by which the rules of a [`Modifier`](crate::tree::modify::Modifier) know the entry.
    pub(super) fn rule_path(&self) -> String {
        match self.text.trim_start_matches('/') {
            "." if self.names.is_empty() => "/".to_owned(),
            text => format!("/{text}"),
        }
    }
}

/// The components of a path that is relative to the root.
fn components(written: &[u8], relative: &[u8]) -> Result<Vec<Name>, ImportTarError> {
    if relative.len() > MAX_NAME {
        return Err(ImportTarError::LongName {
            length: relative.len(),
            limit: MAX_NAME,
        });
    }
    let mut names = Vec::new();
    for component in relative.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                return Err(ImportTarError::Uplink {
                    path: shown(relative),
                    renamed: true,
                });
            }
            name => {
                let name = Name::from_bytes(name);
                names.push(name.map_err(|cause| ImportTarError::Name {
                    entry: shown(written),
                    cause,
                })?);
            }
        }
    }
    Ok(names)
}

/// Takes leading slashes away, each with a `..` that follows it, then leading dots and slashes.
fn without_root(written: &[u8]) -> &[u8] {
    let mut rest = written;
    while let Some(after) = rest.strip_prefix(b"/") {
        // The slash behind the dots stays: it is the root again.
        rest = if after.starts_with(b"../") {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    while let Some(after) = rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"/")) {
        rest = after;
    }
    rest
}

/// The components with slashes between them, as ostree's messages have them.
pub(super) fn joined(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(written: &str) -> Result<String, String> {
        Place::new(written.as_bytes(), None)
            .map(|place| joined(&place.names))
            .map_err(|e| e.to_string())
    }

    /// The table is what ostree 2022.7 did with each name.
    #[test]
    fn names_become_relative() {
        for (written, expected) in [
            ("usr/a", "usr/a"),
            ("./usr/a", "usr/a"),
            ("/usr/a", "usr/a"),
            ("//usr//a/", "usr/a"),
            ("usr/./a", "usr/a"),
            ("/../usr/a", "usr/a"),
            ("//../../x", "x"),
            ("././x", "x"),
            (".", ""),
            ("./", ""),
            ("/", ""),
            ("...", "..."),
        ] {
            assert_eq!(relative(written).as_deref(), Ok(expected), "{written:?}");
        }
    }

    #[test]
    fn uplinks_are_errors() {
        for (written, shown) in [
            ("../x", "../x"),
            ("usr/../x", "usr/../x"),
            ("/usr/../x", "usr/../x"),
            ("./usr/../x", "usr/../x"),
            ("/..", ".."),
            ("/./../x", "../x"),
        ] {
            let expected = format!(
                "While making relative path \"{shown}\":Invalid uplink '..' in path {shown}"
            );
            assert_eq!(relative(written), Err(expected), "{written:?}");
        }
    }

    #[test]
    fn long_names_are_errors() {
        assert!(relative(&"a/".repeat(2048)).is_ok());
        assert!(relative(&"a/".repeat(2049)).is_err());
    }
}
