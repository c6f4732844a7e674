//! `cons`: one line per connection.

use crate::admin::date::epoch_millis;
use crate::admin::operation;
use crate::admin::view::{ConnectionInfo, ConnectionSession, View};

pub(super) fn cons(view: &dyn View) -> String {
    let line = |connection: &ConnectionInfo| {
        let details = connection
            .session
            .as_ref()
            .map(|known| session(connection, known))
            .unwrap_or_default();
        brief(connection) + &details + ")\n"
    };
    view.connections().iter().map(line).collect::<String>() + "\n"
}

/// What `stat` shows as well, up to the closing parenthesis.
pub(super) fn brief(connection: &ConnectionInfo) -> String {
    format!(
        " /{}[{}](queued={},recved={},sent={}",
        connection.remote_text(),
        connection.interest_ops(),
        connection.outstanding_requests,
        connection.packets_received,
        connection.packets_sent,
    )
}

fn session(connection: &ConnectionInfo, session: &ConnectionSession) -> String {
    // ZooKeeper leaves the xid out while it is special: of a ping, or of no request yet.
    let cxid = match session.last_cxid {
        0.. => format!(",lcxid=0x{:x}", session.last_cxid),
        _ => String::new(),
    };
    format!(
        ",sid=0x{:x},lop={},est={},to={}{cxid},lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
        session.id,
        operation::short_name(session.last_operation),
        epoch_millis(connection.established),
        session.timeout.as_millis(),
        session.last_zxid,
        session.last_response.map_or(0, epoch_millis),
        session.latency_last.as_millis(),
        session.latency_min.as_millis(),
        session.latency_average.as_millis(),
        session.latency_max.as_millis(),
    )
}
