//! The commands over a real socket, compared with what Apache ZooKeeper 3.9.5 answered to the same questions.

use super::*;
use crate::admin::fixed_view::FixedView;
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
