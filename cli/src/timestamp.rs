//! Which time is meant: `--timestamp`, then `SOURCE_DATE_EPOCH`, then now. Seconds since 1970, UTC.
//!
//! | text | is |
//! |---|---|
//! | `@SECONDS` | that; a fraction is cut off downwards |
//! | RFC 3339, RFC 2822, `date`'s output | that |
//! | `2023-11-14`, `14 Nov 2023`, `11/14/2023`, `20231114` | the beginning of that day, local time |
//! | `22:15`, `10:15pm` | that time today |
//! | `now`, `yesterday`, `2 days ago`, `next week` | from now on |
//! | the empty text | the beginning of today |
//!
//! These are the forms of GNU `date -d` that people use; ostree understands all of them. Without a zone the local
//! one counts (`TZ`).

mod date;
mod words;

use jiff::Zoned;

use crate::failure::Failure;

/// The time for a commit.
pub(crate) fn choose(given: Option<&str>) -> Result<i64, Failure> {
    if let Some(text) = given {
        return date::parse(text, &Zoned::now()).ok_or_else(|| {
            Failure::new(format_args!("Could not parse '{text}'"))
                .hint("`@SECONDS` and `2023-11-14T22:15:00Z` are understood, and most of what `date -d` takes")
        });
    }
    match std::env::var_os("SOURCE_DATE_EPOCH") {
        Some(text) => {
            let epoch = text.to_str().and_then(epoch);
            epoch.ok_or_else(|| Failure::new("Failed to convert SOURCE_DATE_EPOCH"))
        }
        None => Ok(jiff::Timestamp::now().as_second()),
    }
}

/// The time as the clock has it.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A time as GLib writes `%FT%T%:::z` in the local zone; `invalid` outside the years that it knows.
pub(crate) fn iso8601(time: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_second(time) else {
        return "invalid".to_owned();
    };
    let time = time.to_zoned(jiff::tz::TimeZone::system());
    let seconds = time.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let mut zone = format!("{sign}{:02}", seconds / 3600);
    if seconds % 3600 != 0 {
        zone.push_str(&format!(":{:02}", seconds / 60 % 60));
    }
    if seconds % 60 != 0 {
        zone.push_str(&format!(":{:02}", seconds % 60));
    }
    format!("{}{zone}", time.strftime("%FT%T"))
}

/// A number as C's `strtoull` reads it: spaces before it and anything after it do not matter.
pub(crate) fn epoch(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let number: u64 = digits.get(..end)?.parse().ok()?;
    let number = number.cast_signed();
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the real tool reads the variable.
    #[test]
    fn source_date_epoch_is_read_as_c_does() {
        for (text, number) in [
            ("12", Some(12)),
            ("12x", Some(12)),
            ("-5", Some(-5)),
            (" 7", Some(7)),
            ("", None),
            ("abc", None),
        ] {
            assert_eq!(epoch(text), number, "{text:?}");
        }
    }
}
