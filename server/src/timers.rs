//! What time alone brings about: sessions expire, containers and TTL znodes go.
//!
//! In: ticks. Out: proposals; apply checks each again. Only a leader runs these.

use std::sync::Arc;

use crate::apply::Command;
use crate::publish::{Node, Origin};
use crate::tree::{Owner, Znode};

/// Closes the sessions whose time-out has passed, every tick.
pub async fn expire_sessions(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(node.config.tick_time);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Under the publish lock: a session that moves to another connection meanwhile has another generation, and
        // stays.
        let expired: Vec<(i64, u32)> = {
            let state = node.state.read();
            let due = node.expiry.lock().tick(node.clock.now_ms());
            let open = |id: i64| Some((id, state.sessions.get(&id)?.generation));
            due.into_iter().filter_map(open).collect()
        };
        for (session, generation) in expired {
            tracing::info!(session = format_args!("{session:#x}"), "session expired");
            node.metrics.stale_sessions_expired.increment();
            let close = Command::CloseSession {
                session,
                generation,
            };
            node.proposer.command(&close, Origin::Timer);
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
                node.proposer.command(&command, Origin::Timer);
            }
        }
    }
}

/// A container is due once it had a child and has none; a TTL znode when it has none and was not written for its
/// time.
fn is_due(znode: &Znode, now_ms: i64, max_never_used: Option<std::time::Duration>) -> bool {
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
    use std::time::Duration;

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
