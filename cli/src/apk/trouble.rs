//! What went wrong: in apk's words, and behind them what only we can say.
//!
//! ```text
//! ERROR: one-1-r0.apk: v2 package integrity error
//! detail: one-1-r0.apk: the data member hashes to 8a27…, .PKGINFO says 5d0c…
//! hint: the package was changed after it was made; get it again
//! ```
//!
//! The first line is apk's, so that whoever reads apk's output reads ours. The others go to stderr too, and not at all
//! after `-q`; each hint is given once.

use std::error::Error;
use std::fmt;

/// Why something cannot be used.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    words: String,
    detail: Option<String>,
    help: Option<Help>,
}

/// What would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    /// Nobody signed it.
    Sign,
    /// The key is not loaded.
    Key,
    /// The signature is bad.
    OtherKey,
    /// Its bytes are not those that were made.
    Again,
    /// It is not the package that the index lists.
    OtherBuild,
}

impl Trouble {
    /// With the whole chain of an error behind apk's words; the same words twice say no more.
    pub(super) fn of(words: impl Into<String>, error: &(dyn Error + 'static)) -> Trouble {
        let words = words.into();
        let detail = crate::failure::chain(error);
        Trouble {
            detail: (detail != words).then(|| cut(detail)),
            words,
            help: None,
        }
    }

    /// With what would help.
    pub(super) fn help(mut self, help: Help) -> Trouble {
        self.help = Some(help);
        self
    }

    /// apk's words alone.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// The line that names the place, if there is more to say.
    pub(super) fn detail(&self, about: &str) -> Option<String> {
        let detail = self.detail.as_ref()?;
        Some(format!("detail: {about}: {detail}"))
    }

    /// The line that says what would help; `keys_from` are the directories of the keys that are loaded.
    pub(super) fn hint(&self, keys_from: &str) -> Option<String> {
        let hint = match self.help? {
            Help::Sign => {
                "--allow-untrusted takes it as it is; who makes it can sign it (abuild-sign, adbsign)"
                    .to_owned()
            }
            Help::Key => format!(
                "keys are loaded from {keys_from}; put the public key there, or name its directory with --keys-dir, \
                 or take it as it is with --allow-untrusted"
            ),
            Help::OtherKey => format!(
                "get it again; or the key of that name in {keys_from} is not the one it was signed with"
            ),
            Help::Again => "it was changed after it was made, or not copied whole; get it again".to_owned(),
            Help::OtherBuild => {
                "the index and the package are not of the same time: get both again, or index the package anew"
                    .to_owned()
            }
        };
        Some(format!("hint: {hint}"))
    }
}

/// Names come from the file itself, and may be long.
fn cut(mut detail: String) -> String {
    if let Some((end, _)) = detail.char_indices().nth(DETAIL_LIMIT) {
        detail.truncate(end);
        detail.push('…');
    }
    detail.replace(|c: char| c.is_control(), "?")
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.words)
    }
}

impl From<String> for Trouble {
    fn from(words: String) -> Trouble {
        Trouble {
            words,
            ..Trouble::default()
        }
    }
}

impl From<&str> for Trouble {
    fn from(words: &str) -> Trouble {
        words.to_owned().into()
    }
}

/// Enough for the names of a dozen keys.
const DETAIL_LIMIT: usize = 2000;
