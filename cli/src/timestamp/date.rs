//! Dates as people write them: a sequence of items in nearly any order.
//!
//! An item is a day, a time, a zone, a day of the week or a span from now; each kind but the last may stand there
//! once. What is not said is taken from now, times from midnight if there is a day.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, ToSpan, Zoned};

use super::words::{self, Span as Amount};

/// The seconds since 1970 that `text` means; nothing if it means no time.
pub(super) fn parse(text: &str, now: &Zoned) -> Option<i64> {
    match text.trim().strip_prefix('@') {
        Some(seconds) => parse_seconds(seconds.trim_start()),
        None => {
            let mut items = Items::default();
            let mut words = Tokens::of(text)?;
            while let Some(token) = words.next() {
                items.take(token, &mut words)?;
            }
            items.resolve(now)
        }
    }
}

/// `-12.7`: rounded downwards.
fn parse_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let below = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    seconds.checked_sub(i64::from(below))
}

/// A run of digits, a run of letters, or one other character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Digits(&'a str),
    Word(&'a str),
    Sign(char),
    /// At least one space.
    Space,
}

/// The tokens still to come.
#[derive(Clone, Debug)]
struct Tokens<'a>(std::vec::IntoIter<Token<'a>>);

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Option<Tokens<'a>> {
        let mut tokens = Vec::new();
        let mut rest = text.trim();
        while let Some(first) = rest.chars().next() {
            let same = |c: char| match first {
                first if first.is_ascii_digit() => c.is_ascii_digit(),
                first if first.is_ascii_alphabetic() => c.is_ascii_alphabetic(),
                _ => first.is_whitespace() && c.is_whitespace(),
            };
            let run = rest
                .find(|c| !same(c))
                .unwrap_or(rest.len())
                .max(first.len_utf8());
            let (token, after) = rest.split_at_checked(run)?;
            tokens.push(match first {
                first if first.is_ascii_digit() => Token::Digits(token),
                first if first.is_ascii_alphabetic() => Token::Word(token),
                first if first.is_whitespace() => Token::Space,
                first => Token::Sign(first),
            });
            rest = after;
        }
        Some(Tokens(tokens.into_iter()))
    }

    fn next(&mut self) -> Option<Token<'a>> {
        self.0.next()
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.0.as_slice().first().copied()
    }

    /// Takes the next token if it is this sign.
    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(Token::Sign(sign));
        if found {
            self.next();
        }
        found
    }

    /// Takes the next token if it is a run of digits.
    fn digits(&mut self) -> Option<&'a str> {
        let Some(Token::Digits(digits)) = self.peek() else {
            return None;
        };
        self.next();
        Some(digits)
    }

    /// Takes the next word, spaces before it included, if `meaning` knows it.
    fn word<T>(&mut self, meaning: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut ahead = self.clone();
        while ahead.peek() == Some(Token::Space) {
            ahead.next();
        }
        let Some(Token::Word(word)) = ahead.next() else {
            return None;
        };
        let found = meaning(&word.to_ascii_lowercase())?;
        *self = ahead;
        Some(found)
    }

    /// Takes the next run of digits, spaces and a comma before it included, unless more follows that belongs to it.
    fn lone_number(&mut self, lengths: std::ops::RangeInclusive<usize>) -> Option<&'a str> {
        let mut ahead = self.clone();
        while matches!(ahead.peek(), Some(Token::Space | Token::Sign(','))) {
            ahead.next();
        }
        let digits = ahead.digits()?;
        let follows = matches!(
            ahead.peek(),
            Some(Token::Sign(':' | '-' | '/') | Token::Word(_))
        );
        if follows || !lengths.contains(&digits.len()) {
            return None;
        }
        *self = ahead;
        Some(digits)
    }
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Items {
    date: Option<(Option<i16>, i8, i8)>,
    time: Option<Time>,
    zone: Option<Offset>,
    weekday: Option<i8>,
    span: Amount,
    relative: bool,
}

impl Items {
    fn take(&mut self, token: Token<'_>, rest: &mut Tokens<'_>) -> Option<()> {
        match token {
            Token::Space | Token::Sign(',') => Some(()),
            Token::Sign(sign @ ('+' | '-')) => self.signed(sign, rest),
            Token::Sign(_) => None,
            Token::Word(word) => self.word(&word.to_ascii_lowercase(), rest),
            Token::Digits(digits) => self.number(digits, rest),
        }
    }

    fn word(&mut self, word: &str, rest: &mut Tokens<'_>) -> Option<()> {
        if word == "t" && self.date.is_some() && self.time.is_none() {
            return Some(()); // between date and time
        }
        if let Some(days) = words::day_from_now(word) {
            return self.add(
                Amount {
                    days,
                    ..Amount::default()
                },
                1,
            );
        }
        if let Some(count) = words::count(word) {
            return self.add(rest.word(words::unit)?, count);
        }
        if let Some(month) = words::month(word) {
            return self.month_first(month, rest);
        }
        if let Some(weekday) = words::weekday(word) {
            rest.sign('.');
            return once(&mut self.weekday, weekday);
        }
        if let Some(seconds) = words::zone(word) {
            return once(&mut self.zone, Offset::from_seconds(seconds).ok()?);
        }
        if let Some(unit) = words::unit(word) {
            return self.spans(unit, 1, rest);
        }
        None
    }

    /// `Nov 14`, `Nov 14 2023`, `Nov 14, 2023`.
    fn month_first(&mut self, month: i8, rest: &mut Tokens<'_>) -> Option<()> {
        rest.sign('.');
        let day = rest.lone_number(1..=2)?.parse().ok()?;
        let year = rest.lone_number(4..=4).and_then(|year| year.parse().ok());
        once(&mut self.date, (year, month, day))
    }

    /// `+2 days`, `-3 hours`, or a zone behind a time.
    fn signed(&mut self, sign: char, rest: &mut Tokens<'_>) -> Option<()> {
        let digits = rest.digits()?;
        let count: i64 = digits.parse().ok()?;
        let count = if sign == '-' { -count } else { count };
        if let Some(unit) = rest.word(words::unit) {
            return self.spans(unit, count, rest);
        }
        self.time?;
        let minutes = match (digits.len(), rest.sign(':')) {
            (1 | 2, true) => {
                let minutes: i64 = rest.digits()?.parse().ok()?;
                (count * 60).checked_add(count.signum() * minutes)?
            }
            (1 | 2, false) => count * 60,
            (4, false) => count / 100 * 60 + count % 100,
            _ => return None,
        };
        let seconds = i32::try_from(minutes.checked_mul(60)?).ok()?;
        once(&mut self.zone, Offset::from_seconds(seconds).ok()?)
    }

    fn number(&mut self, digits: &str, rest: &mut Tokens<'_>) -> Option<()> {
        match rest.peek() {
            Some(Token::Sign(':')) => self.clock(digits, rest),
            Some(Token::Sign(separator @ ('-' | '/'))) => self.numbers(digits, separator, rest),
            _ => {
                if let Some(noon) = rest.word(half_day) {
                    return once(
                        &mut self.time,
                        Time::new(hour(digits.parse().ok()?, noon)?, 0, 0, 0).ok()?,
                    );
                }
                if let Some(unit) = rest.word(words::unit) {
                    return self.spans(unit, digits.parse().ok()?, rest);
                }
                if let Some(month) = rest.word(words::month) {
                    let year = rest.lone_number(4..=4).and_then(|year| year.parse().ok());
                    return once(&mut self.date, (year, month, digits.parse().ok()?));
                }
                self.bare(digits)
            }
        }
    }

    /// `22:15`, `22:15:00`, `22:15:00.5`, `10:15 pm`.
    fn clock(&mut self, hours: &str, rest: &mut Tokens<'_>) -> Option<()> {
        rest.next();
        let minute = rest.digits()?.parse().ok()?;
        let mut second = 0;
        if rest.sign(':') {
            second = rest.digits()?.parse().ok()?;
            if rest.sign('.') || rest.sign(',') {
                rest.digits()?;
            }
        }
        let mut hours: i8 = hours.parse().ok()?;
        if let Some(noon) = rest.word(half_day) {
            hours = hour(hours, noon)?;
        }
        once(&mut self.time, Time::new(hours, minute, second, 0).ok()?)
    }

    /// `2023-11-14`, `2023/11/14`, `11/14/2023`, `14-Nov-2023`.
    fn numbers(&mut self, first: &str, separator: char, rest: &mut Tokens<'_>) -> Option<()> {
        rest.next();
        if let Some(month) = rest.word(words::month) {
            rest.sign(separator);
            let year = rest.digits()?.parse().ok()?;
            return once(&mut self.date, (Some(year), month, first.parse().ok()?));
        }
        let second: i8 = rest.digits()?.parse().ok()?;
        let third = if rest.sign(separator) {
            Some(rest.digits()?)
        } else {
            None
        };
        let date = match (separator, third) {
            (_, Some(day)) if first.len() >= 4 => {
                (Some(first.parse().ok()?), second, day.parse().ok()?)
            }
            ('/', Some(year)) if year.len() >= 4 => {
                (Some(year.parse().ok()?), first.parse().ok()?, second)
            }
            ('/', None) => (None, first.parse().ok()?, second),
            _ => return None,
        };
        once(&mut self.date, date)
    }

    /// `20231114`, `2215` behind a date, or the year behind a date without one.
    fn bare(&mut self, digits: &str) -> Option<()> {
        let part = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i8>().ok();
        match (digits.len(), &mut self.date) {
            (8, None) => {
                self.date = Some((
                    Some(digits.get(..4)?.parse().ok()?),
                    part(4..6)?,
                    part(6..8)?,
                ));
                Some(())
            }
            (4, Some((year @ None, ..))) => {
                *year = Some(digits.parse().ok()?);
                Some(())
            }
            (4, Some(_)) => once(
                &mut self.time,
                Time::new(part(0..2)?, part(2..4)?, 0, 0).ok()?,
            ),
            _ => None,
        }
    }

    /// So many units, or as many before now if `ago` follows.
    fn spans(&mut self, unit: Amount, count: i64, rest: &mut Tokens<'_>) -> Option<()> {
        let ago = rest.word(|word| (word == "ago").then_some(())).is_some();
        self.add(unit, if ago { count.checked_neg()? } else { count })
    }

    fn add(&mut self, unit: Amount, count: i64) -> Option<()> {
        self.relative = true;
        self.span = self.span.plus(unit.times(count)?)?;
        Some(())
    }

    fn resolve(self, now: &Zoned) -> Option<i64> {
        let zone = match self.zone {
            Some(offset) => TimeZone::fixed(offset),
            None => now.time_zone().clone(),
        };
        let today = now.with_time_zone(zone.clone()).datetime();
        let said = self.date.is_some() || self.weekday.is_some();
        let time = match self.time {
            Some(time) => time,
            None if self.relative && !said => today.time(),
            None => Time::midnight(),
        };
        let mut date = match self.date {
            Some((year, month, day)) => Date::new(year.unwrap_or(today.year()), month, day).ok()?,
            None => today.date(),
        };
        if let (Some(weekday), None) = (self.weekday, self.date) {
            let ahead = Weekday::from_monday_one_offset(weekday)
                .ok()?
                .since(date.weekday());
            date = date.checked_add(i64::from(ahead).days()).ok()?;
        }
        let shifted = DateTime::from_parts(date, time)
            .checked_add(Span::new().try_months(self.span.months).ok()?)
            .and_then(|moved| moved.checked_add(Span::new().try_days(self.span.days)?))
            .ok()?;
        let moment = zone.to_ambiguous_zoned(shifted).compatible().ok()?;
        moment
            .timestamp()
            .as_second()
            .checked_add(self.span.seconds)
    }
}

/// Puts an item where none was yet.
fn once<T>(place: &mut Option<T>, item: T) -> Option<()> {
    match place.replace(item) {
        None => Some(()),
        Some(_) => None,
    }
}

/// Whether a word means the second half of the day.
fn half_day(word: &str) -> Option<bool> {
    match word {
        "am" => Some(false),
        "pm" => Some(true),
        _ => None,
    }
}

/// From a twelve-hour clock to one of twenty-four.
fn hour(hour: i8, afternoon: bool) -> Option<i8> {
    (1..=12)
        .contains(&hour)
        .then(|| hour % 12 + if afternoon { 12 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real tool made of these texts, with `TZ=America/New_York` on 23 November 2026 at 08:40:35.
    #[test]
    fn texts_mean_what_they_mean_to_ostree() {
        let eastern = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let now = "2026-11-23T13:40:35Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .to_zoned(eastern);
        for (text, meant) in [
            ("2023-11-14 22:15:00", Some("2023-11-15T03:15:00Z")),
            ("2023-11-14T22:15:00Z", Some("2023-11-14T22:15:00Z")),
            ("2023-11-14", Some("2023-11-14T05:00:00Z")),
            ("14 Nov 2023 22:15", Some("2023-11-15T03:15:00Z")),
            ("Nov 14 2023", Some("2023-11-14T05:00:00Z")),
            ("Nov 14, 2023", Some("2023-11-14T05:00:00Z")),
            (
                "Tue, 14 Nov 2023 22:15:00 +0100",
                Some("2023-11-14T21:15:00Z"),
            ),
            ("2023-11-14 22:15:00 +01:00", Some("2023-11-14T21:15:00Z")),
            ("2023-11-14T22:15:00.5+0100", Some("2023-11-14T21:15:00Z")),
            ("20231114", Some("2023-11-14T05:00:00Z")),
            ("11/14/2023", Some("2023-11-14T05:00:00Z")),
            ("2023-11-14 10pm", Some("2023-11-15T03:00:00Z")),
            ("2023-11-14 22:15:00 EST", Some("2023-11-15T03:15:00Z")),
            ("2023-11-14 22:15:00 UTC", Some("2023-11-14T22:15:00Z")),
            ("2023-11-14T22:15", Some("2023-11-15T03:15:00Z")),
            ("Tue Nov 14 22:15:00 UTC 2023", Some("2023-11-14T22:15:00Z")),
            (
                "Tue Nov 14 10:15:00 PM UTC 2023",
                Some("2023-11-14T22:15:00Z"),
            ),
            ("@12.7", Some("1970-01-01T00:00:12Z")),
            ("@-5", Some("1969-12-31T23:59:55Z")),
            ("@ 5", Some("1970-01-01T00:00:05Z")),
            ("", Some("2026-11-23T05:00:00Z")),
            ("22:15", Some("2026-11-24T03:15:00Z")),
            ("1 day ago", Some("2026-11-22T13:40:35Z")),
            ("yesterday", Some("2026-11-22T13:40:35Z")),
            ("now", Some("2026-11-23T13:40:35Z")),
            ("next week", Some("2026-11-30T13:40:35Z")),
            ("2023-13-14", None),
            ("2023-02-30", None),
            ("@12.7s", None),
            ("foo", None),
            ("2023-11-14 2023-11-15", None),
        ] {
            let meant = meant.map(|time| time.parse::<jiff::Timestamp>().unwrap().as_second());
            assert_eq!(parse(text, &now), meant, "{text:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for text in [
            "@",
            "@-",
            "@9999999999999999999",
            "99999999999999999999 days",
            "é",
            "+",
            "12:",
            "1:2:3:4",
            "-",
        ] {
            assert_eq!(parse(text, &Zoned::now()), None, "{text:?}");
        }
    }
}
