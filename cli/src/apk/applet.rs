//! What a command of apk is here: its options, what it looks at, and the function that does it.

use super::options::{Opt, Said};
use super::session::{Code, Parts, Session};

/// A command.
#[derive(Clone, Copy)]
pub(super) struct Applet {
    pub(super) name: &'static str,
    /// Its own options, in apk's order.
    pub(super) options: &'static [Opt],
    /// Whether it takes the options of queries as well.
    pub(super) queries: bool,
    /// Whether it takes the options of what makes files as well.
    pub(super) makes: bool,
    /// Whether it takes the options of what changes a root as well.
    pub(super) commits: bool,
    /// Whether it takes the lock although it changes nothing.
    pub(super) locks: bool,
    /// Whether empty operands are left out.
    pub(super) drops_empty: bool,
    /// What it looks at, unless options say otherwise.
    pub(super) parts: Parts,
    /// Prepares the session before the first option.
    pub(super) prepare: fn(&mut Session),
    /// What one of its own options changes at once; `false` if its value makes no sense.
    pub(super) set: fn(&mut Session, &'static str, &Said) -> bool,
    /// Does it.
    pub(super) run: fn(&mut Session, &[String]) -> Code,
}

impl Applet {
    /// Looks at nothing and does nothing.
    pub(super) const NONE: Applet = Applet {
        name: "",
        options: &[],
        queries: false,
        makes: false,
        commits: false,
        locks: false,
        drops_empty: false,
        parts: Parts::NONE,
        prepare: |_| {},
        set: |_, _, _| true,
        run: |_, _| 0,
    };
}
