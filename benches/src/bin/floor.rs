//! The least work for packages as a process of its own, so that it is measured as the others are.
//!
//! `floor DIR --threads N [--level L] [--write DIR]`

use std::path::PathBuf;
use std::process::ExitCode;

use benches::Failure;
use benches::floor::{PackageWork, make_prefixes, packages};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        #[allow(clippy::print_stderr, reason = "the only thing it says")]
        Err(why) => {
            eprintln!("floor: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut work = PackageWork::default();
    let (mut dir, mut threads) = (None, 1);
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or("a value is missing");
        match arg.to_str() {
            Some("--threads") => threads = value()?.to_string_lossy().parse()?,
            Some("--level") => work.level = Some(value()?.to_string_lossy().parse()?),
            Some("--write") => work.write = Some(PathBuf::from(value()?)),
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    let dir = dir.ok_or("no directory")?;
    if let Some(out) = &work.write {
        make_prefixes(out)?;
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let bytes = pool.install(|| packages(&dir, &work))?;
    if bytes == 0 {
        return Err("no files in no packages".into());
    }
    Ok(())
}
