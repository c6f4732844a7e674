//! Quotas (`StatsTrack`, `DataTree.updateQuotaStat`, `ZooKeeperServer.checkQuota`).
//!
//! Limits for a path live in `/zookeeper/quota` + path + `/zookeeper_limits`, its usage in `…/zookeeper_stats`. Usage
//! changes in place: no new version, no event. The deepest path above a znode that has limits counts it.

use bytes::Bytes;
use treekeeper_protocol::{ErrorCode, path};

use super::State;
use super::state::Refusal;
use crate::tree::{StoreError, Znode};

const LIMITS: &str = "/zookeeper_limits";
const STATS: &str = "/zookeeper_stats";

/// What an operation adds to the usage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta {
    count: i64,
    bytes: i64,
}

impl Delta {
    pub(super) fn created(bytes: usize) -> Self {
        Self {
            count: 1,
            bytes: length(bytes),
        }
    }

    pub(super) fn deleted(bytes: usize) -> Self {
        Self {
            count: -1,
            bytes: -length(bytes),
        }
    }

    pub(super) fn replaced(old: usize, new: usize) -> Self {
        Self {
            count: 0,
            bytes: length(new) - length(old),
        }
    }
}

/// A parsed limits or stats node; −1 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Track {
    count: i64,
    bytes: i64,
    hard_count: i64,
    hard_bytes: i64,
}

impl Track {
    fn parse(data: Option<&Bytes>) -> Self {
        let mut track = Self {
            count: -1,
            bytes: -1,
            hard_count: -1,
            hard_bytes: -1,
        };
        let text = String::from_utf8_lossy(data.map_or(&[], |data| data));
        for part in text.split([',', ';']) {
            let Some((key, value)) = part.split_once('=') else {
                continue;
            };
            let Ok(value) = value.trim_end_matches('=').trim().parse() else {
                continue;
            };
            match key.trim() {
                "count" => track.count = value,
                "bytes" => track.bytes = value,
                "countHardLimit" => track.hard_count = value,
                "byteHardLimit" => track.hard_bytes = value,
                _ => {}
            }
        }
        track
    }
}

/// The path whose quota a node arms: the one that ends in `zookeeper_limits` below `/zookeeper/quota`.
pub(super) fn armed_by(path: &str) -> Option<&str> {
    quota_of(path, LIMITS)
}

/// The path whose quota has its node `name` at `path`.
fn quota_of<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let of = path.strip_prefix(path::QUOTA)?.strip_suffix(name)?;
    of.starts_with('/').then_some(of)
}

/// Refuses what would go beyond a hard limit, when quotas are enforced. A hard limit replaces the soft one.
pub(super) fn check(state: &State, path: &str, delta: Delta) -> Result<(), Refusal> {
    if !state.meta.settings.enforce_quota {
        return Ok(());
    }
    let Some(armed) = covering(state, path) else {
        return Ok(());
    };
    let Some(limits) = state.znode(&format!("{}{armed}{LIMITS}", path::QUOTA))? else {
        return Ok(());
    };
    let Some(usage) = state.znode(&format!("{}{armed}{STATS}", path::QUOTA))? else {
        return Ok(());
    };
    let (limits, usage) = (
        Track::parse(limits.data.as_ref()),
        Track::parse(usage.data.as_ref()),
    );
    let above = |limit: i64, used: i64, more: i64| {
        limit > -1 && more > 0 && used.saturating_add(more) > limit
    };
    if above(limits.hard_count, usage.count, delta.count)
        || above(limits.hard_bytes, usage.bytes, delta.bytes)
    {
        return Err(ErrorCode::QuotaExceeded.into());
    }
    Ok(())
}

/// Adds what an operation changed at `path` to the usage that counts it. A new stats node gets the usage of its whole
/// subtree.
pub(super) fn count(state: &mut State, path: &str, delta: Delta) -> Result<(), StoreError> {
    if delta.count > 0
        && let Some(armed) = quota_of(path, STATS)
    {
        return walk(state, armed, path);
    }
    let Some(armed) = covering(state, path) else {
        return Ok(());
    };
    let stats_path = format!("{}{armed}{STATS}", path::QUOTA);
    let Some(stats) = state.znode(&stats_path)? else {
        return Ok(());
    };
    let usage = Track::parse(stats.data.as_ref());
    store(
        state,
        &stats_path,
        &stats,
        usage.count.saturating_add(delta.count),
        usage.bytes.saturating_add(delta.bytes),
    )
}

/// Counts the whole subtree of `armed` into its stats node.
fn walk(state: &mut State, armed: &str, stats_path: &str) -> Result<(), StoreError> {
    let (mut count, mut bytes) = (0, 0);
    if let Some(znode) = state.znode(armed)? {
        count = 1;
        bytes = length(znode.data_len());
        state.tree.for_each_descendant(armed, |_, znode| {
            count += 1;
            bytes += length(znode.data_len());
        })?;
    }
    let stats = state.znode(stats_path)?.expect("it was just created");
    store(state, stats_path, &stats, count, bytes)
}

fn store(
    state: &mut State,
    path: &str,
    stats: &Znode,
    count: i64,
    bytes: i64,
) -> Result<(), StoreError> {
    let data = Some(Bytes::from(format!("count={count},bytes={bytes}")));
    state.put(
        path,
        &Znode {
            data,
            ..stats.clone()
        },
    )
}

/// The deepest path with limits that is `path` or above it.
fn covering<'a>(state: &State, path: &'a str) -> Option<&'a str> {
    if state.quotas.is_empty() {
        return None;
    }
    let mut at = Some(path);
    while let Some(candidate) = at {
        if state.quotas.contains(candidate) {
            return Some(candidate);
        }
        at = path::parent(candidate);
    }
    None
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a length in memory fits an i64")
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn limits_are_read_in_any_of_zookeepers_forms() {
        let parse = |text: &'static str| Track::parse(Some(&Bytes::from_static(text.as_bytes())));
        let track = parse("count=5,bytes=-1=;byteHardLimit=7;countHardLimit=3");
        assert_eq!((track.count, track.hard_bytes, track.hard_count), (5, 7, 3));
        assert_eq!(
            parse("garbage"),
            Track {
                count: -1,
                bytes: -1,
                hard_count: -1,
                hard_bytes: -1
            }
        );
    }

    #[test]
    fn only_a_limits_node_below_the_quota_node_arms() {
        assert_eq!(
            armed_by("/zookeeper/quota/a/b/zookeeper_limits"),
            Some("/a/b")
        );
        assert_eq!(armed_by("/zookeeper/quota/zookeeper_limits"), None);
        assert_eq!(armed_by("/a/zookeeper_limits"), None);
    }
}
