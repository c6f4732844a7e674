//! A disk that takes no time and keeps names and lengths alone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use treekeeper_server::log::{Disk, LockGuard, LogFile};

/// What was written is read back as zeros.
#[derive(Debug, Default)]
pub(crate) struct DiscardingDisk {
    files: Mutex<BTreeMap<PathBuf, Arc<DiscardingFile>>>,
}

#[derive(Debug, Default)]
struct DiscardingFile {
    length: AtomicU64,
}

impl DiscardingDisk {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<DiscardingFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path) -> io::Result<Arc<DiscardingFile>> {
        let known = self.files().get(path).map(Arc::clone);
        known.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for DiscardingDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = Arc::<DiscardingFile>::default();
        self.files().insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(self.file(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.file(from)?;
        let mut files = self.files();
        files.remove(from);
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<LockGuard> {
        Ok(Box::new(()))
    }
}

impl LogFile for DiscardingFile {
    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.length.load(Ordering::Relaxed))
    }

    fn read_exact_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<()> {
        buffer.fill(0);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.length
            .fetch_max(offset + bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
