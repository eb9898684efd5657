//! Options of every apk command, and what they set.
//!
//! | kind | options |
//! |---|---|
//! | used | allow-untrusted, arch, cache, cache-dir, cache-packages, cache-predownload, force*, interactive, keys-dir, legacy-info, logfile, network, preupgrade-depends, progress, progress-fd, purge, quiet, repositories-file, repository, repository-config, root, root-tmpfs, sync, verbose, wait |
//! | answered at once | help, print-arch, version |
//! | true whatever they say, because nothing here runs a script or uses the network | cache-max-age, check-certificate, preserve-env, pretty-print, timeout, update-cache |
//! | refused by name | uvol-manager |

use std::io::IsTerminal;
use std::path::Path;

use super::options::{Opt, Said};

/// The options, in apk's order.
pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag("allow-untrusted"),
    Opt::value("arch"),
    Opt::switch("cache"),
    Opt::value("cache-dir"),
    Opt::value("cache-max-age"),
    Opt::switch("cache-packages"),
    Opt::switch("cache-predownload"),
    Opt::switch("check-certificate"),
    Opt::flag("force").short("f"),
    Opt::flag("force-binary-stdout"),
    Opt::flag("force-broken-world"),
    Opt::flag("force-missing-repositories"),
    Opt::flag("force-no-chroot"),
    Opt::flag("force-non-repository"),
    Opt::flag("force-old-apk"),
    Opt::flag("force-overwrite"),
    Opt::flag("force-refresh"),
    Opt::flag("help").short("h"),
    Opt::auto("interactive").short("i"),
    Opt::value("keys-dir"),
    Opt::switch("legacy-info"),
    Opt::switch("logfile"),
    Opt::switch("network"),
    Opt::switch("preserve-env"),
    Opt::auto("pretty-print"),
    Opt::value("preupgrade-depends"),
    Opt::flag("print-arch"),
    Opt::auto("progress"),
    Opt::value("progress-fd"),
    Opt::switch("purge"),
    Opt::flag("quiet").short("q"),
    Opt::value("repositories-file"),
    Opt::value("repository").short("X"),
    Opt::value("repository-config"),
    Opt::value("root").short("p"),
    Opt::auto("root-tmpfs"),
    Opt::auto("sync"),
    Opt::value("timeout"),
    Opt::flag("update-cache").short("U"),
    Opt::value("uvol-manager"),
    Opt::flag("verbose").short("v"),
    Opt::flag("version").short("V"),
    Opt::value("wait"),
];

/// What was set.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "apk's options are independent switches"
)]
pub(super) struct Globals {
    pub(super) allow_untrusted: bool,
    pub(super) architectures: Vec<String>,
    pub(super) cache: bool,
    pub(super) cache_dir: Option<String>,
    /// Whether the usual cache, which is there for indexes, keeps packages too.
    pub(super) cache_packages: bool,
    /// Everything that `--force` means, also what it means to apk 2.14 alone.
    pub(super) force: bool,
    pub(super) force_binary_stdout: bool,
    pub(super) force_broken_world: bool,
    pub(super) force_missing_repositories: bool,
    pub(super) force_non_repository: bool,
    pub(super) force_overwrite: bool,
    pub(super) interactive: bool,
    pub(super) keys_dir: Option<String>,
    pub(super) legacy_info: bool,
    pub(super) logfile: bool,
    pub(super) network: bool,
    pub(super) preupgrade_depends: Vec<String>,
    /// Whether there is a bar, if that was said.
    pub(super) progress: Option<bool>,
    /// The number of an open file; 0 is none.
    pub(super) progress_fd: u32,
    pub(super) purge: bool,
    pub(super) repositories_file: Option<String>,
    pub(super) repositories: Vec<String>,
    pub(super) repository_configs: Vec<String>,
    pub(super) root: String,
    pub(super) root_set: bool,
    /// Whether what is installed lasts no longer than the memory it lies in, if that was said.
    pub(super) root_tmpfs: Option<bool>,
    /// Whether everything is on the disks in the end, if that was said.
    pub(super) sync: Option<bool>,
    /// How long somebody else may have the lock, in seconds.
    pub(super) wait: u64,
}

impl Default for Globals {
    fn default() -> Globals {
        Globals {
            allow_untrusted: false,
            architectures: Vec::new(),
            cache: true,
            cache_dir: None,
            cache_packages: false,
            force: false,
            force_binary_stdout: false,
            force_broken_world: false,
            force_missing_repositories: false,
            force_non_repository: false,
            force_overwrite: false,
            interactive: Path::new("/etc/apk/interactive").exists() && on_terminal(),
            keys_dir: None,
            legacy_info: true,
            logfile: true,
            network: true,
            preupgrade_depends: Vec::new(),
            progress: None,
            progress_fd: 0,
            purge: false,
            repositories_file: None,
            repositories: Vec::new(),
            repository_configs: Vec::new(),
            root: "/".to_owned(),
            root_set: false,
            root_tmpfs: None,
            sync: None,
            wait: 0,
        }
    }
}

fn on_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A switch, unless it is left to circumstances.
fn decided(said: &Said) -> Option<bool> {
    (*said != Said::Auto).then(|| said.is_yes())
}

/// A number as apk reads it: the digits that the text begins with.
fn number(text: &str) -> u64 {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit());
    let digits = end.map_or(Some(text), |end| text.get(..end));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What an option leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next word.
    Continue,
    /// The help.
    Help,
    /// The version.
    Version,
    /// The architecture of this machine.
    Arch,
    /// One step quieter.
    Quieter,
    /// One step louder.
    Louder,
    /// Refusal: it is not here.
    Missing,
}

impl Globals {
    /// Applies one option.
    pub(super) fn set(&mut self, name: &str, said: &Said) -> Next {
        let text = || said.text().to_owned();
        match name {
            "allow-untrusted" => self.allow_untrusted = true,
            "arch" => self.architectures.push(text()),
            "cache" => self.cache = said.is_yes(),
            "cache-dir" => self.cache_dir = Some(text()),
            "cache-packages" => self.cache_packages = said.is_yes(),
            "cache-predownload" => self.cache_packages |= said.is_yes(),
            "force" => {
                self.force = true;
                self.force_binary_stdout = true;
                self.force_non_repository = true;
                self.force_overwrite = true;
            }
            "force-binary-stdout" => self.force_binary_stdout = true,
            "force-broken-world" => self.force_broken_world = true,
            "force-missing-repositories" => self.force_missing_repositories = true,
            "force-non-repository" => self.force_non_repository = true,
            "force-overwrite" => self.force_overwrite = true,
            "help" => return Next::Help,
            "interactive" => self.interactive = decided(said).unwrap_or_else(on_terminal),
            "keys-dir" => self.keys_dir = Some(text()),
            "legacy-info" => self.legacy_info = said.is_yes(),
            "logfile" => self.logfile = said.is_yes(),
            "network" => self.network = said.is_yes(),
            "preupgrade-depends" => self.preupgrade_depends.push(text()),
            "print-arch" => return Next::Arch,
            "progress" => self.progress = decided(said),
            "progress-fd" => self.progress_fd = u32::try_from(number(said.text())).unwrap_or(0),
            "uvol-manager" => return Next::Missing,
            "purge" => self.purge = said.is_yes(),
            "quiet" => return Next::Quieter,
            "repositories-file" => self.repositories_file = Some(text()),
            "repository" => self.repositories.push(text()),
            "repository-config" => self.repository_configs.push(text()),
            "root" => {
                self.root = text();
                self.root_set = true;
            }
            "root-tmpfs" => self.root_tmpfs = decided(said),
            "sync" => self.sync = decided(said),
            "verbose" => return Next::Louder,
            "version" => return Next::Version,
            "wait" => self.wait = number(said.text()),
            _ => {} // the third row of the table above
        }
        Next::Continue
    }
}
