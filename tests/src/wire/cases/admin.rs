//! The AdminServer's commands, which say in JSON what the four-letter words say in text.

use serde_json::Value;

use crate::wire::outcome::{Outcome, Stop, ensure, expect, failed};
use crate::wire::suite::Suite;
use crate::wire::target::{Case, Server};

/// Asks the AdminServer and reads its JSON.
fn admin(case: &Case, command: &str) -> Outcome<Value> {
    if !case.has_admin() {
        return Err(Stop::Skipped("TK_ADMIN is not set".to_owned()));
    }
    let (status, body) = case.admin(&format!("/commands/{command}"))?;
    expect("status", status, 200)?;
    serde_json::from_str(&body)
        .map_err(|error| failed(format!("expected JSON, got {error}: {body}")))
}

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (command, name, keys) in [
        ("ruok", "ruok", &[][..]),
        (
            "configuration",
            "configuration",
            &[
                "client_port",
                "data_dir",
                "data_log_dir",
                "tick_time",
                "max_client_cnxns",
                "min_session_timeout",
                "max_session_timeout",
                "server_id",
                "client_port_listen_backlog",
            ],
        ),
        ("conf", "configuration", &["client_port"]),
        ("config", "configuration", &["client_port"]),
        (
            "connections",
            "connections",
            &["connections", "secure_connections"],
        ),
        ("cons", "connections", &["connections"]),
        ("connection_stat_reset", "connection_stat_reset", &[]),
        ("stat_reset", "stat_reset", &[]),
        ("dirs", "dirs", &["datadir_size", "logdir_size"]),
        (
            "dump",
            "dump",
            &[
                "expiry_time_to_session_ids",
                "session_id_to_ephemeral_paths",
            ],
        ),
        (
            "environment",
            "environment",
            &["zookeeper.version", "os.name"],
        ),
        ("get_trace_mask", "get_trace_mask", &["tracemask"]),
        ("hash", "hash", &["digests"]),
        (
            "initial_configuration",
            "initial_configuration",
            &["initial_configuration"],
        ),
        ("is_read_only", "is_read_only", &["read_only"]),
        ("isro", "is_read_only", &["read_only"]),
        ("last_snapshot", "last_snapshot", &["zxid", "timestamp"]),
        (
            "monitor",
            "monitor",
            &[
                "version",
                "server_state",
                "znode_count",
                "watch_count",
                "ephemerals_count",
                "num_alive_connections",
                "outstanding_requests",
                "avg_latency",
                "uptime",
            ],
        ),
        ("mntr", "monitor", &["znode_count"]),
        (
            "server_stats",
            "server_stats",
            &[
                "version",
                "read_only",
                "server_stats",
                "client_response",
                "node_count",
            ],
        ),
        ("srvr", "server_stats", &["server_stats"]),
        (
            "stats",
            "stats",
            &[
                "version",
                "server_stats",
                "connections",
                "secure_connections",
            ],
        ),
        ("stat", "stats", &["server_stats"]),
        ("voting_view", "voting_view", &["current_config"]),
        ("watches", "watches", &["session_id_to_watched_paths"]),
        ("wchc", "watches", &["session_id_to_watched_paths"]),
        (
            "watches_by_path",
            "watches_by_path",
            &["path_to_session_ids"],
        ),
        ("wchp", "watches_by_path", &["path_to_session_ids"]),
        (
            "watch_summary",
            "watch_summary",
            &["num_connections", "num_paths", "num_total_watches"],
        ),
        ("wchs", "watch_summary", &["num_total_watches"]),
    ] {
        suite.case(
            format!("admin/{command}-has-its-fields-and-no-error"),
            move |case| {
                let answer = admin(case, command)?;
                expect(
                    "command, error",
                    (&answer["command"], &answer["error"]),
                    (&Value::from(name), &Value::Null),
                )?;
                ensure(answer.get("error").is_some(), "an `error` of null")?;
                for key in keys {
                    ensure(answer.get(*key).is_some(), format!("{key} in {answer}"))?;
                }
                Ok(())
            },
        );
    }
    suite.case("admin/unknown-command-is-200-with-an-error", |case| {
        let answer = admin(case, "nosuch")?;
        expect(
            "command, error",
            (&answer["command"], &answer["error"]),
            (
                &Value::from("nosuch"),
                &Value::from("Unknown command: nosuch"),
            ),
        )
    });
    suite.case("admin/list-of-commands-is-html-with-links", |case| {
        if !case.has_admin() {
            return Err(Stop::Skipped("TK_ADMIN is not set".to_owned()));
        }
        let (status, body) = case.admin("/commands")?;
        expect("status", status, 200)?;
        ensure(
            body.contains("<a href=\"/commands/server_stats\">server_stats</a>"),
            format!("a link, got {body}"),
        )
    });
    suite.case("admin/configuration-shows-the-values", |case| {
        let answer = admin(case, "configuration")?;
        let port = case.target.connect.port();
        expect("client_port", &answer["client_port"], &Value::from(port))?;
        expect(
            "tick_time, min, max",
            (
                &answer["tick_time"],
                &answer["min_session_timeout"],
                &answer["max_session_timeout"],
            ),
            (&Value::from(500), &Value::from(1000), &Value::from(60_000)),
        )
    });
    suite.case("admin/connections-detail-a-session", |case| {
        let mut client = case.client()?;
        client.ping()?;
        let local = client.socket.stream().local_addr()?.to_string();
        let answer = admin(case, "connections")?;
        let empty = Vec::new();
        let connections = answer["connections"].as_array().unwrap_or(&empty);
        let found = connections.iter().find(|entry| {
            entry["remote_socket_address"]
                .as_str()
                .is_some_and(|address| address.ends_with(&local))
        });
        let entry = found.ok_or_else(|| failed(format!("expected {local} in {answer}")))?;
        expect(
            "session_timeout",
            &entry["session_timeout"],
            &Value::from(30_000),
        )?;
        for key in [
            "interest_ops",
            "outstanding_requests",
            "packets_received",
            "packets_sent",
            "session_id",
            "last_operation",
            "established",
            "last_cxid",
            "last_zxid",
            "last_response_time",
            "last_latency",
            "min_latency",
            "avg_latency",
            "max_latency",
        ] {
            ensure(entry.get(key).is_some(), format!("{key} in {entry}"))?;
        }
        Ok(())
    });
    suite.case("admin/leader-of-a-standalone-server-is-an-error", |case| {
        let answer = admin(case, "leader")?;
        if case.target.server == Server::ZooKeeper {
            return expect(
                "error",
                &answer["error"],
                &Value::from("server is not initialized"),
            );
        }
        expect("error", answer["error"].is_string(), true)
    });
}
