//! Private keys, and what is signed with them.
//!
//! | PEM | is |
//! |---|---|
//! | `PRIVATE KEY` | RSA or EC (P-256, P-384, P-521) in PKCS#8 |
//! | `RSA PRIVATE KEY` | RSA in PKCS#1, as `openssl genrsa` and `abuild-keygen` write it |
//! | `EC PRIVATE KEY` | EC in SEC1, as `openssl ecparam -genkey` writes it |
//!
//! All signatures are a function of the key and what is signed: RSA ones are by nature, for ECDSA the secret number is
//! derived from both; as in RFC 6979, but for P-521 as [`Nonce`] says. RSA is not blinded: sign where nobody measures
//! how long it takes.

use std::fmt;

use p256::ecdsa::signature::hazmat::{PrehashSigner, RandomizedPrehashSigner};
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
    P521(Box<p521::SecretKey>),
}

/// A curve of EC keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256, also known as secp256r1 and prime256v1.
    P256,
    /// P-384, also known as secp384r1.
    P384,
    /// P-521, also known as secp521r1.
    P521,
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

    /// Makes an EC key, which signs v3 files only. The random numbers are as for [`PrivateKey::generate_rsa`].
    pub fn generate_ec(name: &str, curve: Curve, random: &mut impl CryptoRngCore) -> PrivateKey {
        let kind = match curve {
            Curve::P256 => Kind::P256(Box::new(p256::SecretKey::random(random))),
            Curve::P384 => Kind::P384(Box::new(p384::SecretKey::random(random))),
            Curve::P521 => Kind::P521(Box::new(p521::SecretKey::random(random))),
        };
        PrivateKey {
            name: name.to_owned(),
            kind,
        }
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
            Kind::P521(key) => key.public_key().to_public_key_pem(ending),
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
            Kind::P521(key) => key.to_pkcs8_pem(ending),
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
            Kind::P521(key) => {
                let secret = key.to_bytes();
                let mut nonce = Nonce::of(&secret, digest);
                let signature: Result<p521::ecdsa::Signature, _> =
                    p521::ecdsa::SigningKey::from_bytes(&secret)
                        .and_then(|key| key.sign_prehash_with_rng(&mut nonce, digest));
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
            Kind::P521(key) => PublicKey::P521(Box::new(key.public_key())),
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
        let p521 = p521::SecretKey::from_sec1_pem(text).ok();
        if let Some(key) = p521.or_else(|| p521::SecretKey::from_pkcs8_pem(text).ok()) {
            return Ok(Kind::P521(Box::new(key)));
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

/// Numbers that nobody can guess who does not know the key, and that are others for everything that is signed: SHA-512 of
/// a counter, the key and the digest. With another nonce for every message ECDSA keeps its key secret.
struct Nonce {
    seed: Sha512,
    counter: u64,
}

impl Nonce {
    fn of(secret: &[u8], digest: &[u8]) -> Nonce {
        let seed = Sha512::new_with_prefix(b"apk-ostree ECDSA nonce");
        Nonce {
            seed: seed.chain_update(secret).chain_update(digest),
            counter: 0,
        }
    }
}

impl rsa::rand_core::CryptoRng for Nonce {}

impl rsa::rand_core::RngCore for Nonce {
    fn next_u32(&mut self) -> u32 {
        rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rsa::rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(64) {
            let block = self.seed.clone().chain_update(self.counter.to_be_bytes());
            self.counter += 1;
            let block = block.finalize();
            part.iter_mut()
                .zip(&block)
                .for_each(|(byte, new)| *byte = *new);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
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
