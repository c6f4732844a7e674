//! What stands in front of every request and reply but the handshake.

use crate::decode::{self, DecodeError, Parsed};
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::{be_i32, be_i64};

/// Request numbers with a meaning. All others just come back with the reply.
pub mod xid {
    /// A watch event.
    pub const NOTIFICATION: i32 = -1;
    /// A ping, and the reply to any ping.
    pub const PING: i32 = -2;
    /// What most clients give an `auth` request. Servers go by the operation.
    pub const AUTH: i32 = -4;
    /// What most clients give a `setWatches` request. Servers go by the operation.
    pub const SET_WATCHES: i32 = -8;
}

/// In front of a request: `i32 xid, i32 type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestHeader {
    /// The client's number for the request; any value.
    pub xid: i32,
    /// The number of an operation, perhaps of none that is known.
    pub op: i32,
}

impl RequestHeader {
    /// Bytes on the wire.
    pub const LEN: usize = 8;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (be_i32, be_i32)
            .map(|(xid, op)| Self { xid, op })
            .parse(input)
    }

    /// Splits a frame's payload into its header and the body of the request.
    ///
    /// # Errors
    /// If the payload is shorter than a header.
    pub fn decode(payload: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let header = decode::finish(Self::parse(payload))?;
        Ok((header, payload.slice(Self::LEN..)))
    }

    /// Writes the header.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.xid);
        out.put_i32(self.op);
    }
}

/// In front of a reply or an event: `i32 xid, i64 zxid, i32 err`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplyHeader {
    /// The xid of the request, or one of [`xid`].
    pub xid: i32,
    /// The write's own zxid, or the last one that the server has applied.
    pub zxid: i64,
    /// The number of an error; a body follows only if it is 0.
    pub err: i32,
}

impl ReplyHeader {
    /// Bytes on the wire.
    pub const LEN: usize = 16;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (be_i32, be_i64, be_i32)
            .map(|(xid, zxid, err)| Self { xid, zxid, err })
            .parse(input)
    }

    /// Splits a frame's payload into its header and the body of the reply.
    ///
    /// # Errors
    /// If the payload is shorter than a header.
    pub fn decode(payload: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let header = decode::finish(Self::parse(payload))?;
        Ok((header, payload.slice(Self::LEN..)))
    }

    /// Writes the header.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.xid);
        out.put_i64(self.zxid);
        out.put_i32(self.err);
    }
}
