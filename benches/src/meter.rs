//! What something costs.
//!
//! | cost | of a child process | of a function |
//! |---|---|---|
//! | wall | from before it is started until it has ended | clock around it |
//! | processor | `getrusage` of children before and after, user + system, its own children included | of this process |
//! | peak | `VmHWM` of `/proc/PID/status`, asked every half millisecond until it ends | not measured |
//!
//! Asking for the peak costs processor time, so it is done in a run of its own, which is not timed.

use std::fs;
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Failure;

/// What a run has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Time by the clock.
    pub wall: Duration,
    /// Time of processors, user and system.
    pub cpu: Duration,
    /// The most memory that any one process had resident, in bytes; 0 when not watched.
    pub peak: u64,
}

/// Adds up the costs of the parts of one run. What a job does without it is not counted.
#[derive(Debug, Default)]
pub struct Meter {
    cost: Cost,
    watch_memory: bool,
}

impl Meter {
    /// A meter for time.
    pub fn timing() -> Self {
        Meter::default()
    }

    /// A meter for memory; the times it gives mean nothing.
    pub fn watching() -> Self {
        Meter {
            watch_memory: true,
            ..Meter::default()
        }
    }

    /// The sum.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Runs a command to its end and adds what it cost. Its output is dropped; if it fails, its last words are in
    /// the error.
    pub fn child(&mut self, command: &mut Command) -> Result<(), Failure> {
        let mut words = tempfile::tempfile()?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words.try_clone()?);
        let cpu = used(UsageWho::RUSAGE_CHILDREN)?;
        let start = Instant::now();
        let mut child = command.spawn()?;
        if self.watch_memory {
            self.cost.peak = self.cost.peak.max(peak_until_end(&mut child)?);
        }
        let status = child.wait()?;
        self.cost.wall += start.elapsed();
        self.cost.cpu += used(UsageWho::RUSAGE_CHILDREN)?.saturating_sub(cpu);
        if status.success() {
            return Ok(());
        }
        let mut text = String::new();
        words.rewind()?;
        words.read_to_string(&mut text)?;
        Err(format!("{command:?} ended with {status}: {}", text.trim()).into())
    }

    /// Runs a function and adds what it cost.
    pub fn here<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, Failure> {
        let cpu = used(UsageWho::RUSAGE_SELF)?;
        let start = Instant::now();
        let made = work();
        self.cost.wall += start.elapsed();
        self.cost.cpu += used(UsageWho::RUSAGE_SELF)?.saturating_sub(cpu);
        Ok(made)
    }
}

/// Runs a command that is not measured.
pub fn quietly(command: &mut Command) -> Result<(), Failure> {
    Meter::timing().child(command)
}

fn used(who: UsageWho) -> Result<Duration, Failure> {
    let usage = getrusage(who)?;
    Ok(duration(usage.user_time())? + duration(usage.system_time())?)
}

fn duration(time: TimeVal) -> Result<Duration, Failure> {
    let micros = u64::try_from(time.tv_usec())?;
    Ok(Duration::from_secs(u64::try_from(time.tv_sec())?) + Duration::from_micros(micros))
}

/// The high-water mark only rises, so the last answer is the peak but for the last half millisecond.
fn peak_until_end(child: &mut Child) -> Result<u64, Failure> {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let status = fs::read_to_string(&path).unwrap_or_default();
        peak = peak.max(high_water_mark(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(peak)
}

/// The line `VmHWM:     1234 kB`, in bytes. A process that is ending has none.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_process_is_seen() {
        let mut meter = Meter::watching();
        meter
            .child(Command::new("sh").args([
                "-c",
                "x=$(head -c 8000000 /dev/zero | tr '\\0' a); sleep 0.1",
            ]))
            .unwrap();
        assert!(meter.cost().peak > 8_000_000, "{:?}", meter.cost());
    }

    #[test]
    fn processor_time_of_a_child_is_seen() {
        let mut meter = Meter::timing();
        meter
            .child(
                Command::new("sh")
                    .args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]),
            )
            .unwrap();
        let cost = meter.cost();
        assert!(cost.cpu > Duration::from_millis(20), "{cost:?}");
        assert!(cost.wall * 2 > cost.cpu, "{cost:?}");
    }

    #[test]
    fn a_failure_says_why() {
        let failed = quietly(Command::new("sh").args(["-c", "echo no >&2; exit 3"]));
        assert!(failed.unwrap_err().to_string().ends_with(": no"));
    }
}
