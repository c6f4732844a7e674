//! Ten thousand connections, and the limit of connections per address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket as Socket2, Type};

use crate::wire::outcome::{Outcome, Stop, ensure, expect, failed};
use crate::wire::raw_client::RawClient;
use crate::wire::request::{get_data, set_data};
use crate::wire::socket::{Connect, Socket};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

use super::abuse;

/// How many connections are open at the same time.
const CONNECTIONS: usize = 10_000;
/// How many of them come from one address; below any sensible `maxClientCnxns`.
const PER_ADDRESS: usize = 40;
/// How many threads open them.
const OPENERS: usize = 8;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    abuse(suite, "connections/10000-sessions-at-once", |case| {
        ten_thousand(case, true)
    });
    abuse(
        suite,
        "connections/10000-sockets-without-a-session",
        |case| ten_thousand(case, false),
    );
    abuse(
        suite,
        "connections/5000-opened-and-closed-one-after-the-other",
        |case| {
            for index in 0..5000 {
                // Not from the address of the honest: its connections are counted until they are seen to have gone.
                drop(connect_from(
                    address(1 + index / PER_ADDRESS),
                    case.target.connect,
                )?);
            }
            Ok(())
        },
    );
    abuse(
        suite,
        "connections/surplus-over-maxClientCnxns-is-closed-without-a-byte",
        surplus,
    );
}

/// An address of the loopback net other than the one that everyone uses.
fn address(index: usize) -> IpAddr {
    let [.., high, low] = index.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 1, high, low.max(1)))
}

/// Connects from a given source address.
fn connect_from(source: IpAddr, to: SocketAddr) -> Outcome<Socket> {
    let socket = Socket2::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    // Without a time-out: with one, a server that closes at once would look like a failed connect.
    socket.connect(&to.into())?;
    Socket::over(TcpStream::from(socket))
}

/// Lets this process have as many files as the system allows it.
fn raise_file_limit(wanted: u64) -> Outcome {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
        .map_err(|error| failed(format!("raising the file limit: {error}")))?;
    match limit.maximum {
        Some(maximum) if maximum < wanted => Err(Stop::Skipped(format!(
            "only {maximum} files may be open here, {wanted} are needed"
        ))),
        _ => Ok(()),
    }
}

fn ten_thousand(case: &Case, with_session: bool) -> Outcome {
    raise_file_limit(CONNECTIONS as u64 + 500)?;
    let opened: Vec<Outcome<Vec<Opened>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..OPENERS)
            .map(|opener| scope.spawn(move || open_share(case, opener, with_session)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(failed("an opener panicked")))
            })
            .collect()
    });
    let mut all = Vec::new();
    for share in opened {
        all.extend(share?);
    }
    expect("connections", all.len(), CONNECTIONS)?;
    // With all of them open, work goes on: for somebody new, and for each of the sessions.
    let mut other = case.client()?;
    for _ in 0..100 {
        other.call(&set_data(&case.root, b"x", -1))?.stat()?;
    }
    for opened in &mut all {
        if let Opened::Session(client) = opened {
            expect(
                "data",
                client
                    .call(&get_data(&case.root, false))?
                    .data_and_stat()?
                    .0,
                Some(b"x".to_vec()),
            )?;
        }
    }
    Ok(())
}

enum Opened {
    Session(Box<RawClient>),
    Silent(#[expect(dead_code, reason = "held open, never used")] Socket),
}

fn open_share(case: &Case, opener: usize, with_session: bool) -> Outcome<Vec<Opened>> {
    let share = CONNECTIONS / OPENERS;
    let mut opened = Vec::with_capacity(share);
    for index in opener * share..(opener + 1) * share {
        let mut socket = connect_from(address(1 + index / PER_ADDRESS), case.target.connect)?;
        opened.push(if with_session {
            let connected = socket.handshake(&Connect {
                timeout_ms: 60_000,
                ..Connect::default()
            })?;
            Opened::Session(Box::new(RawClient::over(socket, connected)))
        } else {
            Opened::Silent(socket)
        });
    }
    Ok(opened)
}

fn surplus(case: &Case) -> Outcome {
    let conf = case.word("conf")?;
    let line = conf
        .lines()
        .find_map(|line| line.strip_prefix("maxClientCnxns="))
        .unwrap_or_default();
    let limit: usize = line
        .parse()
        .map_err(|error| failed(format!("maxClientCnxns={line}: {error}")))?;
    if limit == 0 {
        return Err(Stop::Skipped(
            "this server runs with maxClientCnxns=0".to_owned(),
        ));
    }
    ensure(
        limit < CONNECTIONS,
        format!("a limit below {CONNECTIONS}, got {limit}"),
    )?;
    let source = address(65_000);
    let mut clients = Vec::new();
    for _ in 0..limit {
        let mut socket = connect_from(source, case.target.connect)?;
        let connected = socket.handshake(&Connect::default())?;
        clients.push(RawClient::over(socket, connected));
    }
    for _ in 0..20 {
        connect_from(source, case.target.connect)?.closed()?;
    }
    // Another address is not concerned, and those that were there go on.
    connect_from(address(64_000), case.target.connect)?.handshake(&Connect::default())?;
    for client in &mut clients {
        client.ping()?;
    }
    // When one goes, there is room for one.
    clients.pop().map_or(Ok(()), RawClient::close)?;
    case.until("room for one more", Duration::from_secs(10), || {
        let mut socket = connect_from(source, case.target.connect)?;
        socket.send_if_open(&Connect::default().body().framed());
        Ok(socket.frame_or_end()?.is_some())
    })
}
