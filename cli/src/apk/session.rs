//! One run of the apk face: what was said, and what was opened.

use std::path::Path;

use apk_format::Dialect;
use apk_format::adb::compression::Compression;
use apk_format::database::RepositoryLineError;
use apk_format::{PrivateKey, Trust};
use composer::cache::PackageCache;
use composer::install::{self, lock::Lock};
use composer::inventory::Inventory;
use composer::inventory::PackageId;
use composer::inventory::open::{
    self, Action, Cache, ListError, ListFiles, Lists, OpenError, Opening, State, Warning,
};
use composer::inventory::search::{Answer, SearchError, Spec};
use composer::resolve::ResolveError;
use composer::root::Root;
use rustix::fs::{FsWord, statfs};

use super::carry;
use super::globals::Globals;
use super::log::Log;
use super::options::Said;
use super::out::Out;
use super::phrases;
use super::serialize::Format;
use super::trouble::Trouble;

/// An exit status: errors of apk's own are negative and end as 99.
pub(super) type Code = i64;

/// A failure of the system or of a format.
pub(super) const FAILED: Code = -1;

/// A query that apk has no answer to.
pub(super) const NOT_SUPPORTED: Code = -2;

/// Which parts of a root and its repositories a command looks at.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "apk's parts are independent")]
pub(super) struct Parts {
    pub(super) installed: bool,
    pub(super) scripts: bool,
    pub(super) world: bool,
    pub(super) listed: bool,
    pub(super) given: bool,
    /// Whether `--arch` counts for the root of the running system too.
    pub(super) any_arch: bool,
}

impl Parts {
    /// Nothing at all.
    pub(super) const NONE: Parts = Parts {
        installed: false,
        scripts: false,
        world: false,
        listed: false,
        given: false,
        any_arch: false,
    };
    /// Repositories alone.
    pub(super) const REPOSITORIES: Parts = Parts {
        listed: true,
        given: true,
        any_arch: true,
        ..Parts::NONE
    };
    /// Everything.
    pub(super) const ALL: Parts = Parts {
        installed: true,
        scripts: true,
        world: true,
        ..Parts::REPOSITORIES
    };

    /// Whether something is to be opened.
    fn any(self) -> bool {
        self.installed || self.scripts || self.world || self.listed || self.given
    }
}

/// What was said, and what was opened.
pub(super) struct Session {
    pub(super) out: Out,
    pub(super) globals: Globals,
    pub(super) parts: Parts,
    pub(super) spec: Spec,
    pub(super) format: Format,
    /// The field that is summarized instead of listing packages.
    pub(super) summarize: bool,
    /// How files that are made are compressed, if that was said.
    pub(super) compression: Option<Compression>,
    /// With what they are signed.
    pub(super) sign_keys: Vec<PrivateKey>,
    /// The exit code of `--help`.
    pub(super) help_code: Code,
    /// Set by an option that ends the run after it has said why.
    pub(super) ended: Option<Code>,
    /// The command's own options, in order.
    pub(super) own: Vec<(&'static str, Said)>,
    /// Whether changes of the root are only told.
    pub(super) simulate: bool,
    /// Whether the command changes the root.
    pub(super) writes: bool,
    /// Whether scripts are only recorded.
    pub(super) no_scripts: bool,
    /// Whether commit hooks are passed over.
    pub(super) no_commit_hooks: bool,
    /// Whether nothing goes beside changed files.
    pub(super) clean_protected: bool,
    /// The form of a new database.
    pub(super) dialect: Option<Dialect>,
    /// Whether log and cache of the root are there.
    is_settled: bool,
    /// Held until the end.
    lock: Option<Lock>,
    /// Whether a root without a database is an empty system.
    pub(super) makes_database: bool,
    pub(super) root: Option<Root>,
    pub(super) inventory: Inventory,
}

impl Session {
    pub(super) fn new() -> Session {
        Session {
            out: Out::new(),
            globals: Globals::default(),
            parts: Parts::NONE,
            spec: Spec::default(),
            format: Format::Plain,
            summarize: false,
            compression: None,
            sign_keys: Vec::new(),
            help_code: 0,
            ended: None,
            own: Vec::new(),
            simulate: false,
            writes: false,
            no_scripts: false,
            no_commit_hooks: false,
            clean_protected: false,
            dialect: None,
            is_settled: false,
            lock: None,
            makes_database: false,
            root: None,
            inventory: Inventory::default(),
        }
    }

    /// Whether one of the command's own options was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.own
            .iter()
            .any(|(known, said)| *known == name && *said != Said::No)
    }

    /// The last value of one of the command's own options.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut said = self.own.iter().rev();
        said.find(|(known, _)| *known == name)
            .map(|(_, said)| said.text())
    }

    /// Whether unsigned material can be used.
    pub(super) fn trust(&self) -> Trust {
        if self.globals.allow_untrusted {
            Trust::AllowUntrusted
        } else {
            Trust::Required
        }
    }

    /// Opens the root, and what the command looks at in it.
    pub(super) fn open(&mut self) -> Result<(), Code> {
        if self.writes && self.makes_database {
            // What stands in the way shows when the root is opened.
            let _ = make_root(&self.globals.root);
        }
        let root = Root::open(Path::new(&self.globals.root)).map_err(|error| {
            let words = phrases::system(&error);
            self.out.error(format_args!("Unable to open root: {words}"));
            FAILED
        })?;
        let opened = self.open_in(&root);
        self.root = Some(root);
        opened
    }

    fn open_in(&mut self, root: &Root) -> Result<(), Code> {
        if self.writes {
            if self.makes_database {
                carry::check_user(self)?;
            }
            self.start_log(root)?;
            self.lock = Some(carry::lock(self, root)?);
        }
        if self.makes_database && !root.has_dir("lib/apk/db").unwrap_or(false) {
            (self.parts.installed, self.parts.scripts, self.parts.world) = (false, false, false);
        }
        if self.parts.any() {
            let opened = open::open(root, &self.opening());
            match opened {
                Ok((inventory, warnings)) => {
                    self.inventory = inventory;
                    warnings.iter().for_each(|warning| self.warn(warning));
                    self.warn_of_faults();
                }
                Err(error) => return Err(self.refuse(&error)),
            }
        }
        Ok(())
    }

    /// Begins the log. What apk makes in every root that it opens is made as soon as the form of the root is clear.
    fn start_log(&mut self, root: &Root) -> Result<(), Code> {
        if self.globals.logfile {
            self.out.log = Log::begin(std::env::args_os(), jiff::Timestamp::now());
        }
        match install::recorded_dialect(root).or(self.dialect) {
            Some(dialect) => self.settle(root, dialect),
            None if self.makes_database => Ok(()),
            None => self.settle(root, Dialect::Apk3),
        }
    }

    /// Opens the log if this dialect has one, and makes the usual cache directory.
    pub(super) fn settle(&mut self, root: &Root, dialect: Dialect) -> Result<(), Code> {
        self.is_settled = true;
        if dialect == Dialect::Apk2 {
            self.out.log = Log::Off;
            return Ok(());
        }
        self.out.log.open(root).map_err(|error| {
            let words = phrases::system(&error);
            self.out.error(format_args!("Unable to open log: {words}"));
            FAILED
        })?;
        let globals = &self.globals;
        if globals.cache && globals.cache_dir.is_none() && !open::has_cache(root) {
            // apk goes on without it as well.
            let _ = install::make_dirs(root, open::USUAL_CACHE);
        }
        Ok(())
    }

    /// Nothing came of a new root: what was said is logged all the same.
    pub(super) fn finish_log(&mut self) {
        if let Some(root) = self.root.take().filter(|_| self.writes && !self.is_settled) {
            let _ = self.settle(&root, Dialect::Apk3); // told already
        }
    }

    /// The directory of the cache, whatever it keeps.
    pub(super) fn cache_dir(&self) -> Option<PackageCache> {
        let (root, globals) = (self.root.as_ref()?, &self.globals);
        let dir = match &globals.cache_dir {
            _ if !globals.cache => return None,
            Some(dir) => dir.as_str(),
            None if open::has_cache(root) => open::PACKAGE_CACHE,
            None => open::USUAL_CACHE,
        };
        PackageCache::open(root, dir).ok()
    }

    /// Whether what is installed lasts no longer than the memory that the root lies in.
    pub(super) fn is_in_memory(&self) -> bool {
        const TMPFS: FsWord = 0x0102_1994;
        let globals = &self.globals;
        globals.root_tmpfs.unwrap_or_else(|| {
            let found = statfs(globals.root.as_str());
            found.is_ok_and(|found| found.f_type == TMPFS)
        })
    }

    /// The keys that are trusted.
    pub(super) fn keys(&self) -> apk_format::KeyRing {
        let root = self.root.as_ref();
        root.map(|root| open::keys(root, self.globals.keys_dir.as_deref()))
            .unwrap_or_default()
    }

    fn opening(&self) -> Opening<'_> {
        let globals = &self.globals;
        let own_root = globals.root == "/";
        let architectures: &[String] = if own_root && !self.parts.any_arch {
            &[]
        } else {
            &globals.architectures
        };
        let files = match &globals.repositories_file {
            _ if !self.parts.listed => ListFiles::None,
            Some(path) => ListFiles::At(path),
            None => ListFiles::Root,
        };
        let lists = if self.parts.given {
            Lists {
                lines: &globals.repositories,
                texts: &globals.repository_configs,
                files,
            }
        } else {
            Lists {
                files,
                ..Lists::default()
            }
        };
        Opening {
            architectures,
            machine: machine(),
            state: State {
                installed: self.parts.installed,
                scripts: self.parts.scripts,
                world: self.parts.world,
            },
            lists,
            keys_dir: globals.keys_dir.as_deref(),
            trust: self.trust(),
            network: globals.network,
            cache_packages: (self.parts.installed || self.makes_database)
                .then_some(globals.cache_packages),
            cache: globals
                .cache
                .then(|| globals.cache_dir.as_deref().map_or(Cache::Usual, Cache::At)),
        }
    }

    fn refuse(&mut self, error: &OpenError) -> Code {
        let words = phrases::opening(error);
        match error {
            OpenError::Cache(_) => {
                self.out
                    .error(format_args!("Unable to setup the cache: {words}"));
            }
            _ => self
                .out
                .error(format_args!("Unable to read database: {words}")),
        }
        self.out
            .error(format_args!("Failed to open apk database: {words}"));
        FAILED
    }

    fn warn(&mut self, warning: &Warning) {
        match warning {
            Warning::Line { file, line, error } => {
                if let Some(words) = line_error(error) {
                    self.out.warning(format_args!("{file}:{line}: {words}"));
                }
            }
            Warning::File { file, error } => {
                let words = match error {
                    ListError::Read(error) => phrases::system(error),
                    ListError::Line(RepositoryLineError::Keyword(_)) => {
                        "unsupported repositories file keyword".to_owned()
                    }
                    ListError::Line(
                        RepositoryLineError::Variable(_) | RepositoryLineError::Definition(_),
                    ) => "undefined repositories file variable".to_owned(),
                    ListError::Line(_) => "repositories file syntax error".to_owned(),
                };
                self.out
                    .error(format_args!("failed to read repositories: {file}: {words}"));
            }
            Warning::Repository { action, url, error } => {
                let action = match action {
                    Action::Open => "opening",
                    Action::OpenFromCache => "opening from cache",
                    Action::Fetch => "fetching",
                };
                let trouble = phrases::repository(error);
                self.out.warning(format_args!("{action} {url}: {trouble}"));
                self.explain_trouble(url, &trouble);
            }
        }
    }

    /// An error, what only we can say of it, and what would help.
    pub(super) fn tell_trouble(&mut self, about: &str, trouble: &Trouble) {
        let words = phrases::by(self.out.words, trouble.words());
        self.out.error(format_args!("{about}: {words}"));
        self.explain_trouble(about, trouble);
    }

    /// The same for those who have said the words of apk.
    pub(super) fn explain_trouble(&mut self, about: &str, trouble: &Trouble) {
        let keys_from = self.keys_from();
        self.out.explain(about, trouble, &keys_from);
    }

    /// The directories of the keys that are loaded.
    pub(super) fn keys_from(&self) -> String {
        let root = self.globals.root.trim_end_matches('/');
        match self.globals.keys_dir.as_deref() {
            Some(dir) if dir.starts_with('/') => dir.to_owned(),
            Some(dir) => format!("{root}/{dir}"),
            None => format!("{root}/etc/apk/keys and {root}/lib/apk/keys"),
        }
    }

    fn warn_of_faults(&mut self) {
        let faults = self.inventory.faults;
        let consequence = if faults.unusable_packages {
            "are not installable"
        } else {
            "might not function properly"
        };
        if faults.unknown_fields {
            self.out.warning(format_args!(
                "This apk-tools is OLD! Some packages {consequence}."
            ));
        }
        if faults.unreadable_atoms {
            self.out.warning(format_args!(
                "The indexes contain broken packages which {consequence}."
            ));
        }
    }

    /// Finds what operands mean. What goes wrong is told; the error is apk's result.
    pub(super) fn search(&mut self, operands: &[String]) -> Result<Answer, Code> {
        let answer = self
            .inventory
            .search(&self.spec, operands, self.root.as_ref());
        answer.map_err(|error| self.explain(&error))
    }

    /// Finds packages, each once and sorted, and how many operands meant nothing.
    pub(super) fn packages(&mut self, operands: &[String]) -> Result<(Vec<PackageId>, Code), Code> {
        let found = self
            .inventory
            .search_packages(&self.spec, operands, self.root.as_ref());
        match found {
            Ok((packages, missing)) => Ok((packages, Code::try_from(missing).unwrap_or(FAILED))),
            Err(error) => match self.explain(&error) {
                code if code < 0 => Err(code),
                code => Ok((Vec::new(), code)),
            },
        }
    }

    fn explain(&mut self, error: &SearchError) -> Code {
        match error {
            SearchError::Dependency { text, .. } => {
                self.out.error(format_args!(
                    "'{text}' is not a valid world dependency, format is name(@tag)([<>~=]version)"
                ));
                FAILED
            }
            SearchError::Resolve(error) => self.explain_unsolved(error),
            SearchError::Unmatchable => NOT_SUPPORTED,
        }
    }

    /// Tells why a request has no solution.
    pub(super) fn explain_unsolved(&mut self, error: &ResolveError) -> Code {
        match error {
            ResolveError::Unsatisfiable(reasons) => {
                self.out.error(reasons);
                Code::try_from(reasons.errors).unwrap_or(FAILED)
            }
            ResolveError::UnknownTags(dependencies) => {
                for dependency in dependencies {
                    let tag = dependency.tag.as_deref().unwrap_or_default();
                    let name = &dependency.name;
                    self.out.warning(format_args!(
                        "The repository tag for world dependency '{name}@{tag}' does not exist"
                    ));
                }
                FAILED
            }
            error => {
                self.out.error(phrases::chain(error));
                FAILED
            }
        }
    }
}

/// Makes the directory of a new root.
fn make_root(path: &str) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o755).create(path)
}

/// What apk says of a line that names no repository; it is silent about incomplete ones.
fn line_error(error: &RepositoryLineError) -> Option<String> {
    match error {
        RepositoryLineError::Syntax => None,
        RepositoryLineError::Keyword(word) => Some(format!("unrecogized keyword: {word}")),
        RepositoryLineError::Option(word) => Some(format!("invalid option: {word}")),
        RepositoryLineError::Definition(text) => {
            Some(format!("invalid variable definition: {text}"))
        }
        RepositoryLineError::Variable(name) => Some(format!("undefined variable: {name}")),
        RepositoryLineError::Url(url) => Some(format!("invalid url: {url}")),
    }
}

/// The architecture of this machine, by Alpine's name.
pub(crate) fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "arm" => "armv7",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
