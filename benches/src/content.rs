//! Bytes from a seed that compress about as well as real texts and programs.
//!
//! | kind | made of | gzip -9 leaves |
//! |---|---|---|
//! | text | 4,096 invented words, few of them frequent | about 37 % |
//! | program | frequent short "instructions", small numbers, runs of zeros, strings, some noise | about 51 % |

use fixtures::seed::{Random, noise};

/// Draws files from one vocabulary.
#[derive(Clone, Debug)]
pub struct Content {
    words: Vec<Vec<u8>>,
    instructions: Vec<Vec<u8>>,
}

/// The seed of the vocabulary, which all corpora share as real packages share a language.
const VOCABULARY: u64 = 0x766f_6361_6275_6c61;

/// How many words there are, and how many instructions.
const WORDS: usize = 4_096;
const INSTRUCTIONS: usize = 2_048;

impl Default for Content {
    fn default() -> Self {
        let mut random = Random::new(VOCABULARY);
        let words = (0..WORDS).map(|_| word(&mut random)).collect();
        let instructions = (0..INSTRUCTIONS)
            .map(|_| {
                let length = 1 + random.below(5);
                noise(random.number(), length)
            })
            .collect();
        Content {
            words,
            instructions,
        }
    }
}

impl Content {
    /// A text of exactly `length` bytes.
    pub fn text(&self, random: &mut Random, length: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 16);
        while text.len() < length {
            text.extend(frequent(random, &self.words));
            text.push(if random.chance(12) { b'\n' } else { b' ' });
        }
        text.truncate(length);
        text
    }

    /// Something like a program, of exactly `length` bytes.
    pub fn program(&self, random: &mut Random, length: usize) -> Vec<u8> {
        let mut program = b"\x7fELF\x02\x01\x01\0".to_vec();
        program.reserve(length + 64);
        while program.len() < length {
            match random.below(100) {
                0..70 => program.extend(frequent(random, &self.instructions)),
                70..85 => program.extend(u32::to_le_bytes(small(random))),
                85..90 => program.resize(program.len() + random.below(48), 0),
                90..97 => program.extend(frequent(random, &self.words)),
                _ => program.extend(random.number().to_le_bytes()),
            }
        }
        program.truncate(length);
        program
    }
}

/// The length of a file: a third below 1 kB, most below 64 kB, one in a hundred up to 2 MB; 31 kB on average.
pub fn length(random: &mut Random) -> usize {
    match random.below(100) {
        0..30 => random.below(1_024),
        30..70 => 1_024 + random.below(7_168),
        70..92 => 8_192 + random.below(57_344),
        92..99 => 65_536 + random.below(131_072),
        _ => 262_144 + random.below(1_800_000),
    }
}

/// One of the choices, the early ones far more often.
fn frequent<'a>(random: &mut Random, choices: &'a [Vec<u8>]) -> &'a [u8] {
    let bound = random.below(choices.len());
    let bound = random.below(bound + 1);
    choices
        .get(random.below(bound + 1))
        .map_or(&[], Vec::as_slice)
}

/// A number below 256, now and then below 65,536.
fn small(random: &mut Random) -> u32 {
    let limit = if random.chance(20) { 65_536 } else { 256 };
    u32::try_from(random.below(limit)).unwrap_or_default()
}

fn word(random: &mut Random) -> Vec<u8> {
    let length = 2 + random.below(8);
    (0..length)
        .map(|at| {
            let letters: &[u8] = if at % 2 == 0 {
                b"bcdfghklmnprstvwz"
            } else {
                b"aeiou"
            };
            *random.pick(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::forge::{gzip, gzip::Deflate};

    #[test]
    fn content_depends_on_the_seed_only_and_compresses_like_real_files() {
        let content = Content::default();
        let text = content.text(&mut Random::new(1), 1 << 20);
        let program = content.program(&mut Random::new(1), 1 << 20);
        assert_eq!(text, Content::default().text(&mut Random::new(1), 1 << 20));
        assert_eq!((text.len(), program.len()), (1 << 20, 1 << 20));
        for (bytes, percent) in [(text, 30..42), (program, 45..57)] {
            let packed = gzip::member(&bytes, Deflate::Library(9)).len();
            assert!(percent.contains(&((packed * 100) >> 20)), "{packed}");
        }
    }

    #[test]
    fn lengths_have_the_average_they_claim() {
        let mut random = Random::new(3);
        let sum: usize = (0..100_000).map(|_| length(&mut random)).sum();
        assert!((30_000..33_000).contains(&(sum / 100_000)), "{sum}");
    }
}
