//! The words of a text.
//!
//! | begins with | goes on |
//! |---|---|
//! | digit, `-`, `+`, `.` | letters, digits, `-`, `+`, `.` |
//! | small letter | letters and digits; `b'` and `b"` begin bytes instead |
//! | `'`, `"` | to the same quote, over any character behind a backslash |
//! | `@` | to a space, `,`, `:`, `>`, `]` or a bracket that it did not open |
//! | anything else | is one byte |

use std::ops::Range;

use super::{TextError, TextFault};

/// The tokens of a text, one of which has been looked at.
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// The token looked at; empty at the end of the text.
    this: Range<usize>,
    /// Whether `this` has not been taken yet.
    pending: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Tokens {
            text,
            this: 0..0,
            pending: false,
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> &'a str {
        if !self.pending {
            let rest = self.text.get(self.this.end..).unwrap_or_default();
            let word = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let start = self.text.len() - word.len();
            self.this = start..start + length(word);
            self.pending = true;
        }
        self.text.get(self.this.clone()).unwrap_or_default()
    }

    /// Where the token is that was looked at last.
    pub(super) fn at(&self) -> Range<usize> {
        self.this.clone()
    }

    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.this.end
    }

    /// Goes on behind the token.
    pub(super) fn next(&mut self) {
        self.pending = false;
    }

    /// The same, and says where it was.
    pub(super) fn take(&mut self) -> Range<usize> {
        self.next();
        self.at()
    }

    /// Takes the token if it is this one.
    pub(super) fn consume(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.pending = !found;
        found
    }

    /// Takes this token, which must follow; `purpose` goes on after its name in the message.
    pub(super) fn require(
        &mut self,
        token: &'static str,
        purpose: &'static str,
    ) -> Result<(), TextError> {
        if self.consume(token) {
            return Ok(());
        }
        let start = self.this.start;
        Err(TextFault::TokenExpected { token, purpose }.at(start..start))
    }

    /// Nothing may be left.
    pub(super) fn finish(&mut self) -> Result<(), TextError> {
        if self.peek().is_empty() {
            Ok(())
        } else {
            let start = self.this.start;
            Err(TextFault::NotAtEnd.at(start..start))
        }
    }
}

/// How many bytes of `text`, which begins with no space, are its first token.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let while_in = |also: &[u8]| {
        let ends = |byte: &u8| !byte.is_ascii_alphanumeric() && !also.contains(byte);
        bytes.iter().position(ends).unwrap_or(bytes.len())
    };
    match bytes {
        [] => 0,
        [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => while_in(b"-+."),
        [b'b', quote @ (b'\'' | b'"'), rest @ ..] => 2 + quoted(*quote, rest),
        [b'a'..=b'z', ..] => while_in(b""),
        [quote @ (b'\'' | b'"'), rest @ ..] => 1 + quoted(*quote, rest),
        [b'@' | b'%', rest @ ..] => 1 + declaration(rest),
        // A character of several bytes is one token: it is wrong wherever it stands.
        _ => text.chars().next().map_or(0, char::len_utf8),
    }
}

/// Up to the closing quote, which belongs to it, or to the end.
fn quoted(quote: u8, bytes: &[u8]) -> usize {
    let mut escaped = false;
    for (index, byte) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if *byte == quote {
            return index + 1;
        } else {
            escaped = *byte == b'\\';
        }
    }
    bytes.len()
}

fn declaration(bytes: &[u8]) -> usize {
    let mut open = 0_usize;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b',' | b':' | b'>' | b']' => return index,
            b'(' | b'{' => open += 1,
            b')' | b'}' if open == 0 => return index,
            b')' | b'}' => open -= 1,
            byte if byte.is_ascii_whitespace() => return index,
            _ => {}
        }
    }
    bytes.len()
}
