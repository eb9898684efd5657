//! `etc/apk/protected_paths.d/*.list`: what belongs to the administrator.
//!
//! | first character | the path and all below it is |
//! |---|---|
//! | `+`, or none | kept if it was changed |
//! | `@` | kept if it is a symbolic link |
//! | `!` | kept always |
//! | `-` | nobody's business |
//! | `#` | nothing: a comment |
//!
//! A path is a row of globs, one for each component, compared with regard to case. The last line that matches counts.

use crate::glob;

/// How a path is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    #[default]
    None,
    /// It is looked past.
    Ignore,
    /// What was changed is kept.
    Changed,
    /// Symbolic links are kept.
    SymlinksOnly,
    /// Everything is kept.
    All,
}

impl Protection {
    /// Whether nothing is kept.
    pub fn is_none(self) -> bool {
        matches!(self, Protection::None | Protection::Ignore)
    }
}

/// The lines, in order, as they look from some directory: with the components above it taken off.
#[derive(Clone, Debug, Default)]
pub struct ProtectedPaths {
    lines: Vec<(String, Protection)>,
    here: Protection,
    below: bool,
}

impl ProtectedPaths {
    /// What apk protects without being told.
    pub const USUAL: &str = "+etc\n@etc/init.d\n!etc/apk\n";

    /// Seen from the root.
    pub fn new() -> ProtectedPaths {
        ProtectedPaths {
            lines: Vec::new(),
            here: Protection::None,
            below: true,
        }
    }

    /// Adds the lines of a file.
    pub fn add(&mut self, text: &str) {
        for line in text
            .split('\n')
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (protection, path) = match line.split_at_checked(1) {
                Some(("-", path)) => (Protection::Ignore, path),
                Some(("+", path)) => (Protection::Changed, path),
                Some(("@", path)) => (Protection::SymlinksOnly, path),
                Some(("!", path)) => (Protection::All, path),
                _ => (Protection::Changed, line),
            };
            self.lines
                .push((path.trim_matches('/').to_owned(), protection));
        }
    }

    /// Seen from a directory in this one.
    #[must_use]
    pub fn enter(&self, name: &str) -> ProtectedPaths {
        let mut entered = ProtectedPaths {
            lines: Vec::new(),
            here: self.here,
            below: !self.here.is_none(),
        };
        for (pattern, protection) in &self.lines {
            let (first, rest) = match pattern.split_once('/') {
                Some((first, rest)) => (first, Some(rest)),
                None => (pattern.as_str(), None),
            };
            if !glob::matches_case(first, name) {
                continue;
            }
            match rest {
                Some(rest) => entered.lines.push((rest.to_owned(), *protection)),
                None => entered.here = *protection,
            }
            entered.below |= !protection.is_none();
        }
        entered
    }

    /// How this directory is protected.
    pub fn here(&self) -> Protection {
        self.here
    }

    /// Whether something in this directory is protected.
    pub fn has_below(&self) -> bool {
        self.below
    }

    /// How a file in this directory is protected.
    pub fn file(&self, name: &str) -> Protection {
        let own = self
            .lines
            .iter()
            .rev()
            .filter(|(pattern, _)| !pattern.contains('/'));
        let mut own = own.filter(|(pattern, _)| glob::matches_case(pattern, name));
        own.next().map_or(self.here, |(_, protection)| *protection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let mut root = ProtectedPaths::new();
        root.add(ProtectedPaths::USUAL);
        root.add("# comment\n-etc/*.log/\nusr/local\n");
        let etc = root.enter("etc");
        assert_eq!(etc.here(), Protection::Changed);
        assert_eq!(etc.file("motd"), Protection::Changed);
        assert_eq!(etc.file("a.log"), Protection::Ignore);
        assert_eq!(etc.enter("init.d").file("x"), Protection::SymlinksOnly);
        assert_eq!(etc.enter("apk").enter("keys").file("x"), Protection::All);
        assert!(root.enter("usr").has_below() && root.enter("usr").here().is_none());
        assert!(!root.enter("Etc").has_below());
    }
}
