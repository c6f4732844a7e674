//! The kinds of watches, and which change fires which.

use treekeeper_protocol::{AddWatchMode, EventType, WatchKind};

/// A set of watch kinds that one connection holds on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u8);

impl Kinds {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// One-shot: data of a present znode, or existence of an absent one. One table in ZooKeeper, one kind here.
    pub const DATA: Self = Self(1);
    /// One-shot: children.
    pub const CHILD: Self = Self(2);
    /// Stays: the znode and its children (`AddWatchMode.PERSISTENT`).
    pub const PERSISTENT: Self = Self(4);
    /// Stays: the znode and everything below it (`AddWatchMode.PERSISTENT_RECURSIVE`).
    pub const RECURSIVE: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    const ONE_SHOT: Self = Self(3);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is only in this one.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds on the znode itself that a change fires.
    pub(super) fn fired_by(event: EventType) -> Self {
        match event {
            EventType::NodeCreated | EventType::NodeDataChanged => {
                Self::DATA.with(Self::PERSISTENT).with(Self::RECURSIVE)
            }
            EventType::NodeDeleted => Self::ALL,
            EventType::NodeChildrenChanged => Self::CHILD.with(Self::PERSISTENT),
            _ => Self::NONE,
        }
    }

    /// The kinds among these that are gone once they fired.
    pub(super) const fn one_shot(self) -> Self {
        self.and(Self::ONE_SHOT)
    }

    /// The kinds that `checkWatches` and `removeWatches` name.
    #[must_use]
    pub fn named(kind: WatchKind) -> Self {
        match kind {
            WatchKind::Children => Self::CHILD,
            WatchKind::Data => Self::DATA,
            WatchKind::Any => Self::ALL,
            WatchKind::Persistent => Self::PERSISTENT,
            WatchKind::PersistentRecursive => Self::RECURSIVE,
        }
    }

    /// The kind that `addWatch` registers.
    #[must_use]
    pub fn added(mode: AddWatchMode) -> Self {
        match mode {
            AddWatchMode::Persistent => Self::PERSISTENT,
            AddWatchMode::PersistentRecursive => Self::RECURSIVE,
        }
    }
}
