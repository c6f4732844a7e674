//! A client's socket: its task reads and writes it, and the publish step or a fan-out may write to it while the task
//! rests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The task's end.
#[derive(Debug)]
pub(super) struct ClientSocket {
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
}

/// The other end: writes what fits at once, from any thread.
#[derive(Debug, Clone)]
pub(super) struct DirectWriter(Arc<OwnedWriteHalf>);

impl ClientSocket {
    pub(super) fn new(socket: TcpStream) -> Self {
        let (read, write) = socket.into_split();
        Self {
            read,
            write: Arc::new(write),
        }
    }

    /// The end of the connection that is this server's.
    pub(super) fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        let stream: &TcpStream = (*self.write).as_ref();
        stream.local_addr()
    }

    pub(super) fn direct_writer(&self) -> DirectWriter {
        DirectWriter(Arc::clone(&self.write))
    }

    fn poll_try(
        &self,
        cx: &mut Context<'_>,
        attempt: impl Fn(&OwnedWriteHalf) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream: &TcpStream = (*self.write).as_ref();
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match attempt(&self.write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl DirectWriter {
    /// Writes as much as the system takes without waiting; an error is left for the task to meet.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        self.0.try_write(bytes).unwrap_or(0)
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_try(cx, |write| write.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_try(cx, |write| write.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream: &TcpStream = (*self.write).as_ref();
        Poll::Ready(socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write))
    }
}
