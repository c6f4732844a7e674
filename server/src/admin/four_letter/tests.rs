//! The exact text of every word, in the shapes recorded from Apache ZooKeeper 3.9.5.

use super::*;
use crate::admin::fixed_view::FixedView;
use std::sync::atomic::Ordering;

fn ask(word: FourLetterWord, view: &FixedView) -> String {
    answer(word, [0; 8], view)
}

fn version() -> String {
    crate::admin::full_version()
}

#[test]
fn the_version_sniffs_as_three_nine_five() {
    let text = ask(FourLetterWord::Srvr, &FixedView::new());
    let version = text
        .strip_prefix("Zookeeper version: ")
        .expect("the prefix");
    assert_eq!(version.split(['-', ',']).next(), Some("3.9.5"));
    assert!(
        version
            .lines()
            .next()
            .expect("a line")
            .contains(", built on ")
    );
}

#[test]
fn ruok_is_answered_without_a_newline_even_when_not_serving() {
    let view = FixedView::new().not_serving();
    assert_eq!(ask(FourLetterWord::Ruok, &view), "imok");
}

#[test]
fn isro_tells_the_three_states() {
    assert_eq!(ask(FourLetterWord::Isro, &FixedView::new()), "rw");
    let read_only = FixedView::new().in_mode(ServerMode::ReadOnly);
    assert_eq!(ask(FourLetterWord::Isro, &read_only), "ro");
    let down = FixedView::new().not_serving();
    assert_eq!(ask(FourLetterWord::Isro, &down), "null");
}

const BODY: &str = "Latency min/avg/max: 1/4.0/8\n\
                    Received: 3\n\
                    Sent: 4\n\
                    Connections: 2\n\
                    Outstanding: 0\n\
                    Zxid: 0x14c\n\
                    Mode: standalone\n\
                    Node count: 72\n";

#[test]
fn srvr() {
    let expected = format!("Zookeeper version: {}\n{BODY}", version());
    assert_eq!(ask(FourLetterWord::Srvr, &FixedView::new()), expected);
}

#[test]
fn srvr_says_when_it_only_reads_and_when_it_leads() {
    let view = FixedView::new().in_mode(ServerMode::ReadOnly);
    let text = ask(FourLetterWord::Srvr, &view);
    assert_eq!(
        text.lines().nth(1),
        Some("READ-ONLY mode; serving only read-only clients")
    );
    assert!(text.contains("\nMode: read-only\n"), "{text}");
    let view = FixedView::new().in_mode(ServerMode::Leader);
    let text = ask(FourLetterWord::Srvr, &view);
    assert!(
        text.ends_with("Node count: 72\nProposal sizes last/min/max: -1/-1/-1\n"),
        "{text}"
    );
}

#[test]
fn stat() {
    let clients = "Clients:\n \
                   /10.0.0.1:52140[0](queued=0,recved=1,sent=0)\n \
                   /127.0.0.1:60706[5](queued=0,recved=5,sent=6)\n\n";
    let expected = format!("Zookeeper version: {}\n{clients}{BODY}", version());
    assert_eq!(ask(FourLetterWord::Stat, &FixedView::new()), expected);
}

#[test]
fn cons() {
    let expected = " /10.0.0.1:52140[0](queued=0,recved=1,sent=0)\n \
                    /127.0.0.1:60706[5](queued=0,recved=5,sent=6,sid=0x1000016c2610000,lop=GETC,\
                    est=1795164435000,to=10000,lcxid=0x4,lzxid=0x14c,lresp=1795164435000,llat=2,minlat=0,\
                    avglat=6,maxlat=16)\n\n";
    assert_eq!(ask(FourLetterWord::Cons, &FixedView::new()), expected);
}

#[test]
fn conf() {
    let view = FixedView::with_settings(&[
        "4lw.commands.whitelist=conf",
        "dataLogDir=/log",
        "tickTime=500",
    ]);
    let expected = "clientPort=2181\n\
                    secureClientPort=-1\n\
                    dataDir=/data/treekeeper-1\n\
                    dataDirSize=4096\n\
                    dataLogDir=/log/treekeeper-1\n\
                    dataLogSize=67109358\n\
                    tickTime=500\n\
                    maxClientCnxns=60\n\
                    minSessionTimeout=1000\n\
                    maxSessionTimeout=10000\n\
                    clientPortListenBacklog=-1\n\
                    serverId=0\n";
    assert_eq!(ask(FourLetterWord::Conf, &view), expected);
}

#[test]
fn conf_of_a_member_ends_with_the_membership() {
    let view = FixedView::new().in_ensemble(ServerMode::Follower);
    let expected = "clientPortListenBacklog=-1\n\
                    serverId=2\n\
                    initLimit=10\n\
                    syncLimit=5\n\
                    electionAlg=3\n\
                    electionPort=3888\n\
                    quorumPort=2888\n\
                    peerType=0\n\
                    membership: \n\
                    server.1=a:2888:3888:participant;10.0.0.1:2181\n\
                    server.2=b:2888:3888:participant\n\
                    server.3=[fe80::3]:2888:3888|c:2889:3889:participant\n\
                    server.4=d:2888:3888:observer;0.0.0.0:2181\n\
                    version=100000000";
    let text = ask(FourLetterWord::Conf, &view);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn envi_has_zookeepers_keys_in_order() {
    let text = ask(FourLetterWord::Envi, &FixedView::new());
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Environment:"));
    let keys: Vec<_> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key)
        .collect();
    let expected = "zookeeper.version host.name java.version java.vendor java.home java.class.path java.library.path \
                    java.io.tmpdir java.compiler os.name os.arch os.version user.name user.home user.dir \
                    os.memory.free os.memory.max os.memory.total";
    assert_eq!(keys.join(" "), expected);
    assert!(
        text.contains(&format!("zookeeper.version={}\n", version())),
        "{text}"
    );
}

#[test]
fn dump() {
    let expected = "SessionTracker dump:\n\
                    Session Sets (1)/(2):\n\
                    2 expire at Fri Nov 20 08:47:25 UTC 2026:\n\
                    \t0x1000016c2610000\n\
                    \t0x1000016c2610001\n\
                    ephemeral nodes dump:\n\
                    Sessions with Ephemerals (1):\n\
                    0x1000016c2610000:\n\
                    \t/a\n\
                    \t/eph\n\
                    Connections dump:\n\
                    Connections Sets (1)/(2):\n\
                    2 expire at Fri Nov 20 08:47:25 UTC 2026:\n\
                    \tip: /10.0.0.1:52140 sessionId: 0x0\n\
                    \tip: /127.0.0.1:60706 sessionId: 0x1000016c2610000\n";
    assert_eq!(ask(FourLetterWord::Dump, &FixedView::new()), expected);
    let local = "SessionTracker dump:\n\
                 Local Session Sets (1)/(1):\n\
                 1 expire at Fri Nov 20 08:47:35 UTC 2026:\n\
                 \t0x40400016c2610000\n\
                 Global Session Sets (1)/(2):\n";
    let with_local = expected.replace("SessionTracker dump:\nSession Sets (1)/(2):\n", local);
    let view = FixedView::new().allowing_local_sessions();
    assert_eq!(ask(FourLetterWord::Dump, &view), with_local);
}

#[test]
fn sessions_of_this_server_alone_are_counted_apart() {
    let view = FixedView::new().allowing_local_sessions();
    let text = ask(FourLetterWord::Mntr, &view);
    for line in ["zk_global_sessions\t1\n", "zk_local_sessions\t1\n"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn dump_of_a_follower_has_time_outs_and_no_ends() {
    for mode in [ServerMode::Follower, ServerMode::Observer] {
        let text = ask(FourLetterWord::Dump, &FixedView::new().in_ensemble(mode));
        let begin = "SessionTracker dump:\n\
                     Global Sessions(2):\n\
                     0x1000016c2610000\t4000ms\n\
                     0x1000016c2610001\t4000ms\n\
                     ephemeral nodes dump:\n";
        assert!(text.starts_with(begin), "{text}");
    }
}

#[test]
fn watches_in_three_ways() {
    let view = FixedView::new();
    let summary = "2 connections watching 2 paths\nTotal watches:3\n";
    assert_eq!(ask(FourLetterWord::Wchs, &view), summary);
    let by_session = "0x1000016c2610000\n\t/eph\n\t/nope\n0x1000016c2610001\n\t/eph\n\n";
    assert_eq!(ask(FourLetterWord::Wchc, &view), by_session);
    let by_path = "/eph\n\t0x1000016c2610000\n\t0x1000016c2610001\n/nope\n\t0x1000016c2610000\n\n";
    assert_eq!(ask(FourLetterWord::Wchp, &view), by_path);
}

#[test]
fn dirs_and_hash() {
    let view = FixedView::new();
    assert_eq!(
        ask(FourLetterWord::Dirs, &view),
        "datadir_size: 4096\nlogdir_size: 67109358\n"
    );
    assert_eq!(
        ask(FourLetterWord::Hash, &view),
        "80: 18446744073709551615\n"
    );
}

#[test]
fn the_trace_mask_is_kept() {
    let view = FixedView::new();
    assert_eq!(ask(FourLetterWord::Gtmk, &view), "306");
    assert_eq!(
        answer(FourLetterWord::Stmk, 7_i64.to_be_bytes(), &view),
        "7"
    );
    assert_eq!(ask(FourLetterWord::Gtmk, &view), "7");
}

#[test]
fn resets_reset() {
    let view = FixedView::new();
    assert_eq!(
        ask(FourLetterWord::Crst, &view),
        "Connection stats reset.\n"
    );
    assert_eq!(view.connection_resets.load(Ordering::Relaxed), 1);
    assert_eq!(view.metrics().traffic.totals().packets_received, 3);
    assert_eq!(ask(FourLetterWord::Srst, &view), "Server stats reset.\n");
    assert_eq!(view.metrics().traffic.totals(), Default::default());
    let text = ask(FourLetterWord::Srvr, &view);
    assert!(
        text.contains("Latency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 0\n"),
        "{text}"
    );
}

#[test]
fn mntr_begins_with_version_and_state_and_parses_line_by_line() {
    let text = ask(FourLetterWord::Mntr, &FixedView::new());
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_once('\t').expect("a tab"))
        .collect();
    assert_eq!(lines[0], ("zk_version", version().as_str()));
    assert_eq!(lines[1], ("zk_server_state", "standalone"));
    let value = |key: &str| {
        lines
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    };
    for (key, expected) in [
        ("zk_avg_latency", "4.0"),
        ("zk_min_latency", "1"),
        ("zk_max_latency", "8"),
        ("zk_packets_received", "3"),
        ("zk_packets_sent", "4"),
        ("zk_bytes_received_count", "120"),
        ("zk_response_bytes", "192"),
        ("zk_min_client_response_size", "16"),
        ("zk_max_client_response_size", "128"),
        ("zk_num_alive_connections", "2"),
        ("zk_outstanding_requests", "0"),
        ("zk_uptime", "78172"),
        ("zk_znode_count", "72"),
        ("zk_watch_count", "3"),
        ("zk_ephemerals_count", "1"),
        ("zk_approximate_data_size", "49"),
        ("zk_global_sessions", "1"),
        ("zk_connection_drop_probability", "0.0"),
        ("zk_commit_count", "7"),
        ("zk_cnt_node_created_watch_count", "1"),
        ("zk_sum_node_created_watch_count", "2"),
        ("zk_avg_readlatency", "4.0"),
        ("zk_cnt_readlatency", "3"),
        ("zk_rules_version", "1"),
        ("zk_rules_version_of_all", "2"),
        ("zk_sum_readlatency", "12"),
        ("zk_p50_readlatency", "3"),
        ("zk_p999_readlatency", "8"),
        ("zk_p95_updatelatency", "0"),
    ] {
        assert_eq!(value(key), Some(expected), "{key}");
    }
    for key in [
        "zk_open_file_descriptor_count",
        "zk_max_file_descriptor_count",
    ] {
        assert!(
            value(key).is_some_and(|count| count.parse::<u64>().is_ok()),
            "{key}"
        );
    }
    let mut names: Vec<_> = lines.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), lines.len(), "a name is given twice");
}

/// What `mntr` shows of a key.
fn monitored(view: &FixedView, key: &str) -> Option<String> {
    let text = ask(FourLetterWord::Mntr, view);
    let values = text
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    let values: Vec<_> = values.map(str::to_owned).collect();
    assert!(values.len() <= 1, "{key} is given twice");
    values.into_iter().next()
}

const OF_A_LEADER: [(&str, &str); 7] = [
    ("zk_learners", "4"),
    ("zk_followers", "4"),
    ("zk_synced_followers", "1"),
    ("zk_synced_non_voting_followers", "1"),
    ("zk_synced_observers", "1"),
    ("zk_pending_syncs", "3"),
    ("zk_leader_uptime", "5000"),
];

#[test]
fn mntr_of_a_leader_tells_of_its_followers() {
    let view = FixedView::new().in_ensemble(ServerMode::Leader);
    let text = ask(FourLetterWord::Mntr, &view);
    let begin = format!(
        "zk_version\t{}\nzk_server_state\tleader\nzk_peer_state\tleading - broadcast\n",
        version()
    );
    assert!(text.starts_with(&begin), "{text}");
    let of_a_member = [("zk_quorum_size", "3"), ("zk_looking_count", "4")];
    for (key, expected) in of_a_member.into_iter().chain(OF_A_LEADER) {
        assert_eq!(monitored(&view, key).as_deref(), Some(expected), "{key}");
    }
}

#[test]
fn mntr_of_a_follower_tells_of_itself() {
    for (mode, state) in [
        (ServerMode::Follower, "following - broadcast"),
        (ServerMode::Observer, "observing - broadcast"),
    ] {
        let view = FixedView::new().in_ensemble(mode);
        assert_eq!(monitored(&view, "zk_peer_state").as_deref(), Some(state));
        assert_eq!(monitored(&view, "zk_quorum_size").as_deref(), Some("3"));
        for (key, _) in OF_A_LEADER {
            assert_eq!(monitored(&view, key), None, "{key}");
        }
    }
    let view = FixedView::new()
        .in_ensemble(ServerMode::Follower)
        .without_leader();
    assert_eq!(
        monitored(&view, "zk_peer_state").as_deref(),
        Some("looking - election")
    );
    let alone = FixedView::new();
    for key in ["zk_peer_state", "zk_quorum_size", "zk_looking_count"] {
        assert_eq!(monitored(&alone, key), None, "{key}");
    }
}

#[test]
fn srvr_of_a_follower_has_no_proposals() {
    let view = FixedView::new().in_ensemble(ServerMode::Follower);
    let text = ask(FourLetterWord::Srvr, &view);
    assert!(text.ends_with("Mode: follower\nNode count: 72\n"), "{text}");
    let view = FixedView::new().in_ensemble(ServerMode::Leader);
    let text = ask(FourLetterWord::Stat, &view);
    assert!(
        text.ends_with("Mode: leader\nNode count: 72\nProposal sizes last/min/max: -1/-1/-1\n"),
        "{text}"
    );
}

#[test]
fn only_whitelisted_words_are_answered() {
    let view = FixedView::with_settings(&[]);
    assert!(ask(FourLetterWord::Srvr, &view).starts_with("Zookeeper version: "));
    for &word in FourLetterWord::ALL
        .iter()
        .filter(|word| **word != FourLetterWord::Srvr)
    {
        let refusal = format!(
            "{} is not executed because it is not in the whitelist.\n",
            word.name()
        );
        assert_eq!(ask(word, &view), refusal);
    }
}

#[test]
fn words_that_need_a_serving_server_say_so() {
    let view = FixedView::new().not_serving();
    let unneeding = ["ruok", "isro", "envi", "gtmk", "stmk", "telnet close"];
    for &word in FourLetterWord::ALL
        .iter()
        .filter(|word| !unneeding.contains(&word.name()))
    {
        let text = "This ZooKeeper instance is not currently serving requests\n";
        assert_eq!(ask(word, &view), text, "{}", word.name());
    }
    assert!(ask(FourLetterWord::Envi, &view).starts_with("Environment:\n"));
}
