//! Facts about a znode that go with most replies.

use crate::decode::{self, DecodeError, Parsed};
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::{be_i32, be_i64};

/// What a client sees of a znode besides its data. 68 bytes on the wire, in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stat {
    /// zxid of the creation.
    pub czxid: i64,
    /// zxid of the last change of data.
    pub mzxid: i64,
    /// Time of the creation in milliseconds since 1970.
    pub ctime: i64,
    /// Time of the last change of data in milliseconds since 1970.
    pub mtime: i64,
    /// How often the data changed, wrapping.
    pub version: i32,
    /// How often a child came or went, wrapping.
    pub cversion: i32,
    /// How often the access control list changed, wrapping.
    pub aversion: i32,
    /// Session id of the owner of an ephemeral znode, otherwise 0.
    pub ephemeral_owner: i64,
    /// Bytes of data; 0 for null.
    pub data_length: i32,
    /// Number of children.
    pub num_children: i32,
    /// zxid of the last child that came or went; the creation at first.
    pub pzxid: i64,
}

impl Stat {
    /// Bytes on the wire.
    pub const LEN: usize = 68;

    pub(crate) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let zxids_and_times = (be_i64, be_i64, be_i64, be_i64);
        let versions = (be_i32, be_i32, be_i32);
        let rest = (be_i64, be_i32, be_i32, be_i64);
        (zxids_and_times, versions, rest)
            .map(
                |(
                    (czxid, mzxid, ctime, mtime),
                    (version, cversion, aversion),
                    (ephemeral_owner, data_length, num_children, pzxid),
                )| Self {
                    czxid,
                    mzxid,
                    ctime,
                    mtime,
                    version,
                    cversion,
                    aversion,
                    ephemeral_owner,
                    data_length,
                    num_children,
                    pzxid,
                },
            )
            .parse(input)
    }

    /// Reads a stat from the beginning of `body`.
    ///
    /// # Errors
    /// If `body` is too short.
    pub fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        decode::finish(Self::parse(body))
    }

    /// Writes the 68 bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i64(self.czxid);
        out.put_i64(self.mzxid);
        out.put_i64(self.ctime);
        out.put_i64(self.mtime);
        out.put_i32(self.version);
        out.put_i32(self.cversion);
        out.put_i32(self.aversion);
        out.put_i64(self.ephemeral_owner);
        out.put_i32(self.data_length);
        out.put_i32(self.num_children);
        out.put_i64(self.pzxid);
    }
}
