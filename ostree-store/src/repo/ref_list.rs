//! Refs listed: all of them, those below a prefix, those of collections, or the aliases among them.
//!
//! Files whose name no ref can have are passed over, and so is what is neither a file nor a link.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ref_name::{is_fragment, parse_refspec};
use super::refs::{Found, parse_content, read_content, unreadable, way};
use super::{CollectionId, Config, RefError, Repo};
use crate::checksum::CommitId;
use crate::path_error::{At, PathError, UnlessAbsent};

/// A ref in a collection: the collection and the name in it.
pub type CollectionRef = (CollectionId, String);

/// What a directory of refs holds.
#[derive(Debug)]
enum Leaf {
    File,
    Link,
}

impl Repo {
    /// Every ref of this repository and of its remotes, by refspec.
    pub fn refs(&self) -> Result<BTreeMap<String, CommitId>, RefError> {
        self.ref_texts()?
            .into_iter()
            .map(|(name, content)| Ok((name, parse_content(&content)?)))
            .collect()
    }

    /// The content of every ref's file by refspec, whether it is a checksum or not.
    pub fn ref_texts(&self) -> Result<BTreeMap<String, String>, RefError> {
        let mut refs = BTreeMap::new();
        for (place, prefix) in self.places().map_err(listing)? {
            self.add_texts(&place, &prefix, &mut refs)
                .map_err(listing)?;
        }
        Ok(refs)
    }

    /// The same for one ref, or for all refs below a prefix such as `a/b`, `remote:` or `remote:a`, each by its whole
    /// refspec; none if there is no such ref.
    pub fn ref_texts_below(&self, prefix: &str) -> Result<BTreeMap<String, String>, RefError> {
        let mut refs = BTreeMap::new();
        let (place, spelled) = Below::parse(prefix).map_err(listing)?.place();
        match self.look(&place).map_err(listing)? {
            Found::Nothing => {}
            Found::Text(text) => drop(refs.insert(prefix.to_owned(), text)),
            Found::Directory => {
                self.add_texts(&place, &spelled, &mut refs)
                    .map_err(listing)?;
            }
        }
        Ok(refs)
    }

    /// The aliases and what they are aliases of, of all refs or of those below a prefix. A prefix that is a ref itself
    /// gives that ref and its content, as in ostree.
    pub fn aliases(&self, prefix: Option<&str>) -> Result<BTreeMap<String, String>, RefError> {
        let mut aliases = BTreeMap::new();
        let places = match prefix {
            None => self.places().map_err(listing)?,
            Some(prefix) => {
                let (place, spelled) = Below::parse(prefix).map_err(listing)?.place();
                match self.look(&place).map_err(listing)? {
                    Found::Nothing => return Ok(aliases),
                    Found::Text(text) => {
                        aliases.insert(prefix.to_owned(), text.trim_end().to_owned());
                        return Ok(aliases);
                    }
                    Found::Directory => vec![(place, spelled)],
                }
            }
        };
        for (place, prefix) in places {
            let dir = self.path().join(&place);
            for (name, leaf) in leaves(&dir).map_err(|e| listing(e.into()))? {
                if matches!(leaf, Leaf::Link) {
                    let path = dir.join(&name);
                    let target = fs::read_link(&path).at("read", &path);
                    let target = target.map_err(|e| listing(e.into()))?;
                    let mut target = &*target.to_string_lossy();
                    while let Some(rest) = target.strip_prefix("../") {
                        target = rest;
                    }
                    aliases.insert(format!("{prefix}{name}"), target.to_owned());
                }
            }
        }
        Ok(aliases)
    }

    /// The content of every ref that belongs to a collection, or to this one: its own refs if it has a collection,
    /// those of remotes that have one, and mirrored ones.
    pub fn collection_ref_texts(
        &self,
        only: Option<&CollectionId>,
    ) -> Result<BTreeMap<CollectionRef, String>, RefError> {
        let mut refs = BTreeMap::new();
        for (place, collection) in self.collection_places(only).map_err(listing)? {
            let mut of_place = BTreeMap::new();
            self.add_texts(&place, "", &mut of_place).map_err(listing)?;
            refs.extend(
                of_place
                    .into_iter()
                    .map(|(name, text)| ((collection.clone(), name), text)),
            );
        }
        Ok(refs)
    }

    /// The refs of other collections, which stand in `refs/mirrors`: collection, name, commit.
    pub(crate) fn mirrored_refs(&self) -> Result<Vec<(String, String, CommitId)>, RefError> {
        let mut refs = Vec::new();
        for collection in self.directories("refs/mirrors")? {
            let mut texts = BTreeMap::new();
            self.add_texts(&Path::new("refs/mirrors").join(&collection), "", &mut texts)?;
            for (name, text) in texts {
                refs.push((collection.clone(), name, parse_content(&text)?));
            }
        }
        Ok(refs)
    }

    /// The directories of refs relative to the repository, and what refspecs there begin with.
    fn places(&self) -> Result<Vec<(PathBuf, String)>, RefError> {
        let mut places = vec![(PathBuf::from("refs/heads"), String::new())];
        for remote in self.directories("refs/remotes")? {
            let place = Path::new("refs/remotes").join(&remote);
            places.push((place, format!("{remote}:")));
        }
        Ok(places)
    }

    fn collection_places(
        &self,
        only: Option<&CollectionId>,
    ) -> Result<Vec<(PathBuf, CollectionId)>, RefError> {
        let wanted = |id: &str| only.is_none_or(|only| only.as_str() == id);
        let mut places = Vec::new();
        if let Some(id) = self.collection_id().filter(|id| wanted(id)) {
            places.push((PathBuf::from("refs/heads"), id.parse()?));
        }
        for name in self.directories("refs/mirrors")? {
            if wanted(&name) {
                places.push((Path::new("refs/mirrors").join(&name), name.parse()?));
            }
        }
        for remote in self.directories("refs/remotes")? {
            let id = self.remote_option(&remote, "collection-id");
            if let Some(Ok(id)) = id.filter(|id| wanted(id)).map(|id| id.parse()) {
                places.push((Path::new("refs/remotes").join(&remote), id));
            }
        }
        Ok(places)
    }

    /// The text of a remote's option, here or in a parent repository.
    fn remote_option(&self, remote: &str, key: &str) -> Option<String> {
        let group = Config::remote_group(remote);
        self.with_parents()
            .find_map(|repo| repo.config().string(&group, key).ok())
    }

    /// The names of the directories in a directory of the repository, sorted; none if it is not there.
    pub(super) fn directories(&self, place: &str) -> Result<Vec<String>, PathError> {
        let dir = self.path().join(place);
        let mut names = entries(&dir)?;
        names.retain(|name| fs::symlink_metadata(dir.join(name)).is_ok_and(|found| found.is_dir()));
        Ok(names)
    }

    /// What a prefix means; an alias in it is followed.
    fn look(&self, place: &Path) -> Result<Found, RefError> {
        self.find_ref(place).map_err(|error| match error {
            RefError::Way { path, source, .. } => RefError::Way {
                call: "fstatat",
                path,
                source,
            },
            error => error,
        })
    }

    /// Adds the content of every ref file below a directory, each name behind `prefix`.
    fn add_texts(
        &self,
        place: &Path,
        prefix: &str,
        refs: &mut BTreeMap<String, String>,
    ) -> Result<(), RefError> {
        let dir = self.path().join(place);
        for (name, leaf) in leaves(&dir)? {
            let text = match leaf {
                Leaf::File => {
                    let path = dir.join(&name);
                    read_content(&path).map_err(|e| unreadable(e, &path))?
                }
                Leaf::Link => self.follow(place, &name)?,
            };
            refs.insert(format!("{prefix}{name}"), text);
        }
        Ok(())
    }

    /// The content of the ref that an alias leads to.
    fn follow(&self, place: &Path, name: &str) -> Result<String, RefError> {
        let fault = |code| {
            way(
                "openat",
                Path::new(name),
                io::Error::from_raw_os_error(code),
            )
        };
        match self.find_ref(&place.join(name)) {
            Ok(Found::Text(text)) => Ok(text),
            Ok(Found::Nothing) => Err(fault(nix::libc::ENOENT)),
            Ok(Found::Directory) => Err(fault(nix::libc::EISDIR)),
            Err(RefError::Way { call, source, .. }) => Err(RefError::Way {
                call,
                path: name.to_owned(),
                source,
            }),
            Err(error) => Err(error),
        }
    }
}

fn listing(error: RefError) -> RefError {
    RefError::Listing(Box::new(error))
}

/// What `refs PREFIX` asks for.
struct Below<'p> {
    remote: Option<&'p str>,
    /// Empty: everything.
    name: &'p str,
}

impl<'p> Below<'p> {
    fn parse(prefix: &'p str) -> Result<Below<'p>, RefError> {
        let whole = prefix
            .strip_suffix(':')
            .or_else(|| prefix.strip_suffix(":."));
        if let Some(remote) = whole.filter(|remote| is_fragment(remote)) {
            let remote = Some(remote);
            return Ok(Below { remote, name: "" });
        }
        let (remote, name) = parse_refspec(prefix)?;
        Ok(Below { remote, name })
    }

    /// The directory relative to the repository, and what refspecs below it begin with.
    fn place(&self) -> (PathBuf, String) {
        let (mut place, mut spelled) = match self.remote {
            None => (PathBuf::from("refs/heads"), String::new()),
            Some(remote) => (Path::new("refs/remotes").join(remote), format!("{remote}:")),
        };
        if !self.name.is_empty() {
            place.push(self.name);
            spelled.push_str(self.name);
            spelled.push('/');
        }
        (place, spelled)
    }
}

/// The valid names in a directory, sorted; none if it is not there.
fn entries(dir: &Path) -> Result<Vec<String>, PathError> {
    let Some(entries) = fs::read_dir(dir).unless_absent().at("list", dir)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.at("list", dir)?.file_name().into_string();
        names.extend(name.ok().filter(|name| is_fragment(name)));
    }
    names.sort();
    Ok(names)
}

/// Every file and link below a directory, by its name relative to it. Links to directories are not gone into.
fn leaves(dir: &Path) -> Result<Vec<(String, Leaf)>, PathError> {
    let mut leaves = Vec::new();
    let mut dirs = vec![(dir.to_owned(), String::new())];
    while let Some((dir, prefix)) = dirs.pop() {
        for name in entries(&dir)? {
            let path = dir.join(&name);
            let found = fs::symlink_metadata(&path).unless_absent();
            let Some(found) = found.at("stat", &path)? else {
                continue; // deleted in the meantime
            };
            let kind = found.file_type();
            let full = format!("{prefix}{name}");
            if kind.is_dir() {
                dirs.push((path, format!("{full}/")));
            } else if kind.is_file() {
                leaves.push((full, Leaf::File));
            } else if kind.is_symlink() {
                leaves.push((full, Leaf::Link));
            }
        }
    }
    Ok(leaves)
}

/// The first ref or alias below a directory, relative to it.
pub(super) fn first_below(dir: &Path) -> Result<Option<String>, PathError> {
    let names = leaves(dir)?.into_iter().map(|(name, _)| name);
    Ok(names.min())
}
