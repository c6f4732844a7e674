//! `status`: every server of the ensemble, as it describes itself (`srvr`, and `mntr` where that is allowed).

use super::address::Address;
use super::error::CliError;
use super::membership::Membership;
use super::output::{Output, table};
use super::{Options, SESSION_TIMEOUT};
use clap::Args;
use futures::future::join_all;
use serde_json::{Value, json};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long finding a server, and then its answer, may take at most.
const ANSWER_TIMEOUT_MAX: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read at most.
const ANSWER_LEN_MAX: u64 = 64 * 1024;

/// Prints what each server does: those that --server names, and the other members.
#[derive(Debug, Args)]
pub struct Status {}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leader,
    Follower,
    Observer,
    Standalone,
    ReadOnly,
    /// It runs, but serves nobody: it has no leader.
    NotServing,
    /// It does not answer `srvr`, which it may not.
    Silent,
    Unreachable,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Standalone => "standalone",
            Self::ReadOnly => "read-only",
            Self::NotServing => "not serving",
            Self::Silent => "silent about itself",
            Self::Unreachable => "unreachable",
        }
    }

    const fn serves(self) -> bool {
        matches!(
            self,
            Self::Leader | Self::Follower | Self::Observer | Self::Standalone
        )
    }
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    role: Role,
    zxid: Option<i64>,
    znodes: Option<u64>,
    connections: Option<u64>,
    latency: Option<Latency>,
    rules: Option<Rules>,
}

/// Versions of the rules of apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    used: u16,
    /// The newest that all members support, if the server knows it.
    of_all: Option<u16>,
}

impl Rules {
    /// From the answer to `mntr`; none where that is not allowed, or the server is not a treekeeper.
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut values = text
                .lines()
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
            values.next()?.trim().parse().ok()
        };
        Some(Self {
            used: field("zk_rules_version")?,
            of_all: field("zk_rules_version_of_all"),
        })
    }

    /// The version in use; with what all support, where they wait for nothing but being raised or held back.
    fn text(self) -> String {
        match self.of_all {
            Some(of_all) if of_all != self.used => format!("{} (all support {of_all})", self.used),
            _ => self.used.to_string(),
        }
    }
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latency {
    average: f64,
    max: u64,
}

impl Answer {
    const fn nothing(role: Role) -> Self {
        Self {
            role,
            zxid: None,
            znodes: None,
            connections: None,
            latency: None,
            rules: None,
        }
    }

    /// The answer to `srvr`.
    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::trim)
        };
        let role = match field("Mode") {
            Some("leader") => Role::Leader,
            Some("follower") => Role::Follower,
            Some("observer") => Role::Observer,
            Some("standalone") => Role::Standalone,
            Some("read-only") => Role::ReadOnly,
            None if text.contains("not currently serving") => Role::NotServing,
            _ => Role::Silent,
        };
        Self {
            role,
            zxid: field("Zxid")
                .and_then(|zxid| i64::from_str_radix(zxid.strip_prefix("0x")?, 16).ok()),
            znodes: field("Node count").and_then(|count| count.parse().ok()),
            connections: field("Connections").and_then(|count| count.parse().ok()),
            latency: field("Latency min/avg/max").and_then(Latency::parse),
            rules: None,
        }
    }
}

impl Latency {
    /// `min/average/max`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').skip(1);
        Some(Self {
            average: parts.next()?.parse().ok()?,
            max: parts.next()?.parse().ok()?,
        })
    }
}

/// A server that was asked.
#[derive(Clone, Debug)]
struct Server {
    address: String,
    /// Where it was found, or else where it was looked for.
    found_at: Vec<SocketAddr>,
    answer: Answer,
}

impl Server {
    fn row(&self) -> Vec<String> {
        let Answer {
            role,
            zxid,
            znodes,
            connections,
            latency,
            rules,
        } = &self.answer;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            self.address.clone(),
            role.as_str().to_owned(),
            or_dash(zxid.map(|zxid| format!("{zxid:#x}"))),
            or_dash(znodes.map(|count| count.to_string())),
            or_dash(connections.map(|count| count.to_string())),
            or_dash(latency.map(|Latency { average, max }| format!("{average}/{max}"))),
            or_dash(rules.map(Rules::text)),
        ]
    }

    fn json(&self) -> Value {
        let answer = &self.answer;
        json!({
            "address": self.address,
            "role": answer.role.as_str(),
            "zxid": answer.zxid,
            "znodes": answer.znodes,
            "connections": answer.connections,
            "latencyAvgMs": answer.latency.map(|latency| latency.average),
            "latencyMaxMs": answer.latency.map(|latency| latency.max),
            "rules": answer.rules.map(|rules| rules.used),
            "rulesOfAll": answer.rules.and_then(|rules| rules.of_all),
        })
    }

    /// Whether another name leads to this server, too.
    fn is_at(&self, addresses: &[SocketAddr]) -> bool {
        let mut found_at = self.found_at.iter();
        found_at.any(|mine| addresses.iter().any(|other| is_same(*mine, *other)))
    }
}

/// All servers in a few words, and whether all is well.
struct Summary {
    leader: Option<String>,
    is_well: bool,
    text: String,
}

impl Summary {
    fn of(servers: &[Server]) -> Self {
        let with = |role: Role| {
            let servers = servers.iter();
            servers
                .filter(move |server| server.answer.role == role)
                .map(|server| server.address.as_str())
                .collect::<Vec<_>>()
        };
        let (leaders, alone) = (with(Role::Leader), with(Role::Standalone));
        let troubles: Vec<_> = servers
            .iter()
            .filter(|server| !server.answer.role.serves())
            .map(|server| format!("{} is {}", server.address, server.answer.role.as_str()))
            .collect();
        let count = match servers.len() {
            1 => "1 server".to_owned(),
            several => format!("{several} servers"),
        };
        let head = match (&leaders[..], &alone[..]) {
            ([leader], []) => format!("{count}, led by {leader}"),
            ([], [_, ..]) if alone.len() == servers.len() => format!("{count}, standalone"),
            ([], []) if troubles.len() == servers.len() => "no leader".to_owned(),
            ([], []) => "no leader among those that were asked".to_owned(),
            _ => format!(
                "{count} that do not belong together: leaders {}; standalone {}",
                listed(&leaders),
                listed(&alone)
            ),
        };
        let is_headed = !leaders.is_empty() || !alone.is_empty();
        let text = match (troubles.is_empty(), is_headed) {
            (true, true) if servers.len() == 1 => format!("{head}; it serves"),
            (true, true) => format!("{head}; all serve"),
            (true, false) => head,
            (false, true) => format!("{head}; {}", troubles.join(", ")),
            (false, false) => format!("{head}: {}", troubles.join(", ")),
        };
        Self {
            is_well: troubles.is_empty()
                && (leaders.len() == 1 && alone.is_empty()
                    || leaders.is_empty() && alone.len() == servers.len()),
            leader: leaders.first().map(|leader| (*leader).to_owned()),
            text,
        }
    }
}

fn listed(addresses: &[&str]) -> String {
    if addresses.is_empty() {
        "none".to_owned()
    } else {
        addresses.join(", ")
    }
}

/// Asks all servers and prints what they say.
///
/// # Errors
/// When the connect string is wrong, nothing can be printed, or not all is well.
pub(super) async fn run(options: &Options) -> Result<(), CliError> {
    let limit = options.limit(false).min(ANSWER_TIMEOUT_MAX);
    let named = options.servers()?;
    let mut servers = join_all(named.into_iter().map(|address| async move {
        let found_at = resolve(&address, limit).await;
        ask(&address, found_at, limit).await
    }))
    .await;
    let others = others(options, &servers, limit).await;
    servers.extend(others);

    let summary = Summary::of(&servers);
    print(&Output::new(options.json), &servers, &summary)?;
    if summary.is_well {
        Ok(())
    } else {
        Err(CliError::NotWell)
    }
}

fn print(output: &Output, servers: &[Server], summary: &Summary) -> io::Result<()> {
    let heading = [
        "address",
        "role",
        "zxid",
        "znodes",
        "connections",
        "latency avg/max ms",
        "rules",
    ];
    let rows: Vec<_> = servers.iter().map(Server::row).collect();
    let mut lines = table(&heading, &rows);
    lines.push(summary.text.clone());
    output.lines(&lines, || {
        let servers: Vec<Value> = servers.iter().map(Server::json).collect();
        json!({
            "servers": servers,
            "leader": summary.leader,
            "ok": summary.is_well,
            "summary": summary.text,
        })
    })
}

/// The members that were not asked yet, with their answers; none if nobody can name them.
async fn others(options: &Options, asked: &[Server], limit: Duration) -> Vec<Server> {
    let knows = |server: &&Server| {
        let role = server.answer.role;
        role.serves() && role != Role::Standalone
    };
    let mut members = Vec::new();
    for server in asked.iter().filter(knows) {
        if let Some(membership) = membership(options, &server.address, limit).await {
            members = membership.client_addresses();
            break;
        }
    }
    let looks = join_all(members.into_iter().map(|address| async move {
        let found_at = resolve(&address, limit).await;
        let is_known = asked
            .iter()
            .any(|server| server.address == address.to_string() || server.is_at(&found_at));
        if is_known {
            None
        } else {
            Some(ask(&address, found_at, limit).await)
        }
    }));
    looks.await.into_iter().flatten().collect()
}

/// The members that a server knows of.
async fn membership(options: &Options, address: &str, limit: Duration) -> Option<Membership> {
    let client = options.builder(limit, SESSION_TIMEOUT).connect(address);
    let client = client.await.ok()?;
    let read = timeout(limit, Membership::read(&client)).await;
    // A session that cannot be closed in time ends by itself.
    let closed = timeout(limit, client.close()).await;
    tracing::debug!(?closed, "session closed");
    read.ok()?.ok()
}

async fn resolve(address: &Address, limit: Duration) -> Vec<SocketAddr> {
    let found = timeout(limit, lookup_host((address.host.as_str(), address.port))).await;
    match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

async fn ask(address: &Address, addresses: Vec<SocketAddr>, limit: Duration) -> Server {
    let said = timeout(limit, word(&addresses, b"srvr")).await;
    let (found_at, answer) = match said {
        Ok(Ok((at, text))) => {
            let mut answer = Answer::parse(&text);
            if let Ok(Ok((_, text))) = timeout(limit, word(&[at], b"mntr")).await {
                answer.rules = Rules::parse(&text);
            }
            (vec![at], answer)
        }
        Ok(Err(_)) | Err(_) => (addresses, Answer::nothing(Role::Unreachable)),
    };
    Server {
        address: address.to_string(),
        found_at,
        answer,
    }
}

/// The answer to a four-letter word, and which of the addresses it came from.
async fn word(addresses: &[SocketAddr], word: &[u8; 4]) -> io::Result<(SocketAddr, String)> {
    let mut stream = TcpStream::connect(addresses).await?;
    let at = stream.peer_addr()?;
    stream.write_all(word).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer).await?;
    Ok((at, String::from_utf8_lossy(&answer).into_owned()))
}

/// Whether both addresses lead to the same server: to the same port, and to this machine by two names if not by one.
fn is_same(a: SocketAddr, b: SocketAddr) -> bool {
    let is_loopback = (a.ip().is_loopback(), b.ip().is_loopback());
    a == b
        || a.port() == b.port()
            && match is_loopback {
                (true, true) => a.is_ipv4() != b.is_ipv4(),
                (true, false) => is_of_this_machine(b),
                (false, true) => is_of_this_machine(a),
                (false, false) => false,
            }
}

/// Only an address of this machine can be bound to.
fn is_of_this_machine(address: SocketAddr) -> bool {
    UdpSocket::bind((address.ip(), 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, role: Role) -> Server {
        Server {
            address: address.to_owned(),
            found_at: Vec::new(),
            answer: Answer::nothing(role),
        }
    }

    fn summary(servers: &[(&str, Role)]) -> (bool, String) {
        let servers: Vec<_> = servers
            .iter()
            .map(|(address, role)| server(address, *role))
            .collect();
        let summary = Summary::of(&servers);
        (summary.is_well, summary.text)
    }

    #[test]
    fn srvr_is_read() {
        let text = "Zookeeper version: 3.9\nLatency min/avg/max: 0/0.25/17\nReceived: 5\nSent: 4\n\
            Connections: 3\nOutstanding: 0\nZxid: 0x10000000a\nMode: follower\nNode count: 8\n";
        assert_eq!(
            Answer::parse(text),
            Answer {
                role: Role::Follower,
                zxid: Some(0x1_0000_000A),
                znodes: Some(8),
                connections: Some(3),
                latency: Some(Latency {
                    average: 0.25,
                    max: 17
                }),
                rules: None,
            }
        );
    }

    #[test]
    fn what_does_not_serve_is_told_apart() {
        for (text, role) in [
            (
                "This ZooKeeper instance is not currently serving requests\n",
                Role::NotServing,
            ),
            (
                "srvr is not executed because it is not in the whitelist.\n",
                Role::Silent,
            ),
            ("", Role::Silent),
        ] {
            assert_eq!(Answer::parse(text), Answer::nothing(role), "{text:?}");
        }
    }

    #[test]
    fn all_is_well_when_one_leads_and_all_serve() {
        use Role::{Follower, Leader, NotServing, Observer, Standalone, Unreachable};
        for (servers, is_well, text) in [
            (
                &[("a:1", Follower), ("b:1", Leader), ("c:1", Observer)][..],
                true,
                "3 servers, led by b:1; all serve",
            ),
            (
                &[("a:1", Standalone)],
                true,
                "1 server, standalone; it serves",
            ),
            (
                &[("a:1", Leader), ("b:1", Follower), ("c:1", Unreachable)],
                false,
                "3 servers, led by a:1; c:1 is unreachable",
            ),
            (
                &[("a:1", NotServing), ("b:1", Unreachable)],
                false,
                "no leader: a:1 is not serving, b:1 is unreachable",
            ),
            (
                &[("a:1", Follower)],
                false,
                "no leader among those that were asked",
            ),
            (
                &[("a:1", Leader), ("b:1", Standalone)],
                false,
                "2 servers that do not belong together: leaders a:1; standalone b:1; all serve",
            ),
        ] {
            assert_eq!(summary(servers), (is_well, text.to_owned()));
        }
    }

    #[test]
    fn rows_have_dashes_for_what_is_unknown() {
        assert_eq!(
            server("a:1", Role::Unreachable).row(),
            ["a:1", "unreachable", "-", "-", "-", "-", "-"]
        );
    }

    #[test]
    fn the_rules_are_read_from_mntr() {
        let text = "zk_znode_count\t5\nzk_rules_version\t1\nzk_rules_version_of_all\t2\n";
        let rules = Rules::parse(text).expect("they are there");
        assert_eq!((rules.used, rules.of_all), (1, Some(2)));
        assert_eq!(rules.text(), "1 (all support 2)");
        let rules = Rules::parse("zk_rules_version\t2\n").expect("they are there");
        assert_eq!((rules.text().as_str(), rules.of_all), ("2", None));
        assert_eq!(
            Rules::parse("mntr is not executed because it is not in the whitelist.\n"),
            None
        );
    }

    #[test]
    fn a_server_has_several_names() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        assert!(is_same(at("10.0.0.1:2181"), at("10.0.0.1:2181")));
        assert!(is_same(at("127.0.0.1:2181"), at("[::1]:2181")));
        assert!(!is_same(at("127.0.0.1:2181"), at("127.0.0.1:2182")));
        assert!(!is_same(at("127.0.0.1:2181"), at("127.0.0.2:2181")));
        // Of documentation, and of no machine.
        assert!(!is_same(at("127.0.0.1:2181"), at("192.0.2.1:2181")));
    }
}
