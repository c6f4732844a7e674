//! The log of a member that does not run: what it holds, and how the member goes on without the others.
//!
//! For the way out of a lost majority. Nothing here decides whether that way is taken, and nothing here changes what a
//! start would find, but for the vote: see [`StoppedMember::promise`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;
use openraft::BasicNode;
use openraft::vote::{RaftLeaderId, RaftVote as _};

use super::encoding::{
    decode_membership, decode_stored_membership, decode_vote, encode_stored_membership,
    encode_vote, log_id,
};
use super::error::{Failure, StartError};
use super::log_store::raft_entry;
use super::machine::{self, Applied, Entry};
use super::start::{REPLAY_BYTES_MAX, go_on_behind, stored_node_id};
use super::types::{Membership, RaftVote, StoredMembership, Types};
use crate::config::Member;
use crate::log::{Log, LogOptions, Position, RealDisk, RecordKind};

/// One of the members that a log names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMember {
    /// Its node.
    pub node_id: u64,
    /// Its `server.N` line; none for a server that stood alone.
    pub member: Option<Member>,
    /// Has it a vote, in either half of a change?
    pub votes: bool,
}

/// A member that does not run. Nobody else has its log open as long as this lives.
#[derive(Debug)]
pub struct StoppedMember {
    log: Log,
    node_id: u64,
    term: u64,
}

impl StoppedMember {
    /// Opens the log in `dir` beside a tree that has applied `applied`, and that came from another member up to
    /// `received`. None when there is no member.
    ///
    /// # Errors
    /// As for a start: when the log is in use, damaged, or not the one of this tree.
    pub fn open(
        dir: &Path,
        applied: Option<&Applied>,
        received: Option<u64>,
    ) -> Result<Option<Self>, StartError> {
        let Some(node_id) = stored_node_id(dir)? else {
            return Ok(None);
        };
        let disk = std::sync::Arc::new(RealDisk);
        // A failure is told to whoever waits for the write.
        let mut log = Log::open(disk, dir, LogOptions::default(), Box::new(|_failure| {}))?;
        if let (Some(received), Some(applied)) = (received, applied)
            && received == applied.index
        {
            go_on_behind(&mut log, applied)?;
        }
        let reader = log.reader();
        let last = reader.last();
        if let Some(applied) = applied
            && last.is_none_or(|last| last.index < applied.index)
        {
            return Err(StartError::NotThisLog {
                applied: applied.index,
                reason: "the log ends before".to_owned(),
            });
        }
        let vote = reader.vote().and_then(|bytes| decode_vote(&bytes));
        let promised = vote.map_or(0, |vote: RaftVote| vote.leader_id().term());
        let term = promised.max(last.map_or(0, |last| last.term));
        Ok(Some(Self { log, node_id, term }))
    }

    /// Its node.
    #[must_use]
    pub fn node_id(&self) -> u64 {
        self.node_id
    }

    /// Index and term of the last entry; none of an empty log.
    #[must_use]
    pub fn last(&self) -> Option<(u64, u64)> {
        self.log.reader().last().map(|last| (last.index, last.term))
    }

    /// Index of the last entry that this member knows to be committed.
    #[must_use]
    pub fn committed(&self) -> Option<u64> {
        self.log.reader().committed().map(|at| at.index)
    }

    /// The newest term that it has seen.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.term
    }

    /// The entries from the index on, as many as are read at once; none behind the last.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn entries(&self, from: u64) -> Result<Vec<Entry>, StartError> {
        let reader = self.log.reader();
        let end = reader.last().map_or(0, |last| last.index + 1);
        if from >= end {
            return Ok(Vec::new());
        }
        let records = reader.read(from..end, REPLAY_BYTES_MAX)?;
        let entries = records
            .into_iter()
            .map(|record| raft_entry(record).map(machine::entry));
        let entries = entries.collect::<Result<_, _>>();
        Ok(entries.map_err(|error| Failure::Stopped(error.to_string().into()))?)
    }

    /// The members as its newest entry about them names them; `applied` is how far the tree is.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn members(&self, applied: Option<&Applied>) -> Result<Vec<KnownMember>, StartError> {
        let reader = self.log.reader();
        let end = reader.last().map_or(0, |last| last.index + 1);
        let kept = applied.and_then(|applied| decode_stored_membership(&applied.membership));
        let mut newest = kept.map(|kept| kept.membership().clone());
        let mut next = applied.map_or(0, |applied| applied.index + 1);
        while next < end {
            let records = reader.read(next..end, REPLAY_BYTES_MAX)?;
            next += records.len() as u64;
            for record in records {
                if record.kind == RecordKind::Membership {
                    newest = decode_membership(&record.payload);
                }
            }
        }
        let membership = newest.unwrap_or_default();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let nodes = membership.nodes();
        Ok(nodes
            .map(|(node_id, node)| {
                let votes = voters.contains(node_id);
                KnownMember {
                    node_id: *node_id,
                    member: Member::with_vote(&node.addr, votes),
                    votes,
                }
            })
            .collect())
    }

    /// Promises, durably, to vote for nobody else in the term. A member may do that at any time, so it harms nobody if
    /// nothing comes of it.
    ///
    /// # Errors
    /// When the vote cannot be written.
    pub fn promise(&mut self, term: u64) -> Result<(), StartError> {
        let leader = openraft::type_config::alias::LeaderIdOf::<Types>::new(term, self.node_id);
        let vote = RaftVote::from_leader_id(leader, false);
        let (sender, saved) = mpsc::channel();
        self.log.save_vote(
            encode_vote(&vote),
            Box::new(move |durable| drop(sender.send(durable.result))),
        );
        let gone = |_gone| Failure::Stopped("the thread that writes the log is gone".into());
        saved.recv().map_err(gone)??;
        self.term = term;
        Ok(())
    }

    /// The members of an ensemble that has this member alone, as the entry at this place of the log names them.
    #[must_use]
    pub fn alone(&self, index: u64, term: u64, line: &str) -> Bytes {
        let voters = vec![BTreeSet::from([self.node_id])];
        let nodes = BTreeMap::from([(self.node_id, BasicNode::new(line))]);
        let membership =
            Membership::new(voters, nodes).expect("the only voter is among the members");
        let at = log_id(Position { index, term });
        encode_stored_membership(&StoredMembership::new(Some(at), membership))
    }
}
