//! A server that wants to join this one's ensemble asks on the client port: the only address that its operator knows.
//!
//! In place of a handshake it sends "join", the length of what follows, and a [`Request`] as JSON; the answer is a
//! [`Reply`] as JSON and the end. It learns who the members are and which N it may have; the leader admits it, over a
//! peer link (`consensus`). A server that stands alone has no such links: it writes down how it is reached, and starts
//! again as an ensemble of one.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::config::{ClientEnd, ListenAddress, Member, MemberRole, PeerAddress, Remembered};
use crate::publish::Node;

/// What a connection of a server that wants to join begins with.
pub const JOIN: [u8; 4] = *b"join";
/// Bytes of a request, far more than a token and numbers take.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Bytes of a reply: the lines of the largest ensemble, with long names.
pub const REPLY_BYTES_MAX: usize = 256 << 10;
/// How long a request and its answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Numbers that were promised to servers and may not be members yet. An older promise is forgotten: whoever has it and
/// comes too late is told so by the leader, and asks again.
const PROMISED_MAX: usize = 32;

/// The port at which the others reach a server that was given none, and how many are tried on the loopback address,
/// where several servers may be.
const PEER_PORT: u16 = 2888;
const PEER_PORTS_TRIED: u16 = 100;

/// What a server that wants to join says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The ensemble that it belongs to; 0 if to none.
    pub cluster_id: u64,
    /// Its node id; 0 before its data folder has one.
    pub node_id: u64,
    /// Chosen by its process, so that asking again gives the same N.
    pub ticket: u64,
    /// The N of the member whose place it is to take.
    pub replace: Option<u8>,
    /// The join token.
    pub token: Option<String>,
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It cannot join, for this reason.
    Refused(String),
    /// It is to ask again in a moment.
    Wait(String),
    /// It may.
    Welcome {
        /// The ensemble.
        cluster_id: u64,
        /// Its N.
        my_id: u8,
        /// The lines of the members.
        members: Vec<String>,
    },
}

/// What a server keeps about those who want to join it.
#[derive(Debug, Default)]
pub struct Joins {
    /// Tickets and the N that they were promised, the oldest first.
    promised: Mutex<VecDeque<(u64, u8)>>,
    /// Is it written down that this server, which stands alone, becomes an ensemble? Several may ask for it at once.
    is_written: Mutex<bool>,
    /// This server has to start again, as an ensemble.
    pub becomes_ensemble: Notify,
}

impl Joins {
    /// An N that no member has, and nobody else was promised.
    fn promise(&self, ticket: u64, taken: &[u8]) -> Option<u8> {
        let mut promised = self.promised.lock();
        let known = promised.iter().find(|(known, _)| *known == ticket);
        if let Some((_, id)) = known.filter(|(_, id)| !taken.contains(id)) {
            return Some(*id);
        }
        let is_free = |id: &u8| {
            let is_promised = promised.iter().any(|(_, other)| other == id);
            !is_promised && !taken.contains(id)
        };
        let id = (1..=u8::MAX).find(is_free)?;
        if promised.len() >= PROMISED_MAX {
            promised.pop_front();
        }
        promised.push_back((ticket, id));
        Some(id)
    }
}

/// Reads the rest of the request and answers it.
pub(super) async fn serve(
    node: &Node,
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
    (peer, local): (SocketAddr, SocketAddr),
    rest: Bytes,
) -> io::Result<()> {
    let work = async {
        let mut reader = AsyncReadExt::chain(&rest[..], &mut *socket);
        let len = usize::try_from(reader.read_u32().await?).unwrap_or(usize::MAX);
        if len > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; len];
        reader.read_exact(&mut bytes).await?;
        let request: Request = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        let reply = answer(node, peer.ip().to_canonical(), local, &request);
        if let Reply::Refused(reason) = &reply {
            tracing::warn!(%peer, %reason, "refused a server that wants to join");
        }
        let reply = serde_json::to_vec(&reply).map_err(io::Error::other)?;
        socket.write_all(&reply).await?;
        socket.shutdown().await
    };
    tokio::time::timeout(TIMEOUT, work)
        .await
        .map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?
}

fn answer(node: &Node, peer: IpAddr, local: SocketAddr, request: &Request) -> Reply {
    let rule = &node.config.join.rule;
    if let Err(reason) = rule.check(request.token.as_deref(), peer.is_loopback()) {
        return Reply::Refused(reason);
    }
    let cluster_id = node.state.read().meta.cluster_id;
    if request.cluster_id != 0 && cluster_id != 0 && request.cluster_id != cluster_id {
        return Reply::Refused(format!(
            "the data folder belongs to ensemble {:016x}, and this server to ensemble {cluster_id:016x}: give another \
             address to --join, or, if the data is not needed, empty the folder and start again",
            request.cluster_id
        ));
    }
    let Some(consensus) = node.consensus.get() else {
        return Reply::Wait("it is starting".to_owned());
    };
    let Some(ensemble) = &node.config.ensemble else {
        let mut is_written = node.joins.is_written.lock();
        if !*is_written {
            if let Err(error) = become_ensemble(node, local.ip().to_canonical(), cluster_id) {
                return Reply::Refused(format!("it cannot become an ensemble: {error}"));
            }
            *is_written = true;
            node.joins.becomes_ensemble.notify_one();
        }
        return Reply::Wait("it becomes an ensemble".to_owned());
    };
    let status = consensus.status();
    let known = status.members.iter();
    let known: Option<Vec<_>> = known
        .map(|known| Some((known.node_id, Member::with_vote(&known.line, known.votes)?)))
        .collect();
    let Some(known) = known.filter(|known| !known.is_empty()) else {
        return Reply::Wait("its members do not know yet how it is reached".to_owned());
    };
    let mut taken: Vec<u8> = known.iter().map(|(_, member)| member.id).collect();
    let own = known.iter().find(|(node, _)| *node == request.node_id);
    let my_id = match (own, request.replace) {
        (Some((_, member)), _) => member.id,
        (None, Some(id)) if taken.contains(&id) => id,
        (None, Some(id)) => {
            return Reply::Refused(format!(
                "--join-replace {id}: there is no server {id}; look at `treekeeper member list`"
            ));
        }
        (None, None) => {
            // A server of the config may come yet.
            taken.extend(ensemble.members.keys());
            match node.joins.promise(request.ticket, &taken) {
                Some(id) => id,
                None => return Reply::Refused("every number from 1 to 255 is taken".to_owned()),
            }
        }
    };
    Reply::Welcome {
        cluster_id,
        my_id,
        members: known.iter().map(|(_, member)| member.line()).collect(),
    }
}

/// Writes down how this server, which stands alone, is reached: at the address by which the first one that joins it
/// came, unless it was told another.
fn become_ensemble(node: &Node, reached_at: IpAddr, cluster_id: u64) -> io::Result<()> {
    let join = &node.config.join;
    let own = match &join.own_line {
        Some(line) => line.clone(),
        None => {
            let address = match &join.peer_address {
                Some((host, port)) => peer_address(host.clone(), *port),
                None => free_peer_address(reached_at)?,
            };
            member_line(
                1,
                address,
                MemberRole::Participant,
                node.config.client.address,
            )
        }
    };
    let remembered = Remembered {
        my_id: own.id,
        members: vec![own.line()],
        cluster_id,
        admitted: true,
        replaces: false,
        token: join.rule.token().map(str::to_owned),
    };
    tracing::info!(line = %own.line(), "another server joins: becoming an ensemble");
    remembered.write(&node.config.storage.data_folder())
}

/// The line of a server whose clients connect to `client`.
#[must_use]
pub fn member_line(
    id: u8,
    address: PeerAddress,
    role: MemberRole,
    client: ListenAddress,
) -> Member {
    let host = match client {
        ListenAddress::Any { .. } => None,
        ListenAddress::At(address) => Some(address.ip().to_string()),
    };
    Member {
        id,
        addresses: vec![address],
        role,
        client: Some(ClientEnd {
            host,
            port: client.port(),
        }),
    }
}

/// A peer address with ZooKeeper's distance between its two ports; the second is not used.
#[must_use]
pub fn peer_address(host: String, quorum_port: u16) -> PeerAddress {
    PeerAddress {
        host,
        quorum_port,
        election_port: quorum_port.checked_add(1000).unwrap_or(quorum_port),
    }
}

/// The peer address of a server that was given none. On the loopback address the next port that is free.
///
/// # Errors
/// When the port is taken.
pub fn free_peer_address(ip: IpAddr) -> io::Result<PeerAddress> {
    let tried = if ip.is_loopback() {
        PEER_PORTS_TRIED
    } else {
        1
    };
    let mut taken = None;
    for port in PEER_PORT..PEER_PORT + tried {
        match TcpListener::bind((ip, port)) {
            Ok(_free) => return Ok(peer_address(ip.to_string(), port)),
            Err(error) => taken = Some(error),
        }
    }
    let error = taken.unwrap_or_else(|| io::ErrorKind::AddrInUse.into());
    Err(io::Error::new(
        error.kind(),
        format!(
            "no port at {ip} for the other members, {PEER_PORT} is taken: give --peer-address ({error})"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_join_get_two_numbers_and_keep_them() {
        let joins = Joins::default();
        assert_eq!(joins.promise(7, &[1, 3]), Some(2));
        assert_eq!(joins.promise(8, &[1, 3]), Some(4));
        assert_eq!(joins.promise(7, &[1, 3]), Some(2), "asked again");
        assert_eq!(
            joins.promise(7, &[1, 2, 3]),
            Some(5),
            "somebody else has it now"
        );
        for ticket in 100..200 {
            assert!(joins.promise(ticket, &[1]).is_some());
        }
        assert!(joins.promised.lock().len() <= PROMISED_MAX);
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(joins.promise(9, &all), None);
    }

    #[test]
    fn a_line_says_where_members_and_clients_come() {
        let address = peer_address("::1".to_owned(), 2889);
        let client = ListenAddress::At("127.0.0.1:2182".parse().unwrap());
        let line = member_line(2, address, MemberRole::Observer, client).line();
        assert_eq!(line, "server.2=[::1]:2889:3889:observer;127.0.0.1:2182");
        let member = Member::parse_line(&line).unwrap();
        assert!(member.is_local());
        let address = peer_address("h".to_owned(), 65000);
        let any = ListenAddress::Any { port: 2181 };
        let member = member_line(3, address, MemberRole::Participant, any);
        assert_eq!(
            member.line(),
            "server.3=h:65000:65000:participant;0.0.0.0:2181"
        );
        assert!(!member.is_local());
        assert_eq!(
            Member::parse_line(&member.line()),
            Some(Member {
                client: Some(ClientEnd {
                    host: Some("0.0.0.0".to_owned()),
                    port: 2181
                }),
                ..member
            })
        );
    }
}
