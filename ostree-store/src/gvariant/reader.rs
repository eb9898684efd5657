//! Containers read member by member; nothing here can panic, and nothing but normal form passes.

use super::{offset_width, padding};

/// Bytes that are not a GVariant in normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a variant in normal form: {what} at byte {offset}")]
pub struct NotNormal {
    /// Where, counted from the start of the outermost value.
    pub offset: usize,
    /// What was found or missing there.
    pub what: &'static str,
}

/// The bytes of one value, and where they stand in the outermost one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Span<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Span { bytes, start: 0 }
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The error `what` at the start of this value.
    pub(crate) fn wrong(self, what: &'static str) -> NotNormal {
        self.wrong_at(0, what)
    }

    fn wrong_at(self, position: usize, what: &'static str) -> NotNormal {
        NotNormal {
            offset: self.start + position,
            what,
        }
    }

    fn part(self, from: usize, to: usize, what: &'static str) -> Result<Span<'a>, NotNormal> {
        let bytes = self
            .bytes
            .get(from..to)
            .ok_or_else(|| self.wrong_at(from.min(self.bytes.len()), what))?;
        Ok(Span {
            bytes,
            start: self.start + from,
        })
    }

    /// Exactly `N` bytes.
    pub(crate) fn array<const N: usize>(self, what: &'static str) -> Result<[u8; N], NotNormal> {
        self.bytes.try_into().map_err(|_| self.wrong(what))
    }

    /// UTF-8 that ends in its only NUL.
    pub(crate) fn string(self) -> Result<&'a str, NotNormal> {
        let (nul, text) = self
            .bytes
            .split_last()
            .ok_or_else(|| self.wrong("a string without its NUL"))?;
        if *nul != 0 {
            return Err(self.wrong("a string without its NUL"));
        }
        if let Some(position) = text.iter().position(|byte| *byte == 0) {
            return Err(self.wrong_at(position, "a NUL inside a string"));
        }
        std::str::from_utf8(text)
            .map_err(|e| self.wrong_at(e.valid_up_to(), "a string that is not UTF-8"))
    }

    /// The elements of an array whose elements have variable size and are aligned to `align`.
    ///
    /// They come one at a time: an array of empty elements has one for each byte, and a list of them would take many
    /// times the memory of the array.
    pub(crate) fn elements(self, align: usize) -> Result<Elements<'a>, NotNormal> {
        let total = self.bytes.len();
        let mut elements = Elements {
            span: self,
            align,
            width: offset_width(total, 0),
            table: 0,
            position: 0,
            index: 0,
            count: 0,
        };
        if total == 0 {
            return Ok(elements);
        }
        let width = elements.width;
        elements.table = match total.checked_sub(width) {
            Some(last) => self.offset(last, width)?,
            None => return Err(self.wrong("an array shorter than its offsets")),
        };
        let offsets_len = total
            .checked_sub(elements.table)
            .ok_or_else(|| self.wrong("an offset beyond its array"))?;
        if offsets_len == 0 || !offsets_len.is_multiple_of(width) {
            return Err(self.wrong_at(elements.table, "a broken table of offsets"));
        }
        elements.count = offsets_len / width;
        if offset_width(elements.table, elements.count) != width {
            return Err(self.wrong_at(elements.table, "offsets wider than needed"));
        }
        Ok(elements)
    }

    /// The first `len` bytes.
    pub(crate) fn prefix(self, len: usize) -> Result<Span<'a>, NotNormal> {
        self.part(0, len, "an early end")
    }

    /// The elements of an array whose elements all take `size` bytes.
    pub(crate) fn chunks(self, size: usize) -> Result<impl Iterator<Item = Span<'a>>, NotNormal> {
        if !self.bytes.len().is_multiple_of(size) {
            return Err(self.wrong("an array that is not a multiple of its elements"));
        }
        let chunks = self.bytes.chunks_exact(size).enumerate();
        Ok(chunks.map(move |(index, bytes)| Span {
            bytes,
            start: self.start + index * size,
        }))
    }

    fn offset(self, at: usize, width: usize) -> Result<usize, NotNormal> {
        let span = self.part(at, at.saturating_add(width), "a missing offset")?;
        let value = span
            .bytes
            .iter()
            .rev()
            .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        usize::try_from(value).map_err(|_| span.wrong("an offset beyond its container"))
    }

    /// The position after the padding at `position`.
    fn skip_padding(self, position: usize, align: usize) -> Result<usize, NotNormal> {
        let end = position.saturating_add(padding(position, align));
        let pad = self
            .bytes
            .get(position..end)
            .ok_or_else(|| self.wrong_at(self.bytes.len(), "an early end"))?;
        if pad.iter().any(|byte| *byte != 0) {
            return Err(self.wrong_at(position, "padding that is not zero"));
        }
        Ok(end)
    }
}

/// The elements of an array of variable-size elements.
pub(crate) struct Elements<'a> {
    span: Span<'a>,
    align: usize,
    width: usize,
    /// Where the offsets begin.
    table: usize,
    /// Where the last element ended.
    position: usize,
    index: usize,
    count: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Span<'a>, NotNormal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            return None;
        }
        let element = self.read();
        self.index = if element.is_ok() {
            self.index + 1
        } else {
            self.count
        };
        Some(element)
    }
}

impl<'a> Elements<'a> {
    fn read(&mut self) -> Result<Span<'a>, NotNormal> {
        let end = self
            .span
            .offset(self.table + self.index * self.width, self.width)?;
        let start = self.span.skip_padding(self.position, self.align)?;
        self.position = end;
        self.span.part(start, end, "offsets out of order")
    }
}

/// A tuple or dict entry being read; the members are asked for in order.
#[derive(Debug)]
pub(crate) struct TupleReader<'a> {
    span: Span<'a>,
    position: usize,
    /// Where the framing offsets begin; the members end here.
    body: usize,
    width: usize,
    /// Framing offsets not used yet.
    left: usize,
    align: usize,
    has_variable: bool,
}

impl<'a> TupleReader<'a> {
    /// Reads a tuple of alignment `align` that has `offsets` framing offsets (its variable-size members, less one
    /// if the last member is of variable size). `has_variable` is false for tuples of fixed size.
    pub(crate) fn new(
        span: Span<'a>,
        align: usize,
        offsets: usize,
        has_variable: bool,
    ) -> Result<Self, NotNormal> {
        let total = span.bytes.len();
        let width = offset_width(total, 0);
        let body = offsets
            .checked_mul(width)
            .and_then(|table| total.checked_sub(table))
            .ok_or_else(|| span.wrong("a tuple shorter than its offsets"))?;
        if offset_width(body, offsets) != width {
            return Err(span.wrong_at(body, "offsets wider than needed"));
        }
        Ok(TupleReader {
            span,
            position: 0,
            body,
            width,
            left: offsets,
            align,
            has_variable,
        })
    }

    /// The next member, `N` bytes of fixed size.
    pub(crate) fn fixed<const N: usize>(&mut self, align: usize) -> Result<[u8; N], NotNormal> {
        self.sized(align, N)?.array("a broken member")
    }

    /// The next member, `size` bytes of fixed size.
    pub(crate) fn sized(&mut self, align: usize, size: usize) -> Result<Span<'a>, NotNormal> {
        let start = self.span.skip_padding(self.position, align)?;
        self.take(start, start.saturating_add(size))
    }

    /// The next member, of variable size and not the last.
    pub(crate) fn variable(&mut self, align: usize) -> Result<Span<'a>, NotNormal> {
        let start = self.span.skip_padding(self.position, align)?;
        let index = self
            .left
            .checked_sub(1)
            .ok_or_else(|| self.span.wrong("a member too many"))?;
        let end = self
            .span
            .offset(self.body + index * self.width, self.width)?;
        self.left = index;
        self.take(start, end)
    }

    /// The last member, of variable size.
    pub(crate) fn rest(&mut self, align: usize) -> Result<Span<'a>, NotNormal> {
        let start = self.span.skip_padding(self.position, align)?;
        self.take(start, self.body)
    }

    /// Checks that nothing but the padding of a fixed-size tuple is left.
    pub(crate) fn finish(self) -> Result<(), NotNormal> {
        let mut position = self.position;
        if !self.has_variable {
            position = self.span.skip_padding(position, self.align)?;
        }
        if position != self.body || self.left != 0 {
            return Err(self.span.wrong_at(position, "bytes that belong to nothing"));
        }
        Ok(())
    }

    fn take(&mut self, start: usize, end: usize) -> Result<Span<'a>, NotNormal> {
        if end > self.body {
            return Err(self
                .span
                .wrong_at(start.min(self.body), "a member beyond the end"));
        }
        self.position = end;
        self.span.part(start, end, "offsets out of order")
    }
}
