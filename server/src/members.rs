//! What a member of an ensemble does for the others: it tells the leader which clients it hears, learns from it that a
//! quorum is there, and sends again what got lost when the leader changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::consensus::Consensus;
use crate::publish::{Mark, Node, Verdict};

/// Reports in the time for which a confirmation counts: so many may be lost or late before the clients are.
const REPORTS_PER_LIMIT: u32 = 8;
/// Longest time between two reports.
const REPORT_INTERVAL_MAX: Duration = Duration::from_millis(250);
/// Sessions in one report; a member with more sends several.
const REPORT_SESSIONS_MAX: usize = 65_536;

/// Reports to the leader, and closes this member's clients when no quorum has confirmed it for too long. Ends when this
/// member has another tree than the majority: it must not go on.
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
            let mark = node.divergence.lock().newest();
            let answer = tokio::time::timeout(limit, consensus.report(encode(mark, part)));
            match answer.await.ok().flatten() {
                Some((ago, answer)) => {
                    if answer.first() == Some(&DIVERGED) {
                        return;
                    }
                    if let Some(rules) =
                        answer.get(1..).and_then(|mut said| said.try_get_u16().ok())
                    {
                        consensus.note_rules_of_all((rules > 0).then_some(rules));
                    }
                    node.contact.confirmed(ago);
                }
                None => all_heard = false,
            }
        }
        if node.leads().is_none() {
            node.divergence.lock().follow();
        } else {
            if node.divergence.lock().is_alone(consensus.voters()) {
                return;
            }
            let ensemble = node.config.ensemble.as_ref();
            if ensemble.is_some_and(|ensemble| !ensemble.leader_serves) {
                close_clients(&node);
            }
        }
        if names_sessions && all_heard {
            (touched, touched_ms) = now;
        }
        let is_current = node.contact.is_current();
        if was_current && !is_current {
            tracing::warn!("no contact with a quorum: closing all clients until there is");
            close_clients(&node);
        }
        if is_current && !was_current {
            tracing::info!("in contact with a quorum");
            close_read_only(&node);
        }
        was_current = is_current;
    }
}

fn close_clients(node: &Node) {
    for connection in node.registry.all() {
        connection.close();
    }
}

/// Who made do with reading can have more now: these sessions end, and their clients find a member that writes.
fn close_read_only(node: &Node) {
    node.read_only_sessions.lock().clear();
    for connection in node.registry.all() {
        if connection.is_read_only() {
            connection.close();
        }
    }
}

/// The sessions of this member whose clients were heard.
#[must_use]
pub fn heard_since(node: &Node, since_ms: i64) -> Vec<i64> {
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

/// A report: the newest mark of this member's tree, and the sessions that were heard.
#[must_use]
pub fn encode(mark: Mark, sessions: &[i64]) -> Bytes {
    let mut out = BytesMut::with_capacity(16 + sessions.len() * 8);
    out.put_u64(mark.index);
    out.put_u64(mark.digest);
    sessions.iter().for_each(|session| out.put_i64(*session));
    out.freeze()
}

/// How an answer to a report begins. Behind it stands the newest version of the rules that all members support, as
/// `u16`; 0 if the leader does not know.
const SAME: u8 = 0;
const DIVERGED: u8 = 1;

/// The leader's side: the clients of these sessions live, and the member's tree is like this one, or not. None if the
/// bytes are no report.
pub fn heard(node: &Node, member: u8, mut report: &[u8]) -> Option<Bytes> {
    let mark = Mark {
        index: report.try_get_u64().ok()?,
        digest: report.try_get_u64().ok()?,
    };
    if !report.len().is_multiple_of(8) {
        return None;
    }
    let voters = node.consensus.get().map_or(usize::MAX, Consensus::voters);
    let verdict = node.divergence.lock().compare(member, mark, voters);
    if verdict == Verdict::Diverged {
        tracing::error!(
            server = member,
            index = mark.index,
            "a member has another tree than the majority: it must stop"
        );
    }
    let now_ms = node.clock.now_ms();
    let expiry = node.expiry.lock();
    while let Ok(session) = report.try_get_i64() {
        expiry.touch(session, now_ms);
    }
    let rules = node.consensus.get().and_then(Consensus::rules_of_all);
    let mut answer = BytesMut::with_capacity(3);
    answer.put_u8(match verdict {
        Verdict::Same => SAME,
        Verdict::Diverged => DIVERGED,
    });
    answer.put_u16(rules.unwrap_or_default());
    Some(answer.freeze())
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
        assert_eq!(encode(Mark::default(), &[1, -1]).len(), 32);
    }
}
