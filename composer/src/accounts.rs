//! User and group names → numbers, as the tree being made says.
//!
//! An archive entry names its owner by name and by number. apk looks the name up in the `etc/passwd` and
//! `etc/group` of the root it installs into, and takes the number where the name is unknown there. The number is
//! part of a file's checksum, so it must be known before the object is made.
//!
//! Which packages bring those two files shows only when they are read. Nearly always the numbers in the archives
//! are right already. So packages are first imported with the numbers that the base knows, then the names are
//! looked up in the order of installation, and a package whose numbers were wrong is imported again.
//!
//! apk looks a name up once in a run, when it first meets it, and keeps the answer, also the answer that there is no
//! such name: [`Lookup`] does the same. The names alone count in v3 packages, whose unknown owners are 65534. apk 3 forgets its answers when a package has brought another `etc/passwd` or
//! `etc/group`.

use std::collections::BTreeMap;

use apk_format::Dialect;

use crate::layer::NamedOwner;

/// Numbers by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
    /// Whether `root` is 0 where no file says what it is.
    knows_root: bool,
}

impl Accounts {
    /// Takes the users of an `etc/passwd`.
    pub fn set_users(&mut self, passwd: &[u8]) {
        self.users = read_ids(passwd);
    }

    /// Takes the groups of an `etc/group`.
    pub fn set_groups(&mut self, group: &[u8]) {
        self.groups = read_ids(group);
    }

    /// The same as apk of a dialect sees them: apk 3 knows `root` without any file.
    #[must_use]
    pub fn of_dialect(self, dialect: Dialect) -> Accounts {
        Accounts {
            knows_root: dialect == Dialect::Apk3,
            ..self
        }
    }

    /// The owner and group in the tree: by name where the name is known, else by number.
    #[must_use]
    pub fn numbers(&self, named: &NamedOwner) -> (u32, u32) {
        let number = |ids: &BTreeMap<String, u32>, name: &str| match ids.get(name) {
            None if self.knows_root && name == "root" => Some(0),
            known => known.copied(),
        };
        let uid = number(&self.users, &named.uname).unwrap_or(named.uid);
        let gid = number(&self.groups, &named.gname).unwrap_or(named.gid);
        (uid, gid)
    }
}

/// Names looked up in the order of installation, each once.
#[derive(Debug)]
pub struct Lookup {
    dialect: Dialect,
    current: Accounts,
    users: BTreeMap<String, Option<u32>>,
    groups: BTreeMap<String, Option<u32>>,
}

impl Lookup {
    /// Begins with the accounts of the base.
    #[must_use]
    pub fn new(base: Accounts, dialect: Dialect) -> Self {
        Lookup {
            dialect,
            current: base,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// What the names of the owners in the next package mean.
    pub fn next_package<'e>(&mut self, owners: impl Iterator<Item = &'e NamedOwner>) -> Accounts {
        let mut answers = Accounts::default().of_dialect(self.dialect);
        for named in owners {
            remember(
                &named.uname,
                &self.current.users,
                &mut self.users,
                &mut answers.users,
            );
            remember(
                &named.gname,
                &self.current.groups,
                &mut self.groups,
                &mut answers.groups,
            );
        }
        answers
    }

    /// The package just looked at has brought these files.
    pub fn installed(&mut self, passwd: Option<&[u8]>, group: Option<&[u8]>) {
        if let Some(passwd) = passwd {
            self.current.set_users(passwd);
        }
        if let Some(group) = group {
            self.current.set_groups(group);
        }
        if self.dialect == Dialect::Apk3 && (passwd.is_some() || group.is_some()) {
            self.users.clear();
            self.groups.clear();
        }
    }
}

fn remember(
    name: &str,
    current: &BTreeMap<String, u32>,
    known: &mut BTreeMap<String, Option<u32>>,
    answers: &mut BTreeMap<String, u32>,
) {
    if name.is_empty() {
        return;
    }
    if !known.contains_key(name) {
        known.insert(name.to_owned(), current.get(name).copied());
    }
    if let Some(Some(id)) = known.get(name) {
        answers.insert(name.to_owned(), *id);
    }
}

/// `name:password:number:…` lines; others are passed over, and of a name given twice the first counts.
fn read_ids(file: &[u8]) -> BTreeMap<String, u32> {
    let mut ids = BTreeMap::new();
    for line in String::from_utf8_lossy(file).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(Ok(id))) =
            (fields.next(), fields.next(), fields.next().map(str::parse))
        {
            ids.entry(name.to_owned()).or_insert(id);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned_by(uname: &str, gname: &str) -> NamedOwner {
        NamedOwner {
            uname: uname.into(),
            gname: gname.into(),
            uid: 900,
            gid: 901,
        }
    }

    /// What `daemon` means before and after a package has brought the accounts, and what `adm` does.
    fn answers(dialect: Dialect) -> [(u32, u32); 3] {
        let mut lookup = Lookup::new(Accounts::default(), dialect);
        let mut ask = |named: &NamedOwner, brought: bool| {
            let answer = lookup.next_package([named].into_iter()).numbers(named);
            if brought {
                lookup.installed(
                    Some(b"root:x:0:0::/:\ndaemon:x:2:2::/:\nadm:x:3:4::/:\n"),
                    Some(b"root:x:0:\nadm:x:4:\n"),
                );
            }
            answer
        };
        let (early, late) = (owned_by("daemon", "root"), owned_by("adm", "adm"));
        [ask(&early, true), ask(&late, false), ask(&early, false)]
    }

    #[test]
    fn a_name_keeps_the_answer_of_its_first_lookup() {
        assert_eq!(answers(Dialect::Apk2), [(900, 901), (3, 4), (900, 901)]);
    }

    #[test]
    fn apk_3_asks_again_when_accounts_have_come() {
        assert_eq!(answers(Dialect::Apk3), [(900, 0), (3, 4), (2, 0)]);
    }
}
