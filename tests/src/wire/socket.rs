//! A TCP connection that speaks in frames and knows nothing of sessions.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::bytes::{Body, Reader};
use super::outcome::{Outcome, expect, failed};

/// How long a server may take for any answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A ConnectRequest, field by field.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) protocol_version: i32,
    pub(crate) last_zxid: i64,
    pub(crate) timeout_ms: i32,
    pub(crate) session: i64,
    /// `None` is a null buffer.
    pub(crate) password: Option<Vec<u8>>,
    /// `None` leaves the byte out, as old clients do.
    pub(crate) read_only: Option<bool>,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            protocol_version: 0,
            last_zxid: 0,
            timeout_ms: 30_000,
            session: 0,
            password: Some(vec![0; 16]),
            read_only: Some(false),
        }
    }
}

impl Connect {
    /// The request as a record.
    pub(crate) fn body(&self) -> Body {
        let body = Body::new()
            .i32(self.protocol_version)
            .i64(self.last_zxid)
            .i32(self.timeout_ms)
            .i64(self.session)
            .buf(self.password.as_deref());
        match self.read_only {
            None => body,
            Some(flag) => body.bool(flag),
        }
    }
}

/// A ConnectResponse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connected {
    pub(crate) protocol_version: i32,
    pub(crate) timeout_ms: i32,
    pub(crate) session: i64,
    pub(crate) password: Vec<u8>,
    /// `None` when the byte is not there.
    pub(crate) read_only: Option<bool>,
    /// Length of the frame's payload.
    pub(crate) len: usize,
}

impl Connected {
    /// Reads a ConnectResponse to its end.
    pub(crate) fn read(frame: &[u8]) -> Outcome<Self> {
        let mut reader = Reader::new(frame);
        let (protocol_version, timeout_ms, session) = (reader.i32()?, reader.i32()?, reader.i64()?);
        let password = reader.buf()?.unwrap_or_default();
        let read_only = if reader.left() > 0 {
            Some(reader.bool()?)
        } else {
            None
        };
        reader.end()?;
        Ok(Self {
            protocol_version,
            timeout_ms,
            session,
            password,
            read_only,
            len: frame.len(),
        })
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// Connects; nothing is sent.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        Self::over(TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?)
    }

    /// Takes over a connected stream.
    pub(crate) fn over(stream: TcpStream) -> Outcome<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream })
    }

    /// The stream below, for what frames cannot say.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Outcome {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends bytes to a server that may have closed already.
    pub(crate) fn send_if_open(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Receives one frame; `None` when the server has closed.
    #[track_caller]
    pub(crate) fn frame_or_end(&mut self) -> Outcome<Option<Vec<u8>>> {
        let mut len = [0; 4];
        match self.stream.read_exact(&mut len) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(format!("waiting for a frame or the end: {error}"))),
        }
        let len = i32::from_be_bytes(len);
        let len = usize::try_from(len)
            .map_err(|_| failed(format!("expected a frame length, got {len}")))?;
        let mut frame = Vec::new();
        let got = (&mut self.stream)
            .take(len as u64)
            .read_to_end(&mut frame)?;
        expect("bytes of a frame", got, len)?;
        Ok(Some(frame))
    }

    /// Receives one frame.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Outcome<Vec<u8>> {
        self.frame_or_end()?
            .ok_or_else(|| failed("expected a frame, got the end of the connection"))
    }

    /// Checks that the server closes without another byte.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> Outcome {
        match self.frame_or_end()? {
            None => Ok(()),
            Some(frame) => Err(failed(format!(
                "expected a closed connection, got a frame of {} bytes: {frame:?}",
                frame.len()
            ))),
        }
    }

    /// Checks that the server closes within `limit`, without another byte.
    #[track_caller]
    pub(crate) fn closed_within(&mut self, limit: Duration) -> Outcome {
        self.stream
            .set_read_timeout(Some(limit.max(Duration::from_secs(1))))?;
        self.closed()
    }

    /// Receives everything up to the end of the connection, as text.
    #[track_caller]
    pub(crate) fn text(&mut self) -> Outcome<String> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                return Err(failed(format!("reading text: {error}")));
            }
            _ => {}
        }
        String::from_utf8(bytes).map_err(|error| failed(format!("expected text, got {error}")))
    }

    /// Sends a ConnectRequest and receives its answer.
    #[track_caller]
    pub(crate) fn handshake(&mut self, connect: &Connect) -> Outcome<Connected> {
        self.send(&connect.body().framed())?;
        Connected::read(&self.frame()?)
    }
}
