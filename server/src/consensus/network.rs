//! How openraft reaches the other members: its messages over `peer` links.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{self, Either};
use futures::{Stream, StreamExt, stream};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{AnyError, BasicNode, OptionalSend, Raft, RaftNetworkFactory, RaftNetworkV2};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::checkpoint::Outgoing;
use super::machine::{FlushedTree, MachineAdapter};
use super::messages;
use super::options::{Joined, PeerMember};
use super::read_index::Pending;
use super::rules::{Replicated, Reported};
use super::service::kind;
use super::types::{LogId, Types};
use crate::config::{JoinRule, Member};
use crate::peer::{Identity, Link, LinkError, Local, Target, probe};

/// Appends on their way to one member at once: enough for the disk's next sync while the last one's answer travels.
const APPENDS_AHEAD_MAX: usize = 32;

/// How long a member that cannot be reached is left alone.
const RETRY_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);

/// What a link carries. Each has a connection of its own, so that a long transfer holds up no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Votes and heartbeats.
    Control,
    /// Entries.
    Replicate,
    /// Commands and questions for the leader.
    Forward,
    /// Checkpoints.
    Checkpoint,
}

/// How members come without lines in the configs of all.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    /// Who may.
    pub(super) rule: JoinRule,
    /// How this one did, if it did.
    pub(super) joined: Option<Joined>,
}

/// The links of this member, made when they are first asked for.
pub(super) struct Links {
    local: Arc<Local>,
    members: BTreeMap<u8, PeerMember>,
    joining: Joining,
    /// Do the `server.N` lines of the config say who is a member, and not reconfig?
    by_config: bool,
    runtime: Handle,
    open: Mutex<HashMap<(u64, Purpose), Link>>,
    outgoing: Arc<Outgoing>,
    /// Held while the members are changed: one change at a time.
    changing: tokio::sync::Mutex<()>,
    /// New members that are waited for.
    promoting: Mutex<HashSet<u64>>,
    replicated: Arc<dyn Replicated>,
    /// The rules that the members support.
    reported: Reported,
    /// Questions for the read index.
    pending: Pending,
}

/// A new member that is waited for, until this is dropped.
pub(super) struct Promoting<'a> {
    links: &'a Links,
    node_id: u64,
}

impl Drop for Promoting<'_> {
    fn drop(&mut self) {
        self.links.promoting.lock().remove(&self.node_id);
    }
}

impl Links {
    /// Links that run on the caller's runtime.
    pub(super) fn new(
        local: Arc<Local>,
        members: BTreeMap<u8, PeerMember>,
        joining: Joining,
        by_config: bool,
        replicated: Arc<dyn Replicated>,
    ) -> Arc<Links> {
        Arc::new(Links {
            local,
            members,
            joining,
            by_config,
            runtime: Handle::current(),
            open: Mutex::default(),
            outgoing: Arc::default(),
            changing: tokio::sync::Mutex::new(()),
            promoting: Mutex::default(),
            replicated,
            reported: Reported::default(),
            pending: Pending::default(),
        })
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn local(&self) -> &Arc<Local> {
        &self.local
    }

    pub(super) fn outgoing(&self) -> &Arc<Outgoing> {
        &self.outgoing
    }

    /// Waits for a new member from now on; none if somebody does already.
    pub(super) fn promoting(&self, node_id: u64) -> Option<Promoting<'_>> {
        let is_first = self.promoting.lock().insert(node_id);
        is_first.then_some(Promoting {
            links: self,
            node_id,
        })
    }

    /// Do the `server.N` lines of the config say who is a member, and not reconfig?
    pub(super) fn by_config(&self) -> bool {
        self.by_config
    }

    pub(super) fn joining(&self) -> &Joining {
        &self.joining
    }

    /// Is any new member waited for?
    pub(super) fn is_promoting(&self) -> bool {
        !self.promoting.lock().is_empty()
    }

    pub(super) fn replicated(&self) -> &dyn Replicated {
        &*self.replicated
    }

    pub(super) fn reported(&self) -> &Reported {
        &self.reported
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    pub(super) fn changing(&self) -> &tokio::sync::Mutex<()> {
        &self.changing
    }

    pub(super) fn members(&self) -> &BTreeMap<u8, PeerMember> {
        &self.members
    }

    /// The link to a member as the ensemble knows it; none if it is no member.
    pub(super) fn to_member(
        &self,
        raft: &Raft<Types, MachineAdapter>,
        node_id: u64,
        purpose: Purpose,
    ) -> Option<Link> {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let node = metrics.membership_config.membership().get_node(&node_id)?;
        Some(self.to(node_id, &node.addr, purpose))
    }

    /// Where a member is, as the ensemble knows it; none if it is no member.
    pub(super) fn target(
        &self,
        raft: &Raft<Types, MachineAdapter>,
        node_id: u64,
    ) -> Option<Target> {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let node = metrics.membership_config.membership().get_node(&node_id)?;
        Some(self.target_of(node_id, &node.addr))
    }

    fn target_of(&self, node_id: u64, line: &str) -> Target {
        Target {
            node_id,
            addresses: addresses(&self.members, self.by_config, line),
        }
    }

    /// The link to a node that the ensemble knows by this line.
    pub(super) fn to(&self, node_id: u64, line: &str, purpose: Purpose) -> Link {
        let mut open = self.open.lock();
        if let Some(link) = open.get(&(node_id, purpose)) {
            return link.clone();
        }
        let target = self.target_of(node_id, line);
        let _context = self.runtime.enter();
        let link = Link::open(Arc::clone(&self.local), target);
        open.insert((node_id, purpose), link.clone());
        link
    }

    /// Asks who is at the address of a member of the config.
    pub(super) async fn probe(&self, member: &PeerMember) -> Result<Identity, LinkError> {
        let target = Target {
            node_id: 0,
            addresses: member.addresses.clone(),
        };
        probe(&self.local, &target).await
    }

    /// The members are these now: links to them lead to where they are.
    pub(super) fn follow<'a>(&self, nodes: impl Iterator<Item = (&'a u64, &'a BasicNode)>) {
        let lines: HashMap<u64, &str> = nodes
            .map(|(node, known)| (*node, known.addr.as_str()))
            .collect();
        for ((node, _), link) in &*self.open.lock() {
            if let Some(line) = lines.get(node) {
                link.follow(addresses(&self.members, self.by_config, line));
            }
        }
    }
}

/// Where a member may be found, by this server's own config and by the line that the ensemble keeps. What decides who is a
/// member knows best; the other is the way out when that is out of date.
fn addresses(
    members: &BTreeMap<u8, PeerMember>,
    by_config: bool,
    line: &str,
) -> Vec<(String, u16)> {
    let Some(member) = Member::parse_line(line) else {
        return Vec::new();
    };
    let kept = PeerMember::of(&member).addresses;
    let own = members.get(&member.id);
    let own = own.map_or_else(Vec::new, |known| known.addresses.clone());
    let (mut best, other) = if by_config { (own, kept) } else { (kept, own) };
    let others: Vec<_> = other
        .into_iter()
        .filter(|address| !best.contains(address))
        .collect();
    best.extend(others);
    best
}

/// openraft's way to the other members; to nobody for a server alone.
#[derive(Clone)]
pub(crate) struct Network {
    links: Option<Arc<Links>>,
}

impl Network {
    pub(super) fn new(links: Option<Arc<Links>>) -> Network {
        Network { links }
    }

    fn client(&self, target: u64, node: &BasicNode, append: Purpose) -> Client {
        let link = |purpose| {
            let links = self.links.as_ref()?;
            Some(links.to(target, &node.addr, purpose))
        };
        Client {
            target,
            append: link(append),
            control: link(Purpose::Control),
            checkpoint: link(Purpose::Checkpoint),
            links: self.links.clone(),
        }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Client {
        self.client(target, node, Purpose::Replicate)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> Client {
        self.client(target, node, Purpose::Control)
    }
}

/// The way to one member.
#[derive(Clone)]
pub(crate) struct Client {
    target: u64,
    append: Option<Link>,
    control: Option<Link>,
    checkpoint: Option<Link>,
    links: Option<Arc<Links>>,
}

fn rpc_error(error: &LinkError) -> RPCError<Types> {
    match error {
        LinkError::Full => RPCError::Network(NetworkError::from_string(error.to_string())),
        LinkError::Unreachable(_) | LinkError::Refused(_) => {
            RPCError::Unreachable(Unreachable::from_string(error.to_string()))
        }
    }
}

fn malformed() -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(
        "another member gave an answer that this release cannot read",
    ))
}

fn nobody() -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(
        "this server has no links to others",
    ))
}

impl Client {
    async fn ask(&self, kind: u8, body: Bytes) -> Result<Bytes, RPCError<Types>> {
        let link = self.control.as_ref().ok_or_else(nobody)?;
        link.call(kind, body)
            .await
            .map_err(|error| rpc_error(&error))
    }
}

/// An append on its way: what it follows, where it ends, its answer.
type Sent = (
    Option<LogId>,
    Option<LogId>,
    oneshot::Receiver<Result<Bytes, LinkError>>,
);

fn send_append(link: &Link, request: AppendEntriesRequest<Types>) -> Sent {
    let prev = request.prev_log_id;
    let last = request.entries.last().map(|entry| entry.log_id).or(prev);
    let (sender, answer) = oneshot::channel();
    link.send(
        kind::APPEND,
        messages::encode_append(request),
        move |result| drop(sender.send(result)),
    );
    (prev, last, answer)
}

async fn append_answer(sent: Sent) -> Result<StreamAppendResult<Types>, RPCError<Types>> {
    let (prev, last, answer) = sent;
    let answer = answer
        .await
        .unwrap_or_else(|_gone| Err(LinkError::Unreachable("the link has ended".into())))
        .map_err(|error| rpc_error(&error))?;
    let response = messages::decode_append_response(answer).ok_or_else(malformed)?;
    // Only entries that follow others can conflict with what is there.
    if matches!(response, AppendEntriesResponse::Conflict) && prev.is_none() {
        return Err(malformed());
    }
    Ok(response.into_stream_result(prev, last))
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = FlushedTree;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let answer = self
            .ask(kind::APPEND, messages::encode_append(request))
            .await?;
        messages::decode_append_response(answer).ok_or_else(malformed)
    }

    /// Sends ahead; answers come in the order of the requests. Ends with the first error, as openraft asks for.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let link = self.append.clone();
        Box::pin(async move {
            let link = link.ok_or_else(nobody)?;
            let answers = input
                .map(move |request| append_answer(send_append(&link, request)))
                .buffered(APPENDS_AHEAD_MAX);
            let until_error = stream::unfold(Some(Box::pin(answers)), |answers| async move {
                let mut answers = answers?;
                let answer = answers.next().await?;
                let goes_on = matches!(answer, Ok(Ok(_)));
                Some((answer, goes_on.then_some(answers)))
            });
            let boxed: BoxStream<'s, _> = Box::pin(until_error);
            Ok(boxed)
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = messages::encode_vote_request(&request);
        let answer = self.ask(kind::VOTE, body).await?;
        messages::decode_vote_response(answer).ok_or_else(malformed)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = messages::encode_vote_request(&request);
        let answer = self.ask(kind::PRE_VOTE, body).await?;
        messages::decode_vote_response(answer).ok_or_else(malformed)
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        self.ask(kind::TRANSFER, messages::encode_transfer(&request))
            .await?;
        Ok(Ok(()))
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, FlushedTree>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let unreachable = |reason: String| {
            StreamingError::Unreachable(Unreachable::new(&AnyError::error(reason)))
        };
        let FlushedTree::Here(checkpoints) = snapshot.snapshot else {
            return Err(unreachable(
                "only this member's own tree is sent".to_owned(),
            ));
        };
        let (Some(links), Some(link)) = (&self.links, &self.checkpoint) else {
            return Err(unreachable("this server has no links to others".to_owned()));
        };
        let at_least = snapshot.meta.last_log_id.map_or(0, |at| at.index);
        let send = links
            .outgoing
            .send(self.target, link, checkpoints, at_least, &vote);
        match future::select(pin!(send), pin!(cancel)).await {
            Either::Left((Ok(vote), _)) => Ok(SnapshotResponse::new(vote)),
            Either::Left((Err(error), _)) => Err(unreachable(error.to_string())),
            Either::Right((closed, _)) => Err(StreamingError::Closed(closed)),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY_INTERVAL)))
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn who_decides_on_members_knows_best_where_they_are() {
        let line = |host: &str| format!("server.3={host}:2888:3888:participant;2181");
        let own = Member::parse_line(&line("own")).unwrap();
        let members = BTreeMap::from([(3, PeerMember::of(&own))]);
        let at = |host: &str| (host.to_owned(), 2888);
        for (by_config, kept, expected) in [
            (true, "own", vec![at("own")]),
            (true, "kept", vec![at("own"), at("kept")]),
            (false, "kept", vec![at("kept"), at("own")]),
        ] {
            assert_eq!(addresses(&members, by_config, &line(kept)), expected);
        }
        let unknown = "server.4=kept:2888:3888:participant;2181";
        assert_eq!(addresses(&members, true, unknown), [at("kept")]);
        assert!(addresses(&members, true, "").is_empty(), "it stood alone");
    }
}
