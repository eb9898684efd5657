//! The `K:value` paragraphs that the index and the installed database share.
//!
//! A line is one letter, a colon and the value up to the newline. A line of fewer than two bytes, such as an
//! empty one, ends a paragraph. There are no comments, escapes or continuations.
//!
//! ```
//! use apk_format::stanza;
//!
//! let paragraphs: Vec<_> = stanza::split("P:musl\nV:1.2.5-r0\n\nP:zlib\n").collect::<Result<_, _>>()?;
//! assert_eq!(paragraphs.len(), 2);
//! assert_eq!((paragraphs[0][1].key, paragraphs[0][1].value), ('V', "1.2.5-r0"));
//! assert_eq!(paragraphs[1][0].line, 4);
//! # Ok::<(), stanza::StanzaError>(())
//! ```

/// One line of a paragraph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The letter before the colon.
    pub key: char,
    /// Everything after the colon.
    pub value: &'a str,
    /// The number of the line in the text, counted from 1.
    pub line: usize,
}

/// Splits a text into its paragraphs; empty ones are left out.
///
/// The end of the text ends the last paragraph, with or without an empty line.
pub fn split(text: &str) -> Paragraphs<'_> {
    Paragraphs {
        rest: text,
        line: 0,
    }
}

/// Gives one paragraph after the other; see [`split`].
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Paragraphs<'a> {
    /// Reads one paragraph into `fields`, in place of what is there; gives whether there was one.
    pub(crate) fn read_into(&mut self, fields: &mut Vec<Field<'a>>) -> Result<bool, StanzaError> {
        fields.clear();
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', self.rest.as_bytes());
            let (text, rest) = end
                .and_then(|end| Some((self.rest.get(..end)?, self.rest.get(end + 1..)?)))
                .unwrap_or((self.rest, ""));
            self.rest = rest;
            self.line += 1;
            if text.len() < 2 {
                if fields.is_empty() {
                    continue;
                }
                return Ok(true);
            }
            fields.push(field(text, self.line).ok_or_else(|| StanzaError {
                line: self.line,
                text: text.into(),
            })?);
        }
        Ok(!fields.is_empty())
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Vec<Field<'a>>, StanzaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut fields = Vec::new();
        match self.read_into(&mut fields) {
            Ok(true) => Some(Ok(fields)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn field(text: &str, line: usize) -> Option<Field<'_>> {
    let (key, value) = text.split_at_checked(1)?;
    Some(Field {
        key: key.chars().next()?,
        value: value.strip_prefix(':')?,
        line,
    })
}

/// A line that is no `K:value`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is {text:?}, not a letter, a colon and a value")]
pub struct StanzaError {
    /// Counted from 1.
    pub line: usize,
    /// The whole line.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_separate() {
        let keys = |text| {
            split(text)
                .map(|p| p.unwrap().iter().map(|f| f.key).collect::<String>())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(""), [""; 0]);
        assert_eq!(keys("\n\n"), [""; 0]);
        assert_eq!(keys("P:a\nV:\nx\nP:b"), ["PV", "P"]);
    }

    #[test]
    fn a_line_without_colon_is_named() {
        let error = split("P:a\nfoo\n").next().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"line 2 is "foo", not a letter, a colon and a value"#
        );
        assert!(split("é:a").next().unwrap().is_err());
    }
}
