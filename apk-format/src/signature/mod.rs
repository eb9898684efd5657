//! Keys, signatures, and the decision whether to trust.
//!
//! The signature of a v2 package or index is a tar entry `.SIGN.<algorithm>.<key name>` whose content is the raw RSA signature (PKCS#1 v1.5):
//!
//! | algorithm | over the digest | used by |
//! |---|---|---|
//! | `RSA` | SHA-1 | all of Alpine |
//! | `RSA256` | SHA-256 | – |
//! | `RSA512` | SHA-512 | – |
//!
//! The key name is the file name of the public key in `/etc/apk/keys`. Entries are tried in order: the first whose
//! key is loaded under exactly that name *is* the signature; those after it are not looked at, even if it
//! turns out bad. Unknown keys and unknown algorithms are passed over.
//!
//! The signatures of v3 files are blocks of their own, which name the key by [`KeyId`]; keys may be EC keys too, and
//! one good signature is enough.
//!
//! ```no_run
//! use apk_format::{Index, KeyRing, Trust};
//!
//! let mut keys = KeyRing::new();
//! keys.add("alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub", &std::fs::read("the.pub")?)?;
//! let index = Index::read(std::fs::File::open("APKINDEX.tar.gz")?, &keys, Trust::Required)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

pub(crate) mod adb;
mod key;
mod private;

use crate::gzip::Hashes;
use crate::ustar::{Archive, ArchiveError, Header};

pub use key::KeyId;
use key::PublicKey;
pub use private::{Curve, PrivateKey, SigningError};
/// Where the random numbers of new keys come from.
pub use rsa::rand_core;

/// Public keys by name.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: BTreeMap<String, (KeyId, PublicKey)>,
}

impl KeyRing {
    /// No keys.
    pub fn new() -> KeyRing {
        KeyRing::default()
    }

    /// Adds a PEM public key (`-----BEGIN PUBLIC KEY-----`) under the name of its file.
    ///
    /// A name that is already there keeps its key, as the first keys directory wins in apk.
    pub fn add(&mut self, name: &str, pem: &[u8]) -> Result<(), KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPem { name: name.into() })?;
        let key = PublicKey::from_pem(text).map_err(|reason| KeyError::Unusable {
            name: name.into(),
            reason,
        })?;
        let id = KeyId::of(&key.raw());
        self.keys.entry(name.into()).or_insert((id, key));
        Ok(())
    }

    /// The names of all keys, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The id of the key under this name.
    pub fn id(&self, name: &str) -> Option<KeyId> {
        self.keys.get(name).map(|(id, _)| *id)
    }

    /// All keys as `name (id)`.
    fn names_with_ids(&self) -> impl Iterator<Item = String> {
        self.keys
            .iter()
            .map(|(name, (id, _))| format!("{name} ({id})"))
    }

    fn by_id(&self, wanted: KeyId) -> Option<(&str, &PublicKey)> {
        let mut keys = self.keys.iter();
        keys.find_map(|(name, (id, key))| (*id == wanted).then_some((name.as_str(), key)))
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file is no text.
    #[error("key {name:?} is not in PEM form")]
    NotPem {
        /// The name it was to be added under.
        name: String,
    },
    /// The text is no RSA public key of at most 4096 bits, and no EC public key on a curve that is known.
    #[error("key {name:?} is not a usable public key: {reason}")]
    Unusable {
        /// The name it was to be added under.
        name: String,
        /// What the decoder says.
        reason: String,
    },
}

/// Whether unsigned material is acceptable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// A good signature by a loaded key is needed.
    #[default]
    Required,
    /// A missing signature or an unknown key is fine. A bad signature by a loaded key is still an error.
    AllowUntrusted,
}

/// How the signed bytes are digested and signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `RSA`: SHA-1.
    Rsa,
    /// `RSA256`: SHA-256.
    Rsa256,
    /// `RSA512`: SHA-512.
    Rsa512,
    /// ECDSA over SHA-512; in v3 files only.
    Ecdsa,
}

impl Algorithm {
    /// Reads the part of an entry's name between `.SIGN.` and the key name.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        match name {
            "RSA" => Some(Algorithm::Rsa),
            "RSA256" => Some(Algorithm::Rsa256),
            "RSA512" => Some(Algorithm::Rsa512),
            _ => None,
        }
    }

    /// The name used in `.SIGN.` entries; `ECDSA` is used in none.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rsa => "RSA",
            Algorithm::Rsa256 => "RSA256",
            Algorithm::Rsa512 => "RSA512",
            Algorithm::Ecdsa => "ECDSA",
        }
    }

    fn verify(self, key: &PublicKey, hashes: &Hashes, signature: &[u8]) -> bool {
        let digest = match self {
            Algorithm::Rsa => hashes.sha1().to_vec(),
            Algorithm::Rsa256 => hashes.sha256().to_vec(),
            Algorithm::Rsa512 | Algorithm::Ecdsa => hashes.sha512().to_vec(),
        };
        // A name of `.SIGN.RSA…` and a key that is none: bad, as anything else under a known name.
        matches!(key, PublicKey::Rsa(_)) && key.verify(self, &digest, signature)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why something is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("it is not signed; it can be used only if untrusted material is allowed")]
    Unsigned,
    /// No signature is by a key that is loaded.
    #[error(
        "it is signed with {}, but the keys loaded are {}; add the public key under exactly that name",
        list(.signed_with), list(.loaded)
    )]
    UnknownKey {
        /// `algorithm.key name` of every signature.
        signed_with: Vec<String>,
        /// The names of the keys in the ring.
        loaded: Vec<String>,
    },
    /// No signature is by a key that is loaded; this file names keys by their ids.
    #[error(
        "it is signed with {}, but the keys loaded are {}; add the public key with that id, under any name",
        list(.signed_with), list(.loaded)
    )]
    UnknownId {
        /// `ADB.key id` of every signature.
        signed_with: Vec<String>,
        /// `name (id)` of the keys in the ring.
        loaded: Vec<String>,
    },
    /// The signature by a loaded key does not match the bytes, or the key is another one under the same name.
    #[error(
        "the {algorithm} signature by {key:?} is bad: the bytes were changed, or another key is loaded under this name"
    )]
    Bad {
        /// The name of the key.
        key: String,
        /// How the signature was made.
        algorithm: Algorithm,
    },
}

/// The signature entries of one file, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signatures {
    entries: Vec<(String, Vec<u8>)>,
}

impl Signatures {
    /// Reads the current member to its end, which must hold signatures alone; `first` is its first entry.
    pub(crate) fn collect(
        &mut self,
        first: Header,
        archive: &mut Archive,
        input: &mut impl Read,
    ) -> Result<(), ArchiveError> {
        let mut next = Some(first);
        while let Some(header) = next {
            if !is_entry(&header.name) {
                return Err(ArchiveError::BesideSignature {
                    name: header.lossy_name(),
                });
            }
            self.add(&header.name, archive.content(input)?);
            next = archive.next(input)?;
        }
        if archive.has_ended() {
            Err(ArchiveError::EndsEarly)
        } else {
            Ok(())
        }
    }

    /// Adds an entry by its full name; names that are no text cannot name a key and are passed over.
    fn add(&mut self, name: &[u8], mut signature: Vec<u8>) {
        let name = name
            .strip_prefix(PREFIX)
            .and_then(|name| std::str::from_utf8(name).ok());
        if let (Some(name), true) = (name, self.entries.len() < COUNT_LIMIT) {
            // What is cut off was no signature, and is none after that.
            signature.truncate(SIGNATURE_LIMIT);
            signature.shrink_to_fit();
            self.entries.push((name.to_owned(), signature));
        }
    }

    /// The names of the keys with their algorithms, as `algorithm.key name`.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// The first entry whose key is loaded: how it was made, the key's name, the key, the signature.
    fn chosen<'a>(
        &'a self,
        keys: &'a KeyRing,
    ) -> Option<(Algorithm, &'a str, &'a PublicKey, &'a [u8])> {
        self.entries.iter().find_map(|(name, signature)| {
            let (algorithm, name) = name.split_once('.')?;
            let algorithm = Algorithm::from_name(algorithm)?;
            Some((algorithm, name, &keys.keys.get(name)?.1, &**signature))
        })
    }

    /// Of what kind the signature is that [`Signatures::verify`] will look at; `None` if at none.
    pub(crate) fn algorithm(&self, keys: &KeyRing) -> Option<Algorithm> {
        self.chosen(keys).map(|(algorithm, ..)| algorithm)
    }

    /// Decides by the rule of this module; gives the name of the key whose signature is good.
    pub(crate) fn verify(
        &self,
        hashes: &Hashes,
        keys: &KeyRing,
        trust: Trust,
    ) -> Result<Option<String>, SignatureError> {
        match self.chosen(keys) {
            Some((algorithm, name, key, signature)) if algorithm.verify(key, hashes, signature) => {
                Ok(Some(name.to_owned()))
            }
            Some((algorithm, name, ..)) => Err(SignatureError::Bad {
                key: name.to_owned(),
                algorithm,
            }),
            None if trust == Trust::AllowUntrusted => Ok(None),
            None if self.entries.is_empty() => Err(SignatureError::Unsigned),
            None => Err(SignatureError::UnknownKey {
                signed_with: self.names().map(str::to_owned).collect(),
                loaded: keys.names().map(str::to_owned).collect(),
            }),
        }
    }
}

/// Whether a tar entry is a signature.
pub(crate) fn is_entry(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

/// How far a member may inflate while it is not known to be anything but signatures. A real one is 1 KiB.
pub(crate) const MEMBER_LIMIT: u64 = 1 << 20;

/// Signatures beyond these are not looked at, so that a file of nothing else needs no memory. Real files have one.
const COUNT_LIMIT: usize = 64;

/// A signature is as long as the modulus of its key, 512 bytes for the largest RSA key that is read.
const SIGNATURE_LIMIT: usize = 4096;

const PREFIX: &[u8] = b".SIGN.";

fn list(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        names => names
            .iter()
            .map(|name| format!("{name:?}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
