//! `dump`: sessions by the time they expire, ephemeral znodes by session, connections by the time they expire.

use crate::admin::date::{epoch_millis, java_date};
use crate::admin::view::{ServerMode, SessionInfo, View};
use std::collections::BTreeMap;

pub(super) fn dump(view: &dyn View) -> String {
    let sessions = view.sessions();
    let mut text = "SessionTracker dump:\n".to_owned();
    let (local, global): (Vec<_>, Vec<_>) = sessions.iter().partition(|session| session.is_local);
    let mode = view.server().mode;
    let has_local = view.config().sessions.local || mode == ServerMode::ReadOnly;
    if has_local {
        text += &format!("Local Session Sets {}", session_sets(&local));
    }
    // Only who leads knows when a session ends.
    if matches!(mode, ServerMode::Leader | ServerMode::Standalone) {
        let prefix = if has_local { "Global " } else { "" };
        text += &format!("{prefix}Session Sets {}", session_sets(&global));
    } else {
        text += &format!("Global Sessions({}):\n", global.len());
        let each = |session: &&SessionInfo| {
            format!("0x{:x}\t{}ms\n", session.id, session.timeout.as_millis())
        };
        text.extend(global.iter().map(each));
    }

    let owners: Vec<_> = sessions
        .iter()
        .filter(|session| !session.ephemerals.is_empty())
        .collect();
    text += &format!(
        "ephemeral nodes dump:\nSessions with Ephemerals ({}):\n",
        owners.len()
    );
    for owner in owners {
        text += &format!("0x{:x}:\n", owner.id);
        text.extend(owner.ephemerals.iter().map(|path| format!("\t{path}\n")));
    }

    // A connection is dropped when its session expires, or when no handshake comes in time.
    let expiry: BTreeMap<i64, i64> = sessions
        .iter()
        .map(|session| (session.id, epoch_millis(session.expires_at)))
        .collect();
    let sessionless = view.config().client.sessionless_timeout;
    text += "Connections dump:\nConnections Sets ";
    text += &sets(view.connections().iter().map(|connection| {
        let id = connection.session.as_ref().map_or(0, |session| session.id);
        let expires = expiry
            .get(&id)
            .copied()
            .unwrap_or_else(|| epoch_millis(connection.established + sessionless));
        (
            expires,
            format!("ip: /{} sessionId: 0x{id:x}", connection.remote_text()),
        )
    }));
    text
}

fn session_sets(sessions: &[&SessionInfo]) -> String {
    sets(sessions.iter().map(|session| {
        (
            epoch_millis(session.expires_at),
            format!("0x{:x}", session.id),
        )
    }))
}

/// `(sets)/(items):`, then the items under the time they expire at.
fn sets(items: impl Iterator<Item = (i64, String)>) -> String {
    let mut by_time: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (time, item) in items {
        by_time.entry(time).or_default().push(item);
    }
    let count: usize = by_time.values().map(Vec::len).sum();
    let mut text = format!("({})/({count}):\n", by_time.len());
    for (time, items) in by_time {
        text += &format!("{} expire at {}:\n", items.len(), java_date(time));
        text.extend(items.into_iter().map(|item| format!("\t{item}\n")));
    }
    text
}
