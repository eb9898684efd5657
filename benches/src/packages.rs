//! Signed apk repositories, made once and kept.
//!
//! What is in the packages depends on a seed only. Their compressed bytes are made by flate2, as real ones are by
//! gzip, and may differ between its versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::forge::gzip::Deflate;
use fixtures::forge::{Forge, Key, Repository};
use fixtures::seed::Random;
use rayon::prelude::*;

use crate::content::{self, Content};
use crate::corpora::kept;
use crate::{Failure, corpora};

/// The architecture of everything here.
const ARCH: &str = "x86_64";

/// A repository, its keys, and what is to be installed from it.
#[derive(Clone, Debug)]
pub struct Packages {
    /// What it is, for tables.
    pub name: String,
    /// The directory that holds `x86_64` and `keys`.
    pub dir: PathBuf,
    /// What is asked for.
    pub world: Vec<String>,
    /// How many packages there are.
    pub count: usize,
    /// Sum of the sizes of the packages.
    pub packed: u64,
}

impl Packages {
    /// 60 packages, about 6,000 files and 160 MB, some packages much larger than others.
    pub fn generated() -> Result<Packages, Failure> {
        let dir = kept("packages-60", |dir| forge(dir, generated(), 9))?;
        Packages::at("60 packages", dir)
    }

    /// 200 packages, 20,000 files, 504 MB; a few packages have most of the files.
    pub fn many() -> Result<Packages, Failure> {
        let dir = kept("packages-200", |dir| {
            forge(dir, many().into_par_iter().map(|plan| plan.forge()), 9)
        })?;
        Packages::at("200 packages", dir)
    }

    /// One package of so many megabytes, half of them in one file.
    pub fn single(megabytes: usize) -> Result<Packages, Failure> {
        let dir = kept(&format!("package-{megabytes}mb"), |dir| {
            forge(dir, vec![single(megabytes)], 6)
        })?;
        Packages::at(&format!("one package of {megabytes} MB"), dir)
    }

    /// The mini root file system of Alpine 3.20.3 taken apart into the packages it was made of. `None`, after
    /// saying so on stderr, where it or the tools for that are not there.
    pub fn minirootfs() -> Result<Option<Packages>, Failure> {
        let Some(shared) = fixtures::shared() else {
            return Ok(None);
        };
        let made = kept("minirootfs", |dir| repack(&shared, dir));
        #[allow(
            clippy::print_stderr,
            reason = "the reader of the numbers must know what is missing"
        )]
        match made {
            Ok(dir) => Packages::at("minirootfs 3.20.3", dir).map(Some),
            Err(error) => {
                eprintln!("no packages of the mini root file system: {error}");
                Ok(None)
            }
        }
    }

    /// The manifest that asks for all of it, in one branch named `bench`.
    pub fn manifest(&self) -> String {
        let place = self.dir.display();
        let world: Vec<String> = self
            .world
            .iter()
            .map(|package| format!("{package:?}"))
            .collect();
        format!(
            "[repositories]\nurls = [\"{place}\"]\nkeys = [\"{place}/keys\"]\narch = [\"{ARCH}\"]\n\
             [branch.bench]\nref = \"bench\"\npackages = [{}]\n",
            world.join(", ")
        )
    }

    /// The directory of the package files.
    pub fn archives(&self) -> PathBuf {
        self.dir.join(ARCH)
    }

    fn at(name: &str, dir: PathBuf) -> Result<Packages, Failure> {
        let world = fs::read_to_string(dir.join("world"))?;
        let (files, bytes) = corpora::measure(&dir.join(ARCH))?;
        let index = fs::metadata(dir.join(ARCH).join("APKINDEX.tar.gz"))?.len();
        Ok(Packages {
            name: name.to_owned(),
            dir,
            world: world.split_whitespace().map(str::to_owned).collect(),
            count: files - 1,
            packed: bytes - index,
        })
    }
}

/// An index of 5,000 packages nobody has, signed with the demo key.
pub fn index() -> Vec<u8> {
    let mut random = Random::new(11);
    let content = Content::default();
    let mut records = String::new();
    for number in 0..5_000 {
        let description = content.text(&mut random, 40);
        let description = String::from_utf8_lossy(&description).replace('\n', " ");
        let (a, b) = (random.below(5_000), random.below(5_000));
        let forged = Forge::package(&format!("bench-{number:04}"), "1.2.3-r4")
            .arch(ARCH)
            .description(description.trim())
            .depends(&format!("so:libbench{a:04}.so.1 bench-{b:04}"))
            .provides(&format!(
                "so:libbench{number:04}.so.1=1.2.3 cmd:b{number}=1.2.3-r4"
            ))
            .forge(&Key::demo());
        records.push_str(&forged.record());
    }
    Repository::new(ARCH).index(&records, Some(&Key::demo()))
}

/// Writes packages, their index, the key and the world.
fn forge(
    dir: &Path,
    packages: impl IntoParallelIterator<Item = Forge>,
    level: u32,
) -> Result<(), Failure> {
    let key = Key::demo();
    let archives = dir.join(ARCH);
    fs::create_dir(&archives)?;
    let records: Vec<(String, String)> = packages
        .into_par_iter()
        .map(|package| {
            let forged = package.deflate(Deflate::Library(level)).forge(&key);
            fs::write(archives.join(forged.file_name()), forged.bytes())?;
            Ok((forged.name().to_owned(), forged.record()))
        })
        .collect::<Result<_, std::io::Error>>()?;
    let (names, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
    let index = Repository::new(ARCH).index(&records.concat(), Some(&key));
    fs::write(archives.join("APKINDEX.tar.gz"), index)?;
    fs::create_dir(dir.join("keys"))?;
    fs::write(dir.join("keys").join(key.name()), key.public_pem())?;
    fs::write(dir.join("world"), names.join("\n"))?;
    Ok(())
}

/// Every package depends on two before it. Package sizes fall like 1/n: a few packages have most of the files.
fn generated() -> Vec<Forge> {
    let content = Content::default();
    let mut random = Random::new(60);
    (0..60)
        .map(|number| {
            let mut package = Forge::package(&format!("bench-{number:02}"), "1.0-r0").arch(ARCH);
            if number > 1 {
                let (a, b) = (random.below(number), random.below(number));
                package = package.depends(&format!("bench-{a:02} bench-{b:02}"));
            }
            let files = 30 + 1_100 / (number + 1);
            (0..files).fold(package, |package, file| {
                add_file(package, number, file, &content, &mut random)
            })
        })
        .collect()
}

fn add_file(
    package: Forge,
    number: usize,
    file: usize,
    content: &Content,
    random: &mut Random,
) -> Forge {
    let length = content::length(random);
    match random.below(100) {
        0..50 => package.file(
            &format!(
                "usr/share/bench-{number:02}/dir{:02}/text{file:04}",
                file / 25
            ),
            content.text(random, length),
        ),
        50..55 => package.symlink(&format!("usr/bin/bench-{number:02}-{file:04}"), "bench"),
        _ => package
            .file(
                &format!("usr/lib/bench-{number:02}/lib{file:04}.so"),
                content.program(random, length),
            )
            .mode(0o755),
    }
}

/// A package that is made when its turn comes, so that not all of them are in memory at once.
struct Plan {
    number: usize,
    /// The lengths of its files.
    lengths: Vec<usize>,
}

/// How many packages, and what they have together.
const MANY: (usize, usize, usize) = (200, 20_000, 504_000_000);

/// The package number n has 40 files and a share of the rest that falls like 1/n.
fn many() -> Vec<Plan> {
    let (packages, files, bytes) = MANY;
    let mut random = Random::new(200);
    let mut lengths: Vec<usize> = (0..files).map(|_| content::length(&mut random)).collect();
    let sum: usize = lengths.iter().sum();
    for length in &mut lengths {
        *length = *length * bytes / sum;
    }
    let short = bytes - lengths.iter().sum::<usize>();
    if let Some(last) = lengths.last_mut() {
        *last += short;
    }
    let mut plans: Vec<Plan> = (0..packages)
        .rev()
        .map(|number| {
            let share = 40 + 2_040 / (number + 1);
            let rest = match number {
                0 => 0, // the largest takes what is left
                _ => lengths.len().saturating_sub(share),
            };
            let lengths = lengths.split_off(rest);
            Plan { number, lengths }
        })
        .collect();
    plans.reverse();
    plans
}

impl Plan {
    fn forge(self) -> Forge {
        let content = Content::default();
        let number = self.number;
        let mut random = Random::new(20_000 + number as u64);
        let mut package = Forge::package(&format!("bench-{number:03}"), "1.0-r0").arch(ARCH);
        if number > 1 {
            let (a, b) = (random.below(number), random.below(number));
            package = package.depends(&format!("bench-{a:03} bench-{b:03}"));
        }
        for (file, length) in self.lengths.into_iter().enumerate() {
            let share = format!("usr/share/bench-{number:03}/dir{:02}", file / 25);
            let lib = format!("usr/lib/bench-{number:03}");
            package = match random.chance(50) {
                true => package.file(
                    &format!("{share}/text{file:04}"),
                    content.text(&mut random, length),
                ),
                false => package
                    .file(
                        &format!("{lib}/lib{file:04}.so"),
                        content.program(&mut random, length),
                    )
                    .mode(0o755),
            };
        }
        package
    }
}

/// Half in one file, the rest in files of 250 kB.
fn single(megabytes: usize) -> Forge {
    let content = Content::default();
    let mut random = Random::new(megabytes as u64);
    let big = content.program(&mut random, megabytes * 500_000);
    let package = Forge::package("bench-single", "1.0-r0")
        .arch(ARCH)
        .file("usr/lib/single/big.so", big);
    (0..megabytes * 2).fold(package, |package, file| {
        let bytes = content.text(&mut random, 250_000);
        package.file(&format!("usr/share/single/text{file:04}"), bytes)
    })
}

fn repack(shared: &Path, dir: &Path) -> Result<(), Failure> {
    let output = Command::new("python3")
        .arg(shared.join("tools/repack-minirootfs.py"))
        .arg(shared.join("data/alpine-minirootfs-3.20.3-x86_64.tar.gz"))
        .arg(dir)
        .arg("--key")
        .arg(dir.join("bench.rsa"))
        .arg("--make-key")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_as_many_as_they_claim() {
        let plans = many();
        let lengths = || plans.iter().flat_map(|plan| &plan.lengths);
        let found = (plans.len(), lengths().count(), lengths().sum());
        assert_eq!(found, MANY);
        assert!(plans.iter().all(|plan| plan.lengths.len() >= 40));
    }
}
