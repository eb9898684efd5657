//! Extended headers: records that say about the next entry what its header cannot.
//!
//! A record is `LENGTH KEY=VALUE\n`, where the decimal length counts the whole record. Values are raw bytes and
//! may hold newlines, so records are taken apart by their lengths alone.
//!
//! | key | says |
//! |---|---|
//! | `path`, `linkpath` | name, link target |
//! | `uid`, `gid`, `size` | decimal numbers |
//! | `SCHILY.xattr.NAME` | an xattr, its value raw |
//! | `LIBARCHIVE.xattr.NAME` | an xattr, its name percent-encoded, its value in base64 without padding |
//! | `RHT.security.selinux` | the xattr `security.selinux` |
//! | `GNU.sparse.*`, `SUN.holesdata` | the content has holes, which nobody here fills: an error |
//!
//! Everything else is passed over, and so are the records of global headers, as ostree does.

use data_encoding::BASE64_NOPAD;

/// What extended headers say about one entry.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) size: Option<u64>,
    /// Names without NUL, and values.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: bool,
}

impl Records {
    /// Reads the content of an extended header; the error says what is wrong, and at which byte of it.
    pub(super) fn parse(content: &[u8]) -> Result<Records, (usize, &'static str)> {
        let mut records = Records::default();
        let mut rest = content;
        while !rest.is_empty() {
            let offset = content.len() - rest.len();
            let (key, value, after) = split_record(rest).ok_or((offset, "a malformed record"))?;
            records.take(key, value).map_err(|what| (offset, what))?;
            rest = after;
        }
        Ok(records)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        // An empty value takes back what was said before.
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.linkpath = text(),
            b"uid" => self.uid = decimal(value)?,
            b"gid" => self.gid = decimal(value)?,
            b"size" => self.size = decimal(value)?,
            b"RHT.security.selinux" => self
                .xattrs
                .push((b"security.selinux".to_vec(), value.to_vec())),
            b"SUN.holesdata" => self.sparse = true,
            key => {
                if key.starts_with(b"GNU.sparse.") {
                    self.sparse = true;
                } else if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    self.xattrs.push((percent_decoded(name), base64(value)?));
                }
            }
        }
        Ok(())
    }
}

/// Key and value of the first record, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    // Nine digits are more than the limit of a whole header.
    let space = bytes.iter().take(10).position(|byte| *byte == b' ')?;
    let (digits, _) = bytes.split_at_checked(space)?;
    let length = usize::try_from(decimal(digits).ok()??).ok()?;
    let (record, after) = bytes.split_at_checked(length)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (body.get(..equals)?, body.get(equals + 1..)?);
    Some((key, value, after))
}

/// Decimal digits only; nothing is nothing.
fn decimal(text: &[u8]) -> Result<Option<u64>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    value.map(Some).ok_or("a value that is not a number")
}

fn base64(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = value.get(..value.len() - padding).unwrap_or_default();
    BASE64_NOPAD
        .decode(text)
        .map_err(|_| "an xattr that is not base64")
}

/// `%41` becomes `A`; a percent sign before anything but two hex digits stays.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let hex = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                decoded.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One record with the right length.
    fn record(key: &str, value: &str) -> Vec<u8> {
        let body = format!(" {key}={value}\n");
        let length = (body.len()..)
            .find(|length| length.to_string().len() + body.len() == *length)
            .unwrap();
        format!("{length}{body}").into_bytes()
    }

    #[test]
    fn lengths_decide_where_a_record_ends() {
        // The value holds a newline and what looks like a record.
        let hiding = record("SCHILY.xattr.user.k", "line\n15 path=hidden\n");
        let records = Records::parse(&[hiding, record("path", "the-name")].concat()).unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"the-name"[..]));
        assert_eq!(
            records.xattrs,
            [(b"user.k".to_vec(), b"line\n15 path=hidden\n".to_vec())]
        );
    }

    #[test]
    fn malformed_records_are_errors() {
        for bad in [
            &b"path=a\n"[..],
            b"9 path=a",
            b"8 path=a\n",
            b"11 path=a\n",
            b"99999999999999999999 path=a\n",
            b"0 path=a\n",
            b"5 a\n\n\n",
            b"9 size=x\n",
            b"10 size=-1\n",
            b"-9 path=a\n",
        ] {
            assert!(
                Records::parse(bad).is_err(),
                "{:?}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    #[test]
    fn xattrs_have_three_spellings() {
        let bytes = [
            record("LIBARCHIVE.xattr.user.a%3d", "aGk="),
            record("SCHILY.xattr.user.empty", ""),
            record("RHT.security.selinux", "ctx"),
        ];
        let records = Records::parse(&bytes.concat()).unwrap();
        let expected: [(&[u8], &[u8]); 3] = [
            (b"user.a=", b"hi"),
            (b"user.empty", b""),
            (b"security.selinux", b"ctx"),
        ];
        let found: Vec<_> = records
            .xattrs
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn holes_are_noticed() {
        assert!(
            Records::parse(&record("GNU.sparse.major", "1"))
                .unwrap()
                .sparse
        );
    }
}
