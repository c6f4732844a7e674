//! Whole trees that go from one member to another, and the folders that they lie in.
//!
//! `tree` is the first tree of a data folder. One that came from another member lies beside it as `tree-<log index>`,
//! and the file `current` names it; what is not named is garbage, and the next start removes it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::machine::applied;
use crate::apply::Meta;
use crate::consensus::{Applied, Checkpoints};
use crate::log::{RealDisk, atomic_file};
use crate::tree::{Key, Store};

/// The file that names the tree's folder.
const CURRENT_FILE: &str = "current";
/// The folder for what is being received.
const INCOMING: &str = "incoming";
/// The folder for what is being sent.
const OUTGOING: &str = "outgoing";
/// What the names of received trees begin with.
const RECEIVED: &str = "tree-";

/// The folders of one server's tree.
#[derive(Clone, Debug)]
pub struct TreeFolders {
    /// The first tree's.
    first: PathBuf,
    /// Where all of them are.
    base: PathBuf,
}

/// The tree that is the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentTree {
    /// Its folder.
    pub dir: PathBuf,
    /// Index and term of the log up to which it was when it was received; none if it grew here.
    pub received: Option<(u64, u64)>,
}

impl TreeFolders {
    /// The folders of the server whose first tree is in `tree_dir`.
    #[must_use]
    pub fn new(tree_dir: PathBuf) -> Self {
        let base = tree_dir.parent().map(Path::to_owned).unwrap_or_default();
        Self {
            first: tree_dir,
            base,
        }
    }

    /// The tree to open.
    ///
    /// # Errors
    /// When the file that names it is damaged.
    pub fn current(&self) -> io::Result<CurrentTree> {
        let Some(content) = atomic_file::read(&RealDisk, &self.base.join(CURRENT_FILE))? else {
            return Ok(CurrentTree {
                dir: self.first.clone(),
                received: None,
            });
        };
        let text = String::from_utf8_lossy(&content).into_owned();
        let mut words = text.split(' ');
        let parsed = words.next().zip(
            words
                .next()
                .and_then(|index| index.parse().ok())
                .zip(words.next().and_then(|term| term.parse().ok())),
        );
        let (name, received) = parsed
            .filter(|(name, _)| name.starts_with(RECEIVED) && !name.contains('/'))
            .ok_or_else(|| {
                io::Error::other(format!("the file {CURRENT_FILE} is damaged: {text:?}"))
            })?;
        Ok(CurrentTree {
            dir: self.base.join(name),
            received: Some(received),
        })
    }

    /// Removes every tree but the current one, and what was never finished.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove_garbage(&self) -> io::Result<()> {
        for folder in [INCOMING, OUTGOING] {
            remove_if_there(&self.base.join(folder))?;
        }
        self.remove_old_trees()
    }

    /// Removes every tree but the current one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove_old_trees(&self) -> io::Result<()> {
        let current = self.current()?.dir;
        for entry in std::fs::read_dir(&self.base)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if (path == self.first || name.starts_with(RECEIVED)) && path != current {
                tracing::info!(folder = %path.display(), "removing what is left of another tree");
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// The folder to make or receive a tree in.
    #[must_use]
    pub fn incoming(&self, name: &str) -> PathBuf {
        self.base.join(INCOMING).join(name)
    }

    /// Makes the tree in a folder beside the others, synced and `at` this place of the log, the one that the next start
    /// opens; gives the folder that it is in from then on.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn adopt(&self, received: &Path, at: &Applied) -> io::Result<PathBuf> {
        let name = format!("{RECEIVED}{}", at.index);
        let dir = self.base.join(&name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::rename(received, &dir)?;
        // The name of the folder before the file that points to it.
        std::fs::File::open(&self.base)?.sync_all()?;
        let content = format!("{name} {} {}", at.index, at.term);
        atomic_file::write(&RealDisk, &self.base.join(CURRENT_FILE), content.as_bytes())?;
        Ok(dir)
    }
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The checkpoints of a server's tree.
pub struct TreeCheckpoints {
    folders: TreeFolders,
    store: Mutex<Arc<Store>>,
}

impl TreeCheckpoints {
    /// Those of a tree over `store`.
    #[must_use]
    pub fn new(folders: TreeFolders, store: Arc<Store>) -> Self {
        Self {
            folders,
            store: Mutex::new(store),
        }
    }

    /// Where they lie.
    #[must_use]
    pub fn folders(&self) -> &TreeFolders {
        &self.folders
    }

    /// Makes a received tree, which is synced, the one that the next start opens; gives the folder that it is in from
    /// then on.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn adopt(&self, dir: &Path) -> io::Result<PathBuf> {
        let at = self.read(dir)?;
        self.folders.adopt(dir, &at)
    }

    /// The tree is another one now.
    pub fn moved_to(&self, store: Arc<Store>) {
        *self.store.lock() = store;
    }
}

impl Checkpoints for TreeCheckpoints {
    fn make(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folders.base.join(OUTGOING);
        std::fs::create_dir_all(&folder)?;
        let dir = folder.join(name);
        let store = Arc::clone(&self.store.lock());
        store.checkpoint(&dir).map_err(io::Error::other)?;
        Ok(dir)
    }

    fn incoming(&self, name: &str) -> PathBuf {
        self.folders.incoming(name)
    }

    fn read(&self, dir: &Path) -> io::Result<Applied> {
        let record = Store::peek(dir, &Key::meta()).map_err(io::Error::other)?;
        let meta = record.map(|record| Meta::decode(&record)).transpose();
        let meta = meta.map_err(io::Error::other)?;
        let applied = meta.as_ref().and_then(applied);
        applied.ok_or_else(|| io::Error::other("the checkpoint does not say how far it reaches"))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_received_tree_is_the_current_one_from_its_adoption_on() {
        let dir = tempfile::tempdir().unwrap();
        let folders = TreeFolders::new(dir.path().join("tree"));
        std::fs::create_dir_all(dir.path().join("tree")).unwrap();
        std::fs::create_dir_all(dir.path().join("log")).unwrap();
        let first = folders.current().unwrap();
        assert_eq!(
            (first.dir.clone(), first.received),
            (dir.path().join("tree"), None)
        );
        for index in [7, 9] {
            let received = dir.path().join(INCOMING).join("x");
            std::fs::create_dir_all(&received).unwrap();
            std::fs::write(received.join("CURRENT"), index.to_string()).unwrap();
            folders.remove_garbage().unwrap();
            assert!(!received.exists(), "what was never finished goes");
            std::fs::create_dir_all(&received).unwrap();
            std::fs::write(received.join("CURRENT"), index.to_string()).unwrap();
            let at = Applied {
                index,
                term: 3,
                membership: Bytes::new(),
            };
            let adopted = folders.adopt(&received, &at).unwrap();
            let current = folders.current().unwrap();
            assert_eq!(
                (&current.dir, current.received),
                (&adopted, Some((index, 3)))
            );
            folders.remove_garbage().unwrap();
            assert_eq!(
                std::fs::read_to_string(adopted.join("CURRENT")).unwrap(),
                index.to_string()
            );
        }
        assert!(!first.dir.exists() && !dir.path().join("tree-7").exists());
        assert!(dir.path().join("log").exists());
        std::fs::write(dir.path().join(CURRENT_FILE), "tree-9 9 3").unwrap();
        assert!(folders.current().is_err(), "a file without its checksum");
    }
}
