//! A small file that is replaced as a whole: after a power cut it holds the old content or the new one.
//!
//! ```text
//!  0  8  magic        these three fields keep their place and meaning in every version
//!  8  4  version
//! 12  4  crc32 of the whole file without this field
//! 16  n  content
//! ```

use std::path::Path;

use bytes::Bytes;
use crc32fast::Hasher;

use super::chain::UNFINISHED_SUFFIX;
use super::disk::Disk;
use super::error::{LogError, LogFailure};
use super::record::field;
use super::segment::FORMAT_VERSION;

const MAGIC: [u8; 8] = *b"TKLOGVAL";
const HEADER_LEN: usize = 16;

/// Replaces the file's content; durable when it returns.
pub(crate) fn write(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), LogFailure> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + content.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(content);
    let crc = checksum(&bytes);
    bytes[12..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());

    let unfinished = path.with_extension(UNFINISHED_SUFFIX);
    let file = disk
        .create(&unfinished)
        .map_err(LogFailure::new("create", &unfinished))?;
    file.write_all_at(&bytes, 0)
        .map_err(LogFailure::new("write", &unfinished))?;
    file.sync().map_err(LogFailure::new("sync", &unfinished))?;
    disk.rename(&unfinished, path)
        .map_err(LogFailure::new("rename", &unfinished))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    disk.sync_dir(dir).map_err(LogFailure::new("sync", dir))
}

/// The file's content, `None` where there is no file.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Bytes>, LogError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("open", path)(error)),
    };
    let len = file
        .byte_len()
        .map_err(LogError::io("read the length of", path))?;
    let bytes = super::reader::read_all(&*file, len).map_err(LogError::io("read", path))?;
    let damaged = || LogError::Damaged {
        file: path.to_path_buf(),
        offset: 0,
        reason: "the checksum is wrong",
    };
    let crc = field(&bytes, 12)
        .map(u32::from_le_bytes)
        .ok_or_else(damaged)?;
    if field(&bytes, 0) != Some(MAGIC) || checksum(&bytes) != crc {
        return Err(damaged());
    }
    let found = field(&bytes, 8)
        .map(u32::from_le_bytes)
        .ok_or_else(damaged)?;
    if found > FORMAT_VERSION {
        return Err(LogError::NewerVersion {
            file: path.to_path_buf(),
            found,
            supported: FORMAT_VERSION,
        });
    }
    Ok(Some(Bytes::from(bytes).slice(HEADER_LEN..)))
}

/// Of a file of at least [`HEADER_LEN`] bytes.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[HEADER_LEN..]);
    hasher.finalize()
}
