//! Private keys, and what is signed with them.
//!
//! | PEM | is |
//! |---|---|
//! | `PRIVATE KEY` | RSA or EC (P-256, P-384) in PKCS#8 |
//! | `RSA PRIVATE KEY` | RSA in PKCS#1, as `openssl genrsa` and `abuild-keygen` write it |
//! | `EC PRIVATE KEY` | EC in SEC1, as `openssl ecparam -genkey` writes it |
//!
//! All signatures are a function of the key and what is signed: RSA ones are by nature, for ECDSA the secret number is
//! derived as in RFC 6979. RSA is not blinded: sign where nobody measures how long it takes.

use std::fmt;

use p256::ecdsa::signature::hazmat::PrehashSigner;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::CryptoRngCore;
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::signature::key::{PublicKey, padding};
use crate::signature::{Algorithm, KeyId};

/// A key that signs.
#[derive(Clone)]
pub struct PrivateKey {
    name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Rsa(Box<RsaPrivateKey>),
    P256(Box<p256::SecretKey>),
    P384(Box<p384::SecretKey>),
}

impl PrivateKey {
    /// Reads a private key without a passphrase. `name` is that of the *public* key's file, by which v2 signatures
    /// call the key: `me@example.org-5f3a.rsa.pub`.
    pub fn from_pem(name: &str, pem: &[u8]) -> Result<PrivateKey, SigningError> {
        let unusable = |reason: String| SigningError::Key {
            name: name.to_owned(),
            reason,
        };
        let text = std::str::from_utf8(pem).map_err(|_| unusable("it is no text".into()))?;
        let kind = Kind::from_pem(text.trim()).map_err(unusable)?;
        Ok(PrivateKey {
            name: name.to_owned(),
            kind,
        })
    }

    /// Makes an RSA key of so many bits; 2048 takes a second, 4096 is the most that can be used. The random numbers
    /// are of [`rand_core`](crate::signature::rand_core), for instance its `OsRng`.
    pub fn generate_rsa(
        name: &str,
        bits: usize,
        random: &mut impl CryptoRngCore,
    ) -> Result<PrivateKey, SigningError> {
        let key = RsaPrivateKey::new(random, bits).map_err(|error| SigningError::Key {
            name: name.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(PrivateKey {
            name: name.to_owned(),
            kind: Kind::Rsa(Box::new(key)),
        })
    }

    /// The name of its public key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What v3 signatures call it.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.public().raw())
    }

    /// The public key in PEM, for [`KeyRing::add`](crate::KeyRing::add).
    pub fn public_pem(&self) -> Result<String, SigningError> {
        let ending = LineEnding::LF;
        let pem = match &self.kind {
            Kind::Rsa(key) => RsaPublicKey::from(&**key).to_public_key_pem(ending),
            Kind::P256(key) => key.public_key().to_public_key_pem(ending),
            Kind::P384(key) => key.public_key().to_public_key_pem(ending),
        };
        pem.map_err(|error| self.failed(&error))
    }

    /// The private key in PEM (PKCS#8): a secret, for a file that only its owner can read.
    pub fn private_pem(&self) -> Result<String, SigningError> {
        let ending = LineEnding::LF;
        let pem = match &self.kind {
            Kind::Rsa(key) => key.to_pkcs8_pem(ending),
            Kind::P256(key) => key.to_pkcs8_pem(ending),
            Kind::P384(key) => key.to_pkcs8_pem(ending),
        };
        let pem = pem.map_err(|error| self.failed(&error))?;
        Ok(pem.to_string())
    }

    /// Signs as a `.SIGN.` entry of a v2 file does; RSA only.
    pub fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Vec<u8>, SigningError> {
        let digest = match algorithm {
            Algorithm::Rsa => Sha1::digest(bytes).to_vec(),
            Algorithm::Rsa256 => Sha256::digest(bytes).to_vec(),
            Algorithm::Rsa512 | Algorithm::Ecdsa => Sha512::digest(bytes).to_vec(),
        };
        match &self.kind {
            Kind::Rsa(_) => self.sign_digest(algorithm, &digest),
            _ => Err(SigningError::NotRsa {
                name: self.name.clone(),
            }),
        }
    }

    /// Signs the SHA-512 of something, as v3 files do.
    pub(crate) fn sign_sha512(&self, digest: &[u8; 64]) -> Result<Vec<u8>, SigningError> {
        self.sign_digest(Algorithm::Rsa512, digest)
    }

    fn sign_digest(&self, algorithm: Algorithm, digest: &[u8]) -> Result<Vec<u8>, SigningError> {
        match &self.kind {
            Kind::Rsa(key) => key
                .sign(padding(algorithm, digest), digest)
                .map_err(|error| self.failed(&error)),
            Kind::P256(key) => {
                let signature: Result<p256::ecdsa::Signature, _> =
                    p256::ecdsa::SigningKey::from(&**key).sign_prehash(digest);
                let signature = signature.map_err(|error| self.failed(&error))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Kind::P384(key) => {
                let signature: Result<p384::ecdsa::Signature, _> =
                    p384::ecdsa::SigningKey::from(&**key).sign_prehash(digest);
                let signature = signature.map_err(|error| self.failed(&error))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
        }
    }

    fn public(&self) -> PublicKey {
        match &self.kind {
            Kind::Rsa(key) => PublicKey::Rsa(Box::new(RsaPublicKey::from(&**key))),
            Kind::P256(key) => PublicKey::P256(Box::new(key.public_key().into())),
            Kind::P384(key) => PublicKey::P384(Box::new(key.public_key().into())),
        }
    }

    fn failed(&self, error: &dyn fmt::Display) -> SigningError {
        SigningError::Key {
            name: self.name.clone(),
            reason: error.to_string(),
        }
    }
}

impl Kind {
    fn from_pem(text: &str) -> Result<Kind, String> {
        let p256 = p256::SecretKey::from_sec1_pem(text).ok();
        if let Some(key) = p256.or_else(|| p256::SecretKey::from_pkcs8_pem(text).ok()) {
            return Ok(Kind::P256(Box::new(key)));
        }
        let p384 = p384::SecretKey::from_sec1_pem(text).ok();
        if let Some(key) = p384.or_else(|| p384::SecretKey::from_pkcs8_pem(text).ok()) {
            return Ok(Kind::P384(Box::new(key)));
        }
        let p521 = p521::SecretKey::from_sec1_pem(text).is_ok();
        if p521 || p521::SecretKey::from_pkcs8_pem(text).is_ok() {
            return Err("it is an EC key on P-521, which is verified but does not sign".to_owned());
        }
        let rsa = RsaPrivateKey::from_pkcs1_pem(text).ok();
        let key = match rsa {
            Some(key) => key,
            None => RsaPrivateKey::from_pkcs8_pem(text).map_err(|error| error.to_string())?,
        };
        if key.n().bits() > 4096 {
            return Err("it has more than 4096 bits, which no reader takes".to_owned());
        }
        Ok(Kind::Rsa(Box::new(key)))
    }
}

/// The name alone: the key is a secret.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?})", self.name)
    }
}

/// Why something cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The key cannot be read, made, or used.
    #[error("the private key of {name:?} is not usable: {reason}")]
    Key {
        /// The name of its public key.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An EC key for a v2 file.
    #[error(
        "the key of {name:?} is no RSA key, and v2 packages and indexes are signed with RSA alone"
    )]
    NotRsa {
        /// The name of its public key.
        name: String,
    },
}
