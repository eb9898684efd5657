//! OSTree's objects and repositories, read and written without libostree.
//!
//! Read downwards: each room uses only those above it.
//!
//! | room | is |
//! |---|---|
//! | [`checksum`] | names of objects |
//! | [`fsverity`] | how the kernel measures a file |
//! | [`gvariant`] | the serialization that objects use |
//! | [`object`] | what the bytes of one object mean |
//! | [`repo`] | one repository on disk |
//! | [`tree`] | many objects seen as directories: import, export, comparison |
//! | [`transfer`] | commits taken from one repository into another |
//! | [`upkeep`] | checking a repository, and taking away what nobody needs |
//!
//! | to | use |
//! |---|---|
//! | make or open a repository | [`Repo::create`](repo::Repo::create), [`Repo::open`](repo::Repo::open) |
//! | find a commit | [`Repo::resolve`](repo::Repo::resolve), [`Repo::refs`](repo::Repo::refs) |
//! | look into its tree | [`walk::list`](tree::walk::list), [`walk::resolve`](tree::walk::resolve), [`diff`](mod@tree::diff) |
//! | read an object | [`Repo::file`](repo::Repo::file), [`Repo::commit`](repo::Repo::commit), [`Repo::dirmeta`](repo::Repo::dirmeta) |
//! | write objects, move refs | [`Repo::transaction`](repo::Repo::transaction), [`Tree`](tree::Tree) |
//! | commit a directory or a tar | [`import_dir`](tree::import_dir), [`import_tar`](tree::import_tar) |
//! | write a tree to the disk | [`checkout`](tree::checkout), [`export_tar`](tree::export_tar) |
//! | bring commits from another repository | [`pull_local`](transfer::pull_local) |
//! | check, and delete what nobody needs | [`fsck`](upkeep::fsck), [`prune`](upkeep::prune) |
//!
//! # Writing a commit, and getting it out again
//!
//! Objects go into a [`repo::Transaction`]; nobody sees them before it is published, and the ref moves last.
//!
//! ```
//! use ostree_store::gvariant::Dict;
//! use ostree_store::object::{Commit, DirMeta, FileHeader, Name, ObjectSink};
//! use ostree_store::repo::{Repo, RepoMode};
//! use ostree_store::tree::Tree;
//! use ostree_store::tree::checkout::{CheckoutOptions, Ownership, checkout};
//!
//! # let dir = fixtures::scratch("example");
//! let repo = Repo::create(&dir.path().join("repo"), RepoMode::Archive)?;
//! let transaction = repo.transaction()?;
//!
//! // A tree in memory: directories are values, contents are objects already.
//! let meta = transaction.dirmeta(&DirMeta::root_owned(0o755))?;
//! let mut root = Tree { meta: Some(meta), ..Tree::default() };
//! let etc = root.open_dir(&transaction, &Name::new("etc")?)?;
//! etc.meta = Some(meta);
//! let content = b"Welcome\n";
//! let motd = transaction.file(
//!     &FileHeader::root_owned(0o644),
//!     content.len() as u64,
//!     &mut content.as_slice(),
//! )?;
//! etc.put_file(Name::new("motd")?, motd)?;
//! let link = transaction.file(&FileHeader::symlink("motd"), 0, &mut std::io::empty())?;
//! etc.put_file(Name::new("issue")?, link)?;
//!
//! let (root_tree, root_meta) = root.write(&transaction)?;
//! let commit = transaction.commit(&Commit {
//!     metadata: Dict::default(),
//!     parent: None,
//!     related: Vec::new(),
//!     subject: "A greeting".to_owned(),
//!     body: String::new(),
//!     timestamp: 1_700_000_000, // the caller's business: nothing here looks at a clock
//!     root_tree,
//!     root_meta,
//! })?;
//! transaction.set_ref("main".parse()?, Some(commit));
//! transaction.publish()?;
//!
//! let options = CheckoutOptions { ownership: Ownership::User, ..CheckoutOptions::default() };
//! checkout(&repo, &root_tree, &root_meta, &dir.path().join("out"), &options)?;
//! assert_eq!(std::fs::read_to_string(dir.path().join("out/etc/issue"))?, "Welcome\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reading
//!
//! ```
//! # use ostree_store::gvariant::Dict;
//! # use ostree_store::object::Commit;
//! # use ostree_store::repo::RepoMode;
//! # use ostree_store::object::ObjectSink;
//! # use ostree_store::tree::{import_dir::import_dir, modify::Modifier};
//! use std::io::Read;
//!
//! use ostree_store::repo::Repo;
//! use ostree_store::tree::walk::{self, Depth, Entry};
//!
//! # let dir = fixtures::scratch("example");
//! # let path = dir.path().join("repo");
//! # let made = Repo::create(&path, RepoMode::BareUserOnly)?;
//! # std::fs::create_dir_all(dir.path().join("t/etc"))?;
//! # std::fs::write(dir.path().join("t/etc/motd"), "Welcome\n")?;
//! # let transaction = made.transaction()?;
//! # let canonical = Modifier { canonical_permissions: true, no_xattrs: true, ..Modifier::default() };
//! # let tree = import_dir(&dir.path().join("t"), &canonical, &transaction)?;
//! # let (root_tree, root_meta) = tree.write(&transaction)?;
//! # let commit = transaction.commit(&Commit { metadata: Dict::default(), parent: None, related: Vec::new(),
//! #     subject: String::new(), body: String::new(), timestamp: 0, root_tree, root_meta })?;
//! # transaction.set_ref("main".parse()?, Some(commit));
//! # transaction.publish()?;
//! let repo = Repo::open(&path)?;
//! let commit = repo.commit(&repo.resolve("main")?)?;
//! let root = Entry::root_of(&commit);
//!
//! // Everything in the tree, files of a directory before its subdirectories. No content is opened.
//! let mut paths = Vec::new();
//! for listed in walk::list(&repo, "/", root, Depth::All) {
//!     paths.push(listed?.path);
//! }
//! assert_eq!(paths, ["/", "/etc", "/etc/motd"]);
//!
//! // One file. It reads as its content, in every mode of the repository.
//! let Entry::File(id) = walk::resolve_following(&repo, root, "/etc/motd")? else {
//!     panic!("a directory")
//! };
//! let mut file = repo.file(&id)?;
//! let mut content = String::new();
//! file.read_to_string(&mut content)?;
//! assert_eq!((content.as_str(), file.header.mode), ("Welcome\n", 0o644));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Looking after repositories
//!
//! ```
//! # use ostree_store::gvariant::Dict;
//! # use ostree_store::object::{Commit, DirMeta, DirTree, ObjectSink};
//! use ostree_store::repo::{Repo, RepoMode};
//! use ostree_store::transfer::{PullOptions, pull_local};
//! use ostree_store::upkeep::fsck::fsck;
//! use ostree_store::upkeep::prune::{Ancestors, PruneOptions, Roots, prune};
//!
//! # let dir = fixtures::scratch("example");
//! # let ours = Repo::create(&dir.path().join("ours"), RepoMode::BareUserOnly)?;
//! # let mut parent = None;
//! # for timestamp in [1, 2, 3] {
//! #     let transaction = ours.transaction()?;
//! #     let root_tree = transaction.dirtree(&DirTree::default())?;
//! #     let root_meta = transaction.dirmeta(&DirMeta::root_owned(0o755))?;
//! #     let commit = transaction.commit(&Commit { metadata: Dict::default(), parent, related: Vec::new(),
//! #         subject: String::new(), body: String::new(), timestamp, root_tree, root_meta })?;
//! #     transaction.set_ref("main".parse()?, Some(commit));
//! #     transaction.publish()?;
//! #     parent = Some(commit);
//! # }
//! // The newest commit of `main` and the one before it, into another repository; all refs if none is named.
//! let published = Repo::create(&dir.path().join("published"), RepoMode::Archive)?;
//! let options = PullOptions { depth: 1, ..PullOptions::default() };
//! let pulled = pull_local(&published, &ours, &["main".to_owned()], &options, &|_, _| {})?;
//! assert_eq!(pulled.metadata, 4);
//!
//! // Only what refs name stays, without history. Nobody may be writing meanwhile, so this waits for the lock.
//! let roots = Roots::Refs { branches: Default::default(), others: Ancestors::Generations(0) };
//! let report = prune(&ours, &PruneOptions { roots, ..PruneOptions::default() }, &|_, _| {})?;
//! assert_eq!(report.deleted, 2);
//!
//! let report = fsck(&published, &|_, _| {})?;
//! assert!(report.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod checksum;
pub mod fsverity;
pub mod gvariant;
pub mod object;
mod path_error;
pub mod repo;
pub mod transfer;
pub mod tree;
pub mod upkeep;

pub use path_error::{PathError, SystemError};
