//! The first frame of a client (`ZooKeeperServer.processConnectRequest`).

use std::sync::Arc;

use treekeeper_protocol::ConnectRequest;

use super::Connection;
use crate::apply::{Command, password_of};
use crate::publish::{Node, Origin};

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
    let client = &node.config.client;
    let bound =
        |timeout: std::time::Duration| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let timeout_ms = request
        .timeout_ms
        .max(bound(client.min_session_timeout))
        .min(bound(client.max_session_timeout));
    let origin = Origin::Handshake(Arc::clone(connection));
    if request.session_id == 0 {
        node.proposer
            .command(&Command::OpenSession { timeout_ms }, origin);
        return Welcome::Opening;
    }
    let session = request.session_id;
    let password = password_of(&secret, session);
    if request
        .password
        .as_ref()
        .is_none_or(|given| !equal_in_constant_time(given, &password))
    {
        connection.refused();
        return Welcome::Refused;
    }
    node.metrics.connection_revalidate_count.increment();
    node.proposer.command(
        &Command::ReopenSession {
            session,
            timeout_ms,
        },
        origin,
    );
    Welcome::Opening
}

fn equal_in_constant_time(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len()
        && given
            .iter()
            .zip(expected)
            .fold(0, |diff, (a, b)| diff | (a ^ b))
            == 0
}
