//! Request frames as they go over the wire: length, xid, op code, body.

use bytes::{BufMut, Bytes, BytesMut};
use treekeeper_protocol::{ConnectRequest, PASSWORD_LEN, Request};

/// The session time-out that every connection asks for, in ms: above any pause that a run may hold.
pub const SESSION_TIMEOUT_MS: i32 = 600_000;

/// Where the xid stands in a request frame.
const XID_AT: usize = 4;
/// Where the body of a request begins.
pub const BODY_AT: usize = 12;

/// What a client shows to go on with its session elsewhere; by default it asks for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// 0 for a new one.
    pub id: i64,
    /// Zeros for a new one.
    pub password: [u8; PASSWORD_LEN],
}

/// A request, encoded once and sent often: only its xid changes.
#[derive(Clone, Debug)]
pub struct Frame(Box<[u8]>);

impl Frame {
    /// Encodes `request`.
    ///
    /// # Panics
    /// When the request is longer than a frame can be, which no plan asks for.
    pub fn new(request: &Request) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_i32(0);
        bytes.put_i32(0);
        bytes.put_i32(request.op().as_i32());
        request.encode(&mut bytes);
        Self(patch_length(bytes))
    }

    /// Appends the frame to `out` under `xid`.
    pub fn append(&self, xid: i32, out: &mut Vec<u8>) {
        let at = out.len() + XID_AT;
        out.extend_from_slice(&self.0);
        out[at..at + 4].copy_from_slice(&xid.to_be_bytes());
    }

    /// Bytes of the frame, its length included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A frame is never empty: it has a header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encoded bytes, for who patches more than the xid.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// The first frame of a connection: asks for a new session.
pub fn connect_frame() -> Box<[u8]> {
    connect_frame_asking(SESSION_TIMEOUT_MS)
}

/// The same for a session with another time-out, in ms.
pub fn connect_frame_asking(timeout_ms: i32) -> Box<[u8]> {
    connect_frame_of(Session::default(), timeout_ms)
}

/// The same to go on with `session`.
pub fn connect_frame_of(session: Session, timeout_ms: i32) -> Box<[u8]> {
    let mut bytes = BytesMut::new();
    bytes.put_i32(0);
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms,
        session_id: session.id,
        password: Some(Bytes::copy_from_slice(&session.password)),
        read_only: Some(false),
    };
    request.encode(&mut bytes);
    patch_length(bytes)
}

fn patch_length(mut bytes: BytesMut) -> Box<[u8]> {
    let length = u32::try_from(bytes.len() - 4).expect("a request of a bench is short");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Box::from(bytes.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_appended_under_its_xid() {
        let frame = Frame::new(&Request::Ping);
        let mut out = vec![9];
        frame.append(0x0102_0304, &mut out);
        assert_eq!(out, [9, 0, 0, 0, 8, 1, 2, 3, 4, 0, 0, 0, 11]);
        assert_eq!(frame.len(), 12);
    }

    #[test]
    fn the_connect_frame_has_the_45_bytes_of_todays_clients() {
        let frame = connect_frame();
        assert_eq!(frame.len(), 4 + 45);
        assert_eq!(frame[..4], [0, 0, 0, 45]);
    }
}
