//! treekeeper's files on disk, as somebody meets them who damages them.
//!
//! In: a data folder whose server does not run. Out: its log segments and store files, and changes to their bytes.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a segment file before its first batch.
pub const SEGMENT_HEADER_LEN: u64 = 4096;

/// The folder of the log.
#[must_use]
pub fn log_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("treekeeper-1/log")
}

/// The folder of the tree's store.
#[must_use]
pub fn tree_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("treekeeper-1/tree")
}

/// The files in `folder` whose names end with `suffix`, sorted.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
#[track_caller]
pub fn with_suffix(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    files.sort();
    files
}

/// The newest log segment that holds entries, and where its bytes end: behind the last one that is not zero.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn newest_segment(data_dir: &Path) -> (PathBuf, u64) {
    let segments = with_suffix(&log_dir(data_dir), ".log");
    let with_end = segments.into_iter().rev().map(|path| {
        let bytes = fs::read(&path).expect("a segment can be read");
        let end = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last as u64 + 1);
        (path, end)
    });
    with_end
        .into_iter()
        .find(|(_, end)| *end > SEGMENT_HEADER_LEN)
        .expect("some segment holds entries")
}

/// Flips one bit; a second call restores it.
///
/// # Panics
/// When the file does not reach that far.
#[track_caller]
pub fn flip_bit(path: &Path, offset: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("the file can be opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)
        .expect("the file reaches that far");
    file.write_all_at(&[byte[0] ^ 0x10], offset)
        .expect("the file can be written");
}

/// Shortens the file.
///
/// # Panics
/// When it cannot be written.
#[track_caller]
pub fn truncate(path: &Path, len: u64) {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .expect("the file can be opened");
    file.set_len(len).expect("the file can be shortened");
}

/// Copies a folder with all that is in it.
///
/// # Panics
/// When something cannot be read or written.
#[track_caller]
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}
