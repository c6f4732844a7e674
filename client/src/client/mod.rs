//! The handle to a session.
//!
//! In: calls. Out: replies, decoded on the caller's own task.
//! Not here: the connection (`session`).

mod connection;
mod reads;
mod watches;
mod writes;

use crate::builder::ClientBuilder;
use crate::chroot::Chroot;
use crate::session::{Call, Command, OnReply, ReplyTo, SessionInfo, SessionState};
use crate::{CreateOptions, Error};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::unconstrained;
use treekeeper_protocol::{Request, path};

/// A handle to a session with the servers. Clones share the session; it is closed when the last of them is gone.
///
/// Calls may be made at the same time: they go out in the order of their first poll without waiting for each
/// other, and the server carries them out in that order. While no server is connected they wait until one is, or
/// until all have been tried. A call that is dropped half-way may be carried out or not.
///
/// All paths are below the chroot of the connect string.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    commands: mpsc::Sender<Command>,
    chroot: Chroot,
    info: watch::Receiver<SessionInfo>,
    state: watch::Receiver<SessionState>,
    body_len_max: usize,
}

/// The wire's word for an expected version: −1 means any.
pub(crate) fn version(expected: Option<i32>) -> i32 {
    expected.unwrap_or(-1)
}

impl Client {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        chroot: Chroot,
        info: watch::Receiver<SessionInfo>,
        state: watch::Receiver<SessionState>,
        body_len_max: usize,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                commands,
                chroot,
                info,
                state,
                body_len_max,
            }),
        }
    }

    /// Connects with the usual settings to one of the servers of `host:port,…/chroot` and opens a session.
    ///
    /// # Errors
    /// If the connect string is invalid, or no server opens a session in time.
    pub async fn connect(connect_string: &str) -> Result<Self, Error> {
        Self::builder().connect(connect_string).await
    }

    /// Settings to begin with.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The server's path of a caller's path, which must be valid.
    pub(crate) fn absolute(&self, path: &str) -> Result<String, Error> {
        path::validate(path).map_err(|reason| Error::InvalidPath {
            path: path.to_owned(),
            reason,
        })?;
        Ok(self.inner.chroot.absolute(path))
    }

    /// The same for a znode that is to be created: only with its number a sequential one must have a valid path.
    pub(crate) fn path_to_create(
        &self,
        path: &str,
        options: &CreateOptions,
    ) -> Result<String, Error> {
        if options.is_sequential() {
            path::validate(&format!("{path}1")).map_err(|reason| Error::InvalidPath {
                path: path.to_owned(),
                reason,
            })?;
            Ok(self.inner.chroot.sequence_prefix(path))
        } else {
            self.absolute(path)
        }
    }

    /// The caller's path of a server's path.
    fn relative(&self, path: String) -> String {
        match self.inner.chroot.relative(&path) {
            Some(relative) => relative.to_owned(),
            None => path,
        }
    }

    /// Sends a request and waits for the body of its reply.
    async fn call(&self, request: &Request) -> Result<Bytes, Error> {
        self.call_and_then(request, OnReply::Nothing).await
    }

    async fn call_and_then(&self, request: &Request, on_reply: OnReply) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        request.encode(&mut body);
        if body.len() > self.inner.body_len_max {
            return Err(Error::RequestTooLong {
                length: body.len(),
                max: self.inner.body_len_max,
            });
        }
        self.command(|reply| {
            Command::Call(Call {
                op: request.op(),
                body: body.freeze(),
                reply,
                on_reply,
            })
        })
        .await
    }

    async fn command(&self, command: impl FnOnce(ReplyTo) -> Command) -> Result<Bytes, Error> {
        let (reply, outcome) = ReplyTo::new();
        // Either channel ends only with the task, which leaves its reason in the state first.
        let ended = || self.state().error();
        // The first poll takes the place in the queue. With tokio's usual budget a busy task would sometimes not
        // take it, and calls made one after the other would go out in another order.
        let sent = unconstrained(self.inner.commands.send(command(reply)));
        sent.await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}
