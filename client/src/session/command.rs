//! What handles ask of the session's task.

use crate::Error;
use crate::watch::{OneshotKind, Registration, WatchTable};
use bytes::Bytes;
use tokio::sync::oneshot;
use treekeeper_protocol::{ErrorCode, OpCode, WatchKind};

/// Commands that may wait for the task; further callers wait for their turn.
pub(crate) const COMMANDS_MAX: usize = 1024;

/// Something to do, in the order in which the handles ask for it.
#[derive(Debug)]
pub(crate) enum Command {
    /// A request.
    Call(Call),
    /// An identity, now and for every later connection.
    Auth {
        scheme: String,
        proof: Bytes,
        reply: ReplyTo,
    },
    /// The end of the session.
    Close { reply: ReplyTo },
}

impl Command {
    /// Answers without doing it.
    pub(crate) fn refuse(self, error: &Error) {
        let (Self::Call(Call { reply, .. }) | Self::Auth { reply, .. } | Self::Close { reply }) =
            self;
        reply.answer(Err(error.clone()));
    }
}

/// A request, encoded by the caller so that the task only copies it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) op: OpCode,
    pub(crate) body: Bytes,
    pub(crate) reply: ReplyTo,
    pub(crate) on_reply: OnReply,
}

/// What the task does when the reply comes, before anything that came after it.
#[derive(Debug)]
pub(crate) enum OnReply {
    Nothing,
    /// Registers a watch if the server did.
    Watch(Subscription),
    /// Forgets watches if the server did.
    Unwatch {
        path: String,
        kind: WatchKind,
    },
    /// Ends the session.
    Close,
}

/// A watch that the server is about to confirm.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The server's path.
    path: String,
    registration: Registration,
    /// Whether a znode that does not exist is watched too, for its creation.
    if_absent: bool,
}

impl Subscription {
    pub(crate) const fn new(path: String, registration: Registration) -> Self {
        Self {
            path,
            registration,
            if_absent: false,
        }
    }

    pub(crate) fn also_if_absent(self) -> Self {
        Self {
            if_absent: true,
            ..self
        }
    }

    /// Registers the watch if the error of the reply means that the server has it.
    pub(crate) fn confirm(self, err: i32, watches: &mut WatchTable) {
        if err == 0 {
            watches.register(self.path, self.registration);
        } else if self.if_absent
            && err == ErrorCode::NoNode.as_i32()
            && let Registration::Oneshot(_, sender) = self.registration
        {
            watches.register(self.path, Registration::Oneshot(OneshotKind::Exist, sender));
        }
    }
}

/// Where a reply goes: its body, or an error.
#[derive(Debug)]
pub(crate) struct ReplyTo(oneshot::Sender<Result<Bytes, Error>>);

impl ReplyTo {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<Bytes, Error>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers; the caller may have gone, which is no loss.
    pub(crate) fn answer(self, outcome: Result<Bytes, Error>) {
        drop(self.0.send(outcome));
    }
}
