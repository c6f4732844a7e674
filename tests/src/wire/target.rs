//! The server under test: its addresses and its kind from the environment, and a root znode per case.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::outcome::{Outcome, expect, failed};
use super::raw_client::RawClient;
use super::socket::{Connect, Socket};

/// Which server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Treekeeper,
    ZooKeeper,
}

/// The mode of a server without an ensemble.
const ALONE: &str = "standalone";

/// How long a server may be out of reach before a case begins.
const SERVES_WITHIN: Duration = Duration::from_secs(10);

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) connect: SocketAddr,
    pub(crate) server: Server,
    /// The server's part, as `srvr` tells it.
    pub(crate) mode: String,
    control: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Target {
    /// Reads `TK_CONNECT`, `TK_SERVER`, `TK_MODE`, `TK_CONTROL` and `TK_ADMIN`.
    pub(crate) fn from_env() -> Result<Self, String> {
        let address = |name: &str| match std::env::var(name) {
            Err(_) => Ok(None),
            Ok(text) => text
                .parse()
                .map(Some)
                .map_err(|error| format!("{name}={text}: {error}")),
        };
        let server = match std::env::var("TK_SERVER").as_deref() {
            Ok("zookeeper") => Server::ZooKeeper,
            Ok("treekeeper") | Err(_) => Server::Treekeeper,
            Ok(other) => {
                return Err(format!(
                    "TK_SERVER={other}: expected treekeeper or zookeeper"
                ));
            }
        };
        Ok(Self {
            connect: address("TK_CONNECT")?.ok_or("TK_CONNECT is not set")?,
            server,
            mode: std::env::var("TK_MODE").unwrap_or_else(|_| ALONE.to_owned()),
            control: address("TK_CONTROL")?,
            admin: address("TK_ADMIN")?,
        })
    }
}

/// What a case works with: the server and a root of its own.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) target: Target,
    /// The case's own znode, present when the case starts.
    pub(crate) root: String,
}

impl Case {
    /// Makes the root znode. What an earlier case did to the server may last a moment longer than that case.
    pub(crate) fn new(target: &Target, name: &str) -> Outcome<Self> {
        let case = Self {
            target: target.clone(),
            root: format!("/{}-{}", name.replace('/', "-"), std::process::id()),
        };
        let mut opened = None;
        case.until("a session", SERVES_WITHIN, || {
            opened = RawClient::open(target.connect).ok();
            Ok(opened.is_some())
        })?;
        if let Some(mut client) = opened {
            client.make(&case.root, b"", 0)?;
        }
        Ok(case)
    }

    /// A path below the root.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }

    /// What to expect where treekeeper differs on purpose.
    pub(crate) fn on<T>(&self, zookeeper: T, treekeeper: T) -> T {
        match self.target.server {
            Server::ZooKeeper => zookeeper,
            Server::Treekeeper => treekeeper,
        }
    }

    /// Whether the server has no ensemble.
    pub(crate) fn is_alone(&self) -> bool {
        self.target.mode == ALONE
    }

    /// A socket without a session.
    #[track_caller]
    pub(crate) fn socket(&self) -> Outcome<Socket> {
        Socket::connect(self.target.connect)
    }

    /// A client with a session of 30 s.
    #[track_caller]
    pub(crate) fn client(&self) -> Outcome<RawClient> {
        RawClient::open(self.target.connect)
    }

    /// A client with this handshake.
    #[track_caller]
    pub(crate) fn client_with(&self, connect: &Connect) -> Outcome<RawClient> {
        RawClient::open_with(self.target.connect, connect)
    }

    /// A client with a session of `timeout_ms`.
    #[track_caller]
    pub(crate) fn client_for(&self, timeout_ms: i32) -> Outcome<RawClient> {
        self.client_with(&Connect {
            timeout_ms,
            ..Connect::default()
        })
    }

    /// Sends a four-letter word and gives the whole answer.
    #[track_caller]
    pub(crate) fn word(&self, word: &str) -> Outcome<String> {
        let mut socket = self.socket()?;
        socket.send(word.as_bytes())?;
        socket.text()
    }

    /// Has the runner do `command` to the server: `kill`, `stop`, `start`, `pause` or `resume`.
    #[track_caller]
    pub(crate) fn control(&self, command: &str) -> Outcome {
        let address = self
            .target
            .control
            .ok_or_else(|| failed("TK_CONTROL is not set"))?;
        let mut stream = TcpStream::connect(address)?;
        writeln!(stream, "{command}")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        expect("answer of the control port", answer.trim(), "done")
    }

    /// Whether the AdminServer's address is known.
    pub(crate) fn has_admin(&self) -> bool {
        self.target.admin.is_some()
    }

    /// A connection to the AdminServer.
    #[track_caller]
    pub(crate) fn admin_socket(&self) -> Outcome<Socket> {
        Socket::connect(
            self.target
                .admin
                .ok_or_else(|| failed("TK_ADMIN is not set"))?,
        )
    }

    /// GETs a path of the AdminServer: the status and the body.
    #[track_caller]
    pub(crate) fn admin(&self, path: &str) -> Outcome<(u16, String)> {
        let mut socket = self.admin_socket()?;
        socket.send(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let answer = socket.text()?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| failed("expected an HTTP answer"))?;
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        Ok((
            status.ok_or_else(|| failed(format!("expected an HTTP status, got {head}")))?,
            body.to_owned(),
        ))
    }

    /// Asks again until `holds` says yes; fails after `limit`.
    #[track_caller]
    pub(crate) fn until(
        &self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut() -> Outcome<bool>,
    ) -> Outcome {
        let deadline = Instant::now() + limit;
        while !holds()? {
            if Instant::now() > deadline {
                return Err(failed(format!("expected {what} within {limit:?}")));
            }
            crate::wire::pace::pace(Duration::from_millis(20));
        }
        Ok(())
    }
}
