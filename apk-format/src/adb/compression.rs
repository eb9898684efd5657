//! The first bytes of an ADB file, which say how the rest is compressed.
//!
//! | bytes | then |
//! |---|---|
//! | `ADB.` | the file itself, of which these four bytes are part |
//! | `ADBd` | the file as a raw deflate stream, made at the default level |
//! | `ADBc`, algorithm, level | the file as a stream; 0 none, 1 deflate, 2 zstd. The level is for information only |
//!
//! Nothing may follow the stream, and a zstd stream is one frame.
//!
//! What is written at level 9, which is the default one, has the very bytes that apk writes with stock zlib, as long as
//! it is no more than 64 MiB before it is compressed: so much is kept in memory, and compressed as a whole. More than
//! that, and every other level, is compressed as it comes, by an encoder whose bytes are other ones.

use std::io::{self, BufRead, BufReader, Read, Write};

/// How an ADB file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Raw deflate at the default level, as everything is written by default.
    #[default]
    Default,
    /// Raw deflate at a level from 1 to 9.
    Deflate(u8),
    /// zstd at a level from 0 (the default one) to 22.
    Zstd(u8),
}

impl Compression {
    /// Reads the form of options: `none`, `deflate`, `deflate:6`, `zstd`, `zstd:19`.
    pub fn parse(text: &str) -> Option<Compression> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level.parse::<u8>().ok()?)),
            None => (text, None),
        };
        match (name, level) {
            ("none", None) => Some(Compression::None),
            ("deflate", None | Some(0)) => Some(Compression::Default),
            ("deflate", Some(level @ ..=9)) => Some(Compression::Deflate(level)),
            ("zstd", level) if level.unwrap_or(0) <= 22 => {
                Some(Compression::Zstd(level.unwrap_or(0)))
            }
            _ => None,
        }
    }

    /// Starts a file: writes what comes before the stream, and gives what compresses the stream.
    ///
    /// Levels that do not exist, as the header of a hostile file may name them, are taken for the nearest one.
    pub fn start<W: Write>(self, mut output: W) -> io::Result<Compressor<W>> {
        let compression = match self {
            Compression::Deflate(0) => Compression::Default,
            Compression::Deflate(level) => Compression::Deflate(level.min(9)),
            Compression::Zstd(level) => Compression::Zstd(level.min(22)),
            other => other,
        };
        match compression {
            Compression::None => return Ok(Compressor(Inner::None(output))),
            Compression::Default => output.write_all(b"ADBd")?,
            Compression::Deflate(level) => output.write_all(&[b'A', b'D', b'B', b'c', 1, level])?,
            Compression::Zstd(level) => output.write_all(&[b'A', b'D', b'B', b'c', 2, level])?,
        }
        Ok(match compression {
            Compression::Zstd(level) => return zstd(output, level),
            Compression::Deflate(level @ ..9) => Compressor(Inner::Deflate(deflate(output, level))),
            _ => Compressor(Inner::Small(output, Vec::new())),
        })
    }
}

/// Compresses what is written to it; [`Compressor::finish`] writes the end.
pub struct Compressor<W: Write>(Inner<W>);

enum Inner<W: Write> {
    None(W),
    /// What was written so far, to be compressed as a whole.
    Small(W, Vec<u8>),
    /// The moment between [`Inner::Small`] and [`Inner::Deflate`].
    Moved,
    Deflate(flate2::write::DeflateEncoder<W>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Writes the end of the stream and gives back where it went to.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::None(output) => Ok(output),
            Inner::Small(mut output, content) => {
                output.write_all(&zlib_bitexact_rs::deflate_raw(&content))?;
                Ok(output)
            }
            Inner::Moved => Err(moved()),
            Inner::Deflate(encoder) => encoder.finish(),
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Inner::Small(_, content) = &self.0
            && content.len() + bytes.len() > SMALL
            && let Inner::Small(output, content) = std::mem::replace(&mut self.0, Inner::Moved)
        {
            let mut encoder = deflate(output, 9);
            encoder.write_all(&content)?;
            self.0 = Inner::Deflate(encoder);
        }
        match &mut self.0 {
            Inner::None(output) => output.write(bytes),
            Inner::Small(_, content) => content.write(bytes),
            Inner::Moved => Err(moved()),
            Inner::Deflate(encoder) => encoder.write(bytes),
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::None(output) => output.flush(),
            Inner::Small(..) => Ok(()),
            Inner::Moved => Err(moved()),
            Inner::Deflate(encoder) => encoder.flush(),
            #[cfg(feature = "zstd")]
            Inner::Zstd(encoder) => encoder.flush(),
        }
    }
}

fn deflate<W: Write>(output: W, level: u8) -> flate2::write::DeflateEncoder<W> {
    flate2::write::DeflateEncoder::new(output, flate2::Compression::new(level.into()))
}

/// After a write that failed.
fn moved() -> io::Error {
    io::Error::other("writing failed before")
}

/// The level 0 is apk's own default of 9, not that of the library.
#[cfg(feature = "zstd")]
fn zstd<W: Write>(output: W, level: u8) -> io::Result<Compressor<W>> {
    let level = if level == 0 { 9 } else { level };
    let encoder = zstd::stream::write::Encoder::new(output, level.into())?;
    Ok(Compressor(Inner::Zstd(encoder)))
}

#[cfg(not(feature = "zstd"))]
fn zstd<W: Write>(_: W, _: u8) -> io::Result<Compressor<W>> {
    let text = "zstd was left out when this program was built";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Decompresses an ADB file; [`Read`] begins with its `ADB.`.
pub struct Decompressor<R: Read> {
    stream: Stream<R>,
    compression: Compression,
}

/// The four bytes of the magic that were read to find out, and the rest.
type Plain<R> = io::Chain<io::Cursor<[u8; 4]>, BufReader<R>>;

enum Stream<R: Read> {
    None(Plain<R>),
    Deflate(flate2::bufread::DeflateDecoder<BufReader<R>>),
    Zstd(Box<ZstdFrame<BufReader<R>>>),
    /// The stream ended and nothing follows.
    Ended,
}

impl<R: Read> Decompressor<R> {
    /// Reads what comes before the stream; the reader need not be buffered.
    pub fn new(reader: R) -> io::Result<Decompressor<R>> {
        let mut reader = BufReader::with_capacity(BUFFER, reader);
        let mut magic = [0; 4];
        reader.read_exact(&mut magic)?;
        let compression = match &magic {
            b"ADB." => Compression::None,
            b"ADBd" => Compression::Default,
            b"ADBc" => {
                let mut spec = [0; 2];
                reader.read_exact(&mut spec)?;
                match spec {
                    [0, _] => Compression::None,
                    [1, level] => Compression::Deflate(level),
                    [2, level] => Compression::Zstd(level),
                    [other, _] => return Err(unknown(&format!("algorithm {other}"))),
                }
            }
            _ => {
                return Err(unknown(&format!(
                    "beginning {:?}",
                    magic.escape_ascii().to_string()
                )));
            }
        };
        let stream = match compression {
            Compression::None => {
                // After `ADBc 00` the file begins with a magic of its own.
                let mut consumed = io::Cursor::new(magic);
                consumed.set_position(if magic == *b"ADB." { 0 } else { 4 });
                Stream::None(consumed.chain(reader))
            }
            Compression::Zstd(_) => Stream::Zstd(Box::new(ZstdFrame::new(reader)?)),
            _ => Stream::Deflate(flate2::bufread::DeflateDecoder::new(reader)),
        };
        Ok(Decompressor {
            stream,
            compression,
        })
    }

    /// How the file is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Makes sure that the compressed stream was the whole file.
    fn end(&mut self) -> io::Result<()> {
        let trailing = match &mut self.stream {
            Stream::None(_) | Stream::Ended => false,
            Stream::Deflate(decoder) => !decoder.get_mut().fill_buf()?.is_empty(),
            Stream::Zstd(frame) => frame.has_trailing()?,
        };
        if trailing {
            let text = "something follows the compressed stream";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.stream = Stream::Ended;
        Ok(())
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.stream {
            Stream::None(plain) => plain.read(output)?,
            Stream::Deflate(decoder) => decoder.read(output)?,
            Stream::Zstd(frame) => frame.read(output)?,
            Stream::Ended => 0,
        };
        if length == 0 && !output.is_empty() {
            self.end()?;
        }
        Ok(length)
    }
}

/// libzstd refuses windows of more than 128 MiB by itself.
#[cfg(feature = "zstd")]
struct ZstdFrame<B: BufRead>(zstd::stream::read::Decoder<'static, B>);

#[cfg(feature = "zstd")]
impl<B: BufRead> ZstdFrame<B> {
    fn new(reader: B) -> io::Result<Self> {
        let decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
        Ok(ZstdFrame(decoder.single_frame()))
    }

    fn has_trailing(&mut self) -> io::Result<bool> {
        Ok(!self.0.get_mut().fill_buf()?.is_empty())
    }
}

/// ruzstd refuses windows of more than 100 MiB by itself.
#[cfg(not(feature = "zstd"))]
struct ZstdFrame<B: BufRead>(ruzstd::decoding::StreamingDecoder<B, ruzstd::decoding::FrameDecoder>);

#[cfg(not(feature = "zstd"))]
impl<B: BufRead> ZstdFrame<B> {
    fn new(reader: B) -> io::Result<Self> {
        let decoder = ruzstd::decoding::StreamingDecoder::new(reader);
        Ok(ZstdFrame(decoder.map_err(io::Error::other)?))
    }

    fn has_trailing(&mut self) -> io::Result<bool> {
        Ok(!self.0.get_mut().fill_buf()?.is_empty())
    }
}

impl<B: BufRead> Read for ZstdFrame<B> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.0.read(output)
    }
}

fn unknown(what: &str) -> io::Error {
    let text = format!("this is no ADB file, or compressed in an unknown way ({what})");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// How long a file can be that is compressed as a whole, in memory. Few packages are longer.
const SMALL: usize = 64 << 20;

/// Large enough for inflate to run at full speed, and what a file's first read brings in.
const BUFFER: usize = 32 * 1024;
