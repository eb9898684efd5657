//! `etc/apk/repositories` and `repositories.d/*.list`: where packages come from.
//!
//! | line | names |
//! |---|---|
//! | `URL` | the directory with `ARCH/APKINDEX.tar.gz` in it; an URL in `.tar.gz` or `.adb` is the index itself |
//! | `v2 URL`, `v3 URL` | the same, with `APKINDEX.tar.gz` or `Packages.adb` |
//! | `ndx URL` | the index itself |
//! | `… @tag URL` | a repository for packages that are asked for with this tag |
//! | `… URL word word` | `URL/word` for each word |
//! | `set [-default] name=value` | a variable, for `${name}` in what follows |
//! | empty, or `#` first | nothing |
//!
//! Words are separated by spaces and tabs. One variable is there from the start: `APK_ARCH`. On the command line
//! (`-X`) a line has no keyword, and an URL may be any path. The rules are those of apk 3.0.6.
//!
//! ```
//! use apk_format::database::RepositoryReader;
//!
//! let mut reader = RepositoryReader::new("x86_64");
//! reader.read_line("set mirror=https://example.org/alpine", true)?;
//! let found = reader.read_line("@edge ${mirror}/edge main community", true)?;
//! assert_eq!(found.len(), 2);
//! assert_eq!(found[0].url, "https://example.org/alpine/edge/main");
//! assert_eq!(found[0].tag.as_deref(), Some("edge"));
//! assert_eq!(found[0].index_url("x86_64"), "https://example.org/alpine/edge/main/x86_64/APKINDEX.tar.gz");
//! # Ok::<(), apk_format::database::RepositoryLineError>(())
//! ```

use std::collections::BTreeMap;

/// One repository as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedRepository {
    /// The tag, without the `@`.
    pub tag: Option<String>,
    /// Without slashes at its end; what it names depends on `index`.
    pub url: String,
    /// Which index file it has.
    pub index: IndexFile,
}

/// Where a repository's index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexFile {
    /// `URL/ARCH/APKINDEX.tar.gz`
    V2,
    /// `URL/ARCH/Packages.adb`
    V3,
    /// The URL itself.
    Url,
}

impl ListedRepository {
    /// The URL of the index for an architecture.
    pub fn index_url(&self, arch: &str) -> String {
        match self.index {
            IndexFile::V2 => format!("{}/{arch}/APKINDEX.tar.gz", self.url),
            IndexFile::V3 => format!("{}/{arch}/Packages.adb", self.url),
            IndexFile::Url => self.url.clone(),
        }
    }

    /// The URL of a package. Beside an index named by itself they lie without a directory of the architecture.
    pub fn package_url(&self, name: &str, version: &str, arch: &str) -> String {
        match self.index {
            IndexFile::V2 | IndexFile::V3 => format!("{}/{arch}/{name}-{version}.apk", self.url),
            IndexFile::Url => format!("{}/{name}-{version}.apk", self.base_url()),
        }
    }

    /// Where paths of packages begin: the URL, or the directory of an index named by itself.
    pub fn base_url(&self) -> &str {
        match self.index {
            IndexFile::V2 | IndexFile::V3 => &self.url,
            IndexFile::Url => self.url.rsplit_once('/').map_or(".", |(dir, _)| dir),
        }
    }
}

/// The path that an URL names on this machine; `None` if it is on another.
///
/// Only a scheme of less than eight letters is one.
pub fn local_path(url: &str) -> Option<&str> {
    if url.starts_with('/') {
        return Some(url);
    }
    if let Some(path) = url.strip_prefix("file:") {
        return Some(path);
    }
    match url.split_once(':') {
        Some((scheme, rest)) if scheme.len() < 8 && rest.starts_with("//") => None,
        _ => Some(url),
    }
}

/// Reads lines, one after the other, because a line may set what a later one uses.
#[derive(Clone, Debug)]
pub struct RepositoryReader {
    variables: BTreeMap<String, String>,
}

impl RepositoryReader {
    /// A reader that knows the architecture.
    pub fn new(arch: &str) -> RepositoryReader {
        RepositoryReader {
            variables: BTreeMap::from([(ARCH.to_owned(), arch.to_owned())]),
        }
    }

    /// Reads one line; `in_file` says whether keywords are allowed and the URL must be an absolute path or an URL.
    pub fn read_line(
        &mut self,
        line: &str,
        in_file: bool,
    ) -> Result<Vec<ListedRepository>, RepositoryLineError> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(Vec::new());
        }
        let (mut word, mut rest) = next_word(line)?;
        let mut index = None;
        if in_file && !word.starts_with('@') && !is_url(word) {
            index = match word {
                "set" => return self.set(rest).map(|()| Vec::new()),
                "ndx" => Some(IndexFile::Url),
                "v2" => Some(IndexFile::V2),
                "v3" => Some(IndexFile::V3),
                other => return Err(RepositoryLineError::Keyword(other.to_owned())),
            };
            (word, rest) = next_word(rest)?;
        }
        let tag = word.strip_prefix('@').map(str::to_owned);
        if tag.is_some() {
            (word, rest) = next_word(rest)?;
        }
        let is_index = word.ends_with(".adb") || word.ends_with(".tar.gz");
        let index = index.unwrap_or(if is_index {
            IndexFile::Url
        } else {
            IndexFile::V2
        });
        let url = self.substitute(word)?;
        let url = url.trim_end_matches('/');
        if in_file && !is_url(url) {
            return Err(RepositoryLineError::Url(url.to_owned()));
        }
        let components = self.substitute(rest)?;
        let listed = |url: String| ListedRepository {
            tag: tag.clone(),
            url,
            index,
        };
        if rest.is_empty() {
            return Ok(vec![listed(url.to_owned())]);
        }
        let words = components.split(SEPARATORS).filter(|word| !word.is_empty());
        Ok(words
            .map(|component| listed(format!("{url}/{component}")))
            .collect())
    }

    /// `[-default] name=value`
    fn set(&mut self, mut text: &str) -> Result<(), RepositoryLineError> {
        let mut overwrite = true;
        while text.starts_with('-') {
            let (option, rest) = next_word(text)?;
            if option != "-default" {
                return Err(RepositoryLineError::Option(option.to_owned()));
            }
            overwrite = false;
            text = rest;
        }
        let invalid = || RepositoryLineError::Definition(text.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(invalid)?;
        let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let well_formed =
            key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(named);
        if !well_formed || key.starts_with("APK_") {
            return Err(invalid());
        }
        let value = self.substitute(value)?;
        if overwrite || !self.variables.contains_key(key) {
            self.variables.insert(key.to_owned(), value);
        }
        Ok(())
    }

    /// Replaces every `${name}`, and `${name:7}` by the first seven bytes.
    fn substitute(&self, text: &str) -> Result<String, RepositoryLineError> {
        substitute(text, |key| self.variables.get(key).cloned()).map_err(|error| match error {
            SubstituteError::Unknown(key) => RepositoryLineError::Variable(key),
            SubstituteError::Syntax => RepositoryLineError::Syntax,
        })
    }
}

/// Replaces every `${key}` and `${key:LENGTH}` in a text, the latter cut to so many bytes.
pub fn substitute(
    text: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, SubstituteError> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        done.push_str(before);
        let (spec, after) = after.split_once('}').ok_or(SubstituteError::Syntax)?;
        let (key, length) = match spec.split_once(':') {
            Some((key, length)) => {
                let length = length.parse().map_err(|_| SubstituteError::Syntax)?;
                (key, length)
            }
            None => (spec, usize::MAX),
        };
        let value = value(key).ok_or_else(|| SubstituteError::Unknown(key.to_owned()))?;
        done.extend(value.chars().take(length));
        rest = after;
    }
    done.push_str(rest);
    // What nests doubles with each line that does it; no URL is that long.
    if done.len() > LENGTH_LIMIT {
        return Err(SubstituteError::Syntax);
    }
    Ok(done)
}

/// Why a text with variables has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// A variable that nobody knows.
    #[error("there is no variable {0:?}")]
    Unknown(String),
    /// A `${` without its `}`, a length that is no number, or a value of more than 4096 bytes.
    #[error("the text cannot be read as one with variables")]
    Syntax,
}

/// Why a line names no repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryLineError {
    /// Nothing where a word is expected.
    #[error("the line is incomplete")]
    Syntax,
    /// A first word that is no URL and no keyword.
    #[error("unknown keyword {0:?}")]
    Keyword(String),
    /// A `set` with an option it does not have.
    #[error("unknown option {0:?} of `set`")]
    Option(String),
    /// A `set` that sets nothing.
    #[error("{0:?} defines no variable")]
    Definition(String),
    /// A variable that was never set.
    #[error("the variable {0:?} is not set")]
    Variable(String),
    /// Neither an absolute path nor an URL.
    #[error("{0:?} is neither an absolute path nor an URL")]
    Url(String),
}

const ARCH: &str = "APK_ARCH";
const LENGTH_LIMIT: usize = 4096;
const SEPARATORS: [char; 2] = [' ', '\t'];

fn is_url(word: &str) -> bool {
    word.starts_with('/') || word.find("://").is_some_and(|at| at > 0)
}

/// The first word and what follows the separators behind it.
fn next_word(text: &str) -> Result<(&str, &str), RepositoryLineError> {
    let (word, rest) = text.split_at(text.find(SEPARATORS).unwrap_or(text.len()));
    if word.is_empty() {
        return Err(RepositoryLineError::Syntax);
    }
    Ok((word, rest.trim_start_matches(SEPARATORS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, in_file: bool) -> Result<Vec<ListedRepository>, RepositoryLineError> {
        RepositoryReader::new("x86_64").read_line(line, in_file)
    }

    fn urls(line: &str) -> Vec<String> {
        let found = read(line, true).unwrap();
        found.iter().map(|one| one.index_url("a")).collect()
    }

    #[test]
    fn every_form_of_a_line() {
        assert_eq!(urls("# /x"), [""; 0]);
        assert_eq!(urls("/x//"), ["/x/a/APKINDEX.tar.gz"]);
        assert_eq!(urls("v3 /x"), ["/x/a/Packages.adb"]);
        assert_eq!(urls("/x/y.adb"), ["/x/y.adb"]);
        assert_eq!(urls("ndx @t /x/y"), ["/x/y"]);
        assert_eq!(
            urls("v2 @t file:///x m\tc"),
            [
                "file:///x/m/a/APKINDEX.tar.gz",
                "file:///x/c/a/APKINDEX.tar.gz"
            ]
        );
        assert_eq!(urls("/${APK_ARCH:3}"), ["/x86/a/APKINDEX.tar.gz"]);
        assert_eq!(read("dir", false).unwrap()[0].url, "dir");
    }

    #[test]
    fn wrong_lines_are_named() {
        for (line, error) in [
            (" /x", RepositoryLineError::Syntax),
            ("@t", RepositoryLineError::Syntax),
            ("dir", RepositoryLineError::Keyword("dir".into())),
            ("v2 dir", RepositoryLineError::Url("dir".into())),
            ("/${no}", RepositoryLineError::Variable("no".into())),
            ("/${no", RepositoryLineError::Syntax),
            (
                "set APK_X=1",
                RepositoryLineError::Definition("APK_X=1".into()),
            ),
            ("set -x a=1", RepositoryLineError::Option("-x".into())),
        ] {
            assert_eq!(read(line, true), Err(error), "{line}");
        }
    }

    #[test]
    fn a_default_does_not_overwrite() {
        let mut reader = RepositoryReader::new("x86_64");
        for line in ["set a=/1", "set -default a=/2", "set b=${a}/3"] {
            assert_eq!(reader.read_line(line, true), Ok(Vec::new()));
        }
        assert_eq!(reader.read_line("/x${b}", true).unwrap()[0].url, "/x/1/3");
        for at in 0..200 {
            let _ = reader.read_line(&format!("set c=${{c}}${{c}}{at}"), true);
            let _ = reader.read_line("set -default c=xx", true);
        }
        assert!(reader.variables["c"].len() <= LENGTH_LIMIT);
    }

    #[test]
    fn what_is_local() {
        for (url, path) in [
            ("/a", Some("/a")),
            ("a", Some("a")),
            ("file:///a", Some("///a")),
            ("file:a", Some("a")),
            ("https://a", None),
            ("/a/b://c", Some("/a/b://c")),
        ] {
            assert_eq!(local_path(url), path, "{url}");
        }
    }
}
