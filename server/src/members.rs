//! What a member of an ensemble does for the others: it tells the leader which clients it hears, learns from it that a
//! quorum is there, and sends again what got lost when the leader changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::consensus::Consensus;
use crate::publish::Node;

/// Reports in the time for which a confirmation counts: so many may be lost or late before the clients are.
const REPORTS_PER_LIMIT: u32 = 8;
/// Longest time between two reports.
const REPORT_INTERVAL_MAX: Duration = Duration::from_millis(250);
/// Sessions in one report; a member with more sends several.
const REPORT_SESSIONS_MAX: usize = 65_536;

/// Reports to the leader, and closes this member's clients when no quorum has confirmed it for too long. Ends never.
pub async fn keep_contact(node: Arc<Node>, consensus: Consensus) {
    let limit = node.contact.limit().unwrap_or(REPORT_INTERVAL_MAX);
    let mut reports = interval((limit / REPORTS_PER_LIMIT).min(REPORT_INTERVAL_MAX));
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // So often that a session outlives two reports that are lost.
    let shortest = node.config.client.min_session_timeout;
    let touch_interval = (node.config.tick_time / 2).min(shortest / 4);
    let (mut touched, mut touched_ms) = (tokio::time::Instant::now(), node.clock.now_ms());
    let mut was_current = false;
    loop {
        reports.tick().await;
        let cluster_id = node.state.read().meta.cluster_id;
        consensus.belongs_to(cluster_id);
        let names_sessions = touched.elapsed() >= touch_interval;
        let now = (tokio::time::Instant::now(), node.clock.now_ms());
        let sessions = if names_sessions {
            heard_since(&node, touched_ms)
        } else {
            Vec::new()
        };
        let mut all_heard = true;
        for part in parts(&sessions) {
            let answer = tokio::time::timeout(limit, consensus.report(encode(part)));
            match answer.await.ok().flatten() {
                Some(ago) => node.contact.confirmed(ago),
                None => all_heard = false,
            }
        }
        if names_sessions && all_heard {
            (touched, touched_ms) = now;
        }
        let is_current = node.contact.is_current();
        if was_current && !is_current {
            tracing::warn!("no contact with a quorum: closing all clients until there is");
            for connection in node.registry.all() {
                connection.close();
            }
        }
        if is_current && !was_current {
            tracing::info!("in contact with a quorum");
        }
        was_current = is_current;
    }
}

/// The sessions of this member whose clients were heard.
fn heard_since(node: &Node, since_ms: i64) -> Vec<i64> {
    let held: Vec<i64> = node.holders.lock().sessions().collect();
    let expiry = node.expiry.lock();
    held.into_iter()
        .filter(|session| expiry.heard_since(*session, since_ms))
        .collect()
}

/// At least one part, as an empty report says that this member is there.
fn parts(sessions: &[i64]) -> impl Iterator<Item = &[i64]> {
    let count = sessions.len().div_ceil(REPORT_SESSIONS_MAX).max(1);
    (0..count).map(|part| {
        let begin = part * REPORT_SESSIONS_MAX;
        &sessions[begin..sessions.len().min(begin + REPORT_SESSIONS_MAX)]
    })
}

fn encode(sessions: &[i64]) -> Bytes {
    let mut out = BytesMut::with_capacity(sessions.len() * 8);
    sessions.iter().for_each(|session| out.put_i64(*session));
    out.freeze()
}

/// The leader's side: the clients of these sessions live. False if the bytes are no report.
pub fn heard(node: &Node, mut report: &[u8]) -> bool {
    if !report.len().is_multiple_of(8) {
        return false;
    }
    let now_ms = node.clock.now_ms();
    let expiry = node.expiry.lock();
    while let Ok(session) = report.try_get_i64() {
        expiry.touch(session, now_ms);
    }
    true
}

/// A pause before what was refused is sent again: the leader's disk is slow, or a new leader is not known yet.
const AGAIN_PAUSE: Duration = Duration::from_millis(10);
/// A batch that is on its way for so long is sent again, whatever was heard of it.
const STUCK: Duration = Duration::from_secs(1);

/// Sends again what was refused, and everything that is on its way when another member leads. Ends with consensus.
pub async fn send_again(node: Arc<Node>, consensus: Consensus, refused: Arc<Notify>) {
    let mut leadership = consensus.leadership();
    let mut oldest = None;
    loop {
        let stuck = tokio::select! {
            changed = leadership.changed() => {
                if changed.is_err() {
                    return;
                }
                false
            }
            () = refused.notified() => {
                sleep(AGAIN_PAUSE).await;
                false
            }
            () = sleep(STUCK) => true,
        };
        let now = node.proposer.oldest();
        let is_due = !stuck || (now.is_some() && now == oldest);
        oldest = now;
        if is_due && leadership.borrow_and_update().leader.is_some() {
            node.proposer.send_again();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_at_least_one_part_and_none_has_too_many_sessions() {
        let all: Vec<i64> = (0..150_000).collect();
        for (count, expected) in [
            (0, vec![0]),
            (1, vec![1]),
            (65_536, vec![65_536]),
            (150_000, vec![65_536, 65_536, 18_928]),
        ] {
            let parts: Vec<_> = parts(&all[..count]).collect();
            let lens: Vec<_> = parts.iter().map(|part| part.len()).collect();
            assert_eq!(lens, expected);
            assert_eq!(parts.concat(), all[..count]);
        }
        assert_eq!(encode(&[1, -1]).len(), 16);
    }
}
