//! Choosing packages: the solver alone, and whole processes beside the real apk.

use std::path::Path;
use std::process::Command;

use apk_format::{Dependency, Index, KeyRing, Trust};
use benches::Failure;
use benches::rounds::{Job, Settings, measure};
use benches::tools::Ours;
use composer::resolve::{Operation, Preference, Problem, Repository, RequestOptions, Universe};
use fixtures::peer;
use fixtures::solver::{index_text, names_in, root_over};

/// One solution takes milliseconds; so many together are one run.
const TIMES: u64 = 20;

fn main() -> Result<(), Failure> {
    let settings = Settings::from_args()?;
    let Some(shared) = fixtures::shared() else {
        return Ok(());
    };
    let index = shared.join("data/APKINDEX-3.17-main-aarch64.tar.gz");
    let text = index_text(&index)?;
    let (names, _) = names_in(&text);
    let wanted = |names: &[&str]| -> Vec<Dependency> {
        names.iter().map(|name| Dependency::any(name)).collect()
    };
    let one = wanted(&["openssh"]);
    let large = largest_world(&index, &names)?;
    alone(&settings, &index, "openssh", &one)?;
    alone(&settings, &index, "a world of 500 names", &large)?;
    processes(&settings, &index, "openssh", &one)?;
    processes(&settings, &index, "a world of 500 names", &large)
}

/// 500 names spread over the index that can be had together.
fn largest_world(index: &Path, names: &[&str]) -> Result<Vec<Dependency>, Failure> {
    let records = Index::read(
        std::fs::File::open(index)?,
        &KeyRing::new(),
        Trust::AllowUntrusted,
    )?;
    let universe = universe(&records);
    let mut world: Vec<Dependency> = Vec::new();
    for name in names.iter().step_by(7) {
        if world.len() == 500 {
            break;
        }
        world.push(Dependency::any(name));
        let known: Vec<Dependency> = world.clone();
        // The solver's answers borrow what they were asked, so each trial has a problem of its own.
        let mut trial = Problem::new(&universe, &known)?;
        if trial
            .resolve(Operation::default(), RequestOptions::default())
            .is_err()
        {
            world.pop();
        }
    }
    Ok(world)
}

fn universe(index: &Index) -> Universe<'_> {
    Universe {
        repositories: vec![Repository {
            records: &index.records,
            ..Repository::default()
        }],
        architectures: vec!["aarch64"],
        ..Universe::default()
    }
}

fn alone(
    settings: &Settings,
    index: &Path,
    what: &str,
    wanted: &[Dependency],
) -> Result<(), Failure> {
    let title = format!("solving alone, {what}, {TIMES} times");
    if !settings.wants(&title) {
        return Ok(());
    }
    let index = Index::read(
        std::fs::File::open(index)?,
        &KeyRing::new(),
        Trust::AllowUntrusted,
    )?;
    let universe = universe(&index);
    let add = Operation::Add {
        wanted,
        preference: Preference::Installed,
    };
    let mut linked = Problem::new(&universe, &[])?;
    let jobs = vec![
        Job::new("solve and list", TIMES, |_, meter| {
            let done = meter.here(|| {
                (0..TIMES)
                    .try_for_each(|_| linked.resolve(add, RequestOptions::default()).map(drop))
            })?;
            Ok(done?)
        }),
        Job::new("link the index, solve and list", TIMES, |_, meter| {
            let done = meter.here(|| {
                (0..TIMES).try_for_each(|_| {
                    let mut problem = Problem::new(&universe, &[])?;
                    problem.resolve(add, RequestOptions::default()).map(drop)
                })
            })?;
            Ok(done?)
        }),
    ];
    measure(&title, jobs, settings).map(drop)
}

fn processes(
    settings: &Settings,
    index: &Path,
    what: &str,
    wanted: &[Dependency],
) -> Result<(), Failure> {
    let title = format!("processes, {what}");
    if !settings.wants(&title) {
        return Ok(());
    }
    let scratch = fixtures::scratch("bench-solve");
    let base = scratch.path();
    let root = root_over(base, index);
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let ours = Ours::find(env!("CARGO_BIN_EXE_floor"))?;
    let size = std::fs::metadata(index)?.len();
    let mut jobs = vec![Job::new("apk-ostree solve", size, |_, meter| {
        let mut command = ours.command();
        command.args(["solve", "--arch=aarch64", "--repository"]);
        command.arg(base.join("r0")).args(&names);
        meter.child(&mut command)
    })];
    let simulate = |mut command: Command| {
        command.arg("--root").arg(&root);
        command.args([
            "--arch=aarch64",
            "--allow-untrusted",
            "--no-progress",
            "--force-no-chroot",
        ]);
        command.args(["add", "--simulate"]).args(&names);
        command
    };
    jobs.push(Job::new(
        "apk-ostree apk add --simulate",
        size,
        |_, meter| {
            let mut command = ours.command();
            command.arg("apk");
            meter.child(&mut simulate(command))
        },
    ));
    if let Some(apk) = peer::apk3() {
        let name = format!("apk {} add --simulate", apk.version());
        jobs.push(Job::new(name, size, move |_, meter| {
            meter.child(&mut simulate(apk.command()))
        }));
    }
    measure(&title, jobs, settings).map(drop)
}
