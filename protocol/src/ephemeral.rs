//! What the stored `ephemeralOwner` of a znode says about its life.
//!
//! Not here: when a znode is removed.

/// The longest time to live in milliseconds: 40 bits, about 34 years.
pub const TTL_MS_MAX: i64 = 0xFF_FFFF_FFFF;

const CONTAINER_OWNER: i64 = i64::MIN;
/// Bits 63–56 all set mark a TTL znode.
const TTL_MARK: u64 = 0xFF << 56;
/// Bits 55–40 of a TTL znode are reserved and zero.
const TTL_RESERVED: u64 = 0xFFFF << 40;
/// The low 60 bits, which held the time to live in `ZooKeeper` 3.5.3.
const TTL_353_MASK: i64 = 0x0FFF_FFFF_FFFF_FFFF;

/// The life of a znode, stored as one `i64`:
///
/// | kind | stored |
/// |---|---|
/// | persistent | 0 |
/// | ephemeral | the session id |
/// | container | only bit 63 |
/// | TTL | `0xFF` in bits 63–56, zero in 55–40, milliseconds in 39–0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EphemeralKind {
    /// Lives until it is deleted.
    Persistent,
    /// Goes away with the session of this id.
    Ephemeral(i64),
    /// Goes away after its last child.
    Container,
    /// Goes away after this many milliseconds without a write, 1 to [`TTL_MS_MAX`].
    Ttl(i64),
}

impl EphemeralKind {
    /// Reads a stored owner. What has none of the special forms is a session id.
    #[must_use]
    pub const fn from_owner(owner: i64) -> Self {
        let bits = owner.cast_unsigned();
        if owner == 0 {
            Self::Persistent
        } else if owner == CONTAINER_OWNER {
            Self::Container
        } else if bits & TTL_MARK == TTL_MARK && bits & TTL_RESERVED == 0 {
            Self::Ttl(owner & TTL_MS_MAX)
        } else {
            Self::Ephemeral(owner)
        }
    }

    /// Reads an owner stored by `ZooKeeper` 3.5.3 (`emulate353TTLNodes`), where bit 63 alone marks a TTL znode.
    #[must_use]
    pub const fn from_owner_353(owner: i64) -> Self {
        if owner < 0 && owner != CONTAINER_OWNER {
            Self::Ttl(owner & TTL_353_MASK)
        } else {
            Self::from_owner(owner)
        }
    }

    /// The stored owner. A time to live is cut to its 40 bits.
    #[must_use]
    pub const fn owner(self) -> i64 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral(session_id) => session_id,
            Self::Container => CONTAINER_OWNER,
            Self::Ttl(ttl_ms) => TTL_MARK.cast_signed() | (ttl_ms & TTL_MS_MAX),
        }
    }

    /// The `ephemeralOwner` that clients see: the session id of an ephemeral, 0 for everything else.
    #[must_use]
    pub const fn visible_owner(self) -> i64 {
        match self {
            Self::Ephemeral(session_id) => session_id,
            Self::Persistent | Self::Container | Self::Ttl(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn owners_have_the_layout_of_a_stock_server() {
        assert_eq!(
            EphemeralKind::Container.owner().cast_unsigned(),
            0x8000_0000_0000_0000
        );
        assert_eq!(
            EphemeralKind::Ttl(1).owner().cast_unsigned(),
            0xFF00_0000_0000_0001
        );
        assert_eq!(
            EphemeralKind::Ttl(TTL_MS_MAX).owner().cast_unsigned(),
            0xFF00_00FF_FFFF_FFFF
        );
        assert_eq!(
            EphemeralKind::from_owner_353(i64::MIN | 5000),
            EphemeralKind::Ttl(5000)
        );
        assert_eq!(
            EphemeralKind::from_owner_353(i64::MIN),
            EphemeralKind::Container
        );
        assert_eq!(
            EphemeralKind::from_owner_353(7),
            EphemeralKind::Ephemeral(7)
        );
    }

    #[test]
    fn only_ephemerals_show_an_owner() {
        assert_eq!(EphemeralKind::Ephemeral(9).visible_owner(), 9);
        assert_eq!(EphemeralKind::Ttl(9).visible_owner(), 0);
        assert_eq!(EphemeralKind::Container.visible_owner(), 0);
    }

    proptest! {
        #[test]
        fn every_owner_reads_back(owner: i64) {
            prop_assert_eq!(EphemeralKind::from_owner(owner).owner(), owner);
        }
    }
}
