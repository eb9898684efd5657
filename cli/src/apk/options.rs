//! The words of a command line: options in apk's own way of reading them.
//!
//! | rule | |
//! |---|---|
//! | options stand anywhere, before and after the command | an applet's own too |
//! | a long name may be cut short as long as one option is meant | the whole name always means itself |
//! | `--name value`, `--name=value`, `-nvalue`, `-n value` | for options with a value |
//! | `--name`, `--no-name`, `--name=yes`, `--name=no` | for switches; `=auto` for some |
//! | `--` | ends the options |
//!
//! Groups are looked through in order (global, the applet's own, those it shares), the first letter that fits wins.

/// One option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    /// The long name; empty if it has only a letter.
    long: &'static str,
    shorts: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flag,
    Value,
    Switch,
    AutoSwitch,
}

impl Opt {
    /// An option that is there or not.
    pub(super) const fn flag(long: &'static str) -> Opt {
        Opt {
            long,
            shorts: "",
            kind: Kind::Flag,
        }
    }

    /// An option with a value.
    pub(super) const fn value(long: &'static str) -> Opt {
        Opt {
            kind: Kind::Value,
            ..Opt::flag(long)
        }
    }

    /// An option that can be `yes` or `no`.
    pub(super) const fn switch(long: &'static str) -> Opt {
        Opt {
            kind: Kind::Switch,
            ..Opt::flag(long)
        }
    }

    /// An option that can be `yes`, `no` or `auto`.
    pub(super) const fn auto(long: &'static str) -> Opt {
        Opt {
            kind: Kind::AutoSwitch,
            ..Opt::flag(long)
        }
    }

    /// The letters that mean the option.
    pub(super) const fn short(self, shorts: &'static str) -> Opt {
        Opt { shorts, ..self }
    }

    /// By which it is told apart: its long name, else its letter.
    pub(super) fn name(&self) -> &'static str {
        if self.long.is_empty() {
            self.shorts
        } else {
            self.long
        }
    }

    /// How it is written.
    pub(super) fn usage(&self) -> String {
        let letters = self.shorts.chars().map(|letter| format!("-{letter}"));
        let long = match self.kind {
            Kind::Switch | Kind::AutoSwitch => format!("--[no-]{}", self.long),
            Kind::Flag | Kind::Value => format!("--{}", self.long),
        };
        let long = (!self.long.is_empty()).then_some(long);
        let names: Vec<String> = letters.chain(long).collect();
        let value = if self.kind == Kind::Value {
            " VALUE"
        } else {
            ""
        };
        format!("{}{value}", names.join(", "))
    }

    /// Whether it can have this value; only switches are particular.
    fn accepts(&self, value: &str) -> bool {
        match self.kind {
            Kind::Flag | Kind::Value => true,
            Kind::Switch => matches!(value, "yes" | "no"),
            Kind::AutoSwitch => matches!(value, "yes" | "no" | "auto"),
        }
    }

    /// Whether this is its whole name, perhaps negated.
    fn is_called(&self, key: &str) -> bool {
        let bare = key.strip_prefix("no-").filter(|_| self.is_switch());
        self.long == key || bare == Some(self.long)
    }

    fn is_switch(&self) -> bool {
        matches!(self.kind, Kind::Switch | Kind::AutoSwitch)
    }
}

/// What was said with an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is there.
    Given,
    /// It has this value.
    Text(String),
    /// A switch is on.
    Yes,
    /// A switch is off.
    No,
    /// A switch is left to circumstances.
    Auto,
}

impl Said {
    /// The value; empty where there is none.
    pub(super) fn text(&self) -> &str {
        match self {
            Said::Text(text) => text,
            _ => "",
        }
    }

    /// Whether a switch is on.
    pub(super) fn is_yes(&self) -> bool {
        *self == Said::Yes
    }
}

/// An option that was found: in which group, which one, and what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The place of its group among those given to [`Words`].
    pub(super) group: usize,
    pub(super) name: &'static str,
    /// As it was written, without dashes.
    pub(super) key: String,
    pub(super) said: Said,
}

/// One step through a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// An option.
    Setting(Setting),
    /// An operand.
    Operand(String),
    /// Something wrong, as apk words it.
    Wrong(String),
}

/// Reads a command line, one word after the other.
#[derive(Debug)]
pub(super) struct Words<'a> {
    groups: &'a [&'a [Opt]],
    words: std::slice::Iter<'a, String>,
    /// The rest of a word with several letters.
    letters: Option<&'a str>,
    ended: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(groups: &'a [&'a [Opt]], words: &'a [String]) -> Words<'a> {
        Words {
            groups,
            words: words.iter(),
            letters: None,
            ended: false,
        }
    }

    fn long(&mut self, text: &'a str) -> Word {
        let (key, explicit) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        match find_long(self.groups, key, explicit) {
            Ok(found) => long_word(found, key, explicit, || self.words.next()),
            Err(wrong) => Word::Wrong(wrong),
        }
    }

    fn letter(&mut self, letters: &'a str) -> Option<Word> {
        let letter = letters.chars().next()?;
        let rest = letters.get(letter.len_utf8()..).unwrap_or_default();
        self.letters = Some(rest).filter(|rest| !rest.is_empty());
        let Some((group, option)) = find_short(self.groups, letter) else {
            return Some(Word::Wrong(format!("unrecognized option '{letter}'")));
        };
        let said = match option.kind {
            Kind::Flag => Said::Given,
            Kind::Switch | Kind::AutoSwitch => Said::Yes,
            Kind::Value => match self.letters.take() {
                Some(value) => Said::Text(value.to_owned()),
                None => match self.words.next() {
                    Some(value) => Said::Text(value.clone()),
                    None => {
                        return Some(Word::Wrong(format!(
                            "option '{letter}' expects an argument"
                        )));
                    }
                },
            },
        };
        Some(setting(
            group,
            option,
            letter.encode_utf8(&mut [0; 4]),
            said,
        ))
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        if let Some(letters) = self.letters {
            return self.letter(letters);
        }
        let word = self.words.next()?;
        if self.ended || word == "-" || !word.starts_with('-') {
            return Some(Word::Operand(word.clone()));
        }
        if word == "--" {
            self.ended = true;
            return self.next();
        }
        match word.strip_prefix("--") {
            Some(long) => Some(self.long(long)),
            None => self.letter(word.get(1..).unwrap_or_default()),
        }
    }
}

/// What a long option says, whose value may be the next word.
fn long_word<'a>(
    (group, option, negated): (usize, Opt, bool),
    key: &str,
    explicit: Option<&str>,
    next: impl FnOnce() -> Option<&'a String>,
) -> Word {
    let said = match (option.kind, explicit) {
        (Kind::Value, Some(value)) => Said::Text(value.to_owned()),
        (Kind::Value, None) => match next() {
            Some(value) => Said::Text(value.clone()),
            None => return Word::Wrong(format!("option '{key}' expects an argument")),
        },
        (Kind::Switch | Kind::AutoSwitch, Some("no")) if !negated => Said::No,
        (Kind::AutoSwitch, Some("auto")) if !negated => Said::Auto,
        (Kind::Switch | Kind::AutoSwitch, Some(_)) if !negated => Said::Yes,
        (_, Some(value)) => {
            return Word::Wrong(format!(
                "option '{key}' does not expect argument (got '{value}')"
            ));
        }
        (_, None) if negated => Said::No,
        (Kind::Switch | Kind::AutoSwitch, None) => Said::Yes,
        (Kind::Flag, None) => Said::Given,
    };
    setting(group, option, key, said)
}

/// Reads a line of the configuration file; `None` for one that says nothing. Names cannot be cut short there.
pub(super) fn config_line(groups: &[&[Opt]], line: &str) -> Option<Word> {
    let line = line.split_once('#').map_or(line, |(before, _)| before);
    let line = line.trim_end_matches(' ');
    let (key, value) = match line.split_once(' ') {
        Some((key, value)) => (key, Some(value)),
        None => (line, None),
    };
    if key.is_empty() {
        return None;
    }
    let found = find_long(groups, key, value);
    let unknown = || Word::Wrong(format!("unrecognized option '{key}'"));
    Some(match found {
        Ok((_, option, _)) if !option.is_called(key) => unknown(),
        Ok(found) => long_word(found, key, value, || None),
        Err(wrong) if wrong.starts_with("ambiguous") => unknown(),
        Err(wrong) => Word::Wrong(wrong),
    })
}

fn setting(group: usize, option: Opt, key: &str, said: Said) -> Word {
    Word::Setting(Setting {
        group,
        name: option.name(),
        key: key.to_owned(),
        said,
    })
}

/// Finds a long option by its name or its beginning, and whether it is negated; else says what is wrong.
///
/// A value that a switch cannot have is wrong even where another option may be meant: apk's way.
fn find_long(
    groups: &[&[Opt]],
    key: &str,
    explicit: Option<&str>,
) -> Result<(usize, Opt, bool), String> {
    let mut meant = None;
    let mut count = 0;
    for (group, option) in all(groups) {
        let bare = key.strip_prefix("no-").filter(|_| option.is_switch());
        if !option.long.starts_with(key) && !bare.is_some_and(|bare| option.long.starts_with(bare))
        {
            continue;
        }
        if let (None, Some(value)) = (bare, explicit)
            && !option.accepts(value)
        {
            return Err(format!("invalid argument for option '{key}': '{value}'"));
        }
        if option.is_called(key) {
            return Ok((group, option, bare.is_some()));
        }
        meant = Some((group, option, bare.is_some()));
        count += 1;
    }
    match meant {
        Some(meant) if count == 1 => Ok(meant),
        Some(_) => Err(format!("ambiguous option '{key}'")),
        None => Err(format!("unrecognized option '{key}'")),
    }
}

fn find_short(groups: &[&[Opt]], letter: char) -> Option<(usize, Opt)> {
    all(groups).find(|(_, option)| option.shorts.contains(letter))
}

fn all<'a>(groups: &'a [&'a [Opt]]) -> impl Iterator<Item = (usize, Opt)> + 'a {
    let groups = groups.iter().enumerate();
    groups.flat_map(|(group, options)| options.iter().map(move |option| (group, *option)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[Opt] = &[
        Opt::switch("cache"),
        Opt::value("cache-dir"),
        Opt::flag("force").short("f"),
        Opt::auto("progress"),
        Opt::value("root").short("p"),
    ];
    const SECOND: &[Opt] = &[
        Opt::flag("").short("a"),
        Opt::flag("no-chown"),
        Opt::flag("origin").short("fo"),
    ];

    fn read(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let shown = |word| match word {
            Word::Setting(setting) => {
                format!("{}{}={:?}", setting.group, setting.name, setting.said)
            }
            Word::Operand(operand) => operand,
            Word::Wrong(wrong) => wrong,
        };
        Words::new(&[FIRST, SECOND], &words).map(shown).collect()
    }

    #[test]
    fn names_may_be_cut_short() {
        assert_eq!(read("--forc"), ["0force=Given"]);
        assert_eq!(read("--cache"), ["0cache=Yes"]);
        assert_eq!(read("--cache-"), ["option 'cache-' expects an argument"]);
        assert_eq!(read("--cach"), ["ambiguous option 'cach'"]);
        assert_eq!(read("--nope"), ["unrecognized option 'nope'"]);
        assert_eq!(read("--no-cach"), ["0cache=No"]);
        assert_eq!(read("--no-chown"), ["1no-chown=Given"]);
    }

    #[test]
    fn values_and_switches() {
        assert_eq!(
            read("-px -p y --root=z --root w"),
            [
                "0root=Text(\"x\")",
                "0root=Text(\"y\")",
                "0root=Text(\"z\")",
                "0root=Text(\"w\")"
            ]
        );
        assert_eq!(read("--progress=auto"), ["0progress=Auto"]);
        assert_eq!(
            read("--cache=auto"),
            ["invalid argument for option 'cache': 'auto'"]
        );
        assert_eq!(
            read("--force=x"),
            ["option 'force' does not expect argument (got 'x')"]
        );
        assert_eq!(read("-p"), ["option 'p' expects an argument"]);
    }

    #[test]
    fn letters_stand_together() {
        assert_eq!(
            read("x -afo - -- -a"),
            ["x", "1a=Given", "0force=Given", "1origin=Given", "-", "-a"]
        );
        assert_eq!(read("-xa"), ["unrecognized option 'x'", "1a=Given"]);
    }
}
