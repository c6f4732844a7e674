//! The `flags` of the create family.

use crate::wire_enum::wire_enum;

wire_enum! {
    /// How a znode lives, and whether its name gets a sequence number.
    pub enum CreateMode {
        /// Lives until it is deleted.
        Persistent = 0,
        /// Goes away with its session.
        Ephemeral = 1,
        /// Persistent, with a sequence number appended to the name.
        PersistentSequential = 2,
        /// Ephemeral, with a sequence number appended to the name.
        EphemeralSequential = 3,
        /// Goes away some time after its last child.
        Container = 4,
        /// Goes away when it has no children and was not written for its time to live.
        PersistentTtl = 5,
        /// The same, with a sequence number appended to the name.
        PersistentSequentialTtl = 6,
    }
}

impl CreateMode {
    /// The mode of a create request's `flags`, `None` if they are invalid.
    #[must_use]
    pub const fn from_flags(flags: i32) -> Option<Self> {
        Self::from_i32(flags)
    }

    /// The `flags` of a create request.
    #[must_use]
    pub const fn flags(self) -> i32 {
        self.as_i32()
    }

    /// True if the server appends a sequence number to the path.
    #[must_use]
    pub const fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialTtl
        )
    }

    /// True if the znode goes away with its session.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// True if the znode goes away after its last child.
    #[must_use]
    pub const fn is_container(self) -> bool {
        matches!(self, Self::Container)
    }

    /// True if the znode has a time to live.
    #[must_use]
    pub const fn is_ttl(self) -> bool {
        matches!(self, Self::PersistentTtl | Self::PersistentSequentialTtl)
    }
}
