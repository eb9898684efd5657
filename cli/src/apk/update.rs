//! `apk update`: which repositories can be used, and how many packages there are. Local indexes are always up to date;
//! there is no network yet, so that a repository on another machine counts as unavailable unless its index is cached.

use composer::inventory::field::printable;

use super::applet::Applet;
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "update",
    locks: true,
    parts: Parts::ALL,
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, _: &[String]) -> Code {
    let (inventory, out) = (&session.inventory, &mut session.out);
    let mut unavailable: Code = 0;
    for repository in &inventory.repositories {
        if repository.available {
            let url = printable(&repository.listed.url);
            out.message(format_args!("{} [{url}]", repository.description));
        } else if !repository.local {
            unavailable += 1;
        }
    }
    let words = match unavailable {
        0 => "OK:".to_owned(),
        count => format!("{count} unavailable, 0 stale;"),
    };
    let count = inventory.packages().count();
    out.message(format_args!("{words} {count} distinct packages available"));
    unavailable
}
