//! The words of dates: months, days of the week, zones, units.

/// The month that a word names, from 1; three letters are enough.
pub(super) fn month(word: &str) -> Option<i8> {
    let months = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if word == "sept" {
        return Some(9);
    }
    number_of(&months, word)
}

/// The day of the week that a word names, Monday is 1.
pub(super) fn weekday(word: &str) -> Option<i8> {
    let days = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    match word {
        "tues" => Some(2),
        "wednes" => Some(3),
        "thur" | "thurs" => Some(4),
        _ => number_of(&days, word),
    }
}

fn number_of(names: &[&str], word: &str) -> Option<i8> {
    let found = names
        .iter()
        .position(|name| word == *name || name.get(..3) == Some(word))?;
    i8::try_from(found + 1).ok()
}

/// Seconds east of Greenwich.
pub(super) fn zone(word: &str) -> Option<i32> {
    let hours = match word {
        "z" | "utc" | "gmt" | "ut" | "wet" => 0,
        "bst" | "west" | "cet" | "met" => 1,
        "cest" | "mest" | "eet" | "sast" => 2,
        "eest" | "msk" => 3,
        "jst" => 9,
        "edt" => -4,
        "est" | "cdt" => -5,
        "cst" | "mdt" => -6,
        "mst" | "pdt" => -7,
        "pst" => -8,
        _ => return None,
    };
    Some(hours * 3600)
}

/// A span that a word names: whole months, whole days, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) months: i64,
    pub(super) days: i64,
    pub(super) seconds: i64,
}

impl Span {
    /// The span so many times, unless the numbers grow too large.
    pub(super) fn times(self, count: i64) -> Option<Span> {
        Some(Span {
            months: self.months.checked_mul(count)?,
            days: self.days.checked_mul(count)?,
            seconds: self.seconds.checked_mul(count)?,
        })
    }

    /// Both spans together.
    pub(super) fn plus(self, other: Span) -> Option<Span> {
        Some(Span {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            seconds: self.seconds.checked_add(other.seconds)?,
        })
    }
}

/// The unit that a word names, in the singular or plural.
pub(super) fn unit(word: &str) -> Option<Span> {
    let word = word.strip_suffix('s').unwrap_or(word);
    let none = Span::default();
    Some(match word {
        "year" => Span { months: 12, ..none },
        "month" => Span { months: 1, ..none },
        "fortnight" => Span { days: 14, ..none },
        "week" => Span { days: 7, ..none },
        "day" => Span { days: 1, ..none },
        "hour" => Span {
            seconds: 3600,
            ..none
        },
        "minute" | "min" => Span {
            seconds: 60,
            ..none
        },
        "second" | "sec" => Span { seconds: 1, ..none },
        _ => return None,
    })
}

/// Days from now that a word names by itself.
pub(super) fn day_from_now(word: &str) -> Option<i64> {
    match word {
        "now" | "today" => Some(0),
        "tomorrow" => Some(1),
        "yesterday" => Some(-1),
        _ => None,
    }
}

/// How many units a word before one means.
pub(super) fn count(word: &str) -> Option<i64> {
    match word {
        "last" => Some(-1),
        "this" => Some(0),
        "next" => Some(1),
        _ => None,
    }
}
