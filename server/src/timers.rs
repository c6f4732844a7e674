//! What time alone brings about: sessions expire, containers and TTL znodes go, the log's disk is looked at.
//!
//! In: ticks. Out: proposals, which apply checks again; only a leader makes them. Warnings and metrics of the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use crate::apply::Command;
use crate::consensus::Consensus;
use crate::publish::{Node, Origin};
use crate::tree::{Owner, Znode};

/// Closes of expired sessions on their way at once, the ephemerals that go with them counted: clients' writes stand
/// behind no more than these, however many sessions expire together.
const CLOSING_MAX: u32 = 128;

/// Closes the sessions whose time-out has passed, every tick.
pub async fn expire_sessions(node: Arc<Node>) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a session stands in it once until it is opened again"
    )]
    let (sender, due) = mpsc::unbounded_channel();
    // Ticks go on while many are closed: a late one would be taken for a pause of the process.
    tokio::join!(find_expired(&node, sender), close_expired(&node, due));
}

/// Sessions whose time-out has passed in the eyes of the leader of a term, by id and generation.
struct Due {
    term: u64,
    sessions: Vec<(i64, u32)>,
}

async fn find_expired(node: &Node, closer: mpsc::UnboundedSender<Due>) {
    let mut ticks = tokio::time::interval(node.config.tick_time);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut led = None;
    loop {
        ticks.tick().await;
        let leads = node.leads();
        let mut expiry = node.expiry.lock();
        let Some(term) = leads else {
            expiry.rest();
            led = None;
            continue;
        };
        if led != leads {
            // Nobody expires because of an election.
            expiry.restart(node.clock.now_ms());
            led = leads;
        }
        let sessions = expiry.tick(node.clock.now_ms());
        drop(expiry);
        if !sessions.is_empty() && closer.send(Due { term, sessions }).is_err() {
            return;
        }
    }
}

async fn close_expired(node: &Node, mut due: mpsc::UnboundedReceiver<Due>) {
    let room = Arc::new(Semaphore::new(CLOSING_MAX as usize));
    while let Some(Due { term, sessions }) = due.recv().await {
        for (session, generation) in sessions {
            if node.leads() != Some(term) {
                // The next leader finds them by itself.
                break;
            }
            let work = match node.state.read().sessions.get(&session) {
                Some(open) if open.generation == generation => 1 + open.ephemerals.len(),
                // It was closed or has moved to another connection since.
                _ => continue,
            };
            let share = u32::try_from(work).map_or(CLOSING_MAX, |work| work.min(CLOSING_MAX));
            let share = Arc::clone(&room).acquire_many_owned(share);
            let share = share.await.expect("the semaphore is never closed");
            tracing::info!(session = format_args!("{session:#x}"), "session expired");
            node.metrics.stale_sessions_expired.increment();
            let close = Command::CloseSession {
                session,
                generation,
                term,
            };
            let origin = Origin::Timer(Some(share));
            node.proposer.large_command(&close, origin, work);
        }
    }
}

/// Ends the sessions of this member alone whose time-out has passed, every tick. No command is needed for that.
pub async fn expire_local_sessions(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(node.config.tick_time);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_current = false;
    loop {
        ticks.tick().await;
        let now_ms = node.clock.now_ms();
        let mut expired = node.read_only_sessions.lock().tick(now_ms);
        let is_current = node.contact.is_current();
        let mut local = node.local_sessions.lock();
        if !is_current {
            // Their clients were sent away, and come back with the quorum.
            local.rest();
        } else if was_current {
            expired.extend(local.tick(now_ms));
        } else {
            local.restart(now_ms);
        }
        drop(local);
        was_current = is_current;
        for session in expired {
            tracing::info!(
                session = format_args!("{session:#x}"),
                "local session expired"
            );
            node.metrics.stale_sessions_expired.increment();
            let holder = node.holders.lock().release(session);
            if let Some(holder) = holder {
                holder.close();
            }
        }
    }
}

/// How often the log is asked how its disk does.
const LOG_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Passes the log's times on to the metrics, and warns of a disk that is slow or hangs (`fsync.warningthresholdms`).
pub async fn watch_log(node: Arc<Node>) {
    let mut checks = tokio::time::interval(LOG_CHECK_INTERVAL);
    let threshold = node.config.storage.fsync_warning_threshold;
    let (mut writes, mut time, mut longest, mut hung) = (0, Duration::ZERO, Duration::ZERO, false);
    loop {
        checks.tick().await;
        let Some(log) = node.consensus.get().map(|consensus| consensus.status().log) else {
            continue;
        };
        let (more, spent) = (log.writes - writes, log.write_time.saturating_sub(time));
        node.metrics.fsynctime.record_together(spent, more);
        (writes, time) = (log.writes, log.write_time);
        if log.write_time_max > longest.max(threshold) {
            longest = log.write_time_max;
            node.metrics.fsync_threshold_exceed_count.increment();
            tracing::warn!(
                took_ms = longest.as_millis(),
                "a sync of the log was slow: the disk limits every write"
            );
        }
        let hangs = log.writing_for.is_some_and(|time| time > threshold);
        if hangs && !hung {
            tracing::warn!("a sync of the log has not ended: no write is answered until it does");
        }
        hung = hangs;
    }
}

/// How often a leader looks whether its disk answers.
const DISK_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Lets another member lead when a sync of this leader's log takes longer than a member may be out of touch. Returns when
/// nobody took over: the process should end then, so that the others elect a leader whose disk answers.
pub async fn give_up_lead_if_disk_hangs(node: Arc<Node>, consensus: Consensus) {
    let Some(limit) = node.contact.limit() else {
        return std::future::pending().await;
    };
    let mut checks = tokio::time::interval(DISK_CHECK_INTERVAL);
    checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Who is out of touch leads nobody, even if it cannot save the vote that would tell it so. The only voter has nobody
    // to give the lead to, and its data may be all there is.
    let leads_and_hangs_for = || {
        let leads = node.leads().is_some() && node.contact.is_current() && consensus.voters() > 1;
        let hangs = consensus.status().log.writing_for;
        hangs.filter(|time| leads && *time > limit)
    };
    loop {
        checks.tick().await;
        if let Some(time) = leads_and_hangs_for() {
            tracing::warn!(
                seconds = time.as_secs_f32(),
                "a sync of the log does not end: another member is to lead"
            );
            consensus.hand_over().await;
            // Until what confirmed this leader before counts no more.
            tokio::time::sleep(limit).await;
            if leads_and_hangs_for().is_some() {
                return;
            }
        }
    }
}

/// Removes containers and TTL znodes whose time has come (`ContainerManager`).
pub async fn remove_expired_znodes(node: Arc<Node>) {
    let settings = node.config.containers;
    let mut checks = tokio::time::interval(settings.check_interval);
    checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The limit is per minute; a check that comes more often has its share of it.
    let share = settings.check_interval.as_secs_f64().min(60.0) / 60.0;
    let most = (f64::from(settings.max_per_minute) * share).ceil();
    loop {
        checks.tick().await;
        if node.leads().is_none() {
            continue;
        }
        let mut left = most;
        let candidates: Vec<Arc<str>> = node.state.read().expirables.iter().cloned().collect();
        for path in candidates {
            if left < 1.0 {
                break;
            }
            let (znode, now_ms) = {
                let state = node.state.read();
                let znode = match state.tree.get(&path) {
                    Ok(Some(znode)) => znode,
                    Ok(None) => continue,
                    Err(error) => {
                        tracing::error!(%error, %path, "cannot look at a container or TTL znode");
                        continue;
                    }
                };
                // Deadlines by the clock that stamps commands, which never goes back.
                (znode, state.meta.time_ms.max(node.clock.wall_ms()))
            };
            if is_due(&znode, now_ms, settings.max_never_used) {
                left -= 1.0;
                let (czxid, mzxid) = (znode.czxid, znode.mzxid);
                let command = Command::RemoveExpired {
                    path: path.to_string(),
                    czxid,
                    mzxid,
                };
                node.proposer.command(&command, Origin::Timer(None));
            }
        }
    }
}

/// A container is due once it had a child and has none; a TTL znode when it has none and was not written for its
/// time.
fn is_due(znode: &Znode, now_ms: i64, max_never_used: Option<Duration>) -> bool {
    if znode.num_children > 0 {
        return false;
    }
    match znode.owner {
        Owner::Container if znode.child_creations != 0 => true,
        Owner::Container => max_never_used
            .and_then(|age| i64::try_from(age.as_millis()).ok())
            .is_some_and(|age| now_ms - znode.mtime > age),
        Owner::Ttl(ttl_ms) => now_ms - znode.mtime > ttl_ms,
        Owner::Persistent | Owner::Session(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_wait_for_their_first_child_and_ttl_znodes_for_their_time() {
        let container = Znode::born(1, 1000, Owner::Container);
        assert!(!is_due(&container, 1_000_000, None));
        assert!(is_due(
            &container,
            1_000_000,
            Some(Duration::from_secs(300))
        ));
        assert!(is_due(
            &Znode {
                child_creations: 1,
                ..container.clone()
            },
            1000,
            None
        ));
        assert!(!is_due(
            &Znode {
                child_creations: 2,
                num_children: 1,
                ..container
            },
            1000,
            None
        ));
        let ttl = Znode::born(1, 1000, Owner::Ttl(500));
        assert!(!is_due(&ttl, 1500, None) && is_due(&ttl, 1501, None));
        assert!(!is_due(
            &Znode {
                num_children: 1,
                ..ttl.clone()
            },
            9999,
            None
        ));
        assert!(!is_due(
            &Znode::born(1, 0, Owner::Persistent),
            i64::MAX,
            None
        ));
    }
}
