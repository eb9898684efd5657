//! Remotes: other repositories that the settings name, each in a group `remote "NAME"`.
//!
//! Only the settings are dealt with here; nothing is fetched.

use std::collections::BTreeSet;

use super::ref_name::is_fragment;
use super::{Config, ConfigError, Repo, small_file};
use crate::path_error::PathError;

/// Why the settings of a remote could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Not one word of the form that refs have.
    #[error("Invalid remote name {name}")]
    Name {
        /// What was given.
        name: String,
    },
    /// There is one of this name.
    #[error("Remote configuration for \"{name}\" already exists: (in config)")]
    Exists {
        /// Its name.
        name: String,
    },
    /// There is none of this name.
    #[error("Remote \"{name}\" not found")]
    NotFound {
        /// The name.
        name: String,
    },
    /// It has no URL.
    #[error("No \"url\" option in remote \"{name}\"")]
    NoUrl {
        /// Its name.
        name: String,
    },
    /// A setting cannot be read or written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What a setting of a remote holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteOption {
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// `true` or `false`.
    Flag(bool),
}

/// What happens to a remote that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfRemoteExists {
    /// It is an error.
    #[default]
    Refuse,
    /// It stays as it is.
    Keep,
    /// It is replaced, all its settings included.
    Replace,
}

impl Repo {
    /// The names of the remotes of this repository and of its parents, sorted.
    #[must_use]
    pub fn remotes(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self
            .with_parents()
            .flat_map(|repo| repo.config().remotes())
            .collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The URL of a remote of this repository or of a parent. A URL in place of a name, `file://…`, is its own.
    pub fn remote_url(&self, name: &str) -> Result<String, RemoteError> {
        if name.starts_with("file://") {
            return Ok(name.to_owned());
        }
        let group = Config::remote_group(name);
        let mut found = false;
        for repo in self.with_parents() {
            found |= repo.config().has_group(&group);
            if repo.config().get(&group, "url").is_some() {
                return Ok(repo.config().string(&group, "url")?);
            }
        }
        let name = name.to_owned();
        Err(if found {
            RemoteError::NoUrl { name }
        } else {
            RemoteError::NotFound { name }
        })
    }

    /// Writes the settings of a remote, in the order given; the last of equal names counts, in the place of the first.
    pub fn add_remote(
        &mut self,
        name: &str,
        options: &[(String, RemoteOption)],
        if_exists: IfRemoteExists,
    ) -> Result<(), RemoteError> {
        check_name(name)?;
        let group = Config::remote_group(name);
        let mut config = self.config().clone();
        if config.has_group(&group) {
            match if_exists {
                IfRemoteExists::Keep => return Ok(()),
                IfRemoteExists::Replace => drop(config.remove_group(&group)),
                IfRemoteExists::Refuse => {
                    return Err(RemoteError::Exists {
                        name: name.to_owned(),
                    });
                }
            }
        }
        for (key, value) in options {
            match value {
                RemoteOption::Text(text) => config.set(&group, key, text)?,
                RemoteOption::List(texts) => config.set_strings(&group, key, texts)?,
                RemoteOption::Flag(flag) => config.set(&group, key, &flag.to_string())?,
            }
        }
        Ok(self.write_config(config)?)
    }

    /// Removes the settings of a remote and the keys that it was trusted for. Its refs stay.
    pub fn delete_remote(&mut self, name: &str) -> Result<(), RemoteError> {
        check_name(name)?;
        let mut config = self.config().clone();
        if !config.remove_group(&Config::remote_group(name)) {
            return Err(RemoteError::NotFound {
                name: name.to_owned(),
            });
        }
        self.write_config(config)?;
        let keys = self.path().join(format!("{name}.trustedkeys.gpg"));
        Ok(small_file::remove(&keys)?)
    }
}

fn check_name(name: &str) -> Result<(), RemoteError> {
    if is_fragment(name) {
        return Ok(());
    }
    Err(RemoteError::Name {
        name: name.to_owned(),
    })
}
