//! `add` into a new root: 200 packages, 20,000 files, 504 MB onto a disk.
//!
//! Beside it: both real apks with the same words, and the floor, which inflates and hashes the packages and writes
//! each file once. Then the memory, with packages of very different sizes.

#![allow(clippy::print_stdout, reason = "the tables and claims are the result")]

use std::fs;
use std::path::Path;
use std::process::Command;

use benches::Failure;
use benches::packages::Packages;
use benches::rounds::{Job, Row, Settings, measure, mebibytes};
use benches::tools::{Ours, cores};
use fixtures::peer::{self, Peer};

/// What all files have together, in bytes.
const BYTES: u64 = 504_000_000;

/// The most memory that the job may need, in bytes: so much, and so much more for each thread.
const MEMORY: (u64, u64) = (64 << 20, 32 << 20);

fn main() -> Result<(), Failure> {
    let ours = Ours::find(env!("CARGO_BIN_EXE_floor"))?;
    let settings = Settings::from_args()?;
    let title = "add 200 packages, 20,000 files, 504 MB to a new root";
    if settings.wants(title) {
        speed(title, &ours, &settings)?;
    }
    let title = "memory for one package added to a new root";
    if settings.wants(title) {
        memory(title, &ours, &settings)?;
    }
    Ok(())
}

fn speed(title: &str, ours: &Ours, settings: &Settings) -> Result<(), Failure> {
    let packages = Packages::many()?;
    let apks = [peer::apk3(), peer::apk2()];
    let mut jobs = vec![adding(ours, &packages, BYTES, cores())];
    if cores() > 1 {
        jobs.push(adding(ours, &packages, BYTES, 1));
    }
    for apk in apks.iter().flatten() {
        jobs.push(real(apk, &packages));
    }
    for threads in [1, cores()] {
        jobs.push(floor(ours, &packages, threads));
    }
    let rows = measure(title, jobs, settings)?;
    if let Some(ours) = rows.first() {
        claim_memory(ours, cores());
        let version_3 = |row: &&Row| row.name.starts_with("apk 3");
        if let Some(theirs) = rows.iter().find(version_3) {
            let wall = ours.wall.as_secs_f64() / theirs.wall.as_secs_f64();
            let cpu = ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64();
            let numbers = format!("wall {wall:.2}, cpu {cpu:.2}");
            let what =
                "at most 0.6 of the time of apk 3 by the clock, and at most its processor time";
            claim(what, wall <= 0.6 && cpu <= 1.0, &numbers);
        }
    }
    Ok(())
}

fn memory(title: &str, ours: &Ours, settings: &Settings) -> Result<(), Failure> {
    let packages = [
        (10_000_000, Packages::single(10)?),
        (300_000_000, Packages::single(300)?),
    ];
    let jobs = packages
        .iter()
        .map(|(bytes, one)| adding(ours, one, *bytes, cores()).named(&one.name));
    let rows = measure(title, jobs.collect(), settings)?;
    rows.iter().for_each(|row| claim_memory(row, cores()));
    Ok(())
}

fn adding<'j>(ours: &'j Ours, packages: &'j Packages, bytes: u64, threads: usize) -> Job<'j> {
    let name = format!("apk-ostree apk add, {}", shown(threads));
    Job::new(name, bytes, move |dir, meter| {
        let mut command = ours.command();
        command.arg("apk").args(["--dialect", "3.0"]);
        words(&mut command, dir, packages)?;
        meter.child(command.env("RAYON_NUM_THREADS", threads.to_string()))
    })
}

fn real<'j>(apk: &'j Peer, packages: &'j Packages) -> Job<'j> {
    let name = format!("apk {} add", apk.version());
    Job::new(name, BYTES, move |dir, meter| {
        let mut command = apk.command();
        words(&mut command, dir, packages)?;
        meter.child(&mut command)
    })
}

/// The same for all, as far as each knows it.
fn words(command: &mut Command, dir: &Path, packages: &Packages) -> Result<(), Failure> {
    let root = dir.join("root");
    fs::create_dir(&root)?;
    command.args(["--arch", "x86_64", "--root"]).arg(&root);
    command.arg("-X").arg(&packages.dir);
    command
        .arg("--keys-dir")
        .arg(packages.dir.join("keys"))
        .args(["--no-cache", "add", "--initdb", "--no-scripts"])
        .arg("--no-progress")
        .args(&packages.world);
    Ok(())
}

fn floor<'j>(ours: &'j Ours, packages: &'j Packages, threads: usize) -> Job<'j> {
    let name = format!("floor: inflate, SHA-256, write files; {}", shown(threads));
    Job::new(name, BYTES, move |dir, meter| {
        let mut command = ours.floor(&packages.archives(), threads);
        meter.child(command.arg("--write").arg(dir))
    })
}

fn claim_memory(row: &Row, threads: usize) {
    let limit = MEMORY.0 + MEMORY.1 * threads as u64;
    let what = format!("{}: under {:.0} MiB", row.name, mebibytes(limit));
    let numbers = format!("{:.0} MiB", mebibytes(row.peak));
    claim(&what, row.peak < limit, &numbers);
}

fn shown(threads: usize) -> String {
    match threads {
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    }
}

fn claim(what: &str, holds: bool, numbers: &str) {
    println!(
        "{}: {what} ({numbers})",
        if holds { "holds" } else { "DOES NOT HOLD" }
    );
}
