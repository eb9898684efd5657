//! Digests, and the text forms apk writes them in.
//!
//! | text | digest |
//! |---|---|
//! | `Q1` + base64 with padding | SHA-1 (28 characters), or SHA-256 when 44 characters follow |
//! | `X1` + hex | SHA-1 (40 digits), or SHA-256 when 64 digits follow |
//! | `Q2` + base64, `X2` + hex | SHA-256 |
//!
//! apk's databases and indexes hold 20 bytes everywhere: [`Digest::to_q1`] cuts a SHA-256 to fit, as apk does.
//!
//! ```
//! use apk_format::Digest;
//!
//! let digest = Digest::parse("Q1jsntIK/s+tjDr/aOKMOCoSWzBzw=")?;
//! assert_eq!(digest.to_hex(), "8ec9ed20afecfad8c3aff68e28c382a125b3073c");
//! assert_eq!(Digest::parse("X18ec9ed20afecfad8c3aff68e28c382a125b3073c")?, digest);
//! # Ok::<(), apk_format::DigestError>(())
//! ```

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// A SHA-1 or SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// 20 bytes: identities and file checksums of v2 packages.
    Sha1([u8; 20]),
    /// 32 bytes: data hashes, and identities of v3 packages.
    Sha256([u8; 32]),
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestKind {
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
}

impl Digest {
    /// What made it.
    pub fn kind(&self) -> DigestKind {
        match self {
            Digest::Sha1(_) => DigestKind::Sha1,
            Digest::Sha256(_) => DigestKind::Sha256,
        }
    }

    /// Reads any of the text forms of this module's table.
    pub fn parse(text: &str) -> Result<Digest, DigestError> {
        let digest = match text.split_at_checked(2) {
            // Either length has one character of padding, and is decoded much faster without.
            Some(("Q1" | "Q2", rest)) => rest
                .strip_suffix('=')
                .and_then(|rest| decode(&BASE64_NOPAD, rest)),
            Some(("X1" | "X2", rest)) => decode(&HEXLOWER_PERMISSIVE, rest),
            _ => None,
        };
        match digest {
            Some(Digest::Sha1(_)) if text.as_bytes().get(1) == Some(&b'2') => None,
            other => other,
        }
        .ok_or_else(|| DigestError { text: text.into() })
    }

    /// Reads 40 or 64 hex digits.
    pub fn from_hex(text: &str) -> Result<Digest, DigestError> {
        decode(&HEXLOWER_PERMISSIVE, text).ok_or_else(|| DigestError { text: text.into() })
    }

    /// Takes 20 bytes as a SHA-1 and 32 as a SHA-256; no other length is a digest.
    pub fn from_bytes(bytes: &[u8]) -> Option<Digest> {
        match bytes.len() {
            20 => bytes.try_into().ok().map(Digest::Sha1),
            32 => bytes.try_into().ok().map(Digest::Sha256),
            _ => None,
        }
    }

    /// The SHA-1 of `bytes`.
    pub fn sha1(bytes: &[u8]) -> Digest {
        Digest::Sha1(Sha1::digest(bytes).into())
    }

    /// The SHA-256 of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Digest {
        Digest::Sha256(Sha256::digest(bytes).into())
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Digest::Sha1(bytes) => bytes,
            Digest::Sha256(bytes) => bytes,
        }
    }

    /// Lower-case hex of all bytes.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(self.as_bytes())
    }

    /// `Q1` and the base64 of the first 20 bytes: the form of indexes and databases.
    pub fn to_q1(&self) -> String {
        format!("Q1{}", BASE64.encode(self.first_20()))
    }

    /// `X1` and the hex of the first 20 bytes: the form apk 3 uses in the names of `scripts.tar`.
    pub fn to_x1(&self) -> String {
        format!("X1{}", HEXLOWER.encode(self.first_20()))
    }

    /// Whether two identities are those of one package: databases keep 20 bytes of what an index has 32 of, and apk
    /// compares these.
    pub fn same_identity(&self, other: &Digest) -> bool {
        self.first_20() == other.first_20()
    }

    /// The first 20 bytes, by which apk tells packages apart.
    pub fn first_20(&self) -> &[u8] {
        let bytes = self.as_bytes();
        bytes.get(..20).unwrap_or(bytes)
    }
}

/// Decodes without memory of its own: indexes and databases are full of digests.
fn decode(encoding: &Encoding, text: &str) -> Option<Digest> {
    let mut bytes = [0; 33];
    let length = encoding.decode_len(text.len()).ok()?;
    let decoded = bytes.get_mut(..length)?;
    let length = encoding.decode_mut(text.as_bytes(), decoded).ok()?;
    Digest::from_bytes(bytes.get(..length)?)
}

/// `Q1…` for SHA-1, `Q2…` for SHA-256; [`Digest::parse`] reads it back.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self {
            Digest::Sha1(_) => "Q1",
            Digest::Sha256(_) => "Q2",
        };
        f.pad(&format!("{prefix}{}", BASE64.encode(self.as_bytes())))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Digest::Sha1(_) => "Sha1",
            Digest::Sha256(_) => "Sha256",
        };
        write!(f, "{name}({})", self.to_hex())
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Digest::parse(text)
    }
}

/// A text that is no digest in a form apk writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no digest: Q1 or X1 and 20 bytes, or Q2 or X2 and 32 bytes, are expected")]
pub struct DigestError {
    /// The whole text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX_256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn empty_input_has_the_published_digests() {
        assert_eq!(
            Digest::sha1(b"").to_hex(),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
        assert_eq!(Digest::sha256(b"").to_hex(), HEX_256);
    }

    #[test]
    fn longer_text_after_a_1_is_sha256() {
        let digest = Digest::from_hex(HEX_256).unwrap();
        for text in [
            format!("X1{HEX_256}"),
            format!("X2{HEX_256}"),
            digest.to_string(),
        ] {
            assert_eq!(Digest::parse(&text).unwrap(), digest);
        }
        assert_eq!(digest.to_x1(), format!("X1{}", &HEX_256[..40]));
    }

    #[test]
    fn other_texts_are_refused() {
        let short = Digest::sha1(b"").to_hex();
        for text in [
            "",
            "Q",
            "Q1",
            "Q3AAAA",
            "Q1AAAA",
            "é1",
            "d41d8cd98f00b204e9800998ecf8427e",
            &format!("X2{short}"),
            "Q1jsntIK/s+tjDr/aOKMOCoSWzBzw",
            "Q1jsntIK/s+tjDr/aOKMOCoSWzBzw==",
            "Q1jsntIK/s+tjDr/aOKMOCoSWzBzx=",
            "Q1jsntIK/s+tjDr/aOKMOCoSWzB=w=",
            "Q1jsntIK/s+tjDr/aOKMOCoSWzBzwA=",
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }
}
