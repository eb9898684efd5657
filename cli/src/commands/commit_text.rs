//! One commit as `log` and `show` tell it.
//!
//! ```text
//! commit 6d09086a8b4a5283126dd2641f32278a242caa489d886102dbe8ee9241a631ef
//! Parent:  d5156ae5132e259f94812170af45eadf5c0e6cda09535e3c197824bca815b1a2
//! ContentChecksum:  07714e9c2d62b9e586431647739e85bb798ddc768bef3641a50acaf1001f3056
//! Date:  2023-11-14 22:13:21 +0000
//! Version: 2.0
//!
//!     subject
//!
//!     body
//!
//! ```

use std::fmt::{self, Display, Write as _};

use jiff::{Span, civil};
use ostree_store::checksum::{Checksum, CommitId};
use ostree_store::gvariant::{Type, Value};
use ostree_store::object::{Commit, ObjectKind};
use ostree_store::repo::Repo;
use serde::{Serialize, Serializer};

use crate::failure::{Failure, Within};

/// A commit and its name.
#[derive(Debug)]
pub(crate) struct Shown {
    id: CommitId,
    commit: Commit,
    date: String,
}

impl Shown {
    /// Reads a commit. A time that no calendar has is refused, as ostree does.
    pub(crate) fn read(repo: &Repo, id: CommitId) -> Result<Shown, Failure> {
        Shown::of(id, repo.commit(&id)?)
    }

    /// The same for a commit that was read.
    pub(crate) fn of(id: CommitId, commit: Commit) -> Result<Shown, Failure> {
        let date = date(commit.timestamp).ok_or_else(|| {
            let number = commit.timestamp.cast_unsigned();
            Failure::new(format_args!(
                "Failed to read commit: Invalid timestamp: {number}"
            ))
        })?;
        Ok(Shown { id, commit, date })
    }

    /// The commit as a JSON object.
    pub(crate) fn record(&self) -> Record<'_> {
        let commit = &self.commit;
        let metadata = commit.metadata.iter();
        Record {
            commit: self.id.to_string(),
            parent: commit.parent.map(|id| id.to_string()),
            content_checksum: commit.content_checksum().to_string(),
            root_dirtree: commit.root_tree.to_string(),
            root_dirmeta: commit.root_meta.to_string(),
            timestamp: commit.timestamp,
            date: &self.date,
            version: commit.version(),
            subject: &commit.subject,
            body: &commit.body,
            metadata: metadata
                .map(|(key, value)| Metadata::new(key, value))
                .collect(),
        }
    }
}

/// What `--json` tells of a commit.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    commit: String,
    parent: Option<String>,
    content_checksum: String,
    root_dirtree: String,
    root_dirmeta: String,
    /// Seconds since 1970, UTC.
    timestamp: i64,
    /// The same as `2023-11-14 22:13:21 +0000`.
    date: &'a str,
    version: Option<&'a str>,
    subject: &'a str,
    body: &'a str,
    metadata: Vec<Metadata<'a>>,
}

/// One metadata entry; `text` is the value in GVariant's text format, integers in the order of this machine.
#[derive(Debug, Serialize)]
struct Metadata<'a> {
    key: &'a str,
    r#type: String,
    text: Text<'a>,
}

/// A value in GVariant's text format. The text is never in memory as a whole: it can take six times as much as the
/// value.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) &'a Value);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl<'a> Metadata<'a> {
    fn new(key: &'a str, value: &'a Value) -> Metadata<'a> {
        Metadata {
            key,
            r#type: value.type_of().to_string(),
            text: Text(value),
        }
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = &self.commit;
        if let Some(parent) = commit.parent {
            writeln!(f, "Parent:  {parent}")?;
        }
        writeln!(f, "ContentChecksum:  {}", commit.content_checksum())?;
        writeln!(f, "Date:  {}", self.date)?;
        if let Some(version) = commit.version() {
            writeln!(f, "Version: {version}")?;
        }
        match commit.subject.as_str() {
            "" => writeln!(f, "(no subject)")?,
            subject => write!(f, "\n{}", Indented(subject))?,
        }
        if !commit.body.is_empty() {
            write!(f, "\n{}", Indented(&commit.body))?;
        }
        f.write_char('\n')
    }
}

/// Every line four columns to the right, a newline at the end.
struct Indented<'a>(&'a str);

impl Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.strip_suffix('\n').unwrap_or(self.0);
        text.split('\n')
            .try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// `2023-11-14 22:13:21 +0000`; nothing outside the years 1 to 9999.
fn date(timestamp: i64) -> Option<String> {
    // Not by way of jiff's timestamps, which end some hours before the last year does.
    let epoch = civil::date(1970, 1, 1).at(0, 0, 0, 0);
    let time = epoch
        .checked_add(Span::new().try_seconds(timestamp).ok()?)
        .ok()?;
    if time.year() < 1 {
        return None;
    }
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    Some(format!(
        "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000"
    ))
}

/// The value of a metadata object as `--raw` prints it, integers byte-swapped unless `as_stored`.
pub(crate) fn raw_text(
    repo: &Repo,
    kind: ObjectKind,
    checksum: &Checksum,
    as_stored: bool,
) -> Result<Value, Failure> {
    let of: Type = match kind {
        ObjectKind::DirTree => "(a(say)a(sayay))",
        ObjectKind::DirMeta => "(uuua(ayay))",
        ObjectKind::Commit | ObjectKind::File => "(a{sv}aya(say)sstayay)",
    }
    .parse()?;
    let value = Value::parse(&of, &repo.metadata_bytes(kind, checksum)?);
    let mut value = value.within(format_args!("corrupted {} object {checksum}", kind.name()))?;
    if !as_stored {
        value.swap_bytes();
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dates are those that the real tool prints or refuses.
    #[test]
    fn dates_are_those_of_ostree() {
        for (timestamp, text) in [
            (0, Some("1970-01-01 00:00:00 +0000")),
            (-5, Some("1969-12-31 23:59:55 +0000")),
            (-62_135_596_800, Some("1-01-01 00:00:00 +0000")),
            (-62_135_596_801, None),
            (253_402_300_799, Some("9999-12-31 23:59:59 +0000")),
            (253_402_300_800, None),
            (i64::MIN, None),
        ] {
            assert_eq!(date(timestamp).as_deref(), text, "{timestamp}");
        }
    }

    #[test]
    fn a_newline_at_the_end_makes_no_line() {
        assert_eq!(Indented("a\n\nb\n").to_string(), "    a\n    \n    b\n");
        assert_eq!(Indented("\n").to_string(), "    \n");
    }
}
