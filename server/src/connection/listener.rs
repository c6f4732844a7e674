//! The client port: accepts sockets, and starts a task for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use treekeeper_protocol::FourLetterWord;

use super::Connection;
use super::join;
use super::socket::ClientSocket;
use super::task::{End, Task};
use super::workers::Workers;
use crate::admin::four_letter;
use crate::admin::view::View;
use crate::config::ClientSettings;
use crate::publish::Node;
use crate::tree::StoreError;

/// Sockets that the system holds until they are accepted, unless the config says otherwise.
const BACKLOG: i32 = 1024;
/// How long the answer to a four-letter word may take, and the rest of its question.
const WORD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the client port.
///
/// # Errors
/// When no candidate address can be bound: in use, not of this machine, or not permitted.
pub fn bind(settings: &ClientSettings) -> io::Result<TcpListener> {
    let mut last = None;
    for address in settings.address.candidates() {
        match bind_to(address, settings) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no address to listen on")))
}

fn bind_to(address: SocketAddr, settings: &ClientSettings) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restarted server must get its port back while old connections linger in the kernel.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let backlog = settings
        .listen_backlog
        .and_then(|backlog| i32::try_from(backlog).ok());
    socket.listen(backlog.unwrap_or(BACKLOG))?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until it is dropped.
pub struct Listener {
    node: Arc<Node>,
    view: Arc<dyn View>,
    listener: TcpListener,
    workers: Arc<Workers>,
    fatal: Arc<dyn Fn(StoreError) + Send + Sync>,
}

impl Listener {
    /// Will accept on `listener` and serve on `workers`. `fatal` is called when a connection finds that the store has failed.
    #[must_use]
    pub fn new(
        node: Arc<Node>,
        view: Arc<dyn View>,
        listener: TcpListener,
        workers: Arc<Workers>,
        fatal: Arc<dyn Fn(StoreError) + Send + Sync>,
    ) -> Self {
        Self {
            node,
            view,
            listener,
            workers,
            fatal,
        }
    }

    /// Accepts for ever. May be dropped at any time; connections go on without it.
    pub async fn run(self) {
        loop {
            match self.listener.accept().await {
                Ok((socket, peer)) => self.accepted(socket, peer),
                Err(error) => {
                    // Out of descriptors, or a connection that went before it was taken: the next may do better.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn accepted(&self, socket: TcpStream, peer: SocketAddr) {
        self.node.metrics.connection_request_count.increment();
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(connection) = self.node.registry.admit(peer) else {
            self.node.metrics.connection_rejected.increment();
            tracing::warn!(%peer, "refused a connection: there are too many (maxClientCnxns, maxCnxns)");
            return;
        };
        let socket = match prepare(socket, self.node.config.client.tcp_keep_alive) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::debug!(%peer, %error, "lost a connection at once");
                self.node.registry.remove(&connection);
                return;
            }
        };
        let (node, view, fatal) = (
            Arc::clone(&self.node),
            Arc::clone(&self.view),
            Arc::clone(&self.fatal),
        );
        let ending = Ending {
            node: Arc::clone(&node),
            connection: Arc::clone(&connection),
        };
        self.workers.spawn(socket, async move |socket| {
            if let Some(socket) = socket {
                serve(&node, &connection, socket, view, &*fatal).await;
            }
            drop(ending);
        });
    }
}

/// Forgets a connection when its task ends, however it ends.
struct Ending {
    node: Arc<Node>,
    connection: Arc<Connection>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Self { node, connection } = self;
        // First, so that a session that is being opened for it right now finds it closed.
        connection.abandon();
        if let Some(session) = connection.session() {
            node.holders.lock().ended(session.id, connection);
        }
        {
            // Under the publish lock, so that no event is on its way to it any more.
            let _state = node.state.read();
            node.watches.lock().remove_connection(connection.id());
        }
        node.registry.remove(connection);
        node.metrics.connection_drop_count.increment();
    }
}

/// Sets the socket up, and takes it from the listener's runtime.
fn prepare(socket: TcpStream, keep_alive: bool) -> io::Result<std::net::TcpStream> {
    socket.set_nodelay(true)?;
    if keep_alive {
        socket2::SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new())?;
    }
    socket.into_std()
}

async fn serve(
    node: &Arc<Node>,
    connection: &Arc<Connection>,
    socket: TcpStream,
    view: Arc<dyn View>,
    fatal: &(dyn Fn(StoreError) + Send + Sync),
) {
    let socket = ClientSocket::new(socket);
    connection.queue().direct = Some(socket.direct_writer());
    let (end, socket) = Task::new(Arc::clone(node), Arc::clone(connection), socket)
        .run()
        .await;
    match end {
        End::Closed => {}
        End::Word(word, rest) => {
            // A client that does not take its answer has no claim to it.
            let answer = answer_word(socket, word, rest, view);
            let _ = tokio::time::timeout(WORD_TIMEOUT, answer).await;
        }
        End::Join(rest) => {
            let mut socket = socket;
            let ends = socket.local_addr().map(|local| (connection.peer(), local));
            if let Ok(ends) = ends
                && let Err(error) = join::serve(node, &mut socket, ends, rest).await
            {
                tracing::debug!(peer = %connection.peer(), %error, "lost a server that wants to join");
            }
        }
        End::Store(error) => fatal(error),
    }
}

/// Serves a connection over any stream until it ends, as [`Listener`] serves sockets, but for four-letter words and
/// servers that join: for simulations.
///
/// # Errors
/// [`StoreError`] stops the process.
pub async fn serve_stream(
    node: Arc<Node>,
    connection: Arc<Connection>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), StoreError> {
    let ending = Ending {
        node: Arc::clone(&node),
        connection: Arc::clone(&connection),
    };
    let (end, _stream) = Task::new(node, connection, stream).run().await;
    drop(ending);
    match end {
        End::Closed | End::Word(..) | End::Join(_) => Ok(()),
        End::Store(error) => Err(error),
    }
}

async fn answer_word(
    mut socket: ClientSocket,
    word: FourLetterWord,
    rest: Bytes,
    view: Arc<dyn View>,
) -> io::Result<()> {
    if word == FourLetterWord::TelnetClose {
        return Ok(());
    }
    let mut extra = [0; 8];
    if word == FourLetterWord::Stmk {
        let known = rest.len().min(extra.len());
        extra[..known].copy_from_slice(&rest[..known]);
        socket.read_exact(&mut extra[known..]).await?;
    }
    // Some words walk all connections or folders.
    let text =
        tokio::task::spawn_blocking(move || four_letter::answer(word, extra, &*view)).await?;
    socket.write_all(text.as_bytes()).await?;
    socket.shutdown().await
}
