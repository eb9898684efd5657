//! What is around the deflated bytes of a gzip member.
//!
//! RFC 1952; all integers are little-endian.
//!
//! | part | bytes |
//! |---|---|
//! | header | `1f 8b`, method 8, flags, time (4), two more |
//! | if flag 4 | a length (2), so many bytes |
//! | if flag 8, if flag 16 | a name, a comment; each ends with a zero byte |
//! | if flag 2 | the lower half of the CRC-32 of the header |
//! | content | raw deflate |
//! | trailer | CRC-32 (4) and length (4) of what it inflates to |
//!
//! Inflating raw and summing apart is faster than to let zlib do both.

use std::io;

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// One member being inflated.
pub(super) struct Frame {
    inflate: Decompress,
    place: Place,
    /// Of the header first, then of the content.
    sum: Crc,
}

enum Place {
    Header(Header),
    Content,
    Trailer(Gathered<8>),
}

/// What an inflater did.
#[derive(Default)]
pub(super) struct Done {
    /// Bytes of the input that were used.
    pub(super) used: usize,
    /// Bytes of the output that were made.
    pub(super) made: usize,
    /// Whether the member ended.
    pub(super) ended: bool,
}

impl Frame {
    pub(super) fn new() -> Frame {
        Frame {
            inflate: Decompress::new(false),
            place: Place::Header(Header::Fixed(Gathered::default())),
            sum: Crc::new(),
        }
    }

    /// Goes on as far as input and output reach.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Done> {
        let mut done = Done::default();
        while let Place::Header(header) = &mut self.place {
            let Some(byte) = input.get(done.used) else {
                return Ok(done);
            };
            done.used += 1;
            if header.take(*byte, &mut self.sum)? {
                self.place = Place::Content;
                self.sum = Crc::new();
            }
        }
        if matches!(self.place, Place::Content) {
            let rest = input.get(done.used..).unwrap_or_default();
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let inflated = self
                .inflate
                .decompress(rest, output, FlushDecompress::None)?;
            done.used += super::to_usize(self.inflate.total_in() - before_in);
            done.made = super::to_usize(self.inflate.total_out() - before_out);
            self.sum.update(output.get(..done.made).unwrap_or_default());
            if inflated != Status::StreamEnd {
                return Ok(done);
            }
            self.place = Place::Trailer(Gathered::default());
        }
        if let Place::Trailer(trailer) = &mut self.place {
            while !done.ended
                && let Some(byte) = input.get(done.used)
            {
                done.used += 1;
                done.ended = trailer.take(*byte);
            }
            if done.ended {
                let [a, b, c, d, length @ ..] = trailer.bytes;
                let right = u32::from_le_bytes([a, b, c, d]) == self.sum.sum()
                    && u32::from_le_bytes(length) == self.sum.amount();
                return if right {
                    Ok(done)
                } else {
                    Err(broken("its content does not match its checksum"))
                };
            }
        }
        Ok(done)
    }
}

/// Where in a header the next byte is.
enum Header {
    Fixed(Gathered<10>),
    ExtraLength(u8, Gathered<2>),
    Extra(u8, u16),
    /// The name or the comment.
    Text(u8),
    Sum(Gathered<2>, u32),
}

impl Header {
    /// Takes a byte; gives whether it was the last.
    fn take(&mut self, byte: u8, sum: &mut Crc) -> io::Result<bool> {
        if !matches!(self, Header::Sum(..)) {
            sum.update(&[byte]);
        }
        let flags = match self {
            Header::Fixed(fixed) => {
                let last = fixed.take(byte);
                fixed.check()?;
                if !last {
                    return Ok(false);
                }
                fixed.bytes[3]
            }
            Header::ExtraLength(flags, length) => {
                if !length.take(byte) {
                    return Ok(false);
                }
                match u16::from_le_bytes(length.bytes) {
                    0 => *flags & !EXTRA,
                    length => {
                        *self = Header::Extra(*flags & !EXTRA, length);
                        return Ok(false);
                    }
                }
            }
            Header::Extra(flags, left) => {
                *left -= 1;
                if *left > 0 {
                    return Ok(false);
                }
                *flags
            }
            Header::Text(flags) => {
                if byte != 0 {
                    return Ok(false);
                }
                *flags
            }
            Header::Sum(found, wanted) => {
                if !found.take(byte) {
                    return Ok(false);
                }
                return match u32::from(u16::from_le_bytes(found.bytes)) == *wanted & 0xffff {
                    true => Ok(true),
                    false => Err(broken("its header does not match its checksum")),
                };
            }
        };
        Ok(self.after(flags, sum))
    }

    /// Goes on to the next part that these flags speak of; gives whether there is none.
    fn after(&mut self, flags: u8, sum: &Crc) -> bool {
        *self = if flags & EXTRA != 0 {
            Header::ExtraLength(flags, Gathered::default())
        } else if flags & NAME != 0 {
            Header::Text(flags & !NAME)
        } else if flags & COMMENT != 0 {
            Header::Text(flags & !COMMENT)
        } else if flags & HEADER_SUM != 0 {
            Header::Sum(Gathered::default(), sum.sum())
        } else {
            return true;
        };
        false
    }
}

const HEADER_SUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Bytes that come one by one.
struct Gathered<const N: usize> {
    bytes: [u8; N],
    count: usize,
}

impl<const N: usize> Default for Gathered<N> {
    fn default() -> Self {
        Gathered {
            bytes: [0; N],
            count: 0,
        }
    }
}

impl<const N: usize> Gathered<N> {
    /// Takes a byte; gives whether it was the last.
    fn take(&mut self, byte: u8) -> bool {
        if let Some(place) = self.bytes.get_mut(self.count) {
            *place = byte;
            self.count += 1;
        }
        self.count == N
    }
}

impl Gathered<10> {
    /// Whether this is the header of a member that can be read, as far as it is there.
    fn check(&self) -> io::Result<()> {
        let wrong = |at: usize, right: bool| self.count > at && !right;
        let [first, second, method, flags, ..] = self.bytes;
        if wrong(0, first == 0x1f) || wrong(1, second == 0x8b) {
            return Err(broken("it is no gzip member"));
        }
        if wrong(2, method == 8) || wrong(3, flags & RESERVED == 0) {
            return Err(broken("it is compressed in a way that nobody knows"));
        }
        Ok(())
    }
}

fn broken(words: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::{Compression, GzBuilder};

    use super::*;
    use crate::gzip::{Hashes, Members};

    /// A member with everything that a header can have.
    fn member(sum: bool) -> Vec<u8> {
        let builder = GzBuilder::new()
            .extra(*b"ab")
            .filename("name")
            .comment("text");
        let mut encoder = builder.write(Vec::new(), Compression::best());
        encoder.write_all(b"content").unwrap();
        let mut member = encoder.finish().unwrap();
        if sum {
            let end = 10 + 2 + 2 + 5 + 5;
            member[3] |= HEADER_SUM;
            let mut crc = Crc::new();
            crc.update(&member[..end]);
            let bytes = crc.sum().to_le_bytes();
            member.splice(end..end, bytes[..2].iter().copied());
        }
        member
    }

    fn read(bytes: &[u8]) -> io::Result<String> {
        struct OneByOne<'a>(&'a [u8]);
        impl Read for OneByOne<'_> {
            fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
                let length = output.len().min(1);
                self.0.read(&mut output[..length])
            }
        }
        let mut members = Members::new(OneByOne(bytes));
        assert!(members.start_member(Hashes::default(), 100)?);
        let mut text = String::new();
        members.read_to_string(&mut text)?;
        assert_eq!(members.offset(), bytes.len() as u64);
        Ok(text)
    }

    #[test]
    fn headers_are_read_byte_by_byte() {
        for sum in [false, true] {
            assert_eq!(read(&member(sum)).unwrap(), "content");
        }
    }

    #[test]
    fn zlib_and_we_refuse_the_same_bits() {
        let member = member(true);
        for bit in 0..member.len() * 8 {
            let mut flipped = member.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut theirs = Decompress::new_gzip(15);
            let mut output = [0; 100];
            let status = theirs.decompress(&flipped, &mut output, FlushDecompress::None);
            let whole = matches!(status, Ok(Status::StreamEnd));
            assert_eq!(read(&flipped).is_ok(), whole, "bit {bit}");
        }
    }
}
