//! How an ensemble is formed, and how a member becomes one of it.
//!
//! The first time, all members that vote must be there with empty folders and the same `server.N` lines; the one with
//! the lowest N then forms the ensemble of them. Whoever comes later asks the leader to be admitted: it follows as a
//! learner first, and votes once it has caught up. A data folder has a random id, so a member that lost its folder is
//! nobody that the ensemble knows, and is refused under its old N: it may have promised votes and entries that it does
//! not remember.
//!
//! A member that joins without lines in the others' configs has been told by one of them who they are; it shows the
//! leader its own line and the join token. It never forms an ensemble.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{InitializeError, RaftError};
use openraft::{BasicNode, ChangeMembers, Raft};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::error::StartError;
use super::machine::MachineAdapter;
use super::network::{Links, Purpose};
use super::options::PeerMember;
use super::reconfig;
use super::rules;
use super::service::{NOT_LEADER, kind};
use super::types::Types;
use crate::config::{Member, MemberRole};
use crate::peer::{Identity, LinkError};

/// How often a member that waits for others looks for them.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How often it is looked whether a member that is said to be lost is gone: longer than it takes to miss it, and less than
/// a link waits for an answer.
const LOOKS_FOR_LOST_MAX: usize = 12;

/// How often a member looks after its own membership.
const TEND_INTERVAL: Duration = Duration::from_secs(1);

/// Does the log name members? A vote for somebody does not make an ensemble yet.
///
/// Asks consensus itself: right after a start its metrics know of no members.
pub(super) async fn has_members(raft: &Raft<Types, MachineAdapter>) -> Result<bool, StartError> {
    let look = |state: &openraft::RaftState<Types>| {
        let effective = state.membership_state.effective();
        effective.membership().nodes().next().is_some()
    };
    Ok(raft.with_raft_state(look).await?)
}

/// Looks after the membership for as long as the member runs. The leader keeps the record of how it is reached true, as
/// a server that stood alone has none, ends a change that an earlier leader began, and does what then follows
/// ([`rules::look_after`]). A member that should vote and does not asks for its vote, as the leader that was to see to it
/// may be gone; not where reconfig decides who votes.
pub(super) async fn tend(raft: Raft<Types, MachineAdapter>, links: Arc<Links>) {
    let own = links.local().identity();
    let Some(line) = links.members().get(&own.my_id).cloned() else {
        return;
    };
    loop {
        tokio::time::sleep(TEND_INTERVAL).await;
        let seen = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            if metrics.running_state.is_err() {
                return;
            }
            links.follow(metrics.membership_config.membership().nodes());
            Seen::of(&metrics, own.node_id)
        };
        match seen.leader {
            Some(leader) if leader == own.node_id => {
                let Ok(_alone) = links.changing().try_lock() else {
                    continue;
                };
                let change = if let Some(next) = seen.unfinished {
                    ChangeMembers::ReplaceAllVoters(next)
                } else if seen.own_line.is_some_and(|known| {
                    known.is_empty() || links.by_config() && known != line.line
                }) {
                    let node = BasicNode::new(&line.line);
                    ChangeMembers::SetNodes(BTreeMap::from([(own.node_id, node)]))
                } else {
                    rules::look_after(&raft, &links).await;
                    continue;
                };
                if let Err(error) = raft.change_membership(change, true).await {
                    tracing::warn!(%error, "cannot bring the record of the members up to date");
                }
            }
            Some(leader) if seen.lacks_vote(&line, &links) => {
                let Some(link) = links.to_member(&raft, leader, Purpose::Forward) else {
                    continue;
                };
                let asked = link.call(kind::ADMIT, request(&links, &line.line)).await;
                tracing::debug!(?asked, "asked for a vote");
            }
            _ => {}
        }
    }
}

/// The membership as a member sees it.
struct Seen {
    /// Who leads.
    leader: Option<u64>,
    /// The line under which the ensemble knows this member.
    own_line: Option<String>,
    /// Has this member a vote?
    votes: bool,
    /// The voters of a change that is half done.
    unfinished: Option<BTreeSet<u64>>,
}

impl Seen {
    /// Is it a member that is to vote, and does not? Its line in the config says so, or the ensemble's own if it joined
    /// without one.
    fn lacks_vote(&self, line: &PeerMember, links: &Links) -> bool {
        let Some(known) = &self.own_line else {
            return false;
        };
        let is_to_vote = if links.joining().joined.is_some() {
            is_participant(known)
        } else {
            links.by_config() && line.votes
        };
        is_to_vote && !self.votes
    }

    fn of(metrics: &openraft::RaftMetrics<Types>, own: u64) -> Seen {
        let membership = metrics.membership_config.membership();
        Seen {
            leader: metrics.current_leader,
            own_line: membership.get_node(&own).map(|node| node.addr.clone()),
            votes: membership.voter_ids().any(|voter| voter == own),
            unfinished: match membership.get_joint_config().as_slice() {
                [_, next] => Some(next.clone()),
                _ => None,
            },
        }
    }
}

/// The leader's config has no line for this member.
const NOT_LISTED: &str = "the leader has no server.N line for this member";

/// What looking around has found.
#[derive(Debug)]
enum Found {
    /// Not everybody is there yet.
    Missing(Vec<u8>),
    /// Everybody is there, and nobody is part of an ensemble.
    All(BTreeMap<u64, BasicNode>),
    /// These are part of an ensemble.
    Ensemble(Vec<Identity>),
}

/// Returns when this member is part of an ensemble.
pub(super) async fn join(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
) -> Result<(), StartError> {
    let (mut waiting_for, mut told_to_wait) = (None, false);
    let own = links.local().identity();
    loop {
        if has_members(raft).await? {
            links.local().formed();
            return Ok(());
        }
        match look(links, &own).await? {
            Found::Missing(missing) => {
                if waiting_for.as_ref() != Some(&missing) {
                    info!(
                        ?missing,
                        "waiting for members: the ensemble is new, or none of it can be reached"
                    );
                    waiting_for = Some(missing);
                }
            }
            Found::All(_) if links.joining().joined.is_some() => {}
            Found::All(nodes) => {
                if lowest_voter(links) == Some(own.my_id) {
                    form(raft, nodes).await?;
                    continue;
                }
            }
            Found::Ensemble(others) => {
                let asked = ask_to_be_admitted(links, &others).await?;
                if asked == Asked::NotListed && !told_to_wait {
                    told_to_wait = true;
                    info!(
                        server = own.my_id,
                        "the ensemble runs without this server: waiting to be added (reconfig -add, or a server.N line on \
                         all members)"
                    );
                }
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn look(links: &Links, own: &Identity) -> Result<Found, StartError> {
    let others: Vec<_> = links
        .members()
        .iter()
        .filter(|(id, _)| **id != own.my_id)
        .collect();
    let probes = others.iter().map(|(_, member)| links.probe(member));
    let answers = join_all(probes).await;
    let (mut nodes, mut missing, mut formed) = (BTreeMap::new(), Vec::new(), Vec::new());
    if let Some(member) = links.members().get(&own.my_id).filter(|own| own.votes) {
        nodes.insert(own.node_id, BasicNode::new(&member.line));
    }
    for ((id, member), answer) in others.into_iter().zip(answers) {
        match answer {
            Ok(identity) if identity.my_id != *id => {
                return Err(StartError::Ensemble(format!(
                    "the address of server {id} is that of server {}: check the server.{id} line and the myid files",
                    identity.my_id
                )));
            }
            Ok(identity) if identity.formed => formed.push(identity),
            Ok(identity) if identity.lines != own.lines => {
                return Err(StartError::Ensemble(format!(
                    "server {id} was started with other server.N lines than server {}: a new ensemble needs the same lines \
                     on all members",
                    own.my_id
                )));
            }
            Ok(identity) if member.votes => {
                nodes.insert(identity.node_id, BasicNode::new(&member.line));
            }
            Ok(_) => {}
            Err(LinkError::Refused(reason)) => return Err(StartError::Ensemble(reason)),
            Err(_) if member.votes => missing.push(*id),
            Err(_) => {}
        }
    }
    Ok(match (formed.is_empty(), missing.is_empty()) {
        (false, _) => Found::Ensemble(formed),
        (true, true) => Found::All(nodes),
        (true, false) => Found::Missing(missing),
    })
}

fn lowest_voter(links: &Links) -> Option<u8> {
    let mut voters = links.members().iter().filter(|(_, member)| member.votes);
    voters.next().map(|(id, _)| *id)
}

async fn form(
    raft: &Raft<Types, MachineAdapter>,
    nodes: BTreeMap<u64, BasicNode>,
) -> Result<(), StartError> {
    info!(voters = nodes.len(), "forming the ensemble");
    match raft.initialize(nodes).await {
        Ok(()) => Ok(()),
        Err(RaftError::Fatal(fatal)) => Err(StartError::from(fatal)),
        // Somebody else was faster; the caller looks again.
        Err(RaftError::APIError(
            InitializeError::NotAllowed(_) | InitializeError::NotInMembers(_),
        )) => Ok(()),
    }
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Admitted, which the log will tell; or nobody leads just now.
    Wait,
    /// The leader's config does not know this member: a reconfig has to add it.
    NotListed,
}

async fn ask_to_be_admitted(links: &Links, others: &[Identity]) -> Result<Asked, StartError> {
    let own = links.local().identity();
    let line = links
        .members()
        .get(&own.my_id)
        .map(|member| member.line.clone())
        .unwrap_or_default();
    for other in others {
        let Some(member) = links.members().get(&other.my_id) else {
            continue;
        };
        let link = links.to(other.node_id, &member.line, Purpose::Forward);
        match link.call(kind::ADMIT, request(links, &line)).await {
            Err(LinkError::Refused(reason)) if reason == NOT_LISTED => {
                return Ok(Asked::NotListed);
            }
            Err(LinkError::Refused(reason)) if reason != NOT_LEADER => {
                return Err(StartError::Ensemble(reason));
            }
            // Admitted, which the log will tell; or not the leader, or gone meanwhile.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Asked::Wait)
}

fn is_participant(line: &str) -> bool {
    Member::parse_line(line).is_some_and(|member| member.role == MemberRole::Participant)
}

/// What a member that joins without lines adds to its own.
#[derive(Debug, Serialize, Deserialize)]
struct Credentials {
    token: Option<String>,
    replaces: bool,
}

/// What [`kind::ADMIT`] says: the own line, and behind its end the [`Credentials`] of who joins without lines.
fn request(links: &Links, line: &str) -> Bytes {
    let Some(joined) = links.joining().joined else {
        return Bytes::from(line.to_owned());
    };
    let credentials = Credentials {
        token: links.joining().rule.token().map(str::to_owned),
        replaces: joined.replaces,
    };
    let credentials = serde_json::to_string(&credentials).expect("plain fields always serialise");
    Bytes::from(format!("{line}\n{credentials}"))
}

/// Reads what [`request`] wrote.
fn decode_request(body: &[u8]) -> Option<(&str, Option<Credentials>)> {
    let text = std::str::from_utf8(body).ok()?;
    match text.split_once('\n') {
        None => Some((text, None)),
        Some((line, credentials)) => Some((line, Some(serde_json::from_str(credentials).ok()?))),
    }
}

/// The leader's side: makes the member one of the ensemble. Answers once it follows; its vote comes when it has
/// caught up.
pub(super) async fn admit(
    raft: &Raft<Types, MachineAdapter>,
    links: &Arc<Links>,
    from: Identity,
    body: &[u8],
) -> Result<Bytes, String> {
    let (known, votes) = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader != Some(metrics.id) {
            return Err(NOT_LEADER.to_owned());
        }
        let membership = metrics.membership_config.membership();
        let known: BTreeMap<u64, String> = membership
            .nodes()
            .map(|(id, node)| (*id, node.addr.clone()))
            .collect();
        let votes: BTreeSet<u64> = membership.voter_ids().collect();
        (known, votes)
    };
    let (line, credentials) =
        decode_request(body).ok_or_else(|| "the line is no text".to_owned())?;
    let member = Member::parse_line(line)
        .filter(|member| member.id == from.my_id)
        .ok_or_else(|| format!("server {} does not say how it is reached", from.my_id))?;
    let taken = known.iter().find(|(node, line)| {
        **node != from.node_id
            && Member::parse_line(line).is_some_and(|known| known.id == member.id)
    });
    let joins = match (&credentials, links.members().get(&member.id)) {
        // Whoever leads looks at its own lines first; those that a member was told when it joined are none.
        (_, Some(_)) if links.joining().joined.is_none() => {
            // Where reconfig says who is a member, a line is not enough: a server that was removed has one, too.
            if !links.by_config() && !known.contains_key(&from.node_id) {
                return Err(NOT_LISTED.to_owned());
            }
            None
        }
        (Some(credentials), _) => Some(credentials),
        (None, _) => return Err(NOT_LISTED.to_owned()),
    };
    if let Some(credentials) = joins {
        may_join(links, &member, credentials)?;
        if let Some((node, _)) = taken
            && credentials.replaces
        {
            remove_lost(raft, links, *node, &member).await?;
            // Its place is free now: it asks again.
            return Err(NOT_LEADER.to_owned());
        }
        refuse_taken_address(&known, from.node_id, &member)?;
    }
    if let Some((node, _)) = taken {
        let instead = match joins {
            Some(_) => format!(", or start it with --join-replace {}", member.id),
            None => String::new(),
        };
        return Err(format!(
            "the ensemble knows server {} with another data folder (node {node:016x}, not {:016x}). If that folder was moved, \
             start server {} on it again. If it is lost, remove server {} from the ensemble first, then start it again{instead}",
            member.id, from.node_id, member.id, member.id
        ));
    }
    let (node, should_vote) = match (joins, links.members().get(&member.id)) {
        (None, Some(own_view)) => (BasicNode::new(&own_view.line), own_view.votes),
        _ => {
            // Once it is known, its role is for the ensemble to say.
            let known = known.get(&from.node_id).cloned();
            let line = known.unwrap_or_else(|| member.line());
            (BasicNode::new(&line), is_participant(&line))
        }
    };
    if !known.contains_key(&from.node_id) {
        let Ok(_alone) = links.changing().try_lock() else {
            return Err(NOT_LEADER.to_owned());
        };
        let fits = rules::check_newcomer(raft, links, &from).await;
        fits.map_err(|reason| reason.unwrap_or_else(|| NOT_LEADER.to_owned()))?;
        info!(server = member.id, "admitting a new member");
        raft.add_learner(from.node_id, node, false)
            .await
            .map_err(again)?;
    }
    if should_vote && !votes.contains(&from.node_id) {
        let (raft, links) = (raft.clone(), Arc::clone(links));
        tokio::spawn(async move {
            // It asks until it votes: one of its questions is enough.
            let Some(_promoting) = links.promoting(from.node_id) else {
                return;
            };
            if let Err(error) = promote(&raft, &links, from).await {
                tracing::warn!(server = from.my_id, %error, "a new member cannot vote yet");
            }
        });
    }
    Ok(Bytes::new())
}

/// May this member join without a line in the leader's config?
fn may_join(links: &Links, member: &Member, credentials: &Credentials) -> Result<(), String> {
    let own = links.local().identity().my_id;
    let own = links.members().get(&own);
    let is_own_local =
        own.is_some_and(|own| Member::parse_line(&own.line).is_some_and(|own| own.is_local()));
    let is_local = is_own_local && member.is_local();
    let rule = &links.joining().rule;
    rule.check(credentials.token.as_deref(), is_local)
}

/// No two members are at one address.
fn refuse_taken_address(
    known: &BTreeMap<u64, String>,
    node_id: u64,
    member: &Member,
) -> Result<(), String> {
    for line in known
        .iter()
        .filter(|(node, _)| **node != node_id)
        .map(|(_, line)| line)
    {
        let Some(other) = Member::parse_line(line).filter(|other| other.id != member.id) else {
            continue;
        };
        if let Some(address) = member.shared_address(&other) {
            return Err(format!(
                "the ensemble knows {} as the address of server {}. If the data of that server is lost, start this one with \
                 --join-replace {}; otherwise give it a --peer-address of its own",
                address.quorum(),
                other.id,
                other.id
            ));
        }
    }
    Ok(())
}

/// Another change is on its way, or the lead was just lost: who wants to join asks again.
fn again(error: impl std::fmt::Display) -> String {
    tracing::debug!(%error, "cannot change the members now");
    NOT_LEADER.to_owned()
}

/// Removes a member whose data is lost, so that another one can take its place.
async fn remove_lost(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    lost: u64,
    member: &Member,
) -> Result<(), String> {
    let Ok(_alone) = links.changing().try_lock() else {
        return Err(NOT_LEADER.to_owned());
    };
    let voters: BTreeSet<u64> = raft.voter_ids().collect();
    let is_there = || reconfig::is_there(&raft.metrics().borrow_watched(), lost);
    // It may have died just now.
    for _ in 0..LOOKS_FOR_LOST_MAX {
        if is_there() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    if is_there() {
        return Err(format!(
            "server {} runs, with another data folder: stop it before another one takes its place",
            member.id
        ));
    }
    info!(
        server = member.id,
        "removing a lost member, whose place another one takes"
    );
    if voters.contains(&lost) {
        let rest: BTreeSet<u64> = voters.into_iter().filter(|voter| *voter != lost).collect();
        let change = ChangeMembers::ReplaceAllVoters(rest);
        raft.change_membership(change, true).await.map_err(again)?;
    }
    let gone = ChangeMembers::RemoveNodes(BTreeSet::from([lost]));
    raft.change_membership(gone, true).await.map_err(again)?;
    Ok(())
}

/// How long a new member is waited for; it asks again.
const PROMOTION_MAX: Duration = Duration::from_secs(60);

/// Entries that a member may lack and still count as caught up: what is on its way under load.
pub const CAUGHT_UP_LAG: u64 = 1000;

/// Has the node caught up? Also true when this member leads no more, and somebody else has to see to it.
pub(super) fn caught_up(node_id: u64) -> impl Fn(&openraft::RaftMetrics<Types>) -> bool + Send {
    move |metrics| {
        let Some(replication) = &metrics.replication else {
            return true;
        };
        let matched = replication.get(&node_id).copied().flatten();
        matched.map(|at| at.index + CAUGHT_UP_LAG) >= metrics.last_log_index
    }
}

/// Lets the member vote once it has caught up.
async fn promote(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    member: Identity,
) -> Result<(), String> {
    raft.wait(Some(PROMOTION_MAX))
        .metrics(caught_up(member.node_id), "the new member has caught up")
        .await
        .map_err(|error| error.to_string())?;
    let _alone = links.changing().lock().await;
    let vote = ChangeMembers::AddVoterIds(BTreeSet::from([member.node_id]));
    raft.change_membership(vote, true)
        .await
        .map_err(|error| error.to_string())?;
    info!(server = member.my_id, "a new member votes");
    Ok(())
}
