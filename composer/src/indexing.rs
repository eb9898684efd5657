//! An index out of package files, and out of an older index of most of them.
//!
//! | an older index, and | of it stay | |
//! |---|---|---|
//! | nothing more | packages that are given again | without being read, if name and size fit and the file is not newer |
//! | merging | all of them | |
//! | merging without old origins | all but those whose origin a package given now has | |

use std::collections::BTreeSet;

use apk_format::dependency::name_order;
use apk_format::{
    DigestKind, Index, KeyRing, Package, PackageError, Record, SignatureError, Trust,
};

/// What becomes of packages that only the older index has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Older {
    /// They go.
    #[default]
    Drop,
    /// They stay.
    Keep,
    /// They stay, but for those of origins that are given anew.
    KeepOtherOrigins,
}

/// An index being made.
#[derive(Clone, Debug, Default)]
pub struct Indexing {
    packages: Vec<Listed>,
}

#[derive(Clone, Debug)]
struct Listed {
    record: Record,
    given: bool,
}

/// Why a package cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum IndexingError {
    /// It is no package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Nobody trusted vouches for it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A dependency of it cannot be read.
    #[error("the dependency {0:?} cannot be read")]
    Dependency(String),
    /// It is a v3 package, which an index of v2 does not list.
    #[error("v3 packages are listed by v3 indexes only")]
    Version3,
}

impl Indexing {
    /// Begins with what an older index has.
    #[must_use]
    pub fn new(older: Vec<Record>) -> Indexing {
        let mut indexing = Indexing::default();
        for record in older {
            indexing.list(record, false);
        }
        indexing
    }

    /// Takes a package from the older index by its file's name and size; `false` if it is not there.
    pub fn take(&mut self, file_name: &str, size: u64, arch: Option<&str>) -> bool {
        let fits = |one: &&mut Listed| {
            let record = &one.record;
            record.size == size && format!("{}-{}.apk", record.name, record.version) == file_name
        };
        let Some(listed) = self.packages.iter_mut().find(fits) else {
            return false;
        };
        listed.give(arch);
        true
    }

    /// Reads a package up to the end of its control member, and lists it; `arch` is listed instead of its own.
    pub fn add<R: std::io::Read>(
        &mut self,
        package: &Package<R>,
        size: u64,
        arch: Option<&str>,
        keys: &KeyRing,
        trust: Trust,
    ) -> Result<(), IndexingError> {
        package.verify_signature(keys, trust)?;
        if package.file_digests() == DigestKind::Sha256 {
            return Err(IndexingError::Version3);
        }
        let info = package.info();
        if let Some((_, atom)) = info.malformed.iter().find(|(key, _)| key == "depend") {
            return Err(IndexingError::Dependency(atom.clone()));
        }
        let record = info.to_record(package.identity(), size);
        let at = self.list(record, true);
        if let Some(listed) = self.packages.get_mut(at) {
            listed.give(arch);
        }
        Ok(())
    }

    /// Lists a package once, and gives its place.
    fn list(&mut self, record: Record, given: bool) -> usize {
        let known = self
            .packages
            .iter()
            .position(|one| one.record.identity == record.identity);
        known.unwrap_or_else(|| {
            self.packages.push(Listed { record, given });
            self.packages.len() - 1
        })
    }

    /// The index, sorted as apk sorts it.
    #[must_use]
    pub fn finish(&self, older: Older, description: Option<String>) -> Index {
        let given = self.packages.iter().filter(|one| one.given);
        let origins: BTreeSet<&str> = given
            .filter_map(|one| one.record.origin.as_deref())
            .collect();
        let stays = |one: &&Listed| match older {
            Older::Drop => one.given,
            Older::Keep => true,
            Older::KeepOtherOrigins => {
                let origin = one.record.origin.as_deref();
                one.given || origin.is_none_or(|origin| !origins.contains(origin))
            }
        };
        let records = self
            .packages
            .iter()
            .filter(stays)
            .map(|one| one.record.clone());
        let mut index = Index {
            description,
            records: records.collect(),
            ..Index::default()
        };
        index.sort();
        index
    }

    /// Names that packages want and that none of them has, sorted.
    #[must_use]
    pub fn unprovided(&self) -> Vec<&str> {
        let records = || self.packages.iter().map(|one| &one.record);
        let provided: BTreeSet<&str> = records()
            .flat_map(|record| {
                let provides = record.provides.iter().map(|provide| provide.name.as_str());
                provides.chain([record.name.as_str()])
            })
            .collect();
        let wanted = records().flat_map(|record| &record.depends);
        let wanted: BTreeSet<&str> = wanted
            .filter(|wanted| !wanted.conflict)
            .map(|wanted| wanted.name.as_str())
            .collect();
        let mut missing: Vec<&str> = wanted.difference(&provided).copied().collect();
        missing.sort_by(|a, b| name_order(a, b));
        missing
    }
}

impl Listed {
    fn give(&mut self, arch: Option<&str>) {
        self.given = true;
        if let Some(arch) = arch {
            self.record.arch = Some(arch.into());
        }
    }
}
