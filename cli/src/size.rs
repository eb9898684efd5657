//! Sizes as GLib shows them: powers of a thousand, one decimal, a space that does not break.

use std::fmt;

/// A number of bytes for people: `1 byte`, `999 bytes`, `5.0 kB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: [(&str, u64); 6] = [
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("EB", 1_000_000_000_000_000_000),
];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((name, unit)) = UNITS.iter().rev().find(|(_, unit)| self.0 >= *unit) else {
            let plural = if self.0 == 1 { "" } else { "s" };
            return write!(f, "{} byte{plural}", self.0);
        };
        #[allow(clippy::cast_precision_loss, reason = "GLib divides doubles too")]
        let value = self.0 as f64 / *unit as f64;
        write!(f, "{value:.1}\u{a0}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `g_format_size` of GLib 2.74 prints them.
    #[test]
    fn sizes_are_those_of_glib() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (161, "161 bytes"),
            (1000, "1.0\u{a0}kB"),
            (4096, "4.1\u{a0}kB"),
            (1_250, "1.2\u{a0}kB"),
            (2_005_678, "2.0\u{a0}MB"),
            (1_250_000, "1.2\u{a0}MB"),
            (u64::MAX, "18.4\u{a0}EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
