//! TLS over links: who this member is to the others, and whom it believes.
//!
//! In: a connection, made or accepted. Out: the same with TLS over it, both ends known, or a reason that says what to
//! do. Both ends show certificates: in a handshake without resumption, so that each link is checked in full. Certificates
//! are for hosts, not for an N among the `server.N` lines; which member it is the greeting says, as without TLS.
//!
//! Handshakes run on the server's runtime, not on that of the links: signatures take as long as many messages, and no
//! heartbeat waits for a stranger's. The files are looked at before each handshake ([`files`]), and read again when
//! they have changed.
//!
//! Not here: what is said over the link.

mod explain;
mod files;
mod names;
mod verify;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::config::PeerTls;
use files::{Loaded, Stamp};

pub use files::TlsError;

/// What a connection with TLS begins with: the content type of a handshake.
pub(super) const HANDSHAKE: u8 = 0x16;
/// What the answer to a caller without TLS begins with: the content type of an alert.
pub(super) const ALERT: u8 = 0x15;
/// A fatal alert, `protocol_version`, as TLS sends it before anything is agreed on (RFC 8446, 6).
const TLS_WANTED: [u8; 7] = [ALERT, 3, 3, 0, 2, 2, 70];

/// Handshakes of callers at once; further ones wait for their turn, and for no longer than one may take.
const HANDSHAKES_MAX: usize = 64;
/// How long a caller that is refused may take to read why.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes that a caller which is refused may still send.
const LAST_BYTES_MAX: u64 = 64 << 10;

/// TLS of one member.
pub struct Tls {
    settings: PeerTls,
    /// The hosts of the `server.N` lines.
    hosts: Vec<String>,
    /// Where handshakes run.
    runtime: Handle,
    handshakes: Arc<Semaphore>,
    current: Mutex<(Stamp, Loaded)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files. Handshakes run on the caller's runtime. `hosts` are those of all members.
    ///
    /// # Errors
    /// [`TlsError`] names the file and says what it lacks.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn load(settings: &PeerTls, hosts: Vec<String>) -> Result<Arc<Self>, TlsError> {
        let stamp = Stamp::of(settings);
        let loaded = Loaded::read(settings)?;
        Ok(Arc::new(Self {
            settings: settings.clone(),
            hosts,
            runtime: Handle::current(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            current: Mutex::new((stamp, loaded)),
        }))
    }

    /// Are other members called with TLS?
    pub(super) fn calls(&self) -> bool {
        self.settings.calls_with_tls
    }

    /// Are callers without TLS taken?
    pub(super) fn accepts_plain(&self) -> bool {
        self.settings.accepts_plain
    }

    /// Makes a handshake as the calling end.
    ///
    /// # Errors
    /// They say what to do.
    pub(super) async fn call(
        self: &Arc<Self>,
        stream: TcpStream,
        host: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            // It stands for nothing then.
            Err(_) if !self.settings.checks_hosts => stream.peer_addr()?.ip().into(),
            Err(_) => {
                return Err(io::Error::other(format!(
                    "{host} is no host name that a certificate can be for: correct the server.N line"
                )));
            }
        };
        let tls = Arc::clone(self);
        let handshake = async move {
            let loaded = tls.loaded().await?;
            TlsConnector::from(loaded.calling)
                .connect(name, stream)
                .await
        };
        let stream = self.apart(handshake).await;
        let stream = stream.map_err(|error| explain::failed_call(error, &self.settings))?;
        Ok(stream.into())
    }

    /// Makes a handshake as the answering end. Whoever is refused is told so before this returns.
    ///
    /// # Errors
    /// They say what to do.
    pub(super) async fn accept(
        self: &Arc<Self>,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let tls = Arc::clone(self);
        let handshake = async move {
            let Ok(share) = tls.handshakes.acquire().await else {
                return Err(io::Error::other("the server stops"));
            };
            let loaded = tls.loaded().await?;
            let accepted = TlsAcceptor::from(loaded.answering)
                .accept(stream)
                .into_fallible()
                .await;
            drop(share);
            match accepted {
                Ok(stream) => Ok(stream),
                Err((error, stream)) => {
                    let_go(stream).await;
                    Err(error)
                }
            }
        };
        let stream = self.apart(handshake).await;
        let stream = stream.map_err(|error| explain::failed(error, &self.settings))?;
        Ok(stream.into())
    }

    /// Is the caller's certificate for the host that it calls from? A caller that needs none may have none.
    ///
    /// # Errors
    /// Why not, for both ends.
    pub(super) async fn check_caller(
        &self,
        stream: &TlsStream<TcpStream>,
        peer: SocketAddr,
    ) -> Result<(), String> {
        let (_, session) = stream.get_ref();
        let address = peer.ip().to_canonical();
        match session.peer_certificates().and_then(<[_]>::first) {
            Some(certificate) if self.settings.checks_callers => {
                let names = names::candidates(certificate, address, &self.hosts)?;
                let checked = self.apart(async move { Ok(names::check(names, address).await) });
                checked.await.unwrap_or_else(|error| Err(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// What a link's error means, if it comes from TLS.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        explain::failed(error, &self.settings)
    }

    /// Keys and certificates as the files have them now, or as they had them when they last were of use.
    async fn loaded(self: &Arc<Self>) -> io::Result<Loaded> {
        let tls = Arc::clone(self);
        let look = move || tls.look();
        let loaded = self.runtime.spawn_blocking(look).await;
        loaded.map_err(|_stopped| io::Error::other("the server stops"))
    }

    fn look(&self) -> Loaded {
        let (stamp, loaded) = &mut *self.current.lock();
        let now = Stamp::of(&self.settings);
        if *stamp != now {
            // Also when they are of no use: that is said once, and not before each handshake.
            *stamp = now;
            match Loaded::read(&self.settings) {
                Ok(new) => {
                    tracing::info!("key and certificates of the links have been read again");
                    *loaded = new;
                }
                Err(error) => tracing::warn!(
                    %error,
                    "key and certificates of the links have changed and are of no use, the former ones stay in use"
                ),
            }
        }
        loaded.clone()
    }

    /// Runs a part of a handshake on the server's runtime, for as long as somebody waits for it.
    async fn apart<T: Send + 'static>(
        &self,
        part: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        // Dropping the set ends what runs in it.
        let mut running = JoinSet::new();
        running.spawn_on(part, &self.runtime);
        match running.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(_)) | None => Err(io::Error::other("the server stops")),
        }
    }
}

/// Tells a member that calls without TLS that it is wanted.
pub(super) async fn want_tls(mut stream: TcpStream) {
    // Who is gone already needs no answer.
    let _ = stream.write_all(&TLS_WANTED).await;
    let_go(stream).await;
}

/// Closes a connection so that its other end can read what it was told: bytes left unread would take that back.
async fn let_go(mut stream: TcpStream) {
    let rest = async {
        stream.shutdown().await?;
        let mut rest = stream.take(LAST_BYTES_MAX);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // It is refused in any case.
    let _ = timeout(LAST_WORDS_TIMEOUT, rest).await;
}
