//! `conf`: the settings that ZooKeeper shows, in its order.

use super::lines;
use crate::admin::ensemble::{ELECTION_ALGORITHM, MemberSettings};
use crate::admin::view::View;
use crate::config::PeerAddress;
use std::time::Duration;

pub(super) fn conf(view: &dyn View) -> String {
    let member = MemberSettings::of(view);
    let server_id = member.as_ref().map_or(0, |member| member.my_id);
    let mut text = lines("", alone(view).into_iter());
    text += &lines("", [("serverId", server_id.to_string())].into_iter());
    if let Some(member) = member {
        text += &lines("", of_member(&member).into_iter());
        text += &format!("membership: \n{}", member.membership);
    }
    text
}

fn of_member(member: &MemberSettings) -> Vec<(&'static str, String)> {
    let ports = |port: fn(&PeerAddress) -> u16| {
        let ports = member
            .me
            .addresses
            .iter()
            .map(|each| port(each).to_string());
        ports.collect::<Vec<_>>().join("|")
    };
    vec![
        ("initLimit", member.init_limit.to_string()),
        ("syncLimit", member.sync_limit.to_string()),
        ("electionAlg", ELECTION_ALGORITHM.to_string()),
        ("electionPort", ports(|address| address.election_port)),
        ("quorumPort", ports(|address| address.quorum_port)),
        ("peerType", member.peer_type().to_string()),
    ]
}

/// What every server shows, in an ensemble or not.
fn alone(view: &dyn View) -> Vec<(&'static str, String)> {
    let config = view.config();
    let (client, storage) = (&config.client, &config.storage);
    let millis = |duration: Duration| duration.as_millis().to_string();
    vec![
        ("clientPort", view.server().client_port.to_string()),
        ("secureClientPort", "-1".to_owned()),
        ("dataDir", storage.data_folder().display().to_string()),
        ("dataDirSize", view.data_dir_size().to_string()),
        (
            "dataLogDir",
            storage.data_log_folder().display().to_string(),
        ),
        ("dataLogSize", view.log_dir_size().to_string()),
        ("tickTime", millis(config.tick_time)),
        (
            "maxClientCnxns",
            client.max_client_cnxns.unwrap_or(0).to_string(),
        ),
        ("minSessionTimeout", millis(client.min_session_timeout)),
        ("maxSessionTimeout", millis(client.max_session_timeout)),
        (
            "clientPortListenBacklog",
            client.listen_backlog.map_or(-1, i64::from).to_string(),
        ),
    ]
}
