//! The types that openraft is instantiated with: those of the server, but for the runtime.

use std::fmt;

use bytes::Bytes;
use openraft::impls::{BoxedErrorSource, InlineBatch, leader_id_std};
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, RaftTypeConfig};
use openraft_rt_sim::SimRuntime;
use tokio::sync::oneshot;

/// As in the server: one leader per term, `u64` ids, opaque commands, no reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

impl RaftTypeConfig for Types {
    type D = Command;
    type R = ();
    type NodeId = u64;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Command, u64, BasicNode>;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = SimRuntime;
    type Responder<T>
        = Outcome<T>
    where
        T: Send + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = BoxedErrorSource;
}

/// An opaque command.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "command of {} bytes", self.0.len())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Tells whether a proposal was applied.
pub(crate) struct Outcome<T> {
    applied: oneshot::Sender<bool>,
    is_applied: fn(&T) -> bool,
}

impl Outcome<ClientWriteResult<Types>> {
    pub(crate) fn new(applied: oneshot::Sender<bool>) -> Self {
        Self {
            applied,
            is_applied: Result::is_ok,
        }
    }
}

impl<T: Send + 'static> Responder<Types, T> for Outcome<T> {
    fn on_complete(self, result: T) {
        // Who asked may have gone.
        let _ = self.applied.send((self.is_applied)(&result));
    }
}

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<Types>;
pub(crate) type RaftEntry = openraft::type_config::alias::EntryOf<Types>;
pub(crate) type RaftVote = openraft::type_config::alias::VoteOf<Types>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;
pub(crate) type CommittedLeaderId =
    <<Types as RaftTypeConfig>::LeaderId as RaftLeaderId>::Committed;
