//! The client port, and the limits of connections, requests and sessions.

use super::error::ConfigError;
use super::listen::ListenAddress;
use super::membership::MemberLine;
use super::settings::{Base, Settings};
use std::time::Duration;

/// How clients are served. Local to this server.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `clientPort` and `clientPortAddress`: where clients connect.
    pub address: ListenAddress,
    /// `clientPortListenBacklog`: connections the system may hold before they are accepted; none for its default.
    pub listen_backlog: Option<u32>,
    /// `clientTcpKeepAlive`: whether the system probes silent connections.
    pub tcp_keep_alive: bool,
    /// `maxClientCnxns`: connections per client address; none for no limit.
    pub max_client_cnxns: Option<u32>,
    /// `maxCnxns`: connections in all; none for no limit.
    pub max_cnxns: Option<u32>,
    /// `jute.maxbuffer`: bytes of the largest request, its length not counted.
    pub jute_max_buffer: usize,
    /// `minSessionTimeout`: the shortest time-out a client may get.
    pub min_session_timeout: Duration,
    /// `maxSessionTimeout`: the longest time-out a client may get.
    pub max_session_timeout: Duration,
    /// `nio.sessionlessCnxnTimeout`: how long a connection may take for its handshake.
    pub sessionless_timeout: Duration,
    /// `treekeeper.strictReads`: whether every read sees all that was acknowledged anywhere before it came.
    pub strict_reads: bool,
    /// `globalOutstandingLimit`: requests in flight, over all connections, above which reading pauses.
    pub global_outstanding_limit: u32,
    /// `largeRequestThreshold` and `largeRequestMaxBytes`; none for no limit on large requests.
    pub large_requests: Option<LargeRequests>,
}

/// A limit on the bytes of large requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeRequests {
    /// Bytes above which a request is large.
    pub threshold: usize,
    /// Bytes of large requests that may be in flight over all connections; what exceeds it closes its connection.
    pub max_bytes: usize,
}

/// The largest request unless set otherwise, as in every ZooKeeper client.
const JUTE_MAX_BUFFER_DEFAULT: u32 = 0xf_ffff;
const LARGE_REQUEST_MAX_BYTES_DEFAULT: u32 = 100 * 1024 * 1024;

impl ClientSettings {
    pub(super) fn read(
        settings: &Settings,
        tick_time: Duration,
        own: Option<&MemberLine>,
    ) -> Result<Self, ConfigError> {
        let (min_session_timeout, max_session_timeout) = session_timeouts(settings, tick_time)?;
        let jute_max_buffer = settings.number("jute.maxbuffer", 1024, " of bytes")?;
        Ok(Self {
            address: address(settings, own)?,
            listen_backlog: settings.limit("clientPortListenBacklog", 0)?,
            tcp_keep_alive: settings.flag("clientTcpKeepAlive", false)?,
            max_client_cnxns: settings.limit("maxClientCnxns", 60)?,
            max_cnxns: settings.limit("maxCnxns", 0)?,
            jute_max_buffer: jute_max_buffer.map_or(JUTE_MAX_BUFFER_DEFAULT as usize, |bytes| {
                usize::try_from(bytes).expect("1024 to i32::MAX")
            }),
            min_session_timeout,
            max_session_timeout,
            sessionless_timeout: settings
                .millis("nio.sessionlessCnxnTimeout", 1)?
                .unwrap_or(Duration::from_secs(10)),
            strict_reads: settings.flag("treekeeper.strictReads", false)?,
            global_outstanding_limit: settings
                .number("globalOutstandingLimit", 1, "")?
                .map_or(1000, |limit| u32::try_from(limit).expect("1 to i32::MAX")),
            large_requests: LargeRequests::read(settings)?,
        })
    }
}

impl LargeRequests {
    fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let threshold = settings.limit("largeRequestThreshold", 0)?;
        let max_bytes = settings.limit("largeRequestMaxBytes", LARGE_REQUEST_MAX_BYTES_DEFAULT)?;
        Ok(threshold.zip(max_bytes).map(|(threshold, max_bytes)| Self {
            threshold: threshold as usize,
            max_bytes: max_bytes as usize,
        }))
    }
}

/// The client port's address: of `server.N` or of `clientPort`, which must not contradict each other.
fn address(settings: &Settings, own: Option<&MemberLine>) -> Result<ListenAddress, ConfigError> {
    let given = settings.port("clientPort")?;
    if let Some(line) = own
        && let Some(of_member) = line.listen_address()?
    {
        return match given {
            Some(port) if port != of_member.port() => Err(ConfigError::Conflict {
                origin: line.origin.clone(),
                problem: format!(
                    "the client port {} contradicts clientPort={port}: give one of them",
                    of_member.port()
                ),
            }),
            _ => Ok(of_member),
        };
    }
    let (port, default) = match (given, settings.base) {
        (Some(port), Base::ZooKeeper) => (port, ListenAddress::Any { port }),
        (Some(port), Base::Embedded) => (port, ListenAddress::loopback(port)),
        (None, Base::Embedded) => (2181, ListenAddress::loopback(2181)),
        (None, Base::ZooKeeper) => {
            let remedy =
                "clients would have nowhere to connect; add clientPort=2181 to the config file";
            return Err(ConfigError::Missing {
                key: "clientPort",
                remedy,
            });
        }
    };
    ListenAddress::read(settings, "clientPortAddress", port, default)
}

/// The bounds of session time-outs: 2 and 20 ticks unless given; -1 means not given.
fn session_timeouts(
    settings: &Settings,
    tick_time: Duration,
) -> Result<(Duration, Duration), ConfigError> {
    let bound = |key: &str, ticks: u32| -> Result<Duration, ConfigError> {
        let given = settings.number(key, -1, " of milliseconds")?;
        Ok(match given.map(u64::try_from) {
            Some(Ok(millis)) => Duration::from_millis(millis),
            Some(Err(_)) | None => tick_time * ticks,
        })
    };
    let (min, max) = (
        bound("minSessionTimeout", 2)?,
        bound("maxSessionTimeout", 20)?,
    );
    if min <= max {
        return Ok((min, max));
    }
    let setting = settings
        .get("minSessionTimeout")
        .or_else(|| settings.get("maxSessionTimeout"));
    let origin = setting
        .expect("the defaults are in order, so one of them is given")
        .origin
        .clone();
    let problem = format!(
        "minSessionTimeout ({} ms) must not be larger than maxSessionTimeout ({} ms)",
        min.as_millis(),
        max.as_millis()
    );
    Err(ConfigError::Conflict { origin, problem })
}
