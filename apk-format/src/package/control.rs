//! The signature and control members: everything before the data.

use std::fmt;
use std::io::Read;

use crate::digest::Digest;
use crate::gzip::{Hashes, Members};
use crate::package::{InfoError, Member, PackageError, PackageInfo};
use crate::signature::{self, Signatures};
use crate::ustar::{Archive, ArchiveError, Header};

/// A script that a package brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// When it runs.
    pub kind: ScriptKind,
    /// The program, normally beginning with `#!`.
    pub body: Vec<u8>,
}

/// When a script runs. The order is that in which `scripts.tar` holds the scripts of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptKind {
    /// Before the first file of a new package.
    PreInstall,
    /// After the last file of a new package.
    PostInstall,
    /// Before a package is removed.
    PreDeinstall,
    /// After a package was removed.
    PostDeinstall,
    /// Before the files of another version.
    PreUpgrade,
    /// After the files of another version.
    PostUpgrade,
    /// At the end, when directories that the package watches have changed.
    Trigger,
}

impl ScriptKind {
    /// All kinds, in order.
    pub const ALL: [ScriptKind; 7] = [
        ScriptKind::PreInstall,
        ScriptKind::PostInstall,
        ScriptKind::PreDeinstall,
        ScriptKind::PostDeinstall,
        ScriptKind::PreUpgrade,
        ScriptKind::PostUpgrade,
        ScriptKind::Trigger,
    ];

    /// The kind's name in packages (after a dot) and in `scripts.tar`: `pre-install`, …, `trigger`.
    pub fn name(self) -> &'static str {
        match self {
            ScriptKind::PreInstall => "pre-install",
            ScriptKind::PostInstall => "post-install",
            ScriptKind::PreDeinstall => "pre-deinstall",
            ScriptKind::PostDeinstall => "post-deinstall",
            ScriptKind::PreUpgrade => "pre-upgrade",
            ScriptKind::PostUpgrade => "post-upgrade",
            ScriptKind::Trigger => "trigger",
        }
    }

    /// Finds a kind by its name.
    pub fn from_name(name: &str) -> Option<ScriptKind> {
        ScriptKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ScriptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the members before the data hold.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) signatures: Signatures,
    pub(crate) hashes: Hashes,
    pub(crate) identity: Digest,
    pub(crate) info: PackageInfo,
    /// `.PKGINFO` as it is, because an index is made of it line by line.
    pub(crate) info_text: String,
    pub(crate) datahash: Digest,
    pub(crate) scripts: Vec<Script>,
}

impl Control {
    /// Reads up to the end of the control member.
    pub(crate) fn read<R: Read>(
        members: &mut Members<R>,
        archive: &mut Archive,
    ) -> Result<Control, PackageError> {
        let mut signatures = Signatures::default();
        loop {
            let (member, offset) = (Member::Signature, members.offset());
            let started = members.start_member(Hashes::all(), signature::MEMBER_LIMIT);
            if !started.map_err(|source| PackageError::Read {
                member,
                offset,
                source,
            })? {
                return Err(PackageError::NoControl { offset });
            }
            let broken = |members: &Members<R>, source| {
                PackageError::archive(member, members.offset(), None, source)
            };
            match archive
                .next(members)
                .map_err(|source| broken(members, source))?
            {
                Some(first) if signature::is_entry(&first.name) => {
                    let collected = signatures.collect(first, archive, members);
                    collected.map_err(|source| broken(members, source))?;
                }
                Some(first) => {
                    members.extend_limit(CONTROL_LIMIT);
                    return Found::collect(first, archive, members)?
                        .into_control(signatures, members.hashes());
                }
                None if archive.has_ended() => {
                    return Err(broken(members, ArchiveError::EndsEarly));
                }
                None => {}
            }
        }
    }
}

/// The files of the control member.
#[derive(Default)]
struct Found {
    info: Option<Vec<u8>>,
    scripts: Vec<Script>,
}

impl Found {
    fn collect<R: Read>(
        first: Header,
        archive: &mut Archive,
        members: &mut Members<R>,
    ) -> Result<Found, PackageError> {
        let mut found = Found::default();
        let mut next = Some(first);
        while let Some(header) = next {
            let broken = |members: &Members<R>, source| {
                PackageError::archive(
                    Member::Control,
                    members.offset(),
                    Some(header.lossy_name()),
                    source,
                )
            };
            let content = archive
                .content(members)
                .map_err(|source| broken(members, source))?;
            found.keep(&header, content)?;
            next = archive
                .next(members)
                .map_err(|source| broken(members, source))?;
        }
        if archive.has_ended() && found.info.is_some() {
            let source = ArchiveError::EndsEarly;
            return Err(PackageError::archive(
                Member::Control,
                members.offset(),
                None,
                source,
            ));
        }
        Ok(found)
    }

    fn keep(&mut self, header: &Header, content: Vec<u8>) -> Result<(), PackageError> {
        let name = header.lossy_name();
        let Some(bare) = name.strip_prefix('.') else {
            let info = self.info.as_deref().unwrap_or_default();
            let mut lines = info.split(|byte| *byte == b'\n');
            let vouched = lines.any(|line| line.starts_with(b"datahash = "));
            return Err(PackageError::NotControl {
                path: name,
                vouched,
            });
        };
        if !header.is_file() {
            return Ok(());
        }
        if bare == "INSTALL" {
            return Err(PackageError::Obsolete);
        }
        let twice = if bare == "PKGINFO" {
            self.info.replace(content).is_some()
        } else if let Some(kind) = ScriptKind::from_name(bare) {
            let twice = self.scripts.iter().any(|script| script.kind == kind);
            self.scripts.push(Script {
                kind,
                body: content,
            });
            twice
        } else {
            false
        };
        if twice {
            Err(PackageError::Twice { path: name })
        } else {
            Ok(())
        }
    }

    fn into_control(
        mut self,
        signatures: Signatures,
        hashes: &Hashes,
    ) -> Result<Control, PackageError> {
        let bytes = self.info.ok_or(PackageError::NoInfo)?;
        let info_text = String::from_utf8(bytes).map_err(|error| InfoError::NotUtf8 {
            offset: error.utf8_error().valid_up_to(),
        })?;
        let info = PackageInfo::parse(&info_text)?;
        let datahash = info.datahash.ok_or(PackageError::NoDataHash)?;
        self.scripts.sort_by_key(|script| script.kind);
        let identity = Digest::Sha1(hashes.sha1());
        Ok(Control {
            signatures,
            hashes: hashes.clone(),
            identity,
            info,
            info_text,
            datahash,
            scripts: self.scripts,
        })
    }
}

/// How far a control member may inflate: it is kept in memory. Real ones hold some KiB, the largest scripts some
/// hundred.
const CONTROL_LIMIT: u64 = 16 << 20;
