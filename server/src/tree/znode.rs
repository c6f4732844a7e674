//! One znode, in memory and as it is stored.

use std::sync::Arc;

use bytes::Bytes;
use treekeeper_protocol::{Acl, Stat};

/// What decides how long a znode lives: the stored `ephemeralOwner`, which clients see only of true ephemerals.
///
/// The encodings are ZooKeeper's (`EphemeralType`), so an imported tree keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Lives until it is deleted.
    Persistent,
    /// Lives as long as this session.
    Session(i64),
    /// Is removed some time after its last child went.
    Container,
    /// Is removed when it has had no children and no change for so many milliseconds.
    Ttl(i64),
}

/// Longest time to live in ms: 40 bits (`EphemeralType.TTL`).
const TTL_MAX_MS: i64 = 0xFF_FFFF_FFFF;
const CONTAINER: i64 = i64::MIN;
/// The top byte 0xFF marks a TTL; the two bytes below it are reserved.
const TTL_MARK: i64 = -1 << 56;

impl Owner {
    /// The stored number.
    #[must_use]
    pub fn to_raw(self) -> i64 {
        match self {
            Self::Persistent => 0,
            Self::Session(id) => id,
            Self::Container => CONTAINER,
            Self::Ttl(ttl_ms) => TTL_MARK | ttl_ms,
        }
    }

    /// What the stored number means.
    #[must_use]
    pub fn from_raw(raw: i64) -> Self {
        match raw {
            0 => Self::Persistent,
            CONTAINER => Self::Container,
            _ if raw & TTL_MARK == TTL_MARK => Self::Ttl(raw & TTL_MAX_MS),
            id => Self::Session(id),
        }
    }
}

/// One znode without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Znode {
    /// zxid of its creation.
    pub czxid: i64,
    /// zxid of its last change of data.
    pub mzxid: i64,
    /// zxid of the last time a child came or went.
    pub pzxid: i64,
    /// Creation, in ms since 1970 by the leader's clock.
    pub ctime: i64,
    /// Last change of data, likewise.
    pub mtime: i64,
    /// Changes of data.
    pub version: i32,
    /// Children ever created below it; the next sequence suffix. Not the `cversion` that clients see.
    pub child_creations: i32,
    /// Changes of its ACL.
    pub aversion: i32,
    /// How long it lives.
    pub owner: Owner,
    /// Children it has now.
    pub num_children: i32,
    /// None and empty differ: clients get back what they gave.
    pub data: Option<Bytes>,
    /// None is the open ACL, `world:anyone` with all permissions.
    pub acl: Option<Arc<[Acl]>>,
}

impl Znode {
    /// A znode as it is created: without data, with the open ACL.
    #[must_use]
    pub fn born(zxid: i64, time_ms: i64, owner: Owner) -> Self {
        Self {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time_ms,
            mtime: time_ms,
            version: 0,
            child_creations: 0,
            aversion: 0,
            owner,
            num_children: 0,
            data: None,
            acl: None,
        }
    }

    /// Everything but the data, which is to be replaced.
    #[must_use]
    pub fn without_data(&self) -> Self {
        Self {
            data: None,
            acl: self.acl.clone(),
            ..*self
        }
    }

    /// The visible record (`DataNode.copyStat`): `cversion` counts children that came and went, and only a true
    /// ephemeral shows its owner.
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self
                .child_creations
                .wrapping_mul(2)
                .wrapping_sub(self.num_children),
            aversion: self.aversion,
            ephemeral_owner: match self.owner {
                Owner::Session(id) => id,
                Owner::Persistent | Owner::Container | Owner::Ttl(_) => 0,
            },
            data_length: i32::try_from(self.data_len()).unwrap_or(i32::MAX),
            num_children: self.num_children,
            pzxid: self.pzxid,
        }
    }

    /// Length of its data in bytes; 0 of none.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data.as_ref().map_or(0, Bytes::len)
    }

    /// Appends the stored form.
    ///
    /// Layout: varints (zigzag) of czxid and ctime; a byte that says which of the following are not 0, lowest bit
    /// first, and those as varints: mzxid − czxid, pzxid − czxid, mtime − ctime, version, child creations, aversion,
    /// owner, children; the ACL (varint count plus 1, 0 for the open one; per entry perms, scheme, id); one byte 0 for
    /// no data or 1 and the data to the end.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.czxid);
        put_varint(out, self.ctime);
        let mostly_zero = [
            self.mzxid.wrapping_sub(self.czxid),
            self.pzxid.wrapping_sub(self.czxid),
            self.mtime.wrapping_sub(self.ctime),
            self.version.into(),
            self.child_creations.into(),
            self.aversion.into(),
            self.owner.to_raw(),
            self.num_children.into(),
        ];
        let present = out.len();
        out.push(0);
        for (bit, value) in mostly_zero.into_iter().enumerate() {
            if value != 0 {
                out[present] |= 1 << bit;
                put_varint(out, value);
            }
        }
        match &self.acl {
            None => put_varint(out, 0),
            Some(acl) => {
                put_length(out, acl.len() + 1);
                for entry in acl.iter() {
                    put_varint(out, entry.perms.into());
                    put_text(out, &entry.scheme);
                    put_text(out, &entry.id);
                }
            }
        }
        match &self.data {
            None => out.push(0),
            Some(data) => {
                out.push(1);
                out.extend_from_slice(data);
            }
        }
    }

    /// Reads the stored form. None when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode_with(bytes, Bytes::copy_from_slice)
    }

    /// The same; `take` makes what keeps the data, which stand at the end.
    pub(super) fn decode_with(mut bytes: &[u8], take: impl FnOnce(&[u8]) -> Bytes) -> Option<Self> {
        let input = &mut bytes;
        let czxid = take_varint(input)?;
        let ctime = take_varint(input)?;
        let (&present, rest) = input.split_first()?;
        *input = rest;
        let mut mostly_zero = [0; 8];
        for (bit, value) in mostly_zero.iter_mut().enumerate() {
            if present & 1 << bit != 0 {
                *value = take_varint(input)?;
            }
        }
        let [
            mzxid,
            pzxid,
            mtime,
            version,
            child_creations,
            aversion,
            owner,
            num_children,
        ] = mostly_zero;
        let int = |value: i64| i32::try_from(value).ok();
        let acl = match usize::try_from(take_varint(input)?).ok()? {
            0 => None,
            count => {
                let mut acl = Vec::new();
                for _ in 1..count {
                    let perms = take_i32(input)?;
                    let scheme = take_text(input)?;
                    let id = take_text(input)?;
                    acl.push(Acl { perms, scheme, id });
                }
                Some(acl.into())
            }
        };
        let data = match input.split_first()? {
            (0, []) => None,
            (1, data) => Some(take(data)),
            _ => return None,
        };
        Some(Self {
            czxid,
            mzxid: czxid.wrapping_add(mzxid),
            pzxid: czxid.wrapping_add(pzxid),
            ctime,
            mtime: ctime.wrapping_add(mtime),
            version: int(version)?,
            child_creations: int(child_creations)?,
            aversion: int(aversion)?,
            owner: Owner::from_raw(owner),
            num_children: int(num_children)?,
            data,
            acl,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seven bits at a time, zigzag first"
)]
fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    put_varint(
        out,
        i64::try_from(length).expect("a length in memory fits an i64"),
    );
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "zigzag: the top bit was shifted out"
)]
fn take_varint(input: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn take_i32(input: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_varint(input)?).ok()
}

fn take_text(input: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(take_varint(input)?).ok()?;
    let (text, rest) = input.split_at_checked(length)?;
    *input = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn znode() -> impl Strategy<Value = Znode> {
        let acl = prop::option::of(prop::collection::vec(
            (any::<i32>(), ".{0,9}", ".{0,9}").prop_map(|(perms, scheme, id)| Acl {
                perms,
                scheme,
                id,
            }),
            0..4,
        ));
        let data = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
        (any::<[i64; 6]>(), any::<[i32; 4]>(), acl, data).prop_map(|(long, int, acl, data)| Znode {
            czxid: long[0],
            mzxid: long[1],
            pzxid: long[2],
            ctime: long[3],
            mtime: long[4],
            version: int[0],
            child_creations: int[1],
            aversion: int[2],
            owner: Owner::from_raw(long[5]),
            num_children: int[3],
            data: data.map(Bytes::from),
            acl: acl.map(Into::into),
        })
    }

    proptest! {
        #[test]
        fn stored_form_survives(znode in znode()) {
            let mut bytes = Vec::new();
            znode.encode(&mut bytes);
            prop_assert_eq!(Znode::decode(&bytes), Some(znode));
        }

        #[test]
        fn any_bytes_give_a_znode_or_none(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Znode::decode(&bytes);
        }
    }

    #[test]
    fn owners_keep_zookeepers_encodings() {
        assert_eq!(Owner::Container.to_raw(), i64::MIN);
        assert_eq!(
            Owner::Ttl(5000).to_raw(),
            0xFF00_0000_0000_1388_u64.cast_signed()
        );
        for owner in [
            Owner::Persistent,
            Owner::Session(0x0100_0000_0000_0001),
            Owner::Container,
            Owner::Ttl(TTL_MAX_MS),
        ] {
            assert_eq!(Owner::from_raw(owner.to_raw()), owner);
        }
    }
}
