//! Jobs side by side: interleaved runs, medians, a table.
//!
//! All jobs run once for their memory, which also fills the page cache; then in rounds A B C A B C …, so that
//! whatever else the machine does falls on all of them alike.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Failure;
use crate::meter::{Cost, Meter};

/// How to measure.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many timed runs of each job.
    pub rounds: usize,
    /// Parts of table titles; all tables when empty.
    pub wanted: Vec<String>,
}

impl Settings {
    /// Reads `[--rounds N] [TITLE-PART…]`; what else begins with a dash is cargo's and means nothing here.
    pub fn from_args() -> Result<Settings, Failure> {
        let mut settings = Settings {
            rounds: 5,
            wanted: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            if arg == "--rounds" {
                settings.rounds = args.next().ok_or("--rounds needs a number")?.parse()?;
            } else if !arg.starts_with('-') {
                settings.wanted.push(arg);
            }
        }
        Ok(settings)
    }

    /// Whether a table is asked for.
    pub fn wants(&self, title: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| title.contains(part))
    }
}

/// The work of a job: gets an empty directory, and measures with the meter what is to be measured.
type Work<'w> = Box<dyn FnMut(&Path, &mut Meter) -> Result<(), Failure> + 'w>;

/// One row of a table.
pub struct Job<'w> {
    name: String,
    bytes: u64,
    is_optional: bool,
    work: Work<'w>,
}

impl<'w> Job<'w> {
    /// A job that handles so many bytes.
    pub fn new(
        name: impl Into<String>,
        bytes: u64,
        work: impl FnMut(&Path, &mut Meter) -> Result<(), Failure> + 'w,
    ) -> Self {
        Job {
            name: name.into(),
            bytes,
            is_optional: false,
            work: Box::new(work),
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The same, left out of the table with a word of why when it fails: for tools that are not ours.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    fn run(&mut self, mut meter: Meter) -> Result<Cost, Failure> {
        let dir = tempfile::Builder::new()
            .prefix("apk-ostree-bench-")
            .tempdir()?;
        (self.work)(dir.path(), &mut meter)?;
        Ok(meter.cost())
    }
}

/// What a job has cost: medians of the timed runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// The job.
    pub name: String,
    /// Time by the clock.
    pub wall: Duration,
    /// The shortest and the longest run.
    pub spread: (Duration, Duration),
    /// Time of processors, user and system.
    pub cpu: Duration,
    /// The most resident memory, in bytes; 0 for what runs inside the bench.
    pub peak: u64,
    bytes: u64,
}

/// Measures all jobs and prints a table; the first job is what the others are compared with.
pub fn measure(title: &str, jobs: Vec<Job<'_>>, settings: &Settings) -> Result<Vec<Row>, Failure> {
    println!("\n## {title}\n");
    let mut running = Vec::new();
    for mut job in jobs {
        match job.run(Meter::watching()) {
            Ok(cost) => running.push((job, cost.peak, Vec::new())),
            Err(why) if job.is_optional => println!("(without {}: {why})", job.name),
            Err(why) => return Err(format!("{}: {why}", job.name).into()),
        }
    }
    for _ in 0..settings.rounds.max(1) {
        for (job, _, costs) in &mut running {
            costs.push(job.run(Meter::timing())?);
        }
    }
    let rows: Vec<Row> = running
        .into_iter()
        .map(|(job, peak, costs)| row(job, peak, &costs))
        .collect();
    print(&rows, settings);
    Ok(rows)
}

fn row(job: Job<'_>, peak: u64, costs: &[Cost]) -> Row {
    let sorted = |cost: fn(&Cost) -> Duration| {
        let mut times: Vec<Duration> = costs.iter().map(cost).collect();
        times.sort();
        times
    };
    let (walls, cpus) = (sorted(|cost| cost.wall), sorted(|cost| cost.cpu));
    Row {
        name: job.name,
        wall: median(&walls),
        spread: (
            walls.first().copied().unwrap_or_default(),
            walls.last().copied().unwrap_or_default(),
        ),
        cpu: median(&cpus),
        peak,
        bytes: job.bytes,
    }
}

/// The middle of a sorted list, the lower one of two.
fn median(sorted: &[Duration]) -> Duration {
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or_default()
}

fn print(rows: &[Row], settings: &Settings) {
    println!("| what | wall s | from–to | cpu s | MB/s | peak MiB | wall ratio | cpu ratio |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let Some(first) = rows.first() else { return };
    for row in rows {
        let wall = row.wall.as_secs_f64();
        let peak = match row.peak {
            0 => "-".to_owned(),
            peak => format!("{:.0}", mebibytes(peak)),
        };
        println!(
            "| {} | {wall:.4} | {:.4}–{:.4} | {:.4} | {:.0} | {peak} | {:.2} | {:.2} |",
            row.name,
            row.spread.0.as_secs_f64(),
            row.spread.1.as_secs_f64(),
            row.cpu.as_secs_f64(),
            megabytes(row.bytes) / wall,
            wall / first.wall.as_secs_f64(),
            row.cpu.as_secs_f64() / first.cpu.as_secs_f64(),
        );
    }
    println!("\n{} rounds; {}", settings.rounds.max(1), circumstances());
}

/// Where files are written, and how busy the machine is.
fn circumstances() -> String {
    let dir = std::env::temp_dir();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{cores} cores, load {load}, written to {} ({})",
        dir.display(),
        file_system(&dir)
    )
}

/// The kind of file system that holds a directory: the longest mount point above it.
fn file_system(dir: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((PathBuf::from(words.next()?), words.next()?))
        })
        .filter(|(point, _)| dir.starts_with(point))
        .max_by_key(|(point, _)| point.as_os_str().len())
        .map_or("unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// Bytes as millions of bytes.
#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Bytes as MiB.
#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let times: Vec<_> = (1..=5).map(Duration::from_secs).collect();
        assert_eq!(median(&times), Duration::from_secs(3));
        assert_eq!(median(&times[..2]), Duration::from_secs(1));
        assert_eq!(median(&[]), Duration::ZERO);
    }

    #[test]
    fn rows_are_measured_in_turn() {
        let order = std::cell::RefCell::new(String::new());
        let job = |name: &'static str| {
            let order = &order;
            Job::new(name, 1, move |_, meter| {
                order.borrow_mut().push_str(name);
                meter.here(|| ())
            })
        };
        let settings = Settings {
            rounds: 2,
            wanted: Vec::new(),
        };
        let fails = Job::new("x", 1, |_, _| Err("not here".into())).optional();
        let rows = measure("test", vec![job("a"), job("b"), fails], &settings).unwrap();
        assert_eq!(rows.len(), 2);
        drop(rows);
        assert_eq!(order.into_inner(), "ababab");
    }
}
