//! The rules of apply and the members: which version all of them support, and the entries that the leader places in the
//! ensemble's name.
//!
//! A member says with each hello which rules it supports at most, and reports to its leader several times a second. When
//! all members, learners too, have done so lately and support newer rules than are in use, the leader raises them. That
//! and every admission happen under one lock, so nobody comes in that does not support what is decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::{Raft, ReadPolicy};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tracing::info;

use super::machine::MachineAdapter;
use super::network::Links;
use super::proposal::{OnRefused, Outcome};
use super::types::{Command, Types};
use crate::peer::Identity;

/// How long a member's report counts. It reports several times in this time, and one that is just being replaced by an
/// older release does not.
const REPORT_COUNTS: Duration = Duration::from_secs(1);

/// What the replicated state says of itself to those who look after the members.
pub trait Replicated: Send + Sync {
    /// The newest rules that this server supports.
    fn supported(&self) -> u16;

    /// The rules in use, as of what is applied here.
    fn rules(&self) -> u16;

    /// Has the membership changed since clients last saw it?
    fn hides_members(&self) -> bool;

    /// The command that raises the rules to this version. None when the server is about to end.
    fn raise(&self, rules: u16) -> Option<Bytes>;

    /// The command that lets clients see the members as they are. None when the server is about to end.
    fn show_members(&self) -> Option<Bytes>;
}

/// What the members have said of the rules that they support.
#[derive(Default)]
pub(super) struct Reported {
    /// On the leader: by node, and when.
    by_node: Mutex<HashMap<u64, (u16, Instant)>>,
    /// What all support; 0 while that is not known.
    by_all: AtomicU16,
}

impl Reported {
    /// A member has reported to this one, its leader.
    pub(super) fn heard(&self, from: &Identity) {
        let now = Instant::now();
        let mut by_node = self.by_node.lock();
        by_node.retain(|_, (_, heard)| now.duration_since(*heard) < REPORT_COUNTS);
        by_node.insert(from.node_id, (from.rules, now));
    }

    /// The newest rules that this node has said lately that it supports.
    fn of(&self, node_id: u64) -> Option<u16> {
        let by_node = self.by_node.lock();
        let (rules, heard) = by_node.get(&node_id)?;
        (heard.elapsed() < REPORT_COUNTS).then_some(*rules)
    }

    /// The newest rules that all members support, as the leader has last seen or said it.
    pub(super) fn by_all(&self) -> Option<u16> {
        Some(self.by_all.load(Ordering::Relaxed)).filter(|rules| *rules > 0)
    }

    pub(super) fn note_by_all(&self, rules: Option<u16>) {
        self.by_all.store(rules.unwrap_or(0), Ordering::Relaxed);
    }
}

/// The newest rules that all members support; none while one of them has not said it lately. Of the leader.
async fn supported_by_all(raft: &Raft<Types, MachineAdapter>, links: &Links) -> Option<u16> {
    // Of consensus itself: its metrics come a little later.
    let members = |state: &openraft::RaftState<Types>| {
        let effective = state.membership_state.effective();
        let nodes = effective.membership().nodes();
        nodes.map(|(node, _)| *node).collect()
    };
    let members: Vec<u64> = raft.with_raft_state(members).await.ok()?;
    let own = links.local().identity();
    let supported = members.into_iter().map(|node| {
        if node == own.node_id {
            Some(own.rules)
        } else {
            links.reported().of(node)
        }
    });
    supported.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// On the leader, with the members held as they are: raises the rules if all members support newer ones, and lets clients
/// see the members if a change of them is complete.
pub(super) async fn look_after(raft: &Raft<Types, MachineAdapter>, links: &Links) {
    let replicated = links.replicated();
    let by_all = supported_by_all(raft, links).await;
    links.reported().note_by_all(by_all);
    if let Some(to) = by_all.filter(|by_all| *by_all > replicated.rules())
        && let Some(command) = replicated.raise(to)
    {
        info!(rules = to, "all members support newer rules: raising them");
        if !place(raft, command).await {
            tracing::debug!("cannot raise the rules now");
        }
    }
    if !links.is_promoting() && !show_members(raft, links).await {
        tracing::debug!("cannot show the members now");
    }
}

/// Lets clients see the members as they are, if they do not. Done when that is applied here; false if the outcome is
/// not known.
pub(super) async fn show_members(raft: &Raft<Types, MachineAdapter>, links: &Links) -> bool {
    let replicated = links.replicated();
    if !replicated.hides_members() {
        return true;
    }
    match replicated.show_members() {
        Some(command) => place(raft, command).await,
        None => false,
    }
}

/// Places a command as the leader. Returns when it is applied here; false if this member does not lead (any more), and
/// then nobody knows whether it will be.
async fn place(raft: &Raft<Types, MachineAdapter>, command: Bytes) -> bool {
    let (sender, refused) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let on_refused: OnRefused = Arc::new(move |refusal| {
        if let Some(sender) = sender.lock().take() {
            // Who has stopped waiting need not know.
            let _ = sender.send(refusal);
        }
    });
    // One command at a time, of some bytes: it needs no share of the bound on what is in flight.
    let room = Arc::new(Semaphore::new(1))
        .try_acquire_owned()
        .expect("a new semaphore has its permit");
    let outcome = Outcome::new(0, on_refused, room);
    let placed = raft.client_write_ff(Command(command), Some(outcome)).await;
    // The sender goes unused when the command is applied.
    placed.is_ok() && refused.await.is_err()
}

/// Does the node that wants to come support the rules in use? To be asked by the leader, with the members held as they
/// are. The reason if not, or none when the lead was lost.
pub(super) async fn check_newcomer(
    raft: &Raft<Types, MachineAdapter>,
    links: &Links,
    newcomer: &Identity,
) -> Result<(), Option<String>> {
    // An earlier leader may have raised the rules, and this one not have applied that yet.
    let seen = raft.ensure_linearizable(ReadPolicy::ReadIndex).await;
    seen.map_err(|_lost| None)?;
    let used = links.replicated().rules();
    if newcomer.rules < used {
        return Err(Some(format!(
            "this ensemble uses rules {used}; server {} knows up to {}: start a newer treekeeper there, or the same without \
             treekeeper.rulesVersion",
            newcomer.my_id, newcomer.rules
        )));
    }
    Ok(())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn member(node_id: u64, rules: u16) -> Identity {
        Identity {
            my_id: 1,
            node_id,
            cluster_id: 1,
            formed: true,
            lines: 0,
            rules,
        }
    }

    #[test]
    fn the_last_report_of_a_member_counts() {
        let reported = Reported::default();
        assert_eq!(reported.of(1), None);
        reported.heard(&member(1, 2));
        reported.heard(&member(2, 3));
        assert_eq!((reported.of(1), reported.of(2)), (Some(2), Some(3)));
        reported.heard(&member(1, 1));
        assert_eq!(reported.of(1), Some(1), "an older release runs there now");
        assert_eq!(reported.by_all(), None);
        reported.note_by_all(Some(2));
        assert_eq!(reported.by_all(), Some(2));
        reported.note_by_all(None);
        assert_eq!(reported.by_all(), None);
    }
}
