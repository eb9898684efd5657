//! What the command line changes in every entry on its way into the tree.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::modify::Modifier;
use ostree_store::tree::path_rules::PathRules;

use super::CommitArgs;
use crate::console::Console;
use crate::failure::Failure;

/// Changes to entries.
pub(super) struct Changes {
    /// The changes themselves.
    pub(super) modifier: Modifier,
    /// Whether the objects of stored trees are made again. ostree does so also where that changes nothing.
    pub(super) remakes: bool,
}

impl Changes {
    /// The rules for single paths, which are read before anything else is looked at.
    pub(super) fn read(args: &CommitArgs) -> Result<Changes, Failure> {
        let mut rules = PathRules::default();
        if let Some(path) = &args.statoverride {
            rules.override_modes(&text_of(path)?)?;
        }
        if let Some(path) = &args.skip_list {
            rules.skip(&text_of(path)?);
        }
        let given = args.statoverride.is_some() || args.skip_list.is_some();
        Ok(Changes {
            modifier: Modifier {
                rules: given.then(|| Arc::new(rules)),
                ..Modifier::default()
            },
            remakes: given,
        })
    }

    /// Everything else.
    pub(super) fn complete(self, args: &CommitArgs, repo: &Repo) -> Result<Changes, Failure> {
        let owners = [
            ("--owner-uid", args.owner_uid),
            ("--owner-gid", args.owner_gid),
        ];
        for (option, number) in owners {
            if args.canonical_permissions && number.is_some_and(|number| number > 0) {
                let words =
                    format!("Cannot specify both --canonical-permissions and non-zero {option}");
                return Err(Failure::usage(words));
            }
        }
        let [uid, gid] = owners.map(|(option, number)| match number {
            Some(number @ 0..) => u32::try_from(number)
                .map(Some)
                .map_err(|_| out_of_range(option, number)),
            _ => Ok(None),
        });
        let ownerless = repo.mode() == RepoMode::BareUserOnly;
        let without_xattrs = matches!(
            repo.config().get("core", "disable-xattrs"),
            Some("true" | "1")
        );
        let modifier = Modifier {
            uid: uid?,
            gid: gid?,
            read_only_executables: args.mode_ro_executables,
            canonical_permissions: args.canonical_permissions || ownerless,
            no_xattrs: args.no_xattrs || ownerless || without_xattrs,
            ..self.modifier
        };
        let remakes = args.generate_sizes || args.devino_canonical || args.consume;
        Ok(Changes {
            remakes: remakes || self.remakes || !modifier.is_identity(),
            modifier,
        })
    }

    /// Refuses to go on if a rule was meant for something that is not there.
    pub(super) fn check_used_up(&self, console: &mut Console) -> Result<(), Failure> {
        let Some(rules) = &self.modifier.rules else {
            return Ok(());
        };
        for (what, unmatched) in [
            ("statoverride", rules.unmatched_additions()),
            ("skip-list", rules.unmatched_skips()),
        ] {
            for path in &unmatched {
                console.complain(format_args!("Unmatched {what} path: {path}"))?;
            }
            if !unmatched.is_empty() {
                return Err(Failure::new(format_args!("Unmatched {what} paths")));
            }
        }
        Ok(())
    }
}

/// The text of a file that an option names.
pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::from(error).within(format_args!("openat({})", path.display()))
        }
        _ => Failure::from(error),
    })?;
    String::from_utf8(bytes).map_err(|_| Failure::new("Invalid UTF-8"))
}

fn out_of_range(option: &str, number: i64) -> Failure {
    Failure::usage(format_args!(
        "Integer value “{number}” for {option} out of range"
    ))
}
