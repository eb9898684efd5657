//! Aliases: refs that are symbolic links to other refs of the same repository.
//!
//! The link is relative: the alias `sub/al` of `main` is a link to `../main`. Writing to an alias makes it a ref.

use std::path::Path;

use super::{RefError, RefName, Repo, small_file};

impl Repo {
    /// Makes `alias` another name of the ref `target`, or lets it be one of another ref than before.
    ///
    /// # Errors
    ///
    /// If one of them is a ref of a remote, there is no such target, or it leads to the alias itself; ostree lets the
    /// latter happen, and the commit of the ref is lost then.
    pub fn write_alias(&self, alias: &RefName, target: &str) -> Result<(), RefError> {
        if let Some(remote) = alias.remote() {
            return Err(RefError::RemoteAlias {
                name: remote.to_owned(),
            });
        }
        if !self.ref_texts()?.contains_key(target) {
            return Err(RefError::NoTarget {
                name: target.to_owned(),
            });
        }
        let name: RefName = target.parse()?;
        if name.remote().is_some() {
            // ostree makes a link to nothing of it, on which every later listing fails.
            return Err(RefError::RemoteAlias {
                name: target.to_owned(),
            });
        }
        self.refuse_cycle(alias, target)?;
        let up = "../".repeat(alias.name().matches('/').count());
        // A link cannot be locked, so that nobody takes it for a leftover: a file beside it is.
        let (guard, _held) = small_file::at_new_name(&self.path().join("tmp"), |path| {
            let held = small_file::write_new(path, b"", false)?;
            std::os::unix::fs::symlink(format!("{up}{target}"), small_file::guarded(path))?;
            Ok(held)
        })?;
        let put = self.put_in_place(&small_file::guarded(&guard), alias);
        small_file::remove(&guard)?;
        put?;
        self.refs_changed()
    }

    /// Goes from alias to alias, of which there are not endlessly many: the target has been read.
    fn refuse_cycle(&self, alias: &RefName, target: &str) -> Result<(), RefError> {
        let aliases = self.aliases(None)?;
        let mut next = Some(target);
        let mut steps = 0;
        while let Some(name) = next {
            if name == alias.name() || steps > aliases.len() {
                return Err(RefError::Cycle {
                    name: alias.name().to_owned(),
                    target: target.to_owned(),
                });
            }
            steps += 1;
            next = aliases.get(name).map(String::as_str);
        }
        Ok(())
    }

    /// Whether a ref of this repository is an alias, whatever it leads to.
    #[must_use]
    pub fn is_alias(&self, name: &RefName) -> bool {
        let path = name.path();
        let parent = self.inside_refs(path.parent().unwrap_or(Path::new("refs")));
        let Ok(Some(parent)) = parent else {
            return false;
        };
        parent
            .join(path.file_name().unwrap_or_default())
            .is_symlink()
    }
}
