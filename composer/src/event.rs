//! What happens during a compose, for whoever watches; nothing here prints.

use serde::Serialize;

/// One step forward. Steps of different packages and branches come in no fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An index was read and its signature checked.
    IndexRead {
        /// Its file.
        path: &'a str,
        /// How many packages it lists.
        packages: usize,
    },
    /// The packages of all branches are known.
    Solved {
        /// Packages to import, each counted once however many branches have it.
        packages: usize,
        /// Bytes of their archives.
        bytes: u64,
    },
    /// A package has become objects.
    Imported {
        /// `name-version`
        package: &'a str,
        /// Bytes of its archive.
        bytes: u64,
    },
    /// A branch has been committed.
    Committed {
        /// The ref.
        name: &'a str,
        /// The commit.
        commit: &'a str,
    },
}

/// Somebody who wants to know.
pub trait Watch: Sync {
    /// Is told of a step; may be called from several threads at once.
    fn event(&self, event: &Event<'_>);
}

/// Nobody who wants to know.
impl Watch for () {
    fn event(&self, _: &Event<'_>) {}
}

/// Something that was not done, or not as a package asked: part of the result, so that nothing is silent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
pub enum Notice {
    /// An install script or trigger that was recorded in the package database but not run.
    ScriptNotRun {
        /// `name-version`
        package: String,
        /// `pre-install`, `post-install`, … or `trigger`.
        script: String,
    },
    /// A device or fifo, which OSTree cannot hold.
    NotRepresentable {
        /// The path.
        path: String,
        /// The package that brings it.
        package: String,
        /// What it is.
        kind: String,
    },
    /// A file that one package took over from another.
    Replaced {
        /// The path.
        path: String,
        /// Who has it now.
        package: String,
        /// Who had it.
        previous: String,
    },
    /// A file that a package brings and does not get, because another package replaces it.
    Left {
        /// The path.
        path: String,
        /// Who brings it.
        package: String,
        /// Who keeps it.
        owner: String,
    },
    /// A file of the base that belonged to no package and was overwritten.
    Overwritten {
        /// The path.
        path: String,
        /// Who has it now.
        package: String,
    },
    /// A configuration file of the base that was changed there, and kept.
    ConfigurationKept {
        /// The path.
        path: String,
        /// Where the package's own version went, if it differs.
        #[serde(skip_serializing_if = "Option::is_none")]
        new_version: Option<String>,
        /// The package that brings it.
        package: String,
    },
    /// A file of the tree that an overlay replaced.
    Overlaid {
        /// The path.
        path: String,
        /// The overlay.
        overlay: String,
    },
    /// A repository that the base names and that was not asked.
    RepositorySkipped {
        /// As it stands in `etc/apk/repositories`.
        url: String,
    },
}
