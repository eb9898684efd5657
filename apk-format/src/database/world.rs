//! `etc/apk/world`: what was asked for.
//!
//! One atom on each line, sorted by name (without case first, then by bytes; a `!` does not count). An empty world
//! is a single newline. When it is read, spaces separate as newlines do.
//!
//! ```
//! use apk_format::{Dependency, World};
//!
//! let mut world = World::parse("busybox\nalpine-keys\n")?;
//! world.add(Dependency::parse("busybox>=1.36")?);
//! assert_eq!(world.write(), "alpine-keys\nbusybox>=1.36\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::dependency::{Dependency, DependencyError, name_order};

/// The dependencies of the system itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// In the order of the file, then in that of being added.
    pub dependencies: Vec<Dependency>,
}

impl World {
    /// Reads the whole file. Two atoms for one name stay two.
    pub fn parse(text: &str) -> Result<World, WorldError> {
        let mut dependencies = Vec::new();
        for (at, line) in text.split('\n').enumerate() {
            for atom in line.split(' ').filter(|atom| !atom.is_empty()) {
                let dependency = Dependency::parse(atom);
                dependencies.push(dependency.map_err(|source| WorldError {
                    line: at + 1,
                    source,
                })?);
            }
        }
        Ok(World { dependencies })
    }

    /// The whole file, sorted as apk writes it.
    pub fn write(&self) -> String {
        let mut sorted = self.clone();
        sorted.sort();
        let lines: String = sorted
            .dependencies
            .iter()
            .map(|dependency| format!("{dependency}\n"))
            .filter(|line| line != "\n")
            .collect();
        if lines.is_empty() { "\n".into() } else { lines }
    }

    /// Adds a dependency in the place of the first with the same name, or at the end.
    pub fn add(&mut self, dependency: Dependency) {
        match self
            .dependencies
            .iter_mut()
            .find(|known| known.name == dependency.name)
        {
            Some(known) => *known = dependency,
            None => self.dependencies.push(dependency),
        }
    }

    /// Removes every dependency on `name`, and gives whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.dependencies.len();
        self.dependencies
            .retain(|dependency| dependency.name != name);
        self.dependencies.len() < before
    }

    /// Sorts by name; several atoms for one name keep their order.
    pub fn sort(&mut self) {
        self.dependencies
            .sort_by(|a, b| name_order(&a.name, &b.name));
    }
}

/// An atom of the world that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the world cannot be read")]
pub struct WorldError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub source: DependencyError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_world_is_a_newline() {
        assert_eq!(World::parse("").unwrap().write(), "\n");
        assert_eq!(World::parse("\n").unwrap(), World::default());
    }

    #[test]
    fn adding_replaces_in_place() {
        let mut world = World::parse("b a@edge !c\n").unwrap();
        world.add(Dependency::parse("b<2").unwrap());
        world.add(Dependency::parse("B").unwrap());
        let texts: Vec<String> = world.dependencies.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["b<2", "a@edge", "!c", "B"]);
        assert_eq!(world.write(), "a@edge\nB\nb<2\n!c\n");
        assert!(world.remove("c") && !world.remove("c"));
    }

    #[test]
    fn errors_name_the_line() {
        let error = World::parse("a\nb=\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2 of the world cannot be read");
    }
}
