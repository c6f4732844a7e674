//! The load generator: ZooKeeper's protocol over raw connections, as lean as it can be, so that the server is what is
//! measured.
//!
//! In: the address of a server and a plan. Out: a [`Measured`]. One task per connection, frames encoded beforehand with
//! their xid patched in, one write and one read call per wake-up. Not here: which plans there are (`scenario`), who serves
//! (`server`).

pub mod client;
pub mod closed_loop;
pub mod connection;
pub mod crowd;
pub mod fan_out;
pub mod frame;
pub mod in_turn;
pub mod numbered;
pub mod open_loop;
pub mod recorder;
pub mod replies;
pub mod requests;
pub mod roaming;
pub mod steady;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use treekeeper_protocol::ErrorCode;

use crate::load::recorder::Recorder;
use crate::usage::Usage;

/// The server under load: where it listens and which process it is.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where clients connect.
    pub address: SocketAddr,
    /// The server's process, whose CPU time and memory are counted.
    pub pid: u32,
    /// The device that holds its data, whose writes are counted.
    pub device: u64,
}

/// What one run of load says.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Requests answered without an error while measuring.
    pub requests: u64,
    /// Requests answered with an error while measuring; any at all makes the run worthless.
    pub errors: u64,
    /// How long was measured.
    pub seconds: f64,
    /// How long requests waited for their answer.
    pub latency: Latency,
    /// The longest time, in ms, in which no connection at all was answered.
    pub longest_silence_ms: f64,
    /// CPU time of the server per request, in µs.
    pub server_cpu_us: f64,
    /// Bytes written to the server's disk per request, by everybody; see [`Usage::disk_bytes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<f64>,
    /// Bytes per request that the kernel charged the server for; see [`Usage::charged_bytes`].
    pub charged_bytes: f64,
    /// CPU time of this load generator per second, 1.0 being one core: near its thread count it is the bottleneck.
    pub load_cores: f64,
    /// How late requests at a fixed rate left, compared with their intended time, in µs at the 99th percentile: the
    /// generator's own error. Already part of their latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_late_p99_us: Option<f64>,
}

impl Measured {
    /// Puts together what was seen in `elapsed` and what it cost.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub(crate) fn new(
        recorder: &Recorder,
        longest_silence_ms: f64,
        elapsed: Duration,
        usage: Usage,
    ) -> Self {
        let requests = recorder.answers();
        let each = requests.max(1) as f64;
        Self {
            requests,
            errors: recorder.errors,
            seconds: elapsed.as_secs_f64(),
            latency: recorder.latency(),
            longest_silence_ms,
            server_cpu_us: usage.server_cpu.as_secs_f64() * 1e6 / each,
            disk_bytes: usage.disk_bytes.map(|bytes| bytes as f64 / each),
            charged_bytes: usage.charged_bytes as f64 / each,
            load_cores: usage.load_cpu.as_secs_f64() / elapsed.as_secs_f64(),
            sent_late_p99_us: None,
        }
    }

    /// Requests per second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of requests stays far below 2^52"
    )]
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// Percentiles in µs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the requests waited at most this long.
    pub p50_us: f64,
    /// 99 in 100.
    pub p99_us: f64,
    /// 999 in 1000.
    pub p999_us: f64,
    /// All of them.
    pub max_us: f64,
}

/// Why a run of load ended early.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A socket failed.
    #[error("connection to the server: {0}")]
    Io(#[from] io::Error),
    /// The server sent bytes that are no reply.
    #[error("unreadable reply: {0}")]
    Unreadable(String),
    /// The server refused a session.
    #[error("the server refused the session")]
    SessionRefused,
    /// Replies out of order, or to a request that was never sent.
    #[error("expected the reply to xid {expected}, got xid {got}")]
    WrongXid {
        /// The oldest request without a reply.
        expected: i32,
        /// What came.
        got: i32,
    },
    /// The server refused a request that has to work.
    #[error("{request} failed: {code}")]
    Refused {
        /// What was asked.
        request: String,
        /// What was answered.
        code: ErrorCode,
    },
    /// A write that was acknowledged is not there.
    #[error("an acknowledged write is lost: {0}")]
    Lost(String),
}
