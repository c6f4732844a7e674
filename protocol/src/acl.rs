//! Access control lists: who may do what with one znode.
//!
//! Wire form of an entry: `i32 perms, str scheme, str id`.
//! Not here: which schemes there are and whom an entry matches.

use crate::decode::{self, Parsed};
use crate::encode::put_string;
use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_i32;

/// Permission bits of [`Acl::perms`].
pub mod perms {
    /// Read data, list children, receive events.
    pub const READ: i32 = 1;
    /// Replace data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Replace the access control list.
    pub const ADMIN: i32 = 16;
    /// All of them.
    pub const ALL: i32 = READ | WRITE | CREATE | DELETE | ADMIN;
}

/// Bytes of an entry with an empty scheme and an empty id.
const ACL_LEN_MIN: usize = 12;

/// One entry: the identities that it matches get its permissions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acl {
    /// Bits of [`perms`].
    pub perms: i32,
    /// How `id` is to be read: `world`, `auth`, `digest`, `ip`, `sasl`, `x509`. A null on the wire reads as "".
    pub scheme: String,
    /// Whom the entry matches, in the terms of its scheme. A null on the wire reads as "".
    pub id: String,
}

impl Acl {
    /// An entry of these three parts.
    #[must_use]
    pub fn new(perms: i32, scheme: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            perms,
            scheme: scheme.into(),
            id: id.into(),
        }
    }

    /// Everybody may do everything (`OPEN_ACL_UNSAFE` in Java).
    #[must_use]
    pub fn world_anyone_all() -> Vec<Self> {
        vec![Self::new(perms::ALL, "world", "anyone")]
    }

    /// Everybody may read (`READ_ACL_UNSAFE` in Java).
    #[must_use]
    pub fn world_anyone_read() -> Vec<Self> {
        vec![Self::new(perms::READ, "world", "anyone")]
    }

    /// The authenticated identities of the creating connection may do everything (`CREATOR_ALL_ACL` in Java).
    #[must_use]
    pub fn creator_all() -> Vec<Self> {
        vec![Self::new(perms::ALL, "auth", "")]
    }

    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (be_i32, decode::string_or_empty, decode::string_or_empty)
            .map(|(perms, scheme, id)| Self { perms, scheme, id })
            .parse(input)
    }

    pub(crate) fn parse_list(input: &[u8]) -> Parsed<'_, Option<Vec<Self>>> {
        decode::opt_list(ACL_LEN_MIN, Self::parse)(input)
    }

    /// Writes the entry.
    ///
    /// # Panics
    /// If a string is 2 GiB or longer.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.perms);
        put_string(out, &self.scheme);
        put_string(out, &self.id);
    }
}
