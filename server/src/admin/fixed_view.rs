//! A server that never changes, for tests of what is shown of it.

use super::metrics::{Metrics, TrafficCounts};
use super::trace_mask::TraceMask;
use super::view::{
    ConnectionInfo, ConnectionSession, DigestInfo, EnsembleInfo, FollowerInfo, ServerInfo,
    ServerMode, SessionInfo, SnapshotInfo, View, WatchSummary, WatchedPaths,
};
use crate::config::{Config, Ensemble, Flags, Member};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) struct FixedView {
    config: Config,
    metrics: Metrics,
    trace_mask: TraceMask,
    serving: bool,
    mode: ServerMode,
    ensemble: Option<EnsembleInfo>,
    pub(super) connection_resets: AtomicU32,
}

impl FixedView {
    /// A standalone server with two connections and one session, which answers every four-letter word.
    pub(super) fn new() -> Self {
        Self::with_settings(&["4lw.commands.whitelist=*"])
    }

    pub(super) fn with_settings(settings: &[&str]) -> Self {
        let mut set = vec!["dataDir=/data", "clientPort=2181"];
        set.extend(settings);
        let flags = Flags {
            set: set.into_iter().map(str::to_owned).collect(),
            ..Flags::default()
        };
        let (mut config, _) = Config::load(&flags).expect("the settings are right");
        config.initial_configuration = "clientPort=2181\n".to_owned();
        let metrics = Metrics::new();
        let mut traffic = TrafficCounts::default();
        for millis in [1, 3, 8] {
            traffic.request_received(40);
            traffic.response_sent(millis * 16);
            metrics
                .readlatency
                .record(Duration::from_millis(millis as u64));
        }
        traffic.event_sent();
        metrics.traffic.add(&mut traffic);
        metrics.commit_count.add(7);
        metrics.node_created_watch_count.record(2);
        Self {
            config,
            metrics,
            trace_mask: TraceMask::default(),
            serving: true,
            mode: ServerMode::Standalone,
            ensemble: None,
            connection_resets: AtomicU32::new(0),
        }
    }
}

impl FixedView {
    pub(super) fn not_serving(self) -> Self {
        Self {
            serving: false,
            ..self
        }
    }

    pub(super) fn in_mode(self, mode: ServerMode) -> Self {
        Self { mode, ..self }
    }

    /// Server 2 of an ensemble of three voters and an observer, with server 1 leading unless this one does.
    pub(super) fn in_ensemble(mut self, mode: ServerMode) -> Self {
        self.config.ensemble = Some(Ensemble {
            my_id: 2,
            members: MEMBERS
                .lines()
                .filter_map(Member::parse_line)
                .map(|member| (member.id, member))
                .collect(),
            init_limit: self.config.tick_time * 10,
            sync_limit: self.config.tick_time * 5,
            reconfig_enabled: false,
            leader_serves: true,
        });
        let follower = |id, address: &str, voter, lag| FollowerInfo {
            id,
            address: address.to_owned(),
            voter,
            // The fifth has caught up and is about to vote.
            observer: !voter && id != 5,
            lag,
            synced: lag < 10,
        };
        let leads = mode == ServerMode::Leader;
        self.ensemble = Some(EnsembleInfo {
            my_id: 2,
            leader_id: Some(if leads { 2 } else { 1 }),
            term: 7,
            quorum_size: 3,
            config_text: format!("{MEMBERS}version=100000000"),
            elections: 4,
            followers: if leads {
                vec![
                    follower(1, "10.0.0.1:2888", true, 0),
                    follower(3, "[fe80::3]:2888", true, 40),
                    follower(4, "10.0.0.4:2888", false, 2),
                    follower(5, "10.0.0.5:2888", false, 1),
                ]
            } else {
                Vec::new()
            },
            leader_uptime: leads.then_some(Duration::from_secs(5)),
            pending_syncs: 3,
        });
        self.in_mode(mode)
    }

    /// One, if the settings allow any.
    fn local_sessions(&self) -> Vec<SessionInfo> {
        let session = SessionInfo {
            id: LOCAL_SESSION,
            is_local: true,
            expires_at: moment() + Duration::from_secs(20),
            timeout: Duration::from_secs(10),
            ephemerals: Vec::new(),
        };
        Vec::from_iter(self.config.sessions.local.then_some(session))
    }

    pub(super) fn allowing_local_sessions(mut self) -> Self {
        self.config.sessions.local = true;
        self
    }

    pub(super) fn without_leader(mut self) -> Self {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.leader_id = None;
        }
        self
    }
}

const MEMBERS: &str = "server.1=a:2888:3888:participant;10.0.0.1:2181\n\
                       server.2=b:2888:3888:participant\n\
                       server.3=[fe80::3]:2888:3888|c:2889:3889:participant\n\
                       server.4=d:2888:3888:observer;0.0.0.0:2181\n";

/// A moment that reads well: Fri Nov 20 08:47:15 UTC 2026.
fn moment() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_164_435_000)
}

const SESSION: i64 = 0x100_0016_c261_0000;
const LOCAL_SESSION: i64 = 0x4040_0016_c261_0000;

impl View for FixedView {
    fn is_serving(&self) -> bool {
        self.serving
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn trace_mask(&self) -> &TraceMask {
        &self.trace_mask
    }

    fn server(&self) -> ServerInfo {
        ServerInfo {
            mode: self.mode,
            last_zxid: 0x14c,
            uptime: Duration::from_millis(78_172),
            client_port: 2181,
            connection_count: 2,
            session_count: 1,
            local_session_count: self.local_sessions().len(),
            outstanding_requests: 0,
            node_count: 72,
            watch_count: 3,
            ephemeral_count: 1,
            approximate_data_size: 49,
            rules: 1,
            rules_of_all: Some(2),
        }
    }

    fn ensemble(&self) -> Option<EnsembleInfo> {
        self.ensemble.clone()
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let sessionless = ConnectionInfo {
            remote: "[::ffff:10.0.0.1]:52140".parse().expect("an address"),
            reading: false,
            writing: false,
            outstanding_requests: 0,
            packets_received: 1,
            packets_sent: 0,
            established: moment(),
            session: None,
        };
        let session = ConnectionSession {
            id: SESSION,
            timeout: Duration::from_secs(10),
            last_operation: 8,
            last_cxid: 4,
            last_zxid: 0x14c,
            last_response: Some(moment()),
            latency_last: Duration::from_micros(2900),
            latency_min: Duration::ZERO,
            latency_average: Duration::from_millis(6),
            latency_max: Duration::from_millis(16),
        };
        let client = ConnectionInfo {
            remote: "127.0.0.1:60706".parse().expect("an address"),
            reading: true,
            writing: true,
            packets_received: 5,
            packets_sent: 6,
            session: Some(session),
            ..sessionless.clone()
        };
        vec![sessionless, client]
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        let ephemerals = vec!["/a".to_owned(), "/eph".to_owned()];
        let expires_at = moment() + Duration::from_secs(10);
        let owner = SessionInfo {
            id: SESSION,
            is_local: false,
            expires_at,
            timeout: Duration::from_secs(4),
            ephemerals,
        };
        let other = SessionInfo {
            id: SESSION + 1,
            is_local: false,
            expires_at,
            timeout: Duration::from_secs(4),
            ephemerals: Vec::new(),
        };
        let mut sessions = vec![owner, other];
        sessions.extend(self.local_sessions());
        sessions
    }

    fn watches(&self) -> Vec<WatchedPaths> {
        let watched = |session_id, paths: &[&str]| WatchedPaths {
            session_id,
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        vec![
            watched(SESSION, &["/eph", "/nope"]),
            watched(SESSION + 1, &["/eph"]),
        ]
    }

    fn watch_summary(&self) -> WatchSummary {
        WatchSummary {
            connections: 2,
            paths: 2,
            watches: 3,
        }
    }

    fn digests(&self) -> Vec<DigestInfo> {
        vec![DigestInfo {
            zxid: 0x80,
            digest: u64::MAX,
            version: 2,
        }]
    }

    fn last_snapshot(&self) -> Option<SnapshotInfo> {
        Some(SnapshotInfo {
            zxid: 0x100,
            written: moment(),
        })
    }

    fn reset_connection_stats(&self) {
        self.connection_resets.fetch_add(1, Ordering::Relaxed);
    }

    fn data_dir_size(&self) -> u64 {
        4096
    }

    fn log_dir_size(&self) -> u64 {
        67_109_358
    }
}
