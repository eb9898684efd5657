//! Directory trees from a seed, on disk and as tar archives, made once and kept.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use fixtures::seed::Random;
use rayon::prelude::*;

use crate::Failure;
use crate::content::{self, Content};

/// Part of every kept name: raised when a corpus would come out different.
const VERSION: u32 = 1;

/// A directory tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// What it is, for tables.
    pub name: &'static str,
    /// The directory.
    pub dir: PathBuf,
    /// The same as a plain tar archive, owner 0:0, time 0.
    pub tar: PathBuf,
    /// Regular files.
    pub files: usize,
    /// Sum of their sizes.
    pub bytes: u64,
}

impl Tree {
    /// 5,000 files of all sizes, about 155 MB.
    pub fn mixed() -> Result<Tree, Failure> {
        tree("mixed", 5_000, content::length)
    }

    /// 20,000 files of at most 8 kB, about 80 MB.
    pub fn small() -> Result<Tree, Failure> {
        tree("small", 20_000, |random| random.below(8_192))
    }
}

/// Where corpora are kept: `bench-corpora` in the build directory of the running program.
pub fn home() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .find(|dir| dir.ends_with("release") || dir.ends_with("debug"))
        .and_then(Path::parent)
        .ok_or("this program does not lie in a build directory")?;
    let home = target.join("bench-corpora");
    fs::create_dir_all(&home)?;
    Ok(home)
}

/// The directory `name` in [`home`], made by `make` if it is not there yet. A run that ends early leaves none.
pub fn kept(
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let home = home()?;
    let place = home.join(format!("{name}-{VERSION}"));
    if !place.is_dir() {
        let making = tempfile::tempdir_in(&home)?;
        make(making.path())?;
        fs::rename(making.path(), &place)?;
    }
    Ok(place)
}

/// Regular files below `dir`, and the sum of their sizes.
pub fn measure(dir: &Path) -> Result<(usize, u64), Failure> {
    let (mut files, mut bytes) = (0, 0);
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files += 1;
            bytes += entry.metadata()?.len();
        }
    }
    Ok((files, bytes))
}

fn tree(
    name: &'static str,
    files: usize,
    length: fn(&mut Random) -> usize,
) -> Result<Tree, Failure> {
    let place = kept(&format!("tree-{name}"), |place| {
        let dir = place.join("tree");
        fs::create_dir(&dir)?;
        fill(&dir, files, length)?;
        pack(&dir, &place.join("tree.tar"))
    })?;
    let (dir, tar) = (place.join("tree"), place.join("tree.tar"));
    let (files, bytes) = measure(&dir)?;
    Ok(Tree {
        name,
        dir,
        tar,
        files,
        bytes,
    })
}

/// Twenty files in a directory, twenty-five directories in another.
fn fill(dir: &Path, files: usize, length: fn(&mut Random) -> usize) -> Result<(), Failure> {
    let content = Content::default();
    (0..files.div_ceil(20))
        .into_par_iter()
        .try_for_each(|number| {
            let dir = dir.join(format!("usr/part{:03}/dir{:02}", number / 25, number % 25));
            fs::create_dir_all(&dir)?;
            for file in number * 20..files.min(number * 20 + 20) {
                let mut random = Random::new(file as u64);
                let length = length(&mut random);
                let (name, bytes) = match random.chance(50) {
                    true => (format!("text{file:05}"), content.text(&mut random, length)),
                    false => (
                        format!("program{file:05}"),
                        content.program(&mut random, length),
                    ),
                };
                fs::write(dir.join(name), bytes)?;
            }
            io::Result::Ok(())
        })?;
    Ok(())
}

/// Writes a tar archive of a directory, sorted, with nothing in it that depends on this machine.
fn pack(dir: &Path, archive: &Path) -> Result<(), Failure> {
    let mut tar = tar::Builder::new(BufWriter::new(File::create(archive)?));
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry?;
        let name = Path::new(".").join(entry.path().strip_prefix(dir)?);
        let mut header = tar::Header::new_gnu();
        let is_dir = entry.file_type().is_dir();
        header.set_entry_type(if is_dir {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(if is_dir { 0o755 } else { 0o644 });
        header.set_size(if is_dir { 0 } else { entry.metadata()?.len() });
        if is_dir {
            tar.append_data(&mut header, name, io::empty())?;
        } else {
            tar.append_data(&mut header, name, File::open(entry.path())?)?;
        }
    }
    tar.into_inner()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    Ok(())
}
