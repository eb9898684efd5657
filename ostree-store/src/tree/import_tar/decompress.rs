//! Recognises how an archive is compressed by its first bytes.
//!
//! | first bytes | compression |
//! |---|---|
//! | `1f 8b` | gzip, one or more members |
//! | `fd 37 7a 58 5a 00` | xz, one or more streams |
//! | `28 b5 2f fd`, `5? 2a 4d 18` | zstd, one or more frames |
//! | `42 5a 68`, `04 22 4d 18`, `1f 9d`, `4c 5a 49 50` | bzip2, lz4, compress, lzip: refused by name |
//! | anything else | none |

use std::io::{self, BufReader, Chain, Cursor, Read};

use super::ImportTarError;

/// How many bytes tell the compressions apart.
const MAGIC: usize = 6;

/// Input is read in pieces of this many bytes.
const PIECE: usize = 128 << 10;

/// What an xz decoder may use, in KiB. `xz -9` needs 65 MiB; only a hostile dictionary needs more than this.
const XZ_MEMORY: u32 = 130 << 10;

/// The archive after what was already read of it.
type Whole<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// The archive without its compression.
pub(super) fn decompress<'a>(
    mut archive: impl Read + 'a,
) -> Result<Box<dyn Read + 'a>, ImportTarError> {
    let mut magic = Vec::new();
    let at_start = |source| ImportTarError::Read { offset: 0, source };
    (&mut archive)
        .take(MAGIC as u64)
        .read_to_end(&mut magic)
        .map_err(at_start)?;
    let compression = Compression::of(&magic);
    let whole = BufReader::with_capacity(PIECE, Cursor::new(magic).chain(archive));
    Ok(match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_MEMORY)),
        Compression::Zstd => zstd_frames(whole).map_err(at_start)?,
        Compression::Unsupported(name) => return Err(ImportTarError::Compression { name }),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
    Unsupported(&'static str),
}

impl Compression {
    fn of(magic: &[u8]) -> Compression {
        match magic {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Unsupported("bzip2"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Compression::Unsupported("lz4"),
            [0x1f, 0x9d, ..] => Compression::Unsupported("compress (.Z)"),
            [b'L', b'Z', b'I', b'P', ..] => Compression::Unsupported("lzip"),
            _ => Compression::None,
        }
    }
}

/// libzstd goes from frame to frame by itself and refuses windows of more than 128 MiB.
#[cfg(feature = "zstd")]
fn zstd_frames<'a, R: Read + 'a>(whole: Whole<R>) -> io::Result<Box<dyn Read + 'a>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(whole)?))
}

#[cfg(not(feature = "zstd"))]
fn zstd_frames<'a, R: Read + 'a>(whole: Whole<R>) -> io::Result<Box<dyn Read + 'a>> {
    Ok(Box::new(frames::Frames::new(whole)))
}

/// The slower decoder in pure Rust. Compiled in tests too, so that both ways are tried whatever the features.
#[cfg(any(test, not(feature = "zstd")))]
mod frames {
    use std::io::{self, BufRead, Read};

    use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
    use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

    /// The largest window, in bytes: as much as libzstd allows when nobody asks for more.
    const WINDOW: u64 = 128 << 20;

    /// The frames of a zstd stream, one after the other.
    pub(super) struct Frames<R> {
        input: R,
        decoder: FrameDecoder,
        in_frame: bool,
    }

    impl<R: BufRead> Frames<R> {
        pub(super) fn new(input: R) -> Self {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(WINDOW);
            Frames {
                input,
                decoder,
                in_frame: false,
            }
        }

        /// Begins the next frame; `false` at the end of the input.
        fn begin(&mut self) -> io::Result<bool> {
            while !self.input.fill_buf()?.is_empty() {
                match self.decoder.init(&mut self.input) {
                    Ok(()) => return Ok(true),
                    Err(FrameDecoderError::ReadFrameHeaderError(
                        ReadFrameHeaderError::SkipFrame { length, .. },
                    )) => skip(&mut self.input, u64::from(length))?,
                    Err(e) => return Err(io::Error::other(e)),
                }
            }
            Ok(false)
        }

        /// The decoder computes the checksum of a frame but leaves comparing to its user.
        fn check(&self) -> io::Result<()> {
            let said = self.decoder.get_checksum_from_data();
            if said.is_some() && said != self.decoder.get_calculated_checksum() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "wrong checksum of a zstd frame",
                ));
            }
            Ok(())
        }
    }

    fn skip(input: &mut impl Read, length: u64) -> io::Result<()> {
        match io::copy(&mut input.take(length), &mut io::sink())? {
            skipped if skipped == length => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    impl<R: BufRead> Read for Frames<R> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            loop {
                if !self.in_frame && !self.begin()? {
                    return Ok(0);
                }
                self.in_frame = true;
                while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                    let one = BlockDecodingStrategy::UptoBlocks(1);
                    self.decoder
                        .decode_blocks(&mut self.input, one)
                        .map_err(io::Error::other)?;
                }
                let count = self.decoder.read(buf)?;
                if count > 0 || buf.is_empty() {
                    return Ok(count);
                }
                self.check()?;
                self.in_frame = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Long enough for several blocks of every compression.
    fn text() -> Vec<u8> {
        (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn plain(bytes: &[u8]) -> Result<Vec<u8>, ImportTarError> {
        let mut plain = Vec::new();
        let read = decompress(bytes)?.read_to_end(&mut plain);
        read.map(|_| plain)
            .map_err(|source| ImportTarError::Read { offset: 0, source })
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_bytes_pass() {
        for bytes in [&b""[..], b"a", b"abcdefg"] {
            assert_eq!(plain(bytes).unwrap(), bytes);
        }
        assert_eq!(plain(&text()).unwrap(), text());
    }

    #[test]
    fn gzip_has_members() {
        let text = text();
        let (first, second) = text.split_at(1000);
        let both = [gzip(first), gzip(second)].concat();
        assert_eq!(plain(&both).unwrap(), text);
        assert!(plain(&both[..both.len() - 1]).is_err());
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_has_frames_in_both_decoders() {
        let text = text();
        let (first, second) = text.split_at(1000);
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let frame = |bytes: &[u8]| {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let both = [skippable.clone(), frame(first), skippable, frame(second)].concat();
        assert_eq!(plain(&both).unwrap(), text);
        let rust = |bytes: &[u8]| {
            let mut plain = Vec::new();
            frames::Frames::new(bytes)
                .read_to_end(&mut plain)
                .map(|_| plain)
        };
        assert_eq!(rust(&both).unwrap(), text);
        assert!(rust(&both[..both.len() - 1]).is_err());
        let mut wrong = both.clone();
        *wrong.last_mut().unwrap() ^= 1; // in the checksum
        assert!(rust(&wrong).is_err());
        assert!(plain(&wrong).is_err());
    }

    /// What `xz -9 --check=sha256` made of `hello world`, twice.
    #[test]
    fn xz_has_streams() {
        let hex = b"fd377a585a00000ae1fb0ca1020021011c00000010cf58cc01000b68656c6c6f20776f726c640a00a948904f2f0f479b\
            8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a44700013c0cff80c35a189b4b9a01000000000a595a";
        let one = data_encoding::HEXLOWER.decode(hex).unwrap();
        assert_eq!(plain(&one).unwrap(), b"hello world\n");
        assert_eq!(
            plain(&[&one[..], &one].concat()).unwrap(),
            b"hello world\nhello world\n"
        );
        assert!(plain(&one[..one.len() - 1]).is_err());
    }

    #[test]
    fn others_are_refused_by_name() {
        assert!(matches!(
            plain(b"BZh91AY"),
            Err(ImportTarError::Compression { name: "bzip2" })
        ));
    }
}
