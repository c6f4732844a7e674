//! What one writer's part of the tree must hold, and what each operation must answer. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use treekeeper_client::{ErrorCode, Stat};

/// Data of a znode: `len` bytes that follow from `seed`, so that a model needs no copy of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    /// Never used twice.
    pub(crate) seed: u64,
    pub(crate) len: usize,
}

impl Data {
    /// The bytes. They do not compress.
    pub(crate) fn bytes(self) -> Bytes {
        let mut state = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut bytes = Vec::with_capacity(self.len + 8);
        while bytes.len() < self.len {
            bytes.extend_from_slice(&state.to_le_bytes());
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        bytes.truncate(self.len);
        bytes.into()
    }
}

/// One change of one child; what a multi is made of, too.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Create {
        name: String,
        data: Data,
        kind: Kind,
    },
    Set {
        name: String,
        data: Data,
        version: Option<i32>,
    },
    Delete {
        name: String,
        version: Option<i32>,
    },
    Check {
        name: String,
        version: Option<i32>,
    },
}

/// What is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Persistent,
    /// The server appends the number.
    Sequential,
    Ephemeral,
}

/// What a writer asks for.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    One(Change),
    Multi(Vec<Change>),
    /// The session's end, and the last operation of a writer.
    Close,
}

/// What an operation must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A name for each znode that was created, a version for each that was set.
    Done(Vec<Part>),
    Refused(ErrorCode),
    /// The part of a multi that was refused.
    MultiRefused(usize, ErrorCode),
}

/// What one change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Created(String),
    Set(String, i32),
    Deleted,
    Checked,
}

/// A child as it must be.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) data: Data,
    pub(crate) version: i32,
    /// Session, or 0.
    pub(crate) owner: i64,
    /// Known since the server told it.
    pub(crate) stat: Option<Stat>,
}

/// The children of a writer's znode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) children: BTreeMap<String, Child>,
    /// Children ever created: the next sequence number.
    pub(crate) creations: i32,
    /// The session that creates ephemerals.
    pub(crate) session: i64,
}

/// What a writer's part of the tree holds: the znode's stat, and its children.
pub(crate) struct Found {
    pub(crate) parent: Stat,
    pub(crate) children: BTreeMap<String, (Bytes, Stat)>,
}

impl Model {
    /// Does the operation, and says what it answers.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::One(change) => match self.change(change) {
                Ok(part) => Answer::Done(vec![part]),
                Err(code) => Answer::Refused(code),
            },
            Operation::Multi(changes) => {
                let before = self.clone();
                let mut parts = Vec::new();
                for (index, change) in changes.iter().enumerate() {
                    match self.change(change) {
                        Ok(part) => parts.push(part),
                        Err(code) => {
                            *self = before;
                            return Answer::MultiRefused(index, code);
                        }
                    }
                }
                Answer::Done(parts)
            }
            Operation::Close => {
                let session = self.session;
                self.children.retain(|_, child| child.owner != session);
                Answer::Done(Vec::new())
            }
        }
    }

    fn change(&mut self, change: &Change) -> Result<Part, ErrorCode> {
        match change {
            Change::Create { name, data, kind } => {
                let name = match kind {
                    Kind::Sequential => format!("{name}{:010}", self.creations),
                    Kind::Persistent | Kind::Ephemeral => name.clone(),
                };
                if self.children.contains_key(&name) {
                    return Err(ErrorCode::NodeExists);
                }
                let owner = if *kind == Kind::Ephemeral {
                    self.session
                } else {
                    0
                };
                let child = Child {
                    data: *data,
                    version: 0,
                    owner,
                    stat: None,
                };
                self.children.insert(name.clone(), child);
                self.creations += 1;
                Ok(Part::Created(name))
            }
            Change::Set {
                name,
                data,
                version,
            } => {
                let child = self.checked(name, *version)?;
                child.data = *data;
                child.version += 1;
                child.stat = None;
                Ok(Part::Set(name.clone(), child.version))
            }
            Change::Delete { name, version } => {
                self.checked(name, *version)?;
                self.children.remove(name);
                Ok(Part::Deleted)
            }
            Change::Check { name, version } => {
                self.checked(name, *version)?;
                Ok(Part::Checked)
            }
        }
    }

    fn checked(&mut self, name: &str, version: Option<i32>) -> Result<&mut Child, ErrorCode> {
        let child = self.children.get_mut(name).ok_or(ErrorCode::NoNode)?;
        match version {
            Some(version) if version != child.version => Err(ErrorCode::BadVersion),
            _ => Ok(child),
        }
    }

    /// What differs from what was found, if anything does.
    pub(crate) fn difference(&self, found: &Found) -> Option<String> {
        let parent = found.parent;
        let count = i32::try_from(self.children.len()).expect("a few children");
        let cversion = 2 * self.creations - count;
        if (parent.num_children, parent.cversion) != (count, cversion) {
            return Some(format!(
                "expected {count} children and cversion {cversion}, the parent has {parent:?}; too many: {:?}",
                found
                    .children
                    .iter()
                    .filter(|(name, _)| !self.children.contains_key(*name))
                    .map(|(name, (_, stat))| (name.clone(), stat.ephemeral_owner, stat.czxid))
                    .collect::<Vec<_>>()
            ));
        }
        let mut names = found.children.keys();
        if let Some(name) = names.find(|name| !self.children.contains_key(*name)) {
            return Some(format!("{name} comes from nowhere"));
        }
        for (name, child) in &self.children {
            let Some((data, stat)) = found.children.get(name) else {
                return Some(format!("{name} is missing: {child:?}"));
            };
            if (stat.version, stat.ephemeral_owner) != (child.version, child.owner)
                || child.stat.is_some_and(|known| known != *stat)
            {
                return Some(format!("{name} has {stat:?}, expected {child:?}"));
            }
            if *data != child.data.bytes() {
                return Some(format!("{name} has other data than {:?}", child.data));
            }
        }
        None
    }

    /// Takes over the stats that were found.
    pub(crate) fn learn(&mut self, found: &Found) {
        for (name, child) in &mut self.children {
            child.stat = found.children.get(name).map(|(_, stat)| *stat);
        }
    }
}
