//! The replicated state, and the only functions that change it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use treekeeper_protocol::{Acl, ErrorCode, EventType, path, perms};

use super::{Meta, MetaError, Session, digest, quota};
use crate::auth::{self, Identity};
use crate::tree::{Key, Owner, StoreError, Tree, Znode};
use crate::watch::Change;

/// Everything that is replicated: znodes, sessions, counters.
///
/// Invariants ([`State::validate`] checks them):
/// * every znode but `/` has a parent, and each parent's `num_children` counts its children;
/// * an ephemeral has no children, and its session is open and lists it;
/// * `expirables` are exactly the containers and TTL znodes;
/// * no zxid in the tree is above `meta.zxid`;
/// * the counters and the digest in `meta` are those of the tree.
pub struct State {
    /// Znodes, and the buffer of everything stored beside them.
    pub tree: Tree,
    /// Index, zxid and other counters.
    pub meta: Meta,
    /// Open sessions.
    pub sessions: BTreeMap<i64, Session>,
    /// Paths of containers and TTL znodes.
    pub expirables: BTreeSet<Arc<str>>,
    /// Paths that have a `zookeeper_limits` node.
    pub(super) quotas: BTreeSet<String>,
    /// Ephemeral znodes of all sessions.
    pub ephemeral_count: usize,
    /// Changes of the present command, in the order in which watchers hear of them.
    pub(super) changes: Vec<Change>,
    /// An entry was applied in part: nothing may be flushed any more.
    pub damaged: bool,
    /// What to put back if the present multi fails.
    undo: Option<Vec<(String, Option<Arc<Znode>>)>>,
}

/// What the operations of one command need to know beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// zxid of the command.
    pub zxid: i64,
    /// Its time, in ms since 1970.
    pub time_ms: i64,
    /// Its session.
    pub session: i64,
    /// Who sent it.
    pub identities: &'a [Identity],
}

/// Why the state cannot be loaded. Stops the process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record of what was applied is damaged.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// Why an operation was not done: an error for the client, or a reason to stop.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The client gets this code.
    #[error("{0}")]
    Code(ErrorCode),
    /// The disk is not what we wrote.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl State {
    /// Opens the state in `dir`; a new folder gets the tree of a fresh server.
    ///
    /// # Errors
    /// [`OpenError`] when the store cannot be read.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        let tree = Tree::open(dir, cache_bytes)?;
        let stored = tree.store().record(&Key::meta())?;
        let mut state = Self {
            tree,
            meta: stored
                .as_deref()
                .map(Meta::decode)
                .transpose()?
                .unwrap_or_default(),
            sessions: BTreeMap::new(),
            expirables: BTreeSet::new(),
            quotas: BTreeSet::new(),
            ephemeral_count: 0,
            changes: Vec::new(),
            damaged: false,
            undo: None,
        };
        state.tree.set_len(state.meta.znode_count);
        if stored.is_some() {
            state.load_indexes()?;
        } else {
            state.plant()?;
        }
        Ok(state)
    }

    /// The znodes of a fresh server.
    fn plant(&mut self) -> Result<(), StoreError> {
        let config_acl: Arc<[Acl]> = Acl::world_anyone_read().into();
        let empty = Znode {
            data: Some(bytes::Bytes::new()),
            ..Znode::born(0, 0, Owner::Persistent)
        };
        // As a stock server: "/" shows cversion −1 and "/zookeeper" −2, since these children were never counted.
        let with_children = |num_children| Znode {
            num_children,
            ..empty.clone()
        };
        self.put("/", &with_children(1))?;
        self.put(path::ZOOKEEPER, &with_children(2))?;
        self.put(path::QUOTA, &with_children(0))?;
        let config = Znode {
            aversion: -1,
            acl: Some(config_acl),
            ..empty
        };
        self.put(path::CONFIG, &config)?;
        Ok(())
    }

    fn load_indexes(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(self.tree.store());
        let damaged = |key: &Key| StoreError::Damaged {
            key: String::from_utf8_lossy(key.as_bytes()).into_owned(),
        };
        let mut result = Ok(());
        let mut note = |ok: Option<()>, key: &Key| {
            if ok.is_none() {
                result = Err(damaged(key));
            }
        };
        store.scan(&Key::sessions(), |key, value| {
            let key = Key::from_bytes(key);
            let session = key.session_id().zip(Session::decode(value));
            note(
                session.map(|(id, session)| drop(self.sessions.insert(id, session))),
                &key,
            );
        })?;
        store.scan(&Key::ephemerals(), |key, _| {
            let key = Key::from_bytes(key);
            let owned = key
                .ephemeral_parts()
                .and_then(|(id, path)| Some((self.sessions.get_mut(&id)?, path)));
            self.ephemeral_count += 1;
            let entered = owned.map(|(session, path)| {
                session.ephemerals.insert(path.into());
            });
            note(entered, &key);
        })?;
        store.scan(&Key::expirables(), |key, _| {
            let key = Key::from_bytes(key);
            let entered = key.expirable_path().map(|path| {
                self.expirables.insert(path.into());
            });
            note(entered, &key);
        })?;
        result?;
        let mut quotas = BTreeSet::new();
        self.tree.for_each_descendant(path::QUOTA, |path, _| {
            quotas.extend(quota::armed_by(path).map(str::to_owned));
        })?;
        self.quotas = quotas;
        Ok(())
    }

    /// The znode at `path`. "" is the root, as in ZooKeeper's tree.
    pub(super) fn znode(&self, path: &str) -> Result<Option<Arc<Znode>>, StoreError> {
        self.tree.get(if path.is_empty() { "/" } else { path })
    }

    /// Puts a znode, with the indexes, counters and digest that follow from it.
    pub(super) fn put(&mut self, path: &str, znode: &Znode) -> Result<(), StoreError> {
        let old = self.tree.get(path)?;
        self.put_over(path, old.as_ref(), znode);
        Ok(())
    }

    /// The same for who has looked up already what is there.
    pub(super) fn put_over(&mut self, path: &str, old: Option<&Arc<Znode>>, znode: &Znode) {
        self.remember(path, old);
        let old = old.map(AsRef::as_ref);
        self.replace(path, old, Some(znode));
    }

    /// Removes a znode that exists, likewise.
    pub(super) fn remove(&mut self, path: &str, old: &Arc<Znode>) {
        self.remember(path, Some(old));
        self.replace(path, Some(old), None);
    }

    fn remember(&mut self, path: &str, old: Option<&Arc<Znode>>) {
        if let Some(undo) = &mut self.undo {
            undo.push((path.to_owned(), old.cloned()));
        }
    }

    fn replace(&mut self, path: &str, old: Option<&Znode>, new: Option<&Znode>) {
        if let Some(old) = old {
            self.meta.digest = self.meta.digest.wrapping_sub(digest::of(path, old));
            self.meta.data_size -= (path.len() + old.data_len()) as u64;
            self.meta.znode_count -= 1;
        }
        if let Some(new) = new {
            self.meta.digest = self.meta.digest.wrapping_add(digest::of(path, new));
            self.meta.data_size += (path.len() + new.data_len()) as u64;
            self.meta.znode_count += 1;
        }
        let (was, is) = (old.map(|old| old.owner), new.map(|new| new.owner));
        if was != is {
            self.index(path, was, false);
            self.index(path, is, true);
        }
        if old.is_some() != new.is_some() {
            self.tree.set_len(self.meta.znode_count);
            if let (Some(parent), Some((_, name))) = (path::parent(path), path.rsplit_once('/')) {
                self.tree.child_changed(parent, name, new.is_some());
            }
            if let Some(armed) = quota::armed_by(path) {
                if new.is_some() {
                    self.quotas.insert(armed.to_owned());
                } else {
                    self.quotas.remove(armed);
                }
            }
        }
        match new {
            Some(new) => self.tree.put(path, new),
            None => self.tree.remove(path),
        }
    }

    /// Enters a znode into the index of what its owner owns, or takes it out.
    fn index(&mut self, path: &str, owner: Option<Owner>, enter: bool) {
        let key = match owner {
            None | Some(Owner::Persistent) => return,
            Some(Owner::Session(id)) => {
                if enter {
                    self.ephemeral_count += 1;
                    self.sessions
                        .entry(id)
                        .or_default()
                        .ephemerals
                        .insert(path.into());
                } else {
                    self.ephemeral_count -= 1;
                    if let Some(session) = self.sessions.get_mut(&id) {
                        session.ephemerals.remove(path);
                    }
                }
                Key::ephemeral(id, path)
            }
            Some(Owner::Container | Owner::Ttl(_)) => {
                if enter {
                    self.expirables.insert(path.into());
                } else {
                    self.expirables.remove(path);
                }
                Key::expirable(path)
            }
        };
        if enter {
            self.tree.put_record(key, Vec::new());
        } else {
            self.tree.remove_record(key);
        }
    }

    /// From here on [`Self::roll_back`] can undo everything.
    pub(super) fn begin(&mut self) {
        assert!(self.undo.is_none(), "a multi holds no multi");
        self.undo = Some(Vec::new());
    }

    /// Keeps what was done since [`Self::begin`].
    pub(super) fn commit(&mut self) {
        self.undo = None;
    }

    /// Puts back what was there at [`Self::begin`], and forgets the changes.
    pub(super) fn roll_back(&mut self) -> Result<(), StoreError> {
        for (path, old) in self
            .undo
            .take()
            .expect("a multi has begun")
            .into_iter()
            .rev()
        {
            let now = self.tree.get(&path)?;
            self.replace(&path, now.as_deref(), old.as_deref());
        }
        self.changes.clear();
        Ok(())
    }

    /// Notes a change for the watchers.
    pub(super) fn changed(&mut self, event: EventType, path: &str, acl: Option<&Arc<[Acl]>>) {
        self.changes.push(Change {
            event,
            path: path.into(),
            acl: acl.cloned(),
        });
    }

    /// The changes of the command that was just applied.
    pub fn take_changes(&mut self) -> std::vec::Drain<'_, Change> {
        self.changes.drain(..)
    }

    /// Stores the session's record.
    pub(super) fn store_session(&mut self, id: i64) {
        let record = self.sessions.get(&id).map(Session::encode);
        match record {
            Some(record) => self.tree.put_record(Key::session(id), record),
            None => self.tree.remove_record(Key::session(id)),
        }
    }

    /// Stores the counters: before each freeze, so that a flush holds one index.
    pub fn store_meta(&mut self) {
        let record = self.meta.encode();
        self.tree.put_record(Key::meta(), record);
    }

    /// Does the znode let these identities do something that needs any of the bits `asked`?
    #[must_use]
    pub fn allows(&self, znode: &Znode, asked: i32, identities: &[Identity]) -> bool {
        self.meta.settings.skip_acl || auth::allows(znode.acl.as_deref(), asked, identities)
    }

    pub(super) fn check(
        &self,
        znode: &Znode,
        asked: i32,
        identities: &[Identity],
    ) -> Result<(), ErrorCode> {
        debug_assert!(
            asked & !perms::ALL == 0,
            "only permission bits are asked for"
        );
        if self.allows(znode, asked, identities) {
            Ok(())
        } else {
            Err(ErrorCode::NoAuth)
        }
    }

    /// Checks every invariant, walking the whole tree: for tests.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    ///
    /// # Panics
    /// When an invariant does not hold.
    pub fn validate(&self) -> Result<(), StoreError> {
        let mut znodes = BTreeMap::new();
        let root = self.tree.get("/")?.expect("the root exists");
        znodes.insert("/".to_owned(), root.as_ref().clone());
        self.tree.for_each_descendant("/", |path, znode| {
            znodes.insert(path.to_owned(), znode.clone());
        })?;
        let mut children: BTreeMap<&str, i32> = BTreeMap::new();
        let (mut sum, mut size, mut ephemerals) = (0u64, 0u64, 0);
        for (path, znode) in &znodes {
            if let Some(parent) = path::parent(path) {
                let above = znodes
                    .get(parent)
                    .unwrap_or_else(|| panic!("{path} has no parent"));
                assert!(
                    !matches!(above.owner, Owner::Session(_)),
                    "{parent} is ephemeral and has {path}"
                );
                *children.entry(parent).or_default() += 1;
            }
            match znode.owner {
                Owner::Persistent => {}
                Owner::Session(id) => {
                    ephemerals += 1;
                    let session = self
                        .sessions
                        .get(&id)
                        .unwrap_or_else(|| panic!("{path} outlives session {id:#x}"));
                    assert!(
                        session.ephemerals.contains(path.as_str()),
                        "session {id:#x} does not list {path}"
                    );
                }
                Owner::Container | Owner::Ttl(_) => {
                    assert!(self.expirables.contains(path.as_str()), "{path}");
                }
            }
            let newest = znode.czxid.max(znode.mzxid).max(znode.pzxid);
            assert!(
                newest <= self.meta.zxid,
                "{path} has zxid {newest:#x} above {:#x}",
                self.meta.zxid
            );
            sum = sum.wrapping_add(digest::of(path, znode));
            size += (path.len() + znode.data_len()) as u64;
        }
        for (path, znode) in &znodes {
            assert_eq!(
                znode.num_children,
                children.get(path.as_str()).copied().unwrap_or(0),
                "children of {path}"
            );
        }
        let listed: usize = self
            .sessions
            .values()
            .map(|session| session.ephemerals.len())
            .sum();
        assert_eq!(
            (listed, self.ephemeral_count),
            (ephemerals, ephemerals),
            "owned ephemerals"
        );
        assert_eq!(
            (self.meta.digest, self.meta.data_size),
            (sum, size),
            "digest and size"
        );
        assert_eq!(self.meta.znode_count, znodes.len() as u64, "znodes");
        for path in znodes.keys() {
            assert!(self.tree.get(path)?.is_some(), "{path} is found");
        }
        Ok(())
    }
}
