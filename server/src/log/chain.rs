//! Which files make up the log: finds them, checks that none is missing, and reads the last one.
//!
//! Each segment names the generation of the one before it, so the live segments are a chain from the newest back to
//! the oldest. Files off the chain are leftovers of a purge or a truncation and are removed. Only headers are read
//! here, and the newest segment; the others are checked when they are first read (`reader`), so opening takes time
//! in the last segment and not in the log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{info, warn};

use super::disk::{Disk, LogFile};
use super::error::LogError;
use super::prepare::Prepared;
use super::record::Position;
use super::segment::{
    self, ActiveHeader, FORMAT_VERSION, HEADER_BLOCK_LEN, HEADER_LEN, HeaderError, MARK_LEN, Mark,
    Scan, SegmentHeader, next_index,
};
use super::segments::Segment;

/// Ending of a segment file's name; before it stands the generation in 16 hexadecimal digits.
const SEGMENT_SUFFIX: &str = "log";

/// Ending of files that are not part of the log yet, or not any more.
pub(crate) const UNFINISHED_SUFFIX: &str = "tmp";

/// What an opening found on disk.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The live segments, oldest first.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Where the newest one ends.
    pub(crate) end: u64,
    /// The last entry, or the purged position where there is none after it.
    pub(crate) last: Option<Position>,
    /// The newest committed position on disk that the log reaches.
    pub(crate) committed: Option<Position>,
    /// The newest purged position on disk.
    pub(crate) purged: Option<Position>,
    /// A file that is ready for the next segment.
    pub(crate) prepared: Option<Prepared>,
    /// The highest generation seen.
    pub(crate) generation: u64,
}

/// The path of a segment file.
pub(crate) fn segment_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{generation:016x}.{SEGMENT_SUFFIX}"))
}

/// Finds and checks the log's files.
///
/// # Errors
/// Damage, a missing file, a later format, or an error of the operating system.
pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<Chain, LogError> {
    let files = read_headers(disk, dir)?;
    let generation = files.keys().next_back().copied().unwrap_or(0);
    let mut active: BTreeMap<u64, (Arc<dyn LogFile>, u64, ActiveHeader)> = BTreeMap::new();
    let mut prepared = None;
    for (generation, (file, len, header)) in files {
        match header.active {
            Some(header) => {
                active.insert(generation, (file, len, header));
            }
            None => {
                let path = segment_path(dir, generation);
                forget_stale_mark(&*file, &path, generation)?;
                prepared = Some(Prepared {
                    path,
                    generation,
                    file,
                    len,
                });
            }
        }
    }
    let Some((&newest, (file, len, header))) = active.iter().next_back() else {
        let (last, committed, purged) = (None, None, None);
        return Ok(Chain {
            segments: Vec::new(),
            end: 0,
            last,
            committed,
            purged,
            prepared,
            generation,
        });
    };

    let path = segment_path(dir, newest);
    let scan = scan_newest(
        &**file,
        *len,
        &path,
        SegmentHeader {
            generation: newest,
            active: Some(*header),
        },
    )?;
    let committed = scan.mark.map_or(header.committed, |mark| mark.committed);
    let purged = scan.mark.map_or(header.purged, |mark| mark.purged);
    let (end, last) = (scan.end, scan.last);
    let live = walk_back(dir, &active, newest, purged)?;

    let mut segments = Vec::new();
    for (generation, (file, len, header)) in active {
        let path = segment_path(dir, generation);
        if live.contains(&generation) {
            segments.push(Arc::new(Segment::new(path, file, len, generation, header)));
        } else {
            info!(file = %path.display(), "removing a log file that no entry needs");
            disk.remove(&path).map_err(LogError::io("remove", &path))?;
        }
    }
    if let Some(newest) = segments.last() {
        newest.set_scan(scan);
    }
    // A mark may speak of entries in its own batch, and that may be torn.
    let reached = |position: Option<Position>| match (position, last) {
        (Some(position), Some(last)) if last.index < position.index => Some(last),
        (position, Some(_)) => position,
        (_, None) => None,
    };
    let (committed, purged) = (reached(committed), reached(purged));
    // What a prepared file is for is decided by its generation: the highest.
    let prepared = prepared.filter(|prepared| prepared.generation == generation);
    Ok(Chain {
        segments,
        end,
        last,
        committed,
        purged,
        prepared,
        generation,
    })
}

/// Makes a prepared file's first mark unreadable, where there is one.
///
/// A segment is begun with one write of its header and its first mark. Of a write that was never synced a power cut may
/// leave the mark and not the header: the file is a prepared one still. Begun again after another entry, and cut again
/// the other way round, it would hold a header and a mark that do not belong together.
fn forget_stale_mark(file: &dyn LogFile, path: &Path, generation: u64) -> Result<(), LogError> {
    let at = HEADER_BLOCK_LEN as u64;
    let mut bytes = [0; MARK_LEN];
    if file.read_exact_at(&mut bytes, at).is_err()
        || Mark::decode(&bytes, 0, at, generation).is_none()
    {
        return Ok(());
    }
    file.write_all_at(&[0; MARK_LEN], at)
        .map_err(LogError::io("write", path))?;
    file.sync().map_err(LogError::io("sync", path))
}

type Headers = BTreeMap<u64, (Arc<dyn LogFile>, u64, SegmentHeader)>;

fn read_headers(disk: &dyn Disk, dir: &Path) -> Result<Headers, LogError> {
    let mut files = BTreeMap::new();
    for path in disk.list(dir).map_err(LogError::io("list", dir))? {
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        if suffix == Some(UNFINISHED_SUFFIX) {
            disk.remove(&path).map_err(LogError::io("remove", &path))?;
            continue;
        }
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| stem.len() == 16);
        let Some(generation) = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()) else {
            continue;
        };
        if suffix != Some(SEGMENT_SUFFIX) {
            continue;
        }
        let file = disk.open(&path).map_err(LogError::io("open", &path))?;
        let len = file
            .byte_len()
            .map_err(LogError::io("read the length of", &path))?;
        let mut sector = [0; HEADER_LEN];
        let damaged = |reason| LogError::Damaged {
            file: path.clone(),
            offset: 0,
            reason,
        };
        if len < HEADER_BLOCK_LEN as u64 {
            return Err(damaged("the file is shorter than its header"));
        }
        file.read_exact_at(&mut sector, 0)
            .map_err(LogError::io("read", &path))?;
        let header = SegmentHeader::decode(&sector).map_err(|error| match error {
            HeaderError::Damaged => damaged("the checksum of the header is wrong"),
            HeaderError::NewerVersion(found) => LogError::NewerVersion {
                file: path.clone(),
                found,
                supported: FORMAT_VERSION,
            },
        })?;
        if header.generation != generation {
            return Err(damaged("the header is that of another file"));
        }
        files.insert(generation, (file, len, header));
    }
    Ok(files)
}

fn scan_newest(
    file: &dyn LogFile,
    len: u64,
    path: &Path,
    header: SegmentHeader,
) -> Result<Scan, LogError> {
    // Entries that a killed process wrote may be in the kernel only. They count from here on, so they must be safe.
    file.sync().map_err(LogError::io("sync", path))?;
    let bytes = super::reader::read_all(file, len).map_err(LogError::io("read", path))?;
    let scan = segment::scan(&bytes, &header, None).map_err(|error| LogError::Damaged {
        file: path.to_path_buf(),
        offset: error.offset,
        reason: error.reason,
    })?;
    if scan.cut > 0 {
        warn!(
            file = %path.display(), offset = scan.end, bytes = scan.cut,
            "cut an incomplete write off the log; it was not acknowledged"
        );
    }
    Ok(scan)
}

/// The generations of the live segments.
fn walk_back(
    dir: &Path,
    active: &BTreeMap<u64, (Arc<dyn LogFile>, u64, ActiveHeader)>,
    newest: u64,
    purged: Option<Position>,
) -> Result<Vec<u64>, LogError> {
    let mut live = Vec::new();
    let mut next = Some(newest);
    let mut missing = None;
    let mut first_index = 0;
    while let Some(generation) = next {
        let Some((_, _, header)) = active.get(&generation) else {
            missing = Some(segment_path(dir, generation));
            break;
        };
        let out_of_place = !live.is_empty() && header.first_index() >= first_index
            || header
                .previous_generation
                .is_some_and(|previous| previous >= generation);
        if out_of_place {
            let file = segment_path(dir, generation);
            return Err(LogError::Damaged {
                file,
                offset: 0,
                reason: "the segment is out of place",
            });
        }
        live.push(generation);
        first_index = header.first_index();
        next = header.previous_generation;
    }
    if first_index > next_index(purged) {
        let file = missing.unwrap_or_else(|| dir.to_path_buf());
        return Err(LogError::Missing {
            file,
            before: first_index,
        });
    }
    Ok(live)
}
