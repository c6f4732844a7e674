//! The ensemble in ZooKeeper's words, for the commands that tell of it.
//!
//! In: what a [`View`] knows of the ensemble. Out: names, numbers and addresses. Not here: the answers' shapes.

use super::view::{EnsembleInfo, FollowerInfo, ServerMode, View};
use crate::config::{Member, MemberRole};
use std::collections::BTreeMap;
use std::time::Duration;

/// The only way to elect a leader that ZooKeeper has left.
pub(super) const ELECTION_ALGORITHM: u8 = 3;

/// The settings that only a member of an ensemble has.
pub(super) struct MemberSettings {
    pub(super) my_id: u8,
    /// In ticks.
    pub(super) init_limit: u64,
    /// In ticks.
    pub(super) sync_limit: u64,
    /// This member.
    pub(super) me: Member,
    /// All members, and the version of their list.
    pub(super) membership: String,
}

impl MemberSettings {
    /// The settings of this member; none for a server that stands alone.
    pub(super) fn of(view: &dyn View) -> Option<Self> {
        let info = view.ensemble()?;
        let config = view.config();
        let configured = config.ensemble.as_ref()?;
        let me = info
            .member(info.my_id)
            .or_else(|| configured.members.get(&info.my_id).cloned())?;
        Some(Self {
            my_id: info.my_id,
            init_limit: ticks(configured.init_limit, config.tick_time),
            sync_limit: ticks(configured.sync_limit, config.tick_time),
            me,
            membership: info.config_text,
        })
    }

    /// ZooKeeper's number for the role.
    pub(super) fn peer_type(&self) -> u8 {
        match self.me.role {
            MemberRole::Participant => 0,
            MemberRole::Observer => 1,
        }
    }
}

fn ticks(limit: Duration, tick_time: Duration) -> u64 {
    let ticks = limit.as_millis() / tick_time.as_millis().max(1);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

impl EnsembleInfo {
    /// The members by N.
    pub(super) fn members(&self) -> BTreeMap<u8, Member> {
        self.config_text
            .lines()
            .filter_map(Member::parse_line)
            .map(|member| (member.id, member))
            .collect()
    }

    /// One member.
    pub(super) fn member(&self, id: u8) -> Option<Member> {
        self.members().remove(&id)
    }

    /// ZooKeeper's name for how far the members agree.
    pub(super) fn zab_state(&self) -> &'static str {
        match self.leader_id {
            Some(_) => "broadcast",
            None => "election",
        }
    }

    /// What `peer_state` shows of a member in `mode`.
    pub(super) fn peer_state(&self, mode: ServerMode) -> String {
        let state = match (self.leader_id, mode) {
            (Some(_), ServerMode::Leader) => "leading",
            (Some(_), ServerMode::Follower) => "following",
            (Some(_), ServerMode::Observer) => "observing",
            _ => "looking",
        };
        format!("{state} - {}", self.zab_state())
    }

    /// The voters that lack nothing, this member left out.
    pub(super) fn synced_followers(&self) -> usize {
        let synced = |follower: &&FollowerInfo| follower.synced && follower.voter;
        self.followers.iter().filter(synced).count()
    }

    /// The members that will vote and do not yet, and lack nothing.
    pub(super) fn synced_non_voting_followers(&self) -> usize {
        let synced =
            |follower: &&FollowerInfo| follower.synced && !follower.voter && !follower.observer;
        self.followers.iter().filter(synced).count()
    }

    /// The members without a vote, now and later.
    pub(super) fn observers(&self) -> impl Iterator<Item = &FollowerInfo> {
        self.followers.iter().filter(|follower| follower.observer)
    }

    /// The observers that lack nothing.
    pub(super) fn synced_observers(&self) -> usize {
        self.observers().filter(|observer| observer.synced).count()
    }
}
