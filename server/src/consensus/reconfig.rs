//! Changing the members while clients work (ZooKeeper's `reconfig`): the leader's side.
//!
//! New members are asked who they are, follow as learners until they have caught up, and vote in one joint change with
//! those that leave; so at no time two majorities decide. What a request asks for is checked before anything changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::{BasicNode, ChangeMembers, Instant, Raft};
use serde::{Deserialize, Serialize};
use tracing::info;
use treekeeper_protocol::ErrorCode;

use super::admit::caught_up;
use super::machine::MachineAdapter;
use super::network::Links;
use super::options::PeerMember;
use super::rules;
use super::service::NOT_LEADER;
use super::types::Types;
use crate::config::{Member, MemberRole};

/// How long a new member may take to be found and to catch up, before the change is given up.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// What is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconfig {
    /// Lines (`server.N=…`) of members that come, or are reached in another way, or get or lose their vote.
    pub joining: Vec<String>,
    /// N of members that go.
    pub leaving: BTreeSet<u8>,
    /// The lines of all members; for a change as a whole.
    pub members: Option<Vec<String>>,
    /// Only if the members are those of this log index.
    pub only_at: Option<u64>,
}

/// What came of it: the index of the log at which it is done, or the client's error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changed {
    index: u64,
    code: i32,
}

impl Changed {
    pub(super) fn encode(result: Result<u64, ErrorCode>) -> Bytes {
        let changed = match result {
            Ok(index) => Changed { index, code: 0 },
            Err(code) => Changed {
                index: 0,
                code: code.as_i32(),
            },
        };
        serde_json::to_vec(&changed)
            .expect("plain fields always serialise")
            .into()
    }

    pub(super) fn decode(answer: &[u8]) -> Option<Result<u64, ErrorCode>> {
        let changed: Changed = serde_json::from_slice(answer).ok()?;
        Some(match changed.code {
            0 => Ok(changed.index),
            code => Err(ErrorCode::from_i32(code)?),
        })
    }
}

/// A node and how the ensemble knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    node_id: u64,
    member: Member,
}

/// The members as they will be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// By N.
    members: BTreeMap<u8, Member>,
    /// Of these, who is not one yet.
    new: BTreeSet<u8>,
}

/// Who will be a member. Pure: asks nobody.
fn plan(known: &BTreeMap<u8, Known>, change: &Reconfig) -> Result<Plan, ErrorCode> {
    let parse = |line: &String| Member::parse_line(line).ok_or(ErrorCode::BadArguments);
    let mut members: BTreeMap<u8, Member> = match &change.members {
        Some(lines) => {
            let mut members = BTreeMap::new();
            for line in lines {
                let member = parse(line)?;
                if members.insert(member.id, member).is_some() {
                    return Err(ErrorCode::BadArguments);
                }
            }
            members
        }
        None => known
            .iter()
            .map(|(id, known)| (*id, known.member.clone()))
            .collect(),
    };
    if change.members.is_none() {
        members.retain(|id, _| !change.leaving.contains(id));
        for line in &change.joining {
            let member = parse(line)?;
            members.insert(member.id, member);
        }
    }
    let mut addresses = BTreeSet::new();
    for member in members.values() {
        for address in &member.addresses {
            if !addresses.insert((address.host.to_lowercase(), address.quorum_port)) {
                return Err(ErrorCode::BadArguments);
            }
        }
    }
    let voters = members
        .values()
        .filter(|member| member.role == MemberRole::Participant);
    if voters.count() == 0 {
        return Err(ErrorCode::BadArguments);
    }
    let new = members.keys().filter(|id| !known.contains_key(id)).copied();
    Ok(Plan {
        new: new.collect(),
        members,
    })
}

/// Why a change of the members ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Nothing has changed; the client gets this code.
    Refused(ErrorCode),
    /// Part of it may be done, and another leader will see to the rest, or not.
    Unknown,
}

impl From<ErrorCode> for Ended {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code)
    }
}

/// Changes the members; gives the index of the log at which that is done, or the code for who asked. None if nobody knows
/// what has come of it.
pub(super) async fn reconfigure(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    change: &Reconfig,
) -> Option<Result<u64, ErrorCode>> {
    match change_all(raft, links, change).await {
        Ok(index) => Some(Ok(index)),
        Err(Ended::Refused(code)) => Some(Err(code)),
        Err(Ended::Unknown) => None,
    }
}

async fn change_all(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    change: &Reconfig,
) -> Result<u64, Ended> {
    let _alone = links
        .changing()
        .try_lock()
        .map_err(|_| ErrorCode::ReconfigInProgress)?;
    let known = known(raft, change.only_at)?;
    let plan = plan(&known, change)?;
    let mut nodes: BTreeMap<u8, u64> = known
        .iter()
        .map(|(id, known)| (*id, known.node_id))
        .collect();
    let mut came = BTreeSet::new();
    let ready = prepare(raft, links, &known, &plan, &mut nodes, &mut came).await;
    if let Err(Ended::Refused(code)) = ready
        && !came.is_empty()
    {
        // What stays of the attempt would count as a member.
        return Err(give_up(raft, links, came, code).await);
    }
    let Ready { voters, lines } = ready?;
    info!(
        members = plan.members.len(),
        voters = voters.len(),
        "changing the members"
    );
    // From the first step on the change is one that has begun: whoever asked can only look what came of it.
    let begun = !came.is_empty();
    let set = change_members(raft, ChangeMembers::SetNodes(lines)).await;
    set.map_err(|ended| if begun { Ended::Unknown } else { ended })?;
    let steps = async {
        change_members(raft, ChangeMembers::ReplaceAllVoters(voters)).await?;
        let gone: BTreeSet<u64> = known
            .iter()
            .filter(|(id, _)| !plan.members.contains_key(id))
            .map(|(_, known)| known.node_id)
            .collect();
        if !gone.is_empty() {
            change_members(raft, ChangeMembers::RemoveNodes(gone)).await?;
        }
        if !rules::show_members(raft, links).await {
            return Err(Ended::Unknown);
        }
        let committed =
            |state: &openraft::RaftState<Types>| state.local_committed().map(|at| at.index);
        let committed = raft.with_raft_state(committed).await;
        committed.ok().flatten().ok_or(Ended::Unknown)
    };
    steps.await.map_err(|_ended| Ended::Unknown)
}

/// What the members will be, once all are there.
struct Ready {
    voters: BTreeSet<u64>,
    lines: BTreeMap<u64, BasicNode>,
}

/// Lets the new members come, whose nodes it enters into `nodes` and `came`, and looks whether the change can be made.
async fn prepare(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    known: &BTreeMap<u8, Known>,
    plan: &Plan,
    nodes: &mut BTreeMap<u8, u64>,
    came: &mut BTreeSet<u64>,
) -> Result<Ready, Ended> {
    for id in &plan.new {
        let node_id = welcome(raft, links, &plan.members[id], came).await?;
        nodes.insert(*id, node_id);
    }
    let before: BTreeSet<u64> = known
        .values()
        .filter(|known| known.member.role == MemberRole::Participant)
        .map(|known| known.node_id)
        .collect();
    let voters: BTreeSet<u64> = plan
        .members
        .values()
        .filter(|member| member.role == MemberRole::Participant)
        .map(|member| nodes[&member.id])
        .collect();
    if !is_ready(raft, &before, &voters) {
        tracing::warn!(
            "refused a change of the members: too few of the new voters are there and up to date"
        );
        return Err(ErrorCode::NewConfigNoQuorum.into());
    }
    let lines = plan
        .members
        .values()
        .map(|member| (nodes[&member.id], BasicNode::new(member.line())))
        .collect();
    Ok(Ready { voters, lines })
}

/// Sends away who came for a change that will not be.
async fn give_up(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    came: BTreeSet<u64>,
    code: ErrorCode,
) -> Ended {
    let undone = change_members(raft, ChangeMembers::RemoveNodes(came)).await;
    if undone.is_ok() && rules::show_members(raft, links).await {
        Ended::Refused(code)
    } else {
        Ended::Unknown
    }
}

fn known(
    raft: &Raft<Types, MachineAdapter>,
    only_at: Option<u64>,
) -> Result<BTreeMap<u8, Known>, ErrorCode> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let stored = &metrics.membership_config;
    if stored.membership().get_joint_config().len() > 1 {
        return Err(ErrorCode::ReconfigInProgress);
    }
    let at = stored.log_id().as_ref().map(|at| at.index);
    if only_at.is_some_and(|only_at| Some(only_at) != at) {
        return Err(ErrorCode::BadVersion);
    }
    let voters: BTreeSet<u64> = stored.membership().voter_ids().collect();
    let nodes = stored.membership().nodes();
    Ok(nodes
        .filter_map(|(node_id, node)| {
            let known = Known {
                node_id: *node_id,
                member: Member::with_vote(&node.addr, voters.contains(node_id))?,
            };
            Some((known.member.id, known))
        })
        .collect())
}

/// Finds out which node a new member is, and waits until it has caught up. It stands in `came` as soon as it may be one.
async fn welcome(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    member: &Member,
    came: &mut BTreeSet<u64>,
) -> Result<u64, Ended> {
    let identity = links
        .probe(&PeerMember::of(member))
        .await
        .map_err(|error| {
            tracing::warn!(server = member.id, %error, "a new member cannot be reached");
            ErrorCode::NewConfigNoQuorum
        })?;
    if identity.my_id != member.id {
        return Err(ErrorCode::BadArguments.into());
    }
    if let Err(reason) = rules::check_newcomer(raft, links, &identity).await {
        let reason = reason.unwrap_or_else(|| NOT_LEADER.to_owned());
        tracing::warn!(server = member.id, reason, "refused a new member");
        return Err(ErrorCode::NewConfigNoQuorum.into());
    }
    let node_id = identity.node_id;
    info!(
        server = member.id,
        "a new member follows until it has caught up"
    );
    let added = raft.add_learner(node_id, BasicNode::new(member.line()), false);
    added.await.map_err(|error| ended(&error))?;
    came.insert(node_id);
    let waiting = raft.wait(Some(CATCH_UP_MAX));
    let caught_up = waiting.metrics(caught_up(node_id), "the new member has caught up");
    if caught_up.await.is_err() {
        return Err(ErrorCode::NewConfigNoQuorum.into());
    }
    Ok(node_id)
}

/// How long ago a member may have answered a heartbeat and still count as there.
const HEARD_MAX: Duration = Duration::from_secs(1);

/// Could the voters decide by themselves at once? Whoever gets a vote must have caught up, and a majority must be there:
/// a change begins to count when it is proposed, and cannot be taken back.
fn is_ready(
    raft: &Raft<Types, MachineAdapter>,
    before: &BTreeSet<u64>,
    voters: &BTreeSet<u64>,
) -> bool {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let is_ready =
        |node: &u64| *node == metrics.id || is_there(&metrics, *node) && caught_up(*node)(&metrics);
    let ready = voters.iter().filter(|node| is_ready(node)).count();
    ready * 2 > voters.len() && voters.difference(before).all(is_ready)
}

/// On the leader: has the node answered a heartbeat just now?
pub(super) fn is_there(metrics: &openraft::RaftMetrics<Types>, node: u64) -> bool {
    let heard = metrics.heartbeat.as_ref().and_then(|all| all.get(&node));
    let heard = heard.copied().flatten();
    heard.is_some_and(|heard| heard.elapsed() < HEARD_MAX)
}

async fn change_members(
    raft: &Raft<Types, MachineAdapter>,
    change: ChangeMembers<u64, BasicNode>,
) -> Result<(), Ended> {
    let changed = raft.change_membership(change, true).await;
    changed.map(drop).map_err(|error| ended(&error))
}

/// What an error says of the step that it ended. A step of two entries may fail between them, when the lead is lost; only
/// what consensus refuses outright has changed nothing.
fn ended(error: &RaftError<Types, ClientWriteError<Types>>) -> Ended {
    tracing::warn!(%error, "cannot change the members");
    match error {
        RaftError::APIError(ClientWriteError::ChangeMembershipError(_)) => {
            Ended::Refused(ErrorCode::ReconfigInProgress)
        }
        _ => Ended::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use openraft::errors::{EmptyMembership, ForwardToLeader};

    use super::*;

    fn line(id: u8) -> String {
        format!("server.{id}=h{id}:2888:3888:participant;2181")
    }

    fn known(ids: &[u8]) -> BTreeMap<u8, Known> {
        ids.iter()
            .map(|id| {
                let known = Known {
                    node_id: 100 + u64::from(*id),
                    member: Member::parse_line(&line(*id)).unwrap(),
                };
                (*id, known)
            })
            .collect()
    }

    fn ids(plan: &Plan) -> Vec<u8> {
        plan.members.keys().copied().collect()
    }

    #[test]
    fn members_come_and_go() {
        let change = Reconfig {
            joining: vec![line(4)],
            leaving: BTreeSet::from([2, 9]),
            ..Reconfig::default()
        };
        let planned = plan(&known(&[1, 2, 3]), &change).unwrap();
        assert_eq!(ids(&planned), [1, 3, 4]);
        assert_eq!(planned.new, BTreeSet::from([4]));
        let whole = Reconfig {
            members: Some(vec![line(3), line(5)]),
            ..Reconfig::default()
        };
        let planned = plan(&known(&[1, 2, 3]), &whole).unwrap();
        assert_eq!(
            (ids(&planned), planned.new),
            (vec![3, 5], BTreeSet::from([5]))
        );
    }

    #[test]
    fn what_makes_no_ensemble_is_refused() {
        let with = |joining: &[&str]| Reconfig {
            joining: joining.iter().map(|line| (*line).to_owned()).collect(),
            ..Reconfig::default()
        };
        let nobody = Reconfig {
            leaving: BTreeSet::from([1, 2]),
            ..Reconfig::default()
        };
        let twice = Reconfig {
            members: Some(vec![line(1), line(1)]),
            ..Reconfig::default()
        };
        for change in [
            with(&["server.4"]),
            with(&["server.4=h1:2888:3888;2181"]),
            with(&[
                "server.1=h1:2888:3888:observer;2181",
                "server.2=h2:2888:3888:observer;2181",
            ]),
            nobody,
            twice,
        ] {
            assert_eq!(
                plan(&known(&[1, 2]), &change),
                Err(ErrorCode::BadArguments),
                "{change:?}"
            );
        }
    }

    #[test]
    fn only_what_consensus_refuses_outright_has_changed_nothing() {
        let lost = ForwardToLeader::empty();
        for error in [
            ClientWriteError::ForwardToLeader(lost.clone()),
            ClientWriteError::LogEntryDiscarded(lost),
        ] {
            assert_eq!(ended(&RaftError::APIError(error)), Ended::Unknown);
        }
        let empty = ClientWriteError::ChangeMembershipError(EmptyMembership {}.into());
        assert_eq!(
            ended(&RaftError::APIError(empty)),
            Ended::Refused(ErrorCode::ReconfigInProgress)
        );
    }

    #[test]
    fn what_came_of_it_is_read_as_it_was_written() {
        for result in [
            Ok(7),
            Err(ErrorCode::BadVersion),
            Err(ErrorCode::NewConfigNoQuorum),
        ] {
            assert_eq!(Changed::decode(&Changed::encode(result)), Some(result));
        }
        assert_eq!(Changed::decode(b"{"), None);
    }
}
