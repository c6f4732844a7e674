//! How a member runs.

use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::proposal::OnRefused;
use super::rules::Replicated;
use crate::config::{JoinRule, Member, MemberRole};
use crate::log::{Disk, LogOptions, RealDisk};
use crate::peer::Tls;

/// A member of the config, as consensus knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMember {
    /// Its line, kept with the ensemble's members.
    pub line: String,
    /// Where it is reached.
    pub addresses: Vec<(String, u16)>,
    /// Has it a vote?
    pub votes: bool,
}

impl PeerMember {
    /// The member of a `server.N` line.
    #[must_use]
    pub fn of(member: &Member) -> PeerMember {
        let addresses = member.addresses.iter();
        PeerMember {
            line: member.line(),
            addresses: addresses
                .map(|address| (address.host.clone(), address.quorum_port))
                .collect(),
            votes: member.role == MemberRole::Participant,
        }
    }
}

/// Checks a command that another member forwarded, and stamps it with this member's clock; none if it is no command.
pub type CheckForwarded = Arc<dyn Fn(Bytes) -> Option<Bytes> + Send + Sync>;

/// Receives what a member (by its N) reports to this one, its leader, and answers. None if it is no report.
pub type OnReport = Arc<dyn Fn(u8, &Bytes) -> Option<Bytes> + Send + Sync>;

/// How a member came that has joined without lines in the configs of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// In place of the member with the same N, whose data is lost.
    pub replaces: bool,
}

/// How a member of an ensemble reaches the others.
#[derive(Clone)]
pub struct PeerOptions {
    /// This member's N.
    pub my_id: u8,
    /// The ensemble that its data belongs to; 0 if it has none. Asked when the log is replayed.
    pub cluster_id: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// All members of the config by N, this one among them.
    pub members: BTreeMap<u8, PeerMember>,
    /// Where the others reach this one.
    pub listener: Arc<TcpListener>,
    /// TLS of the links; none without.
    pub tls: Option<Arc<Tls>>,
    /// Are members changed by reconfig alone? Otherwise the `server.N` lines say who votes.
    pub reconfig_enabled: bool,
    /// Who may join without a line in the config.
    pub join_rule: JoinRule,
    /// How this member came without lines; none for one of the lines.
    pub joined: Option<Joined>,
    /// Checks forwarded commands.
    pub check_forwarded: CheckForwarded,
    /// Receives reports.
    pub on_report: OnReport,
    /// What the replicated state says of the rules and the members.
    pub replicated: Arc<dyn Replicated>,
}

/// Settings of one member.
#[derive(Clone)]
pub struct Options {
    /// The log's folder, which belongs to this process alone.
    pub dir: PathBuf,
    /// The other members; none for a server alone.
    pub peers: Option<PeerOptions>,
    /// How often a leader is heard without news.
    pub heartbeat: Duration,
    /// A member that heard no leader for a random time of at least this stands for election.
    pub election_timeout_min: Duration,
    /// And of at most this, which is also how long a leader's lease lasts.
    pub election_timeout_max: Duration,
    /// Segment files and memory of the log.
    pub log: LogOptions,
    /// Bytes of log files kept below what the state machine has flushed, for members that are behind.
    pub log_kept_bytes: u64,
    /// Bytes of proposals handed over and not applied yet.
    pub in_flight_bytes_max: u32,
    /// Receives proposals that were not placed.
    pub on_refused: OnRefused,
    /// The disk under the log.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// The defaults, for a log in the folder.
    pub fn new(dir: impl Into<PathBuf>, on_refused: OnRefused) -> Options {
        Options {
            dir: dir.into(),
            peers: None,
            heartbeat: Duration::from_millis(40),
            election_timeout_min: Duration::from_millis(100),
            election_timeout_max: Duration::from_millis(150),
            log: LogOptions::default(),
            log_kept_bytes: 64 << 20,
            in_flight_bytes_max: 64 << 20,
            on_refused,
            disk: Arc::new(RealDisk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("dir", &self.dir)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
