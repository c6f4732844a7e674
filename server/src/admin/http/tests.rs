//! The commands over a real socket, compared with what Apache ZooKeeper 3.9.5 answered to the same questions.

use super::*;
use crate::admin::fixed_view::FixedView;
use crate::admin::view::ServerMode;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(view: FixedView) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let settings = view.config().admin.clone();
        let task = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or(()) };
            serve(listener, Arc::new(view), &settings, shutdown).await
        });
        Self {
            address,
            stop,
            task,
        }
    }

    /// Status, content type and body of the answer to one request on a connection of its own.
    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut response = String::new();
        stream
            .read_to_string(&mut response)
            .await
            .expect("received");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .expect("a status")
            .parse()
            .expect("a number");
        let content_type = head
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "));
        (
            status,
            content_type.unwrap_or_default().to_owned(),
            body.to_owned(),
        )
    }

    async fn get(&self, command: &str) -> String {
        let (status, content_type, body) = self.ask("GET", &format!("/commands/{command}")).await;
        assert_eq!(
            (status, content_type.as_str()),
            (200, "application/json"),
            "{command}"
        );
        body
    }

    async fn stop(self) {
        self.stop.send(()).expect("still serving");
        self.task.await.expect("no panic").expect("no error");
    }
}

/// The keys of an object in the order of the text, and below them those of objects within.
fn keys(body: &str) -> String {
    let keys = body.lines().filter_map(|line| line.split_once(" : "));
    keys.map(|(key, _)| key.trim().trim_matches('"'))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn answers_have_zookeepers_keys_in_order() {
    let server = Server::start(FixedView::new()).await;
    for (command, expected) in [
        (
            "configuration",
            "client_port data_dir data_log_dir tick_time max_client_cnxns min_session_timeout max_session_timeout \
             server_id client_port_listen_backlog command error",
        ),
        ("dirs", "datadir_size logdir_size command error"),
        (
            "initial_configuration",
            "initial_configuration command error",
        ),
        ("is_read_only", "read_only command error"),
        ("last_snapshot", "zxid timestamp command error"),
        ("observers", "synced_observers observers command error"),
        ("ruok", "command error"),
        ("voting_view", "current_config command error"),
        (
            "watch_summary",
            "num_connections num_paths num_total_watches command error",
        ),
        ("zabstate", "voting zabstate command error"),
        ("get_trace_mask", "tracemask command error"),
        (
            "server_stats",
            "version read_only server_stats packets_sent packets_received fsync_threshold_exceed_count \
             client_response_stats last_buffer_size min_buffer_size max_buffer_size provider_null data_dir_size \
             log_dir_size last_processed_zxid outstanding_requests server_state avg_latency max_latency min_latency \
             num_alive_client_connections uptime auth_failed_count non_mtlsremote_conn_count non_mtlslocal_conn_count \
             client_response last_buffer_size min_buffer_size max_buffer_size node_count command error",
        ),
    ] {
        assert_eq!(keys(&server.get(command).await), expected, "{command}");
    }
    server.stop().await;
}

#[tokio::test]
async fn answers_are_pretty_printed_as_jackson_does() {
    let server = Server::start(FixedView::new()).await;
    let hash = "{\n  \"digests\" : [ {\n    \"zxid\" : 128,\n    \"digest\" : 18446744073709551615,\n    \
                \"digest_version\" : 2\n  } ],\n  \"command\" : \"hash\",\n  \"error\" : null\n}";
    assert_eq!(server.get("hash").await, hash);
    let dump = "{\n  \"expiry_time_to_session_ids\" : {\n    \
                \"1795164445000\" : [ 72057691788345344, 72057691788345345 ]\n  },\n  \
                \"session_id_to_ephemeral_paths\" : {\n    \"72057691788345344\" : [ \"/a\", \"/eph\" ]\n  },\n  \
                \"command\" : \"dump\",\n  \"error\" : null\n}";
    assert_eq!(server.get("dump").await, dump);
    let watches = "{\n  \"path_to_session_ids\" : {\n    \"/eph\" : [ 72057691788345344, 72057691788345345 ],\n    \
                   \"/nope\" : [ 72057691788345344 ]\n  },\n  \"command\" : \"watches_by_path\",\n  \
                   \"error\" : null\n}";
    assert_eq!(server.get("wchp").await, watches);
    server.stop().await;
}

#[tokio::test]
async fn connections_are_shown_in_full_and_in_brief() {
    let server = Server::start(FixedView::new()).await;
    let full: Value = serde_json::from_str(&server.get("connections").await).expect("JSON");
    let expected: Value = serde_json::json!({
        "remote_socket_address": "127.0.0.1:60706", "interest_ops": 5, "outstanding_requests": 0,
        "packets_received": 5, "packets_sent": 6, "session_id": 72057691788345344_i64, "last_operation": "GETC",
        "established": 1795164435000_i64, "session_timeout": 10000, "last_cxid": 4, "last_zxid": 332,
        "last_response_time": 1795164435000_i64, "last_latency": 2, "min_latency": 0, "avg_latency": 6,
        "max_latency": 16
    });
    assert_eq!(full["connections"][1], expected);
    assert_eq!(full["secure_connections"], serde_json::json!([]));
    let brief: Value = serde_json::from_str(&server.get("stats").await).expect("JSON");
    let expected: Value = serde_json::json!({
        "remote_socket_address": "10.0.0.1:52140", "interest_ops": 0, "outstanding_requests": 0,
        "packets_received": 1, "packets_sent": 0
    });
    assert_eq!(brief["connections"][0], expected);
    assert_eq!(brief["node_count"], 72);
    server.stop().await;
}

#[tokio::test]
async fn every_listed_command_answers_under_all_its_names() {
    let server = Server::start(FixedView::new()).await;
    let (status, content_type, list) = server.ask("GET", "/commands").await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/html;charset=utf-8")
    );
    assert_eq!(server.ask("GET", "/commands/").await.2, list);
    let listed: Vec<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("<a href=\"/commands/")?.split_once("\">"))
        .map(|(name, _)| name)
        .collect();
    let expected = "configuration connection_stat_reset connections dirs dump environment get_trace_mask hash \
                    initial_configuration is_read_only last_snapshot leader monitor observer_connection_stat_reset \
                    observers restore ruok server_stats set_trace_mask snapshot stat_reset stats system_properties \
                    voting_view watch_summary watches watches_by_path zabstate";
    assert_eq!(listed.join(" "), expected);
    for names in [
        &["configuration", "conf", "config"][..],
        &["connections", "cons"],
        &["environment", "env", "envi"],
        &["monitor", "mntr"],
        &["server_stats", "srvr"],
        &["watches", "wchc"],
        &["system_properties", "sysp"],
    ] {
        for name in names {
            let answer: Value = serde_json::from_str(&server.get(name).await).expect("JSON");
            assert_eq!(answer["command"], names[0]);
            assert_eq!(answer["error"], Value::Null);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn monitor_has_the_names_of_mntr_without_their_prefix() {
    let server = Server::start(FixedView::new()).await;
    let answer: Value = serde_json::from_str(&server.get("monitor").await).expect("JSON");
    assert_eq!(answer["version"], crate::admin::full_version());
    assert_eq!(answer["server_state"], "standalone");
    assert_eq!(answer["znode_count"], 72);
    assert_eq!(answer["avg_latency"], 4.0);
    assert_eq!(answer["p50_readlatency"], 3);
    server.stop().await;
}

/// The answers to `commands`, parsed.
async fn answers<const N: usize>(view: FixedView, commands: [&str; N]) -> [Value; N] {
    let server = Server::start(view).await;
    let mut answers = [const { Value::Null }; N];
    for (answer, command) in answers.iter_mut().zip(commands) {
        *answer = serde_json::from_str(&server.get(command).await).expect("JSON");
    }
    server.stop().await;
    answers
}

#[tokio::test]
async fn a_leader_tells_of_its_ensemble() {
    let view = FixedView::new().in_ensemble(ServerMode::Leader);
    let commands = ["leader", "observers", "monitor", "server_stats"];
    let [leader, observers, monitor, stats] = answers(view, commands).await;
    let expected = serde_json::json!({
        "is_leader": true, "leader_id": 2, "leader_ip": "b", "command": "leader", "error": null
    });
    assert_eq!(leader, expected);
    let expected = serde_json::json!({
        "synced_observers": 1,
        "observers": [{ "remote_socket_address": "10.0.0.4:2888", "sid": 4, "queued_packets": 2 }],
        "command": "observers", "error": null
    });
    assert_eq!(observers, expected);
    assert_eq!(monitor["peer_state"], "leading - broadcast");
    assert_eq!(monitor["learners"], 4);
    assert_eq!(monitor["quorum_size"], 3);
    let unknown = serde_json::json!({
        "last_buffer_size": -1, "min_buffer_size": -1, "max_buffer_size": -1
    });
    assert_eq!(stats["proposal_stats"], unknown);
}

#[tokio::test]
async fn a_follower_tells_of_its_ensemble() {
    let view = FixedView::new().in_ensemble(ServerMode::Follower);
    let commands = ["leader", "observers", "voting_view", "zabstate"];
    let [leader, observers, voting_view, zabstate] = answers(view, commands).await;
    let expected = serde_json::json!({
        "is_leader": false, "leader_id": 1, "leader_ip": "a", "command": "leader", "error": null
    });
    assert_eq!(leader, expected);
    let expected = serde_json::json!({
        "synced_observers": 0, "observers": [], "command": "observers", "error": null
    });
    assert_eq!(observers, expected);
    let expected = serde_json::json!({
        "1": {
            "server_addresses": ["a:2888"], "election_addresses": ["a:3888"],
            "client_address": "10.0.0.1:2181", "learner_type": "participant"
        },
        "2": {
            "server_addresses": ["b:2888"], "election_addresses": ["b:3888"],
            "client_address": "", "learner_type": "participant"
        },
        "3": {
            "server_addresses": ["[fe80::3]:2888", "c:2889"],
            "election_addresses": ["[fe80::3]:3888", "c:3889"],
            "client_address": "", "learner_type": "participant"
        }
    });
    assert_eq!(voting_view["current_config"], expected);
    let expected = serde_json::json!({
        "myid": 2, "is_leader": false, "quorum_address": "b:2888", "election_address": "b:3888",
        "client_address": "0.0.0.0:2181", "voting": true, "last_zxid": "0x14c", "zab_epoch": 0, "zab_counter": 332,
        "zabstate": "broadcast", "command": "zabstate", "error": null
    });
    assert_eq!(zabstate, expected);
}

#[tokio::test]
async fn a_member_shows_the_settings_of_the_ensemble() {
    let server = Server::start(FixedView::new().in_ensemble(ServerMode::Follower)).await;
    let body = server.get("configuration").await;
    assert_eq!(
        keys(&body),
        "client_port data_dir data_log_dir tick_time max_client_cnxns min_session_timeout max_session_timeout \
         server_id client_port_listen_backlog init_limit sync_limit election_alg election_port quorum_port peer_type \
         quorum_address election_address membership command error"
    );
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    for (key, expected) in [
        ("server_id", 2),
        ("init_limit", 10),
        ("sync_limit", 5),
        ("election_alg", 3),
        ("election_port", 3888),
        ("quorum_port", 2888),
        ("peer_type", 0),
    ] {
        assert_eq!(answer[key], expected, "{key}");
    }
    assert_eq!(answer["quorum_address"], "b:2888");
    assert_eq!(answer["election_address"], "b:3888");
    assert_eq!(
        answer["membership"],
        "server.1=a:2888:3888:participant;10.0.0.1:2181\nserver.2=b:2888:3888:participant\n\
         server.3=[fe80::3]:2888:3888|c:2889:3889:participant\nserver.4=d:2888:3888:observer;0.0.0.0:2181\n\
         version=100000000"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_member_without_a_leader_says_so() {
    let view = FixedView::new()
        .in_ensemble(ServerMode::Follower)
        .without_leader();
    let [leader, zabstate, monitor] = answers(view, ["leader", "zabstate", "monitor"]).await;
    assert_eq!(leader["leader_id"], -1);
    assert_eq!(leader["leader_ip"], "");
    assert_eq!(zabstate["zabstate"], "election");
    assert_eq!(monitor["peer_state"], "looking - election");
}

#[tokio::test]
async fn wrong_questions_are_answered_with_an_error_in_the_body() {
    let server = Server::start(FixedView::new()).await;
    let unknown = "{\n  \"command\" : \"nope\",\n  \"error\" : \"Unknown command: nope\"\n}";
    assert_eq!(server.get("nope").await, unknown);
    for (question, error) in [
        ("leader", "server is not initialized"),
        ("stmk", "setTraceMask requires long traceMask argument"),
        (
            "stmk?traceMask=x",
            "setTraceMask requires long traceMask argument, got x",
        ),
    ] {
        let answer: Value = serde_json::from_str(&server.get(question).await).expect("JSON");
        assert_eq!(answer["error"], error);
    }
    assert_eq!(server.ask("GET", "/").await.0, 404);
    assert_eq!(server.ask("POST", "/commands/ruok").await.0, 405);
    server.stop().await;
}

#[tokio::test]
async fn the_trace_mask_can_be_set() {
    let server = Server::start(FixedView::new()).await;
    let expected =
        "{\n  \"tracemask\" : 5,\n  \"command\" : \"set_trace_mask\",\n  \"error\" : null\n}";
    assert_eq!(server.get("stmk?traceMask=5").await, expected);
    assert!(server.get("gtmk").await.contains("\"tracemask\" : 5,"));
    server.stop().await;
}

#[tokio::test]
async fn snapshot_and_restore_are_switched_off() {
    let server = Server::start(FixedView::new()).await;
    for (method, command) in [
        ("GET", "snapshot"),
        ("GET", "snap"),
        ("POST", "restore"),
        ("GET", "rest"),
    ] {
        let (status, _, body) = server.ask(method, &format!("/commands/{command}")).await;
        assert_eq!(status, 503, "{method} {command}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let error = answer["error"].as_str().expect("a text");
        assert!(error.contains("is switched off"), "{error}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_serving_says_so() {
    let server = Server::start(FixedView::new().not_serving()).await;
    let expected = "{\n  \"command\" : \"conf\",\n  \
                    \"error\" : \"This ZooKeeper instance is not currently serving requests\"\n}";
    assert_eq!(server.get("conf").await, expected);
    assert!(server.get("monitor").await.contains("\"error\" : null"));
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_served_beside_the_commands() {
    let server = Server::start(FixedView::new()).await;
    let (status, content_type, body) = server.ask("GET", "/metrics").await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, metrics::CONTENT_TYPE)
    );
    assert!(body.contains("\nznode_count 72"), "{body}");
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_served_alone_on_a_port_of_their_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve_metrics(listener, Arc::new(FixedView::new()), async {
        stopped.await.unwrap_or(());
    }));
    let server = Server {
        address,
        stop,
        task,
    };
    assert_eq!(server.ask("GET", "/metrics").await.0, 200);
    assert_eq!(server.ask("GET", "/commands/ruok").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_dropped() {
    let server = Server::start(FixedView::with_settings(&["admin.idleTimeout=50"])).await;
    let mut silent = TcpStream::connect(server.address).await.expect("connected");
    silent.write_all(b"GET /commands").await.expect("sent");
    let mut received = Vec::new();
    silent
        .read_to_end(&mut received)
        .await
        .expect("closed by the server");
    assert!(received.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn another_path_may_be_chosen() {
    let server = Server::start(FixedView::with_settings(&["admin.commandURL=/zk/"])).await;
    assert_eq!(server.ask("GET", "/zk/ruok").await.0, 200);
    assert!(
        server
            .ask("GET", "/zk")
            .await
            .2
            .contains("<a href=\"/zk/ruok\">ruok</a>")
    );
    assert_eq!(server.ask("GET", "/commands/ruok").await.0, 404);
    server.stop().await;
}
