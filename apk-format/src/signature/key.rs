//! Public keys: RSA, and EC on the curves P-256, P-384 and P-521.
//!
//! An ADB signature names its key by the first 16 bytes of the SHA-512 of the raw public key: the content of the bit
//! string in its `SubjectPublicKeyInfo`, which is an `RSAPublicKey` in DER for RSA and the point `04 x y` for EC.

use std::fmt;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha512};

use crate::signature::Algorithm;

/// The name that ADB signatures call a key by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Of a public key in its raw form.
    pub(crate) fn of(raw: &[u8]) -> KeyId {
        let digest = Sha512::digest(raw);
        KeyId(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// 32 hex digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key of any kind that apk uses.
#[derive(Clone, Debug)]
pub(crate) enum PublicKey {
    Rsa(Box<RsaPublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::PublicKey>),
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`; the error is that of the decoder for RSA, or for EC if it is an EC key.
    pub(crate) fn from_pem(text: &str) -> Result<PublicKey, String> {
        let text = text.trim();
        let rsa = match RsaPublicKey::from_public_key_pem(text) {
            Ok(key) => return Ok(PublicKey::Rsa(Box::new(key))),
            Err(error) => error.to_string(),
        };
        if let Ok(key) = p256::PublicKey::from_public_key_pem(text) {
            return Ok(PublicKey::P256(Box::new(key.into())));
        }
        if let Ok(key) = p384::PublicKey::from_public_key_pem(text) {
            return Ok(PublicKey::P384(Box::new(key.into())));
        }
        if let Ok(key) = p521::PublicKey::from_public_key_pem(text) {
            return Ok(PublicKey::P521(Box::new(key)));
        }
        Err(rsa)
    }

    /// The raw form that [`KeyId`] is made of.
    pub(crate) fn raw(&self) -> Vec<u8> {
        match self {
            PublicKey::Rsa(key) => key
                .to_pkcs1_der()
                .map(|der| der.as_bytes().to_vec())
                .unwrap_or_default(),
            PublicKey::P256(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            PublicKey::P384(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            PublicKey::P521(key) => p521::EncodedPoint::from(&**key).as_bytes().to_vec(),
        }
    }

    /// What a signature by this key over a SHA-512 is called.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            PublicKey::Rsa(_) => Algorithm::Rsa512,
            _ => Algorithm::Ecdsa,
        }
    }

    /// Whether `signature` is this key's over `digest`, which is as long as `algorithm` makes it.
    pub(crate) fn verify(&self, algorithm: Algorithm, digest: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::Rsa(key) => key
                .verify(padding(algorithm, digest), digest, signature)
                .is_ok(),
            PublicKey::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
            PublicKey::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
            PublicKey::P521(key) => verify_p521(key, digest, signature).unwrap_or(false),
        }
    }
}

fn verify_p521(key: &p521::PublicKey, digest: &[u8], signature: &[u8]) -> Option<bool> {
    let point = p521::EncodedPoint::from(key);
    let key = p521::ecdsa::VerifyingKey::from_encoded_point(&point).ok()?;
    let signature = p521::ecdsa::Signature::from_der(signature).ok()?;
    Some(key.verify_prehash(digest, &signature).is_ok())
}

/// PKCS#1 v1.5 with the DER header of the digest (RFC 8017, 9.2, note 1).
pub(crate) fn padding(algorithm: Algorithm, digest: &[u8]) -> Pkcs1v15Sign {
    let prefix: &[u8] = match algorithm {
        Algorithm::Rsa => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        Algorithm::Rsa256 => {
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
        }
        Algorithm::Rsa512 | Algorithm::Ecdsa => {
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
        }
    };
    Pkcs1v15Sign {
        hash_len: Some(digest.len()),
        prefix: prefix.into(),
    }
}
