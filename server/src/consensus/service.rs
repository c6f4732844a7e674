//! What other members ask of this one.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::vote::RaftLeaderId;
use openraft::{Instant, Raft, ReadPolicy};
use tokio::sync::oneshot;

use super::admit;
use super::checkpoint::Incoming;
use super::in_flight::InFlight;
use super::leader_gone::LeaderGone;
use super::machine::MachineAdapter;
use super::messages;
use super::network::Links;
use super::options::PeerOptions;
use super::proposal::{OnRefused, Outcome};
use super::reconfig::{Changed, Reconfig, reconfigure};
use super::types::{Command, Types};
use crate::peer::{self, Answer, Identity};

/// Kinds of requests between members. Never reused.
pub(super) mod kind {
    pub(in super::super) const APPEND: u8 = 1;
    pub(in super::super) const VOTE: u8 = 2;
    pub(in super::super) const PRE_VOTE: u8 = 3;
    pub(in super::super) const TRANSFER: u8 = 4;
    /// The index up to which a member must have applied to have seen everything.
    pub(in super::super) const READ_INDEX: u8 = 5;
    /// A command for the leader to place.
    pub(in super::super) const FORWARD: u8 = 6;
    /// What a member tells the leader from time to time; the answer says how long ago a quorum confirmed the leader.
    pub(in super::super) const REPORT: u8 = 7;
    /// A new member wants to be one.
    pub(in super::super) const ADMIT: u8 = 8;
    /// A checkpoint of the tree: its files, pieces of them, its end.
    pub(in super::super) const CHECKPOINT_BEGIN: u8 = 9;
    pub(in super::super) const CHECKPOINT_PIECE: u8 = 10;
    pub(in super::super) const CHECKPOINT_END: u8 = 11;
    /// Change the members.
    pub(in super::super) const RECONFIG: u8 = 12;
    /// Could a checkpoint come now?
    pub(in super::super) const CHECKPOINT_READY: u8 = 13;
}

/// The reason for a refusal that says no more than: ask another.
pub(super) const NOT_LEADER: &str = "this member does not lead";

/// Answers the other members.
pub(super) struct Service {
    pub(super) raft: Raft<Types, MachineAdapter>,
    pub(super) links: Arc<Links>,
    pub(super) in_flight: InFlight,
    pub(super) peers: PeerOptions,
    pub(super) incoming: Arc<Incoming>,
    pub(super) leader_gone: Arc<LeaderGone>,
}

fn malformed() -> String {
    "a request that this release cannot read".to_owned()
}

fn refuse(reason: impl Into<String>) -> Answer {
    let reason = reason.into();
    Box::pin(async move { Err(reason) })
}

fn ready(answer: Result<Bytes, String>) -> Answer {
    Box::pin(async move { answer })
}

/// How long ago a quorum confirmed that this member leads.
pub(super) fn quorum_age(raft: &Raft<Types, MachineAdapter>) -> Option<Duration> {
    let leader = raft.as_leader().ok()?;
    if raft.voter_ids().eq([*raft.node_id()]) {
        // A quorum by itself.
        return Some(Duration::ZERO);
    }
    leader.last_quorum_acked().map(|acked| acked.elapsed())
}

impl Service {
    /// Is this somebody who belongs to no ensemble, or to one that has not told it so, while this member belongs to one?
    /// Whoever has this ensemble's id may be a member that this one has not heard of yet, and its vote or its entries
    /// may be needed.
    fn is_stranger(&self, from: &Identity) -> bool {
        from.cluster_id == 0 && self.links.local().identity().formed && !self.is_member(from)
    }

    /// Is this a member as far as this one knows? Whoever was removed may not have heard of it: what it serves grows old,
    /// so its leader confirms nothing to it any more.
    fn is_member(&self, from: &Identity) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.get_node(&from.node_id).is_some()
    }

    fn forward(&self, from: &Identity, command: Bytes) -> Answer {
        let Some(command) = (self.peers.check_forwarded)(command) else {
            tracing::error!(server = from.my_id, "refused a command that is none");
            return refuse(malformed());
        };
        let Ok(room) = self.in_flight.try_take(&command) else {
            return refuse("too much is in flight");
        };
        let (sender, refused) = oneshot::channel();
        let sender = parking_lot::Mutex::new(Some(sender));
        // Dropped unheard when the command is applied.
        let on_refused: OnRefused = Arc::new(move |refusal| {
            if let Some(sender) = sender.lock().take() {
                let _ = sender.send(refusal);
            }
        });
        let outcome = Outcome::new(0, on_refused, room);
        let raft = self.raft.clone();
        let placing = async move { raft.client_write_ff(Command(command), Some(outcome)).await };
        // At once, so that the order of the link is the order of the log.
        let placing = tokio::task::unconstrained(placing);
        match futures::FutureExt::now_or_never(placing) {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return refuse("too much is in flight"),
        }
        Box::pin(async move {
            match refused.await {
                Ok(refusal) => Err(format!("{refusal:?}")),
                Err(_applied) => Ok(Bytes::new()),
            }
        })
    }

    fn read_index(&self) -> Answer {
        let (raft, links) = (self.raft.clone(), Arc::clone(&self.links));
        Box::pin(async move {
            let _waiting = links.pending().begin();
            let read = raft.get_read_log_id(ReadPolicy::ReadIndex).await;
            let (at, _) = read.map_err(|error| error.to_string())?;
            let mut out = BytesMut::new();
            out.put_u64(at.log_id().index());
            Ok(out.freeze())
        })
    }

    fn report(&self, from: &Identity, body: &Bytes) -> Answer {
        let Some(age) = quorum_age(&self.raft) else {
            return refuse(NOT_LEADER);
        };
        self.links.reported().heard(from);
        let Some(answer) = (self.peers.on_report)(from.my_id, body) else {
            return refuse(malformed());
        };
        let mut out = BytesMut::new();
        out.put_u32(u32::try_from(age.as_millis()).unwrap_or(u32::MAX));
        out.put_slice(&answer);
        Box::pin(async move { Ok(out.freeze()) })
    }
}

/// Reads the answer to [`kind::READ_INDEX`].
pub(super) fn decode_read_index(mut answer: Bytes) -> Option<u64> {
    answer.try_get_u64().ok()
}

/// Reads the answer to [`kind::REPORT`].
pub(super) fn decode_report(mut answer: Bytes) -> Option<(Duration, Bytes)> {
    let millis = answer.try_get_u32().ok()?;
    Some((Duration::from_millis(millis.into()), answer))
}

impl peer::Service for Service {
    fn ended(&self, from: &Identity) {
        self.leader_gone.link_ended(from.node_id);
    }

    fn accept(&self, from: &Identity, kind: u8, body: Bytes) -> Answer {
        let raft = self.raft.clone();
        if kind != kind::ADMIT && self.is_stranger(from) {
            return refuse(format!(
                "server {} is no member of this ensemble",
                from.my_id
            ));
        }
        let of_members = matches!(
            kind,
            kind::READ_INDEX | kind::FORWARD | kind::REPORT | kind::RECONFIG
        );
        if of_members && !self.is_member(from) {
            return refuse(NOT_LEADER);
        }
        match kind {
            kind::APPEND => {
                let Some(request) = messages::decode_append(body) else {
                    return refuse(malformed());
                };
                if *request.vote.leader_id().node_id() != from.node_id {
                    return refuse("entries come from their leader alone");
                }
                Box::pin(async move {
                    let response = raft.append_entries(request).await;
                    response
                        .map(|response| messages::encode_append_response(&response))
                        .map_err(|error| error.to_string())
                })
            }
            kind::VOTE | kind::PRE_VOTE => {
                let Some(request) = messages::decode_vote_request(body) else {
                    return refuse(malformed());
                };
                if *request.vote.leader_id().node_id() != from.node_id {
                    return refuse("a candidate asks for itself alone");
                }
                Box::pin(async move {
                    let response = if kind == kind::VOTE {
                        raft.vote(request).await
                    } else {
                        raft.pre_vote(request).await
                    };
                    response
                        .map(|response| messages::encode_vote_response(&response))
                        .map_err(|error| error.to_string())
                })
            }
            kind::TRANSFER => {
                let Some(request) = messages::decode_transfer(body) else {
                    return refuse(malformed());
                };
                if *request.from_leader().leader_id().node_id() != from.node_id {
                    return refuse("a leader hands over for itself alone");
                }
                Box::pin(async move {
                    match raft.handle_transfer_leader(request).await {
                        Ok(Ok(())) => Ok(Bytes::new()),
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(error) => Err(error.to_string()),
                    }
                })
            }
            kind::READ_INDEX => self.read_index(),
            kind::FORWARD => self.forward(from, body),
            kind::REPORT => self.report(from, &body),
            kind::ADMIT => {
                let (from, links) = (*from, Arc::clone(&self.links));
                Box::pin(async move { admit::admit(&raft, &links, from, &body).await })
            }
            kind::RECONFIG => {
                let Ok(change) = serde_json::from_slice::<Reconfig>(&body) else {
                    return refuse(malformed());
                };
                let links = Arc::clone(&self.links);
                Box::pin(async move {
                    if !raft.is_leader() {
                        return Err(NOT_LEADER.to_owned());
                    }
                    let result = reconfigure(&raft, &links, &change).await;
                    let result = result.ok_or("nobody knows what has come of the change")?;
                    Ok(Changed::encode(result))
                })
            }
            kind::CHECKPOINT_READY => ready(self.incoming.is_ready()),
            kind::CHECKPOINT_BEGIN => ready(self.incoming.begin(body)),
            kind::CHECKPOINT_PIECE => ready(self.incoming.piece(body)),
            kind::CHECKPOINT_END => ready(self.incoming.end(body, &raft)),
            kind => refuse(format!(
                "a request of kind {kind}, which this release does not know"
            )),
        }
    }
}
