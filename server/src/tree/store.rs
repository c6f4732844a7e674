//! RocksDB under the tree. No write-ahead log: the replicated log is it.
//!
//! One column family, so a write is atomic with the record of what was applied: after a crash the store holds
//! exactly the state of one log index (two families without atomic flush were torn in 12 of 12 crashes).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, ErrorKind, IteratorMode, Options, ReadOptions,
    ReadTier, WriteBatch,
};

use super::{Frozen, Key, Value, Znode};

/// Version of the layout of keys and records. A folder with a higher one is refused.
pub(super) const STORE_FORMAT_VERSION: u32 = 1;

/// Why the store cannot go on. Each stops the process: the disk is not what we wrote.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// RocksDB could not read, write or open.
    #[error("the tree's store in {} failed: {source}", dir.display())]
    RocksDb {
        /// Folder of the store.
        dir: PathBuf,
        /// What RocksDB says.
        source: rocksdb::Error,
    },
    /// A key or a value is not one that we write.
    #[error(
        "the tree's store holds a damaged record under {key:?}; restore the data folder from another member or a backup"
    )]
    Damaged {
        /// The key, with invalid UTF-8 replaced.
        key: String,
    },
    /// Files of a tree without the one that says which of them count.
    #[error("the tree in {} is damaged: it has the file {found} but no CURRENT, which names the files that count; restore the folder from a backup. Nothing in it was changed", dir.display())]
    NoCurrent {
        /// Folder of the store.
        dir: PathBuf,
        /// A file of the tree.
        found: String,
    },
    /// Another process has it open.
    #[error("the data folder is in use by another process: {} is locked; stop that server first, or give this one a folder of its own", dir.display())]
    Locked {
        /// Folder of the store.
        dir: PathBuf,
    },
    /// Written by a newer release.
    #[error("the tree in {} was written by a newer treekeeper (format {found}, this release reads up to {STORE_FORMAT_VERSION}); start that release, or a newer one, on this folder", dir.display())]
    Newer {
        /// Folder of the store.
        dir: PathBuf,
        /// Format version found.
        found: u32,
    },
}

/// How to open the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Bytes of uncompressed blocks, indexes and filters kept in memory.
    pub block_cache_bytes: u64,
}

/// What a read that touches no disk says.
#[derive(Debug)]
pub enum Cached<T> {
    /// The answer is known.
    Known(T),
    /// Only the disk can tell.
    OnDisk,
}

/// The store.
pub struct Store {
    db: DB,
    dir: PathBuf,
    cached_only: ReadOptions,
    block_cache_bytes: u64,
    /// Is the store larger than what is kept of it in memory? Looked up with each [`Self::sync`].
    outgrown: AtomicBool,
}

/// Bytes of one memtable; RocksDB keeps at most two.
const MEMTABLE_BYTES: usize = 16 << 20;

impl Store {
    /// Opens the store in `dir`, or makes one.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used, or a newer release wrote it.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        refuse_without_current(dir)?;
        let failed = |source: rocksdb::Error| match source.as_ref().contains("While lock file") {
            true => StoreError::Locked {
                dir: dir.to_owned(),
            },
            false => StoreError::RocksDb {
                dir: dir.to_owned(),
                source,
            },
        };
        let db = DB::open(&rocksdb_options(options), dir).map_err(failed)?;
        let mut cached_only = ReadOptions::default();
        cached_only.set_read_tier(ReadTier::BlockCache);
        let block_cache_bytes = options.block_cache_bytes;
        let store = Self {
            db,
            dir: dir.to_owned(),
            cached_only,
            block_cache_bytes,
            outgrown: AtomicBool::new(true),
        };
        store.measure();
        match store.record(&Key::version())? {
            None => store.write_version()?,
            Some(bytes) => {
                let damaged = || StoreError::Damaged {
                    key: "v".to_owned(),
                };
                let found = u32::from_be_bytes(bytes.as_slice().try_into().map_err(|_| damaged())?);
                if found > STORE_FORMAT_VERSION {
                    return Err(StoreError::Newer {
                        dir: dir.to_owned(),
                        found,
                    });
                }
            }
        }
        Ok(store)
    }

    /// The stored znode at `path`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or the znode is damaged.
    pub fn znode(&self, path: &str) -> Result<Option<Arc<Znode>>, StoreError> {
        let key = Key::znode(path);
        let found = self
            .db
            .get_pinned(key.as_bytes())
            .map_err(|source| self.failed(source))?;
        found.map(|bytes| decode(&key, &bytes)).transpose()
    }

    /// The stored znode at `path`, if no disk has to be read for it.
    ///
    /// # Errors
    /// As [`Self::znode`].
    pub fn cached_znode(&self, path: &str) -> Result<Cached<Option<Arc<Znode>>>, StoreError> {
        let key = Key::znode(path);
        match self.db.get_pinned_opt(key.as_bytes(), &self.cached_only) {
            Ok(found) => Ok(Cached::Known(
                found.map(|bytes| decode(&key, &bytes)).transpose()?,
            )),
            Err(error) if error.kind() == ErrorKind::Incomplete => Ok(Cached::OnDisk),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// The record stored under `key`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn record(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.db
            .get(key.as_bytes())
            .map_err(|source| self.failed(source))
    }

    /// Calls `each` with every key that starts with `prefix` and its value, in order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn scan(&self, prefix: &Key, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(rocksdb::PrefixRange(prefix.as_bytes()));
        for entry in self.db.iterator_opt(IteratorMode::Start, options) {
            let (key, value) = entry.map_err(|source| self.failed(source))?;
            each(&key, &value);
        }
        Ok(())
    }

    /// Is there something under `key`?
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn contains(&self, key: &Key) -> Result<bool, StoreError> {
        let found = self.db.get_pinned(key.as_bytes());
        Ok(found.map_err(|source| self.failed(source))?.is_some())
    }

    /// How many stored znodes are below `path`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn count_descendants(&self, path: &str) -> Result<usize, StoreError> {
        let mut count = 0;
        for prefix in Key::descendants(path) {
            self.scan(&prefix, |_, _| count += 1)?;
        }
        Ok(count)
    }

    /// Writes a frozen buffer in one atomic step. It survives a crash of the process only after [`Self::sync`].
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    pub fn write(&self, frozen: &Frozen) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (key, value) in frozen.iter() {
            match value {
                Value::Znode(stored) => batch.put(key.as_bytes(), stored.as_bytes()),
                Value::Record(record) => batch.put(key.as_bytes(), record),
                Value::Removed => batch.delete(key.as_bytes()),
            }
        }
        self.db
            .write_without_wal(batch)
            .map_err(|source| self.failed(source))
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|source| self.failed(source))?;
        self.measure();
        Ok(())
    }

    /// Makes a copy of the store as it is now in a new folder: hard links, and what is in memory written.
    ///
    /// # Errors
    /// [`StoreError`] when the folder exists or cannot be written.
    pub fn checkpoint(&self, dir: &Path) -> Result<(), StoreError> {
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(dir))
            .map_err(|source| self.failed(source))
    }

    /// A record of the store in `dir`, which nobody has open.
    ///
    /// # Errors
    /// [`StoreError`] when there is no store, or it is damaged.
    pub fn peek(dir: &Path, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let record = DB::open_for_read_only(&Options::default(), dir, false)
            .and_then(|db| db.get(key.as_bytes()));
        record.map_err(|source| StoreError::RocksDb {
            dir: dir.to_owned(),
            source,
        })
    }

    /// May a read have to wait for the disk?
    #[must_use]
    pub fn may_need_disk(&self) -> bool {
        self.outgrown.load(Ordering::Relaxed)
    }

    fn measure(&self) {
        let size = self
            .db
            .property_int_value(rocksdb::properties::TOTAL_SST_FILES_SIZE);
        // Files are compressed, blocks in memory are not: count four bytes for each.
        let outgrown = size
            .ok()
            .flatten()
            .is_none_or(|size| size.saturating_mul(4) > self.block_cache_bytes);
        self.outgrown.store(outgrown, Ordering::Relaxed);
    }

    fn write_version(&self) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.put(
            Key::version().as_bytes(),
            STORE_FORMAT_VERSION.to_be_bytes(),
        );
        self.db
            .write_without_wal(batch)
            .map_err(|source| self.failed(source))?;
        self.sync()
    }

    fn failed(&self, source: rocksdb::Error) -> StoreError {
        StoreError::RocksDb {
            dir: self.dir.clone(),
            source,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// RocksDB takes a folder without the file CURRENT for a new one, and deletes what it finds there.
fn refuse_without_current(dir: &Path) -> Result<(), StoreError> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        // It does not exist, or RocksDB will say what is wrong with it.
        return Ok(());
    };
    if dir.join("CURRENT").exists() {
        return Ok(());
    }
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    // A start that was killed while it made the store leaves other files without CURRENT; those hold nothing.
    let is_data = |name: &String| name.ends_with(".sst");
    match names.into_iter().find(is_data) {
        Some(found) => Err(StoreError::NoCurrent {
            dir: dir.to_owned(),
            found,
        }),
        None => Ok(()),
    }
}

fn decode(key: &Key, bytes: &[u8]) -> Result<Arc<Znode>, StoreError> {
    let damaged = || StoreError::Damaged {
        key: String::from_utf8_lossy(key.as_bytes()).into_owned(),
    };
    Znode::decode(bytes).map(Arc::new).ok_or_else(damaged)
}

fn rocksdb_options(options: &StoreOptions) -> Options {
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(bytes(options.block_cache_bytes)));
    blocks.set_bloom_filter(10.0, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut rocksdb = Options::default();
    rocksdb.create_if_missing(true);
    rocksdb.set_block_based_table_factory(&blocks);
    rocksdb.set_compression_type(DBCompressionType::Lz4);
    rocksdb.set_write_buffer_size(MEMTABLE_BYTES);
    rocksdb.set_max_write_buffer_number(2);
    rocksdb.set_max_background_jobs(2);
    rocksdb.set_max_open_files(512);
    rocksdb.set_keep_log_file_num(2);
    rocksdb.set_bytes_per_sync(1 << 20);
    rocksdb
}
