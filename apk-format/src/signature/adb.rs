//! The signatures of ADB files.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 1 | version of the signature: 0 |
//! | 1 | 1 | digest of the values: 3 SHA-256, 4 SHA-512, 5 SHA-256 cut to 20 bytes |
//! | 2 | 16 | [`KeyId`] |
//! | 18 | | RSA (PKCS#1 v1.5) or ECDSA (DER) over a SHA-512 |
//!
//! What is signed is the schema in 4 bytes, the first 18 bytes of the signature, and the digest of the values.
//!
//! One good signature by a loaded key is enough, whatever the others are. If there is none, a signature that calls a
//! loaded key its own and is bad is an error, even where untrusted files are allowed.

use sha2::{Digest as _, Sha256, Sha512};

use crate::adb::block::Schema;
use crate::signature::{KeyId, KeyRing, SignatureError, Trust};

/// The signatures of one file, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdbSignatures {
    payloads: Vec<Vec<u8>>,
}

impl AdbSignatures {
    /// Adds the payload of a block.
    pub(crate) fn add(&mut self, payload: Vec<u8>) {
        self.payloads.push(payload);
    }

    pub(crate) fn len(&self) -> usize {
        self.payloads.len()
    }

    /// The key that each signature is by, as `ADB.key id`; one of an unknown form is named by its beginning.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.payloads.iter().map(|payload| match split(payload) {
            Some((_, id, _)) => format!("ADB.{id}"),
            None => "ADB of an unknown form".to_owned(),
        })
    }

    /// Decides by the rule of this module; gives the name of the key whose signature is good.
    pub(crate) fn verify(
        &self,
        schema: Schema,
        values: &[u8],
        keys: &KeyRing,
        trust: Trust,
    ) -> Result<Option<String>, SignatureError> {
        let mut bad = None;
        for payload in &self.payloads {
            match check(payload, schema, values, keys) {
                Outcome::Good(name) => return Ok(Some(name)),
                Outcome::Bad(error) => bad = bad.or(Some(error)),
                Outcome::Unknown => {}
            }
        }
        match bad {
            Some(error) => Err(error),
            None if trust == Trust::AllowUntrusted => Ok(None),
            None if self.payloads.is_empty() => Err(SignatureError::Unsigned),
            None => Err(SignatureError::UnknownId {
                signed_with: self.names().collect(),
                loaded: keys.names_with_ids().collect(),
            }),
        }
    }
}

/// What comes of one signature.
pub(crate) enum Outcome {
    /// By the loaded key of this name.
    Good(String),
    /// Of an unknown form, or by a key that is not loaded.
    Unknown,
    /// Claims to be by a loaded key, and is not.
    Bad(SignatureError),
}

/// Checks one signature of `values`.
pub(crate) fn check(payload: &[u8], schema: Schema, values: &[u8], keys: &KeyRing) -> Outcome {
    let Some((header, id, signature)) = split(payload) else {
        return Outcome::Unknown;
    };
    let Some((name, key)) = keys.by_id(id) else {
        return Outcome::Unknown;
    };
    let digest = message(schema, header, values);
    let algorithm = key.algorithm();
    if digest.is_some_and(|digest| key.verify(algorithm, &digest, signature)) {
        Outcome::Good(name.to_owned())
    } else {
        Outcome::Bad(SignatureError::Bad {
            key: name.to_owned(),
            algorithm,
        })
    }
}

/// The first 18 bytes of a signature of version 0, the key that made it, and what it made.
fn split(payload: &[u8]) -> Option<(&[u8; HEADER], KeyId, &[u8])> {
    let (header, signature) = payload.split_first_chunk::<HEADER>()?;
    let [0, _, id @ ..] = *header else {
        return None;
    };
    Some((header, KeyId(id), signature))
}

/// The SHA-512 that is signed; `None` if the header names a digest that apk does not use.
pub(crate) fn message(schema: Schema, header: &[u8; HEADER], values: &[u8]) -> Option<[u8; 64]> {
    let [_, algorithm, ..] = *header;
    let mut message = Sha512::new();
    message.update(schema.0.to_le_bytes());
    message.update(header);
    match algorithm {
        SHA_256 => message.update(Sha256::digest(values)),
        SHA_512 => message.update(Sha512::digest(values)),
        SHA_256_160 => message.update(Sha256::digest(values).first_chunk::<20>()?),
        _ => return None,
    }
    Some(message.finalize().into())
}

/// Bytes before the signature proper.
pub(crate) const HEADER: usize = 18;

/// A longer block is no signature: apk makes none that is longer than 2048 bytes, and RSA with 4096 bits needs 530.
pub(crate) const LENGTH_LIMIT: u64 = 2048;

/// Real files have one; each costs a verification if its key is loaded.
pub(crate) const COUNT_LIMIT: usize = 64;

const SHA_256: u8 = 3;
pub(crate) const SHA_512: u8 = 4;
const SHA_256_160: u8 = 5;
