//! Who may have a path: apk's rules, for a tree of objects as for a directory on a disk.
//!
//! The first rule that applies to a file that another package has already decides:
//!
//! | the file belongs to | then |
//! |---|---|
//! | the same package, in another version | the later takes it |
//! | a package of the same origin (apk 2.14) | the later takes it |
//! | a package that is to go (apk 3.0) | the later takes it |
//! | a package that `replaces` the other, or is replaced by it | the higher `replaces_priority` keeps it, the later of two equal ones |
//! | a package of the same origin (apk 3.0) | the later takes it |
//! | a file of another package | a conflict |
//!
//! In a protected directory, a file that is not what its package brought is the administrator's: the new one goes
//! beside it as [`NEW_SUFFIX`], or nowhere if it is the same. Everywhere else the new one replaces it.
//!
//! What a directory has that several packages bring: [`crate::directories`].

use apk_format::{Dependency, Dialect, DigestKind, InstalledPackage, Record};

/// What is appended to the name of a file that goes beside a changed one.
pub const NEW_SUFFIX: &str = ".apk-new";

/// What the names of files begin with that only keep a directory alive; apk 2.14 does not install them.
const KEEP: &str = ".keep_";

/// A package that brings a file which another one has.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'p> {
    /// What it is.
    pub record: &'p Record,
    /// Packages whose files it may take.
    pub replaces: &'p [Dependency],
    /// Who wins when both replace each other.
    pub priority: u16,
}

/// Who gets a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The newcomer, which is nothing to talk about.
    Takes,
    /// The newcomer, because it replaces the other.
    Replaces,
    /// The holder, and the newcomer goes without.
    Keeps,
    /// Nobody says.
    Conflict,
}

/// Who gets a file that `holder` has and `newcomer` brings; `leaving` says that the holder, as it is now, will have
/// gone in the end.
#[must_use]
pub fn rule(
    dialect: Dialect,
    holder: &InstalledPackage,
    leaving: bool,
    newcomer: &Newcomer<'_>,
) -> Ruling {
    let same_origin = holder.record.origin.as_ref().is_some_and(|o| !o.is_empty())
        && holder.record.origin == newcomer.record.origin;
    let at_once = match dialect {
        Dialect::Apk2 => same_origin,
        Dialect::Apk3 => leaving,
    };
    if holder.record.name == newcomer.record.name || at_once {
        return Ruling::Takes;
    }
    let held = replaces(&holder.replaces, newcomer.record).then_some(holder.replaces_priority);
    let claimed = replaces(newcomer.replaces, &holder.record).then_some(newcomer.priority);
    if held > claimed {
        Ruling::Keeps
    } else if claimed.is_some() {
        Ruling::Replaces
    } else if same_origin {
        Ruling::Takes
    } else {
        Ruling::Conflict
    }
}

/// Whether the name of a file says that it is not to be installed.
#[must_use]
pub fn only_keeps_directory(dialect: Dialect, name: &str) -> bool {
    dialect == Dialect::Apk2 && name.len() > KEEP.len() && name.starts_with(KEEP)
}

/// How an installed package knows its files.
#[must_use]
pub fn digests_of(package: &InstalledPackage) -> DigestKind {
    if package.flags.sha256 {
        DigestKind::Sha256
    } else {
        DigestKind::Sha1
    }
}

fn replaces(list: &[Dependency], other: &Record) -> bool {
    list.iter().any(|item| {
        item.name == other.name && item.satisfied_by(Some(&other.identity), Some(&other.version))
    })
}

/// What happens to a file that was brought for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// It takes the place of what is there.
    Put,
    /// It goes beside what is there, under the name with [`NEW_SUFFIX`].
    Beside,
    /// It goes nowhere.
    Leave,
}

/// Where a new file goes if there is one in a protected directory already.
///
/// `changed`: what is there is not what its package brought, or no package brought it. `same`: it is what the new
/// package brings. `clean`: nothing may go beside.
#[must_use]
pub fn placing(changed: bool, same: bool, clean: bool) -> Placing {
    match (changed, same || clean) {
        (false, _) => Placing::Put,
        (true, false) => Placing::Beside,
        (true, true) => Placing::Leave,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;
    use apk_format::InstalledDb;

    fn package(name: &str, more: &str) -> InstalledPackage {
        let text = format!("C:Q1jsntIK/s+tjDr/aOKMOCoSWzBzw=\nP:{name}\nV:1\n{more}\n");
        InstalledDb::parse(&text).unwrap().packages.remove(0)
    }

    fn ruling(dialect: Dialect, holder: &str, newcomer: &str) -> Ruling {
        let (a, b) = (package("a", holder), package("b", newcomer));
        let newcomer = Newcomer {
            record: &b.record,
            replaces: &b.replaces,
            priority: b.replaces_priority,
        };
        rule(dialect, &a, false, &newcomer)
    }

    /// The table of the reference's behaviour, as seen with both versions.
    #[test]
    fn who_replaces_whom() {
        use Dialect::{Apk2, Apk3};
        for (holder, newcomer, in_2, in_3) in [
            ("", "", Ruling::Conflict, Ruling::Conflict),
            ("o:x\n", "o:x\n", Ruling::Takes, Ruling::Takes),
            ("", "r:a\n", Ruling::Replaces, Ruling::Replaces),
            ("r:b\n", "", Ruling::Keeps, Ruling::Keeps),
            ("r:b\n", "r:a\n", Ruling::Replaces, Ruling::Replaces),
            ("r:b\nq:2\n", "r:a\nq:1\n", Ruling::Keeps, Ruling::Keeps),
            (
                "r:b\nq:1\n",
                "r:a\nq:2\n",
                Ruling::Replaces,
                Ruling::Replaces,
            ),
            ("r:b>2\n", "", Ruling::Conflict, Ruling::Conflict),
            ("o:x\nr:b\nq:9\n", "o:x\n", Ruling::Takes, Ruling::Keeps),
        ] {
            assert_eq!(
                ruling(Apk2, holder, newcomer),
                in_2,
                "{holder:?} {newcomer:?}"
            );
            assert_eq!(
                ruling(Apk3, holder, newcomer),
                in_3,
                "{holder:?} {newcomer:?}"
            );
        }
    }

    #[test]
    fn changed_configuration_is_kept() {
        assert_eq!(placing(false, false, false), Placing::Put);
        assert_eq!(placing(true, false, false), Placing::Beside);
        assert_eq!(placing(true, true, false), Placing::Leave);
        assert_eq!(placing(true, false, true), Placing::Leave);
    }
}
