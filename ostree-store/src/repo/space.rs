//! How much a transaction may write before the disk counts as full.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{MinFreeSpace, Repo, RepoError};
use crate::object::WriteError;
use crate::path_error::At;

/// Blocks that content may still take.
#[derive(Debug)]
pub(super) struct FreeSpace {
    limit: MinFreeSpace,
    block: u64,
    blocks: AtomicI64,
}

impl FreeSpace {
    pub(super) fn measure(repo: &Repo) -> Result<FreeSpace, RepoError> {
        let limit = repo.config.min_free_space()?;
        let disk =
            rustix::fs::fstatvfs(repo.objects.as_fd()).at("stat the file system of", &repo.path)?;
        let block = disk.f_bsize.max(1);
        let reserved = match limit {
            MinFreeSpace::Percent(percent) => {
                let size = u128::from(disk.f_frsize) * u128::from(disk.f_blocks);
                size * u128::from(percent) / 100
            }
            MinFreeSpace::Megabytes(size) => u128::from(size) << 20,
        } / u128::from(block);
        let reserved = u64::try_from(reserved).unwrap_or(u64::MAX);
        let unlimited = limit == MinFreeSpace::Percent(0);
        // Only root may use the last blocks of a file system.
        let is_root = rustix::process::getuid().is_root();
        let free = if is_root { disk.f_bfree } else { disk.f_bavail };
        let free = free.saturating_sub(reserved);
        let free = if unlimited {
            i64::MAX / 2
        } else {
            i64::try_from(free).unwrap_or(i64::MAX / 2)
        };
        Ok(FreeSpace {
            limit,
            block,
            blocks: AtomicI64::new(free),
        })
    }

    /// Takes what an object of `size` bytes needs: its blocks and one more.
    pub(super) fn take(&self, size: u64) -> Result<(), WriteError> {
        let blocks = size / self.block + 1;
        let less = |left: i64| {
            left.checked_sub(i64::try_from(blocks).ok()?)
                .filter(|left| *left >= 0)
        };
        if self
            .blocks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
        {
            return Ok(());
        }
        let limit = match &self.limit {
            MinFreeSpace::Percent(percent) => format!("percent '{percent}%'"),
            MinFreeSpace::Megabytes(size) => format!("size {size}MB"),
        };
        Err(WriteError::FreeSpace {
            limit,
            wanted: human_size(blocks.saturating_mul(self.block)),
        })
    }
}

/// A size in powers of a thousand with one decimal, as GLib prints it: no line may end before the unit.
fn human_size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = (u128::from(bytes) * 10 + u128::from(*unit) / 2) / u128::from(*unit);
            format!("{}.{}\u{a0}{name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}
