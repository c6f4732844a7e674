//! The first frame of a client (`ZooKeeperServer.processConnectRequest`).

use std::sync::Arc;
use std::time::Duration;

use treekeeper_protocol::ConnectRequest;

use super::{Connection, Scope, Session};
use crate::apply::{Command, password_of};
use crate::publish::{Node, Origin};
use crate::session::is_read_only_id;

/// What follows a ConnectRequest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Welcome {
    /// A session is being opened or moved: the response comes when that is applied.
    Opening,
    /// The refusal is queued; the connection closes behind it.
    Refused,
    /// The connection is closed without a word: the client tries another server.
    Ignored,
}

/// Decides on a ConnectRequest, in the order of a stock server but for the password, which is checked before the
/// live connection of the session is touched.
pub(super) fn welcome(
    node: &Node,
    connection: &Arc<Connection>,
    request: &ConnectRequest,
) -> Welcome {
    connection.knows_read_only(request.read_only.is_some());
    let (zxid, secret) = {
        let state = node.state.read();
        (state.meta.zxid, state.meta.secret)
    };
    if request.last_zxid_seen > zxid {
        let (seen, peer) = (request.last_zxid_seen, connection.peer());
        tracing::warn!(%peer, seen, zxid, "refused a client that has seen a later zxid than this server");
        return Welcome::Ignored;
    }
    let timeout_ms = negotiated(node, request);
    let origin = Origin::Handshake(Arc::clone(connection));
    if request.session_id == 0 && node.config.sessions.local {
        let now_ms = node.clock.now_ms();
        let state = node.state.read();
        let is_taken = |id| state.sessions.contains_key(&id);
        let mut sessions = node.local_sessions.lock();
        let (id, liveness) = sessions.open(timeout_ms, now_ms, is_taken);
        drop(sessions);
        drop(state);
        let session = Session {
            id,
            generation: 0,
            timeout_ms,
            scope: Scope::Local,
            liveness,
        };
        return opened(node, connection, session, &secret);
    }
    if request.session_id == 0 {
        node.proposer
            .command(&Command::OpenSession { timeout_ms }, origin);
        return Welcome::Opening;
    }
    let session = request.session_id;
    // Only the member that opened a read-only session knew it, and has forgotten it.
    let was_read_only =
        is_read_only_id(session) && !node.state.read().sessions.contains_key(&session);
    if was_read_only || !knows_password(request, &secret) {
        connection.refused();
        return Welcome::Refused;
    }
    node.metrics.connection_revalidate_count.increment();
    let now_ms = node.clock.now_ms();
    let reopened = node
        .local_sessions
        .lock()
        .reopen(session, timeout_ms, now_ms);
    if let Some((generation, liveness)) = reopened {
        let session = Session {
            id: session,
            generation,
            timeout_ms,
            scope: Scope::Local,
            liveness,
        };
        return opened(node, connection, session, &secret);
    }
    node.proposer.command(
        &Command::ReopenSession {
            session,
            timeout_ms,
        },
        origin,
    );
    Welcome::Opening
}

/// The same while no quorum is in contact, for a client that makes do with reading
/// (`ReadOnlyZooKeeperServer.validateSession`). It gets a session of this member's own: what becomes of others is not
/// for this member to say.
pub(super) fn welcome_to_read(
    node: &Node,
    connection: &Arc<Connection>,
    request: &ConnectRequest,
) -> Welcome {
    connection.knows_read_only(request.read_only.is_some());
    connection.serve_read_only();
    let state = node.state.read();
    let secret = state.meta.secret;
    if request.last_zxid_seen > state.meta.zxid {
        return Welcome::Ignored;
    }
    let (timeout_ms, now_ms) = (negotiated(node, request), node.clock.now_ms());
    let id = request.session_id;
    let is_global = |id| state.sessions.contains_key(&id);
    let found = if id == 0 {
        let mut sessions = node.read_only_sessions.lock();
        let (id, liveness) = sessions.open(timeout_ms, now_ms, is_global);
        Some((id, 0, liveness))
    } else if is_global(id) || !is_read_only_id(id) {
        return Welcome::Ignored;
    } else if knows_password(request, &secret) {
        let mut sessions = node.read_only_sessions.lock();
        let reopened = sessions.reopen(id, timeout_ms, now_ms);
        reopened.map(|(generation, liveness)| (id, generation, liveness))
    } else {
        None
    };
    drop(state);
    let Some((id, generation, liveness)) = found else {
        connection.refused();
        return Welcome::Refused;
    };
    let session = Session {
        id,
        generation,
        timeout_ms,
        scope: Scope::ReadOnly,
        liveness,
    };
    opened(node, connection, session, &secret)
}

/// The time-out that the client gets, in ms: the one that it wants, within bounds.
fn negotiated(node: &Node, request: &ConnectRequest) -> i32 {
    let client = &node.config.client;
    let bound = |timeout: Duration| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    request
        .timeout_ms
        .max(bound(client.min_session_timeout))
        .min(bound(client.max_session_timeout))
}

/// A session that only this member knows is open: the connection holds it at once.
fn opened(
    node: &Node,
    connection: &Arc<Connection>,
    session: Session,
    secret: &[u8; 32],
) -> Welcome {
    let id = session.id;
    connection.opened(session, password_of(secret, id));
    let mut holders = node.holders.lock();
    let replaced = holders.hold(id, connection);
    if connection.is_closing() {
        holders.ended(id, connection);
    }
    drop(holders);
    if let Some(replaced) = replaced {
        replaced.close();
    }
    Welcome::Opening
}

fn knows_password(request: &ConnectRequest, secret: &[u8; 32]) -> bool {
    let password = password_of(secret, request.session_id);
    let given = request.password.as_ref();
    given.is_some_and(|given| equal_in_constant_time(given, &password))
}

fn equal_in_constant_time(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len()
        && given
            .iter()
            .zip(expected)
            .fold(0, |diff, (a, b)| diff | (a ^ b))
            == 0
}
