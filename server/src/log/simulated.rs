//! A disk in memory that keeps only what POSIX promises: after a power cut, unsynced writes are gone, there, or torn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::disk::{Disk, LockGuard, LogFile};

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// An operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Write,
    Sync,
    Rename,
    SyncDir,
    Lock,
}

/// Decides whether an operation on a path fails. It may also wait, to hold the disk up.
type Fault = Arc<dyn Fn(Operation, &Path) -> Option<io::ErrorKind> + Send + Sync>;

/// A handle for one boot of the machine; it is dead after [`SimulatedDisk::power_cut`] or [`SimulatedDisk::kill`].
#[derive(Clone)]
pub(crate) struct SimulatedDisk {
    world: Arc<Mutex<World>>,
    boot: u64,
}

#[derive(Default)]
struct World {
    boot: u64,
    files: BTreeMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Renames and the like that no [`Disk::sync_dir`] covered: whole states, as a journal has them.
    name_states: Vec<BTreeMap<PathBuf, u64>>,
    next_file: u64,
    locks: BTreeSet<PathBuf>,
    fault: Option<Fault>,
    bytes_read: u64,
    syncs: u64,
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SimulatedDisk(boot {})", self.boot)
    }
}

impl SimulatedDisk {
    pub(crate) fn new() -> SimulatedDisk {
        SimulatedDisk {
            world: Arc::default(),
            boot: 0,
        }
    }

    /// The machine loses power and comes back: of what was not synced, each sector is kept or not by chance.
    pub(crate) fn power_cut(&self, seed: u64) -> SimulatedDisk {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = self.world.lock();
        let kept_names = random.random_range(0..=world.name_states.len());
        if let Some(kept) = kept_names.checked_sub(1) {
            world.durable_names = world.name_states[kept].clone();
        }
        world.name_states.clear();
        world.names = world.durable_names.clone();
        // All, nothing, or any mixture.
        let kept = [0.0, 1.0, 0.5][random.random_range(0..3)];
        for content in world.files.values_mut() {
            let unsynced = std::mem::take(&mut content.unsynced);
            for (offset, bytes) in unsynced {
                let mut at = 0;
                while at < bytes.len() {
                    let end = bytes.len().min(at + SECTOR - (offset + at) % SECTOR);
                    if random.random_bool(kept) {
                        put(&mut content.durable, offset + at, &bytes[at..end]);
                    }
                    at = end;
                }
            }
            content.bytes = content.durable.clone();
        }
        world.reboot();
        SimulatedDisk {
            world: Arc::clone(&self.world),
            boot: world.boot,
        }
    }

    /// The process is killed; the machine goes on, and with it what the kernel holds.
    pub(crate) fn kill(&self) -> SimulatedDisk {
        let mut world = self.world.lock();
        world.reboot();
        SimulatedDisk {
            world: Arc::clone(&self.world),
            boot: world.boot,
        }
    }

    pub(crate) fn fail_when(
        &self,
        fault: impl Fn(Operation, &Path) -> Option<io::ErrorKind> + Send + Sync + 'static,
    ) {
        self.world.lock().fault = Some(Arc::new(fault));
    }

    pub(crate) fn heal(&self) {
        self.world.lock().fault = None;
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.world.lock().bytes_read
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.world.lock().syncs
    }

    /// The paths whose file name ends so.
    pub(crate) fn paths(&self, ending: &str) -> Vec<PathBuf> {
        let world = self.world.lock();
        let ends = |path: &&PathBuf| path.to_string_lossy().ends_with(ending);
        world.names.keys().filter(ends).cloned().collect()
    }

    pub(crate) fn read(&self, path: &Path) -> Vec<u8> {
        let world = self.world.lock();
        world.files[&world.names[path]].bytes.clone()
    }

    /// Replaces a file's content for good.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        let mut world = self.world.lock();
        let file = world.names[path];
        let content = Content {
            bytes: bytes.to_vec(),
            durable: bytes.to_vec(),
            unsynced: Vec::new(),
        };
        world.files.insert(file, content);
    }

    fn operate(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let fault = self.world.lock().fault.clone();
        match fault.and_then(|fault| fault(operation, path)) {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world.lock();
        if world.boot != self.boot {
            return Err(io::Error::other("this process is dead"));
        }
        act(&mut world)
    }
}

impl World {
    fn reboot(&mut self) {
        self.boot += 1;
        self.locks.clear();
        self.fault = None;
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn names_changed(&mut self) {
        self.name_states.push(self.names.clone());
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if content.len() < offset + bytes.len() {
        content.resize(offset + bytes.len(), 0);
    }
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.with(|_| Ok(()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.with(|world| {
            Ok(world
                .names
                .keys()
                .filter(|path| path.parent() == Some(dir))
                .cloned()
                .collect())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.operate(Operation::Create, path)?;
        self.with(|world| {
            let file = world.next_file;
            world.next_file += 1;
            world.files.insert(file, Content::default());
            world.names.insert(path.to_path_buf(), file);
            world.names_changed();
            Ok(())
        })?;
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = self.with(|world| world.file(path))?;
        Ok(Arc::new(SimulatedFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(Operation::Rename, from)?;
        self.with(|world| {
            let file = world.file(from)?;
            world.names.remove(from);
            world.names.insert(to.to_path_buf(), file);
            world.names_changed();
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|world| {
            world.file(path)?;
            world.names.remove(path);
            world.names_changed();
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(Operation::SyncDir, dir)?;
        self.with(|world| {
            world.durable_names = world.names.clone();
            world.name_states.clear();
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.operate(Operation::Lock, path)?;
        self.with(|world| match world.locks.insert(path.to_path_buf()) {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        })?;
        Ok(Box::new(Lock {
            disk: self.clone(),
            path: path.to_path_buf(),
        }))
    }
}

struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock of an earlier boot is gone already.
        let _ = self.disk.with(|world| Ok(world.locks.remove(&self.path)));
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: u64,
}

impl SimulatedFile {
    /// Lets the fault rule decide, by the name that the file has now.
    fn operate(&self, operation: Operation) -> io::Result<()> {
        let path = self.disk.with(|world| {
            let name = world.names.iter().find(|(_, file)| **file == self.file);
            Ok(name.map_or(PathBuf::new(), |(path, _)| path.clone()))
        })?;
        self.disk.operate(operation, &path)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        self.disk.with(|world| {
            act(world
                .files
                .get_mut(&self.file)
                .expect("files are never forgotten"))
        })
    }
}

impl LogFile for SimulatedFile {
    fn byte_len(&self) -> io::Result<u64> {
        self.with(|content| Ok(content.bytes.len() as u64))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.disk.with(|world| {
            world.bytes_read += buffer.len() as u64;
            Ok(())
        })?;
        self.with(|content| {
            let bytes = content
                .bytes
                .get(offset..offset + buffer.len())
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.operate(Operation::Write)?;
        let offset = usize::try_from(offset).unwrap();
        self.with(|content| {
            put(&mut content.bytes, offset, bytes);
            content.unsynced.push((offset, bytes.to_vec()));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.operate(Operation::Sync)?;
        self.disk.with(|world| {
            world.syncs += 1;
            Ok(())
        })?;
        self.with(|content| {
            for (offset, bytes) in std::mem::take(&mut content.unsynced) {
                put(&mut content.durable, offset, &bytes);
            }
            Ok(())
        })
    }
}
