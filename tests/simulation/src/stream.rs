//! The server's end of a client's stream: notes what the member knew whenever it said something.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::history::What;
use crate::time::now;
use crate::world::World;

/// A stream whose writes are noted in the history.
pub(crate) struct ServerEnd {
    world: Arc<World>,
    member: u64,
    stream: DuplexStream,
}

impl ServerEnd {
    pub(crate) fn new(world: Arc<World>, member: u64, stream: DuplexStream) -> Self {
        Self {
            world,
            member,
            stream,
        }
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            let world = &self.world;
            let confirmed = world.last_confirmed(self.member);
            world.history.note(What::Answered {
                member: self.member,
                confirmed_ago: confirmed.map(|then| now().saturating_sub(then)),
            });
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
