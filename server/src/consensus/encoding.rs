//! The bytes of votes, members and node ids on disk: encoder and decoder side by side. All numbers are little-endian.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::BasicNode;
use openraft::vote::{RaftLeaderId, RaftVote as _};

use super::types::{CommittedLeaderId, LogId, Membership, RaftVote, StoredMembership, Types};
use crate::log::Position;

/// Version byte of the members' encoding.
const MEMBERSHIP_VERSION: u8 = 1;

/// The log's name for a position.
pub(crate) fn position(log_id: LogId) -> Position {
    Position {
        index: log_id.index,
        term: log_id.leader_id.term,
    }
}

/// openraft's name for a position.
pub(crate) fn log_id(position: Position) -> LogId {
    LogId::new(CommittedLeaderId::new(position.term), position.index)
}

/// A vote: term, node, whether a majority granted it.
pub(crate) fn encode_vote(vote: &RaftVote) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    out.put_u64_le(vote.leader_id().term());
    out.put_u64_le(*vote.leader_id().node_id());
    out.put_u8(u8::from(vote.is_committed()));
    out.freeze()
}

/// Reads what [`encode_vote`] wrote.
pub(crate) fn decode_vote(mut bytes: &[u8]) -> Option<RaftVote> {
    let term = bytes.try_get_u64_le().ok()?;
    let node = bytes.try_get_u64_le().ok()?;
    let committed = bytes.try_get_u8().ok()? == 1;
    let leader = openraft::type_config::alias::LeaderIdOf::<Types>::new(term, node);
    Some(RaftVote::from_leader_id(leader, committed))
}

/// A node id.
pub(crate) fn encode_node_id(node_id: u64) -> [u8; 8] {
    node_id.to_le_bytes()
}

/// Reads what [`encode_node_id`] wrote.
pub(crate) fn decode_node_id(mut bytes: &[u8]) -> Option<u64> {
    bytes.try_get_u64_le().ok()
}

/// Members: version, voter sets (two of them during a change), then every node with its address.
pub(crate) fn encode_membership(membership: &Membership) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(MEMBERSHIP_VERSION);
    put_count(&mut out, membership.get_joint_config().len());
    for voters in membership.get_joint_config() {
        put_count(&mut out, voters.len());
        voters.iter().for_each(|id| out.put_u64_le(*id));
    }
    put_count(&mut out, membership.nodes().count());
    for (id, node) in membership.nodes() {
        out.put_u64_le(*id);
        put_count(&mut out, node.addr.len());
        out.put_slice(node.addr.as_bytes());
    }
    out.freeze()
}

/// Reads what [`encode_membership`] wrote.
pub(crate) fn decode_membership(mut bytes: &[u8]) -> Option<Membership> {
    if bytes.try_get_u8().ok()? != MEMBERSHIP_VERSION {
        return None;
    }
    let mut configs: Vec<BTreeSet<u64>> = Vec::new();
    for _ in 0..bytes.try_get_u32_le().ok()? {
        let mut voters = BTreeSet::new();
        for _ in 0..bytes.try_get_u32_le().ok()? {
            voters.insert(bytes.try_get_u64_le().ok()?);
        }
        configs.push(voters);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..bytes.try_get_u32_le().ok()? {
        let id = bytes.try_get_u64_le().ok()?;
        let len = usize::try_from(bytes.try_get_u32_le().ok()?).ok()?;
        let (addr, rest) = bytes.split_at_checked(len)?;
        nodes.insert(id, BasicNode::new(std::str::from_utf8(addr).ok()?));
        bytes = rest;
    }
    if configs.is_empty() && nodes.is_empty() {
        return Some(Membership::default());
    }
    Membership::new(configs, nodes).ok()
}

/// Members with the entry that they came with, for the state machine to keep.
#[must_use]
pub fn encode_stored_membership(stored: &StoredMembership) -> Bytes {
    let mut out = BytesMut::new();
    let at = stored.log_id().as_ref().copied().map(position);
    out.put_u64_le(at.map_or(0, |at| at.index + 1));
    out.put_u64_le(at.map_or(0, |at| at.term));
    out.put_slice(&encode_membership(stored.membership()));
    out.freeze()
}

/// Reads what [`encode_stored_membership`] wrote. No bytes are no members.
#[must_use]
pub fn decode_stored_membership(mut bytes: &[u8]) -> Option<StoredMembership> {
    if bytes.is_empty() {
        return Some(StoredMembership::default());
    }
    let next = bytes.try_get_u64_le().ok()?;
    let term = bytes.try_get_u64_le().ok()?;
    let at = next
        .checked_sub(1)
        .map(|index| log_id(Position { index, term }));
    Some(StoredMembership::new(at, decode_membership(bytes)?))
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32_le(
        u32::try_from(count).expect("an ensemble has few members, with short addresses"),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members() -> impl Strategy<Value = Membership> {
        let voters = prop::collection::btree_set(any::<u64>(), 1..5);
        (
            prop::collection::vec(voters, 1..3),
            prop::collection::btree_map(any::<u64>(), ".{0,20}", 0..5),
        )
            .prop_map(|(configs, addresses)| {
                let ids = configs
                    .iter()
                    .flatten()
                    .copied()
                    .chain(addresses.keys().copied());
                let node = |id: &u64| BasicNode::new(addresses.get(id).map_or("", String::as_str));
                let nodes: BTreeMap<_, _> = ids.map(|id| (id, node(&id))).collect();
                Membership::new(configs, nodes).unwrap()
            })
    }

    proptest! {
        #[test]
        fn members_are_read_as_they_were_written(membership in members(), index: u32, term: u64) {
            let at = log_id(Position { index: u64::from(index), term });
            for at in [None, Some(at)] {
                let stored = StoredMembership::new(at, membership.clone());
                prop_assert_eq!(decode_stored_membership(&encode_stored_membership(&stored)), Some(stored));
            }
        }

        #[test]
        fn any_bytes_are_members_or_none(bytes: Vec<u8>) {
            // Whatever comes of them, it comes without a panic.
            let _ = (decode_stored_membership(&bytes), decode_membership(&bytes), decode_vote(&bytes));
        }

        #[test]
        fn votes_are_read_as_they_were_written(term: u64, node: u64, committed: bool) {
            let vote = RaftVote::from_leader_id(openraft::type_config::alias::LeaderIdOf::<Types>::new(term, node), committed);
            prop_assert_eq!(decode_vote(&encode_vote(&vote)), Some(vote));
        }
    }

    #[test]
    fn no_members_are_read_as_such() {
        let none = StoredMembership::default();
        assert_eq!(
            decode_stored_membership(&encode_stored_membership(&none)),
            Some(none.clone())
        );
        assert_eq!(decode_stored_membership(&[]), Some(none));
    }
}
