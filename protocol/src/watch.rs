//! Kinds of watches, as numbers of the watch operations.

use crate::wire_enum::wire_enum;

wire_enum! {
    /// Which watches `checkWatches` and `removeWatches` mean.
    pub enum WatchKind {
        /// Watches on the list of children.
        Children = 1,
        /// Watches on data, including those on a znode that does not exist yet.
        Data = 2,
        /// Watches of any kind.
        Any = 3,
        /// Persistent watches.
        Persistent = 4,
        /// Persistent watches on a whole subtree.
        PersistentRecursive = 5,
    }
}

wire_enum! {
    /// What an `addWatch` registers.
    pub enum AddWatchMode {
        /// Changes of the znode and of its list of children, until removed.
        Persistent = 0,
        /// Changes of the znode and of everything below it, until removed.
        PersistentRecursive = 1,
    }
}
