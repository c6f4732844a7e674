//! `srvr` and `stat`: the server on one screen. Dashboards match these lines with regular expressions.

use super::connections;
use crate::admin::gauges::rounded;
use crate::admin::version::full_version;
use crate::admin::view::{ServerMode, View};

pub(super) fn srvr(view: &dyn View) -> String {
    heading(view) + &body(view)
}

/// `srvr` with a list of clients after its heading.
pub(super) fn stat(view: &dyn View) -> String {
    let clients: String = view
        .connections()
        .iter()
        .map(|connection| connections::brief(connection) + ")\n")
        .collect();
    heading(view) + "Clients:\n" + &clients + "\n" + &body(view)
}

fn heading(view: &dyn View) -> String {
    let read_only = match view.server().mode {
        ServerMode::ReadOnly => "READ-ONLY mode; serving only read-only clients\n",
        _ => "",
    };
    format!("Zookeeper version: {}\n{read_only}", full_version())
}

fn body(view: &dyn View) -> String {
    let server = view.server();
    let latency = view.metrics().request_latency();
    let traffic = view.metrics().traffic.totals();
    let (min, average, max) = (
        rounded(latency.min()),
        latency.average(),
        rounded(latency.max()),
    );
    // The sizes are ZooKeeper's proposals, which have no likeness here; a leader's scripts expect the line.
    let proposals = match server.mode {
        ServerMode::Leader => "Proposal sizes last/min/max: -1/-1/-1\n",
        _ => "",
    };
    format!(
        "Latency min/avg/max: {min}/{average:?}/{max}\n\
         Received: {}\n\
         Sent: {}\n\
         Connections: {}\n\
         Outstanding: {}\n\
         Zxid: 0x{:x}\n\
         Mode: {}\n\
         Node count: {}\n\
         {proposals}",
        traffic.packets_received,
        traffic.packets_sent,
        server.connection_count,
        server.outstanding_requests,
        server.last_zxid,
        server.mode.as_str(),
        server.node_count,
    )
}
