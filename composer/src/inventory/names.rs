//! The names of an inventory, and what links packages by them.
//!
//! Names are met in the order of reading: world, installed packages, repositories. They are looked at first when somebody
//! asks for one: a plan is made without.

use std::collections::HashMap;

use super::{Inventory, NameId, PackageId, Provider};
use crate::resolve::names::rows_in_visiting_order;

/// All names.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Name>,
    numbers: HashMap<String, NameId>,
    /// The own name of each package.
    own: Vec<NameId>,
    /// In which apk visits them.
    pub(super) order: Vec<NameId>,
}

/// A name: of a package, or of something provided or wanted.
#[derive(Debug, Default)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) providers: Vec<Provider>,
    pub(super) offered: bool,
    pub(super) wanted_by: Vec<NameId>,
    pub(super) awaited_by: Vec<NameId>,
}

impl Names {
    /// The names of an inventory, of which the first `linked` packages are linked.
    pub(super) fn read(inventory: &Inventory, linked: usize) -> Names {
        let mut names = Names::default();
        for dependency in &inventory.world {
            names.meet(&dependency.name);
        }
        for at in 0..linked.min(inventory.packages.len()) {
            names.add(inventory, PackageId(at));
        }
        names.link(inventory);
        for at in linked..inventory.packages.len() {
            names.add(inventory, PackageId(at));
        }
        names
    }

    pub(super) fn get(&self, name: NameId) -> Option<&Name> {
        self.names.get(name.0)
    }

    pub(super) fn find(&self, text: &str) -> Option<NameId> {
        self.numbers.get(text).copied()
    }

    /// The own name of a package.
    pub(super) fn own(&self, package: PackageId) -> NameId {
        self.own.get(package.0).copied().unwrap_or(NameId(0))
    }

    fn meet(&mut self, text: &str) -> NameId {
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        let id = NameId(self.names.len());
        self.numbers.insert(text.to_owned(), id);
        self.names.push(Name {
            text: text.to_owned(),
            ..Name::default()
        });
        id
    }

    fn add(&mut self, inventory: &Inventory, package: PackageId) {
        let known = &inventory[package];
        let record = &known.record;
        let name = self.meet(&record.name);
        self.own.push(name);
        for dependency in &record.depends {
            self.meet(&dependency.name);
        }
        let provides = record.provides.iter();
        let provided = provides.map(|provide| (self.meet(&provide.name), provide.version.clone()));
        let provided: Vec<_> = provided.collect();
        for dependency in &record.install_if {
            self.meet(&dependency.name);
        }
        for replaced in known.installed.iter().flat_map(|known| &known.replaces) {
            self.meet(&replaced.name);
        }
        let own = std::iter::once((name, Some(record.version.clone())));
        for (name, version) in own.chain(provided) {
            if let Some(name) = self.names.get_mut(name.0) {
                name.offered |= !known.repositories.is_empty();
                name.providers.push(Provider { package, version });
            }
        }
    }

    fn link(&mut self, inventory: &Inventory) {
        let texts = self.names.iter().map(|name| name.text.as_str());
        let order: Vec<NameId> = rows_in_visiting_order(texts).map(NameId).collect();
        for name in &order {
            let (mut wanted, mut awaited) = (Vec::new(), Vec::new());
            for provider in self.get(*name).map_or(&[][..], |name| &name.providers) {
                let record = &inventory[provider.package].record;
                wanted.extend(record.depends.iter().filter_map(|d| self.find(&d.name)));
                awaited.extend(record.install_if.iter().filter_map(|d| self.find(&d.name)));
            }
            for target in wanted {
                push_once(
                    self.names.get_mut(target.0).map(|n| &mut n.wanted_by),
                    *name,
                );
            }
            for target in awaited {
                push_once(
                    self.names.get_mut(target.0).map(|n| &mut n.awaited_by),
                    *name,
                );
            }
        }
        self.order = order;
    }
}

fn push_once(list: Option<&mut Vec<NameId>>, name: NameId) {
    // Names are linked one after the other, so an equal one can only be the last.
    if let Some(list) = list.filter(|list| list.last() != Some(&name)) {
        list.push(name);
    }
}
