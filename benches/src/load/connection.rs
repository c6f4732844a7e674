//! A connection of the load: tokio's socket, a session, and the bytes of its replies.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use treekeeper_protocol::Request;

use crate::load::LoadError;
use crate::load::client::{check_session, closed};
use crate::load::frame::{Frame, connect_frame};
use crate::load::replies::Replies;

/// Connections that are opened at the same time. More would overflow the backlog of a listener (ZooKeeper's has 50), and
/// what the kernel drops there is tried again only a second later.
pub const OPENING_MAX: usize = 40;

/// An open connection with a session of its own.
#[derive(Debug)]
pub struct Connection {
    /// The socket, to write requests to.
    pub stream: TcpStream,
    /// What was received and not yet looked at.
    pub replies: Replies,
}

impl Connection {
    /// Connects and opens a new session.
    ///
    /// # Errors
    /// When nobody listens, or the session is refused.
    pub async fn open(address: SocketAddr) -> Result<Self, LoadError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&connect_frame()).await?;
        let mut connection = Self {
            stream,
            replies: Replies::default(),
        };
        loop {
            if let Some(frame) = connection.replies.next_frame() {
                check_session(frame)?;
                return Ok(connection);
            }
            connection.receive().await?;
        }
    }

    /// Opens `count` of them, [`OPENING_MAX`] at a time.
    ///
    /// # Errors
    /// When any of them cannot be opened.
    ///
    /// # Panics
    /// When the task that opens one does.
    pub async fn open_all(address: SocketAddr, count: usize) -> Result<Vec<Self>, LoadError> {
        let mut connections = Vec::with_capacity(count);
        let mut opening = JoinSet::new();
        for _ in 0..count {
            if opening.len() == OPENING_MAX
                && let Some(opened) = opening.join_next().await
            {
                connections.push(opened.expect("opening does not panic")?);
            }
            opening.spawn(Self::open(address));
        }
        while let Some(opened) = opening.join_next().await {
            connections.push(opened.expect("opening does not panic")?);
        }
        Ok(connections)
    }

    /// Waits until more bytes have come.
    ///
    /// # Errors
    /// When the connection failed or was closed.
    pub async fn receive(&mut self) -> Result<(), LoadError> {
        let count = self.stream.read(self.replies.space()).await?;
        if count == 0 {
            return Err(closed().into());
        }
        self.replies.filled(count);
        Ok(())
    }

    /// Closes the session, so that it costs the server nothing in later runs.
    ///
    /// # Errors
    /// When the connection failed before the session was closed.
    pub async fn close(mut self) -> Result<(), LoadError> {
        let mut out = Vec::new();
        Frame::new(&Request::CloseSession).append(i32::MAX, &mut out);
        self.stream.write_all(&out).await?;
        loop {
            match self.replies.next_reply()? {
                Some(reply) if reply.xid == i32::MAX => return Ok(()),
                Some(_) => {}
                None => self.receive().await?,
            }
        }
    }
}
