//! A network of proxies: for every ordered pair of members a listener that passes bytes on to the second.
//!
//! What travels from one member to another can be dropped, which TCP makes a silence that ends with the fault: nothing
//! is accepted, nothing is passed on, connections stay. It can be reset, or delayed.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::network::Flow;

/// Bytes passed on at once.
const CHUNK_LEN: usize = 64 * 1024;

/// All ways between the members; dropping it opens nothing and closes nothing: its tasks end with the runtime.
#[derive(Debug, Default)]
pub struct Proxies {
    flows: BTreeMap<(usize, usize), watch::Sender<Flow>>,
    ports: BTreeMap<(usize, usize), u16>,
}

impl Proxies {
    /// Ways between members with these quorum ports.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(quorum_ports: &BTreeMap<usize, u16>) -> io::Result<Self> {
        let pairs: Vec<_> = quorum_ports
            .keys()
            .flat_map(|from| quorum_ports.keys().map(|to| (*from, *to)))
            .filter(|(from, to)| from != to)
            .collect();
        let flows: BTreeMap<_, _> = pairs
            .iter()
            .map(|pair| (*pair, watch::Sender::new(Flow::Open)))
            .collect();
        let mut ports = BTreeMap::new();
        for (from, to) in pairs {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.insert((from, to), listener.local_addr()?.port());
            let target = (Ipv4Addr::LOCALHOST, quorum_ports[&to]).into();
            let there = flows[&(from, to)].subscribe();
            let back = flows[&(to, from)].subscribe();
            tokio::spawn(accept(listener, target, there, back));
        }
        Ok(Self { flows, ports })
    }

    /// Where the first member reaches the second; none before there are proxies.
    #[must_use]
    pub fn port(&self, from: usize, to: usize) -> Option<u16> {
        self.ports.get(&(from, to)).copied()
    }

    /// Changes what happens to what the first member sends to the second.
    pub fn set(&self, from: usize, to: usize, flow: Flow) {
        if let Some(way) = self.flows.get(&(from, to)) {
            way.send_replace(flow);
        }
    }

    /// Everything arrives again.
    pub fn heal(&self) {
        for flow in self.flows.values() {
            flow.send_replace(Flow::Open);
        }
    }
}

type FlowReceiver = watch::Receiver<Flow>;

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    mut there: FlowReceiver,
    mut back: FlowReceiver,
) {
    loop {
        // A handshake needs both directions.
        if passable(&mut there).await.is_none() || passable(&mut back).await.is_none() {
            return;
        }
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(connection(client, target, there.clone(), back.clone()));
    }
}

/// Waits while bytes are dropped; how they go on then, and none when the network is gone.
async fn passable(flow: &mut FlowReceiver) -> Option<Flow> {
    let found = flow.wait_for(|flow| *flow != Flow::Dropped).await;
    found.ok().map(|flow| *flow)
}

async fn until_reset(mut flow: FlowReceiver) {
    // An error says that the network is gone.
    let _ = flow.wait_for(|flow| *flow == Flow::Reset).await;
}

async fn connection(
    mut client: TcpStream,
    target: SocketAddr,
    there: FlowReceiver,
    back: FlowReceiver,
) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        reset(&client);
        return;
    };
    // Errors say that the connection is gone, which the pumps find as well.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let is_reset = {
        let (client_reader, client_writer) = client.split();
        let (server_reader, server_writer) = server.split();
        let pumps = async {
            tokio::try_join!(
                pump(client_reader, server_writer, there.clone()),
                pump(server_reader, client_writer, back.clone())
            )
        };
        tokio::select! {
            ended = pumps => ended.is_err(),
            () = until_reset(there.clone()) => true,
            () = until_reset(back.clone()) => true,
        }
    };
    if is_reset {
        reset(&client);
        reset(&server);
    }
}

/// Makes the end of the connection a reset.
fn reset(stream: &TcpStream) {
    // An error says that it is gone.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut flow: FlowReceiver,
) -> io::Result<()> {
    let gone = || io::Error::other("the network is gone");
    let mut buffer = vec![0; CHUNK_LEN];
    loop {
        passable(&mut flow).await.ok_or_else(gone)?;
        let count = tokio::select! {
            count = from.read(&mut buffer) => count?,
            changed = flow.changed() => {
                changed.map_err(|_| gone())?;
                continue;
            }
        };
        if let Flow::Delayed(delay) = passable(&mut flow).await.ok_or_else(gone)? {
            sleep(delay).await;
        }
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dropped_bytes_arrive_when_the_way_is_open_again() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Proxies::start(&BTreeMap::from([(1, 1), (2, port)]))
            .await
            .unwrap();
        let way = (Ipv4Addr::LOCALHOST, network.port(1, 2).unwrap());
        let mut client = TcpStream::connect(way).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        network.set(1, 2, Flow::Dropped);
        client.write_all(b"a").await.unwrap();
        server.write_all(b"b").await.unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).await.unwrap();
        let limit = Duration::from_millis(100);
        let early = tokio::time::timeout(limit, server.read_exact(&mut byte)).await;
        assert!(early.is_err(), "it was dropped");
        network.heal();
        server.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"a");
        network.set(2, 1, Flow::Reset);
        assert!(client.read_exact(&mut byte).await.is_err());
    }
}
