//! `ls`: the paths of a commit.
//!
//! ```text
//! TYPEmode uid gid   size [checksum [dirmeta]] [{ xattrs }] path[ -> target]
//! -04711 0 0      3 /b
//! l00777 0 0      0 /l -> b
//! d00755 1000 20000      0 /d
//! ```
//!
//! The size is aligned to six columns; directories and symbolic links have none. A path is taken as it is written:
//! a link is listed, not followed.

use std::fmt;

use clap::Args;
use ostree_store::checksum::{Checksum, DirMetaId};
use ostree_store::object::{FileKind, Xattrs};
use ostree_store::repo::Repo;
use ostree_store::tree::walk::{self, Depth, Entry, Listed};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Failure, Within};

/// List the paths of a commit
#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Commit, ref or checksum to list
    #[arg(value_name = "COMMIT", required = true)]
    rev: String,
    /// Files and directories in it; without any its root
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// List directories themselves, not what they hold; no effect with -R
    #[arg(long, short = 'd')]
    dironly: bool,
    /// Descend into subdirectories
    #[arg(long, short = 'R')]
    recursive: bool,
    /// Print checksums: of a file, of a directory's content and metadata
    #[arg(long, short = 'C')]
    checksum: bool,
    /// Print extended attributes
    #[arg(long, short = 'X')]
    xattrs: bool,
    /// Print only paths, each followed by a NUL
    #[arg(long)]
    nul_filenames_only: bool,
    /// Print a JSON array
    #[arg(long, conflicts_with = "nul_filenames_only")]
    json: bool,
}

pub(crate) fn run(args: &LsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let commit = repo.commit(&repo.resolve(&args.rev)?)?;
    let root = Entry::root_of(&commit);
    let whole = ["/".to_owned()];
    let paths = if args.paths.is_empty() {
        &whole[..]
    } else {
        &args.paths
    };
    let each = |tell: &mut dyn FnMut(Listed) -> Result<(), Failure>| {
        paths.iter().try_for_each(|path| {
            let listed = list(args, repo, root, path, tell);
            match args.paths.is_empty() {
                true => listed,
                false => listed.within(format_args!("Inspecting path '{path}'")),
            }
        })
    };
    if !args.json {
        return each(&mut |listed| {
            if args.nul_filenames_only {
                return console.data(format_args!("{}\0", listed.path));
            }
            let line = Line::read(repo, listed, args.xattrs)?;
            console.line(Columns { line: &line, args })
        });
    }
    let mut array = console.array();
    each(&mut |listed| array.push(&Line::read(repo, listed, true)?.record()))?;
    array.finish()
}

/// Goes through what is at one path.
fn list(
    args: &LsArgs,
    repo: &Repo,
    root: Entry,
    path: &str,
    tell: &mut dyn FnMut(Listed) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let entry = walk::resolve(repo, root, path)?;
    let path = format!("/{}", walk::names(path).join("/"));
    let mut listed = walk::list(repo, &path, entry, args.depth());
    listed.try_for_each(|listed| tell(listed?))
}

impl LsArgs {
    fn depth(&self) -> Depth {
        match (self.dironly, self.recursive) {
            (_, true) => Depth::All,
            (true, false) => Depth::Itself,
            (false, false) => Depth::Children,
        }
    }
}

/// All that can be said of one path.
struct Line {
    path: String,
    letter: char,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    target: Option<String>,
    checksum: Checksum,
    dirmeta: Option<DirMetaId>,
    xattrs: Xattrs,
}

impl Line {
    fn read(repo: &Repo, listed: Listed, wanted: bool) -> Result<Line, Failure> {
        let path = listed.path;
        match listed.entry {
            Entry::Dir { tree, meta: id } => {
                let meta = repo.dirmeta(&id)?;
                let (mode, uid, gid, xattrs) = (meta.mode, meta.uid, meta.gid, meta.xattrs);
                let (checksum, dirmeta) = (*tree.checksum(), Some(id));
                Ok(Line {
                    path,
                    letter: 'd',
                    mode,
                    uid,
                    gid,
                    size: 0,
                    target: None,
                    checksum,
                    dirmeta,
                    xattrs,
                })
            }
            Entry::File(id) => {
                let stored = repo.file_info(&id, wanted)?;
                let (size, header) = (stored.size, stored.header);
                let (letter, size, target) = match header.kind {
                    FileKind::Regular => ('-', size, None),
                    FileKind::Symlink(target) => ('l', 0, Some(target)),
                };
                let (mode, uid, gid, xattrs) = (header.mode, header.uid, header.gid, header.xattrs);
                let checksum = *id.checksum();
                Ok(Line {
                    path,
                    letter,
                    mode,
                    uid,
                    gid,
                    size,
                    target,
                    checksum,
                    dirmeta: None,
                    xattrs,
                })
            }
        }
    }

    fn record(self) -> Record {
        let (file, dirtree) = match self.dirmeta {
            None => (Some(self.checksum.to_string()), None),
            Some(_) => (None, Some(self.checksum.to_string())),
        };
        Record {
            path: self.path,
            r#type: match self.letter {
                'd' => "directory",
                'l' => "symlink",
                _ => "file",
            },
            mode: format!("{:04o}", self.mode),
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            target: self.target,
            checksum: file,
            dirtree,
            dirmeta: self.dirmeta.map(|id| id.to_string()),
            xattrs: self.xattrs.iter().map(Xattr::new).collect(),
        }
    }
}

/// What `--json` tells of a path; what does not apply is `null`.
#[derive(Debug, Serialize)]
struct Record {
    path: String,
    r#type: &'static str,
    /// Permission bits in octal, four digits.
    mode: String,
    uid: u32,
    gid: u32,
    size: u64,
    target: Option<String>,
    checksum: Option<String>,
    dirtree: Option<String>,
    dirmeta: Option<String>,
    xattrs: Vec<Xattr>,
}

/// An extended attribute; the value in hex, as it may be any bytes.
#[derive(Debug, Serialize)]
struct Xattr {
    name: String,
    value: String,
}

impl Xattr {
    fn new((name, value): (&[u8], &[u8])) -> Xattr {
        let name = String::from_utf8_lossy(name).into_owned();
        Xattr {
            name,
            value: value.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// A line of the table.
struct Columns<'a> {
    line: &'a Line,
    args: &'a LsArgs,
}

impl fmt::Display for Columns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line {
            letter,
            mode,
            uid,
            gid,
            size,
            ..
        } = self.line;
        write!(f, "{letter}{mode:05o} {uid} {gid} {size:>6} ")?;
        if self.args.checksum {
            write!(f, "{} ", self.line.checksum)?;
            if let Some(dirmeta) = self.line.dirmeta {
                write!(f, "{dirmeta} ")?;
            }
        }
        if self.args.xattrs {
            write!(f, "{{ {} }} ", self.line.xattrs.to_value())?;
        }
        f.write_str(&self.line.path)?;
        match &self.line.target {
            Some(target) => write!(f, " -> {target}"),
            None => Ok(()),
        }
    }
}
