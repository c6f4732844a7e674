//! The disk: a zero-filled file that is overwritten and synced, as fast as one thread can.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Size of the file. Overwriting blocks that are there saves the file system's journal a commit at each sync.
const FILE_BYTES: u64 = 64 << 20;

/// A file that is written in batches, each synced, and begins anew at its end.
#[derive(Debug)]
pub struct SyncedFile {
    file: File,
    at: u64,
}

impl SyncedFile {
    /// Creates the file at `path` and fills it with zeros.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..FILE_BYTES >> 20 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Writes `batch` behind the last one and waits until the disk has it.
    ///
    /// # Errors
    /// When the disk fails.
    ///
    /// # Panics
    /// When the batch is larger than the file.
    pub fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        let length = batch.len() as u64;
        assert!(
            length <= FILE_BYTES,
            "a batch of {length} bytes does not fit the file"
        );
        if self.at + length > FILE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(batch, self.at)?;
        self.at += length;
        self.file.sync_data()
    }
}

/// Entries per second when `entries` of `entry_bytes` each share one write and one fdatasync.
///
/// # Errors
/// When the disk fails.
pub fn entries_per_second(
    path: &Path,
    entries: u32,
    entry_bytes: usize,
    measure: Duration,
) -> io::Result<f64> {
    let mut file = SyncedFile::create(path)?;
    let batch = vec![0x5a; entry_bytes * usize::try_from(entries).unwrap_or(usize::MAX)];
    let start = Instant::now();
    let mut batches = 0_u32;
    while start.elapsed() < measure {
        file.append(&batch)?;
        batches += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(f64::from(batches) * f64::from(entries) / seconds)
}
