//! The file of options that hold for every run: `/etc/apk/config`, else `/lib/apk/config`.
//!
//! `APK_CONFIG` names another one in place of the first. Of each line counts what stands before a `#`: the whole name of
//! a long option, and after a space its value. What is wrong with a line is a warning, and so is what ends a run, like
//! `help`; the other lines still count.

use std::fs::File;
use std::io::Read;

use super::applet::Applet;
use super::options::{Opt, Word, config_line};
use super::session::Session;

/// Applies the options of the file, if there is one.
pub(super) fn load(session: &mut Session, applet: Option<&Applet>, groups: &[&[Opt]]) {
    for line in text().unwrap_or_default().lines() {
        let wrong = match config_line(groups, line) {
            None | Some(Word::Operand(_)) => continue,
            Some(Word::Wrong(wrong)) => wrong,
            Some(Word::Setting(setting)) if setting.name == "help" => {
                "setting option 'help' failed".to_owned()
            }
            Some(Word::Setting(setting)) => {
                let key = setting.key.clone();
                let value = line
                    .split_once(' ')
                    .map_or("", |(_, value)| value.trim_end());
                match super::apply(session, applet, setting) {
                    Ok(true) => continue,
                    Ok(false) => format!("invalid argument for option '{key}': '{value}'"),
                    Err(_) => format!("setting option '{key}' failed"),
                }
            }
        };
        session.ended = None;
        session.out.warning(format_args!("config: {wrong}"));
    }
}

/// The text of the file; `None` without one.
fn text() -> Option<String> {
    let usual = || "/etc/apk/config".into();
    let first = std::env::var_os("APK_CONFIG").unwrap_or_else(usual);
    let file = File::open(first).or_else(|_| File::open("/lib/apk/config"));
    let mut bytes = Vec::new();
    file.ok()?.take(LENGTH_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Far more than there are options.
const LENGTH_LIMIT: u64 = 1 << 20;
