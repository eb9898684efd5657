//! Names in archives made relative to the root of a tree.
//!
//! | written | means |
//! |---|---|
//! | `usr/a`, `./usr/a`, `/usr/a`, `//usr//a/`, `usr/./a`, `/../usr/a` | `usr`, `a` |
//! | `.`, `./`, `/` | the root |
//! | `../a`, `usr/../a`, `/usr/../a` | an error |

use super::ImportTarError;
use super::entries::shown;
use crate::object::Name;

/// The longest name, in bytes: what Linux lets a path have. It also bounds how deep a tree becomes.
const MAX_NAME: usize = 4096;

/// The components of a name; none is the root.
pub(super) fn components(written: &[u8]) -> Result<Vec<Name>, ImportTarError> {
    let entry = || shown(written);
    if written.len() > MAX_NAME {
        return Err(ImportTarError::LongName {
            length: written.len(),
            limit: MAX_NAME,
        });
    }
    let relative = without_root(written);
    let mut names = Vec::new();
    for component in relative.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                return Err(ImportTarError::Uplink {
                    path: shown(relative),
                });
            }
            name => {
                let name = Name::from_bytes(name);
                names.push(name.map_err(|cause| ImportTarError::Name {
                    entry: entry(),
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
        components(written.as_bytes())
            .map(|names| joined(&names))
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
