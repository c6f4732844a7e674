//! `conf`: the settings that ZooKeeper shows, in its order.

use crate::admin::view::View;
use std::time::Duration;

pub(super) fn conf(view: &dyn View) -> Vec<(&'static str, String)> {
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
        ("serverId", "0".to_owned()),
    ]
}
