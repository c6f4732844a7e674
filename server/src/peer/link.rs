//! The calling end of a link.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::frame::{self, ANSWER, FRAME_BYTES_MAX, Frame, REFUSAL};
use super::hello::{
    HELLO_BYTES_MAX, Hello, Identity, Local, MAGIC, VERSION, VERSION_MIN, Welcome, check_identities,
};
use super::stream::Stream;
use super::tls;

/// How long a connection and its first frames may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A link on which a request waits for so long is given up: its other end is gone without a word.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Requests taken and not yet sent.
const QUEUE_MAX: usize = 256;
/// Requests sent and not yet answered.
const WAITING_MAX: usize = 1024;
/// Bytes put together for one write; a larger request goes alone.
const WRITE_BYTES: usize = 256 << 10;

/// Whom a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node; 0 for whoever is at the address.
    pub node_id: u64,
    /// Hosts and ports, tried in order. A name is looked up for each connection.
    pub addresses: Vec<(String, u16)>,
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// No connection, or it broke. The request may have arrived.
    #[error("{0}")]
    Unreachable(Arc<str>),
    /// The other member refused it, and did nothing.
    #[error("{0}")]
    Refused(String),
    /// Too many requests wait; this one was not sent.
    #[error("too many requests wait for the link")]
    Full,
}

/// What becomes of a request; called once, on the link's task.
type OnAnswer = Box<dyn FnOnce(Result<Bytes, LinkError>) + Send>;

struct Request {
    kind: u8,
    body: Bytes,
    on_answer: OnAnswer,
}

/// A link to one member; a handle. Requests go out in the order in which they were taken.
#[derive(Clone)]
pub struct Link {
    requests: mpsc::Sender<Request>,
    target: Arc<Mutex<Target>>,
}

impl Link {
    /// A link on the caller's runtime. It is connected with the first request, and ends with its last handle.
    #[must_use]
    pub fn open(local: Arc<Local>, target: Target) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let target = Arc::new(Mutex::new(target));
        tokio::spawn(run(local, Arc::clone(&target), queue));
        Self { requests, target }
    }

    /// The member is found at these addresses from its next connection on. The present one stays for as long as it
    /// lasts, as it leads to the right node.
    pub fn follow(&self, addresses: Vec<(String, u16)>) {
        self.target.lock().addresses = addresses;
    }

    /// Sends a request, from any thread and without waiting.
    pub fn send(
        &self,
        kind: u8,
        body: Bytes,
        on_answer: impl FnOnce(Result<Bytes, LinkError>) + Send + 'static,
    ) {
        let request = Request {
            kind,
            body,
            on_answer: Box::new(on_answer),
        };
        match self.requests.try_send(request) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(request)) => {
                (request.on_answer)(Err(LinkError::Full));
            }
            Err(mpsc::error::TrySendError::Closed(request)) => {
                (request.on_answer)(Err(LinkError::Unreachable("the link has ended".into())));
            }
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn call(&self, kind: u8, body: Bytes) -> Result<Bytes, LinkError> {
        let (sender, answer) = oneshot::channel();
        // Who has stopped waiting needs no answer.
        self.send(kind, body, move |result| drop(sender.send(result)));
        answer
            .await
            .unwrap_or_else(|_gone| Err(LinkError::Unreachable("the link has ended".into())))
    }
}

/// Asks who is at the addresses.
///
/// # Errors
/// [`LinkError`], a refusal with its reason.
pub async fn probe(local: &Local, target: &Target) -> Result<Identity, LinkError> {
    let (_, other) = connect(local, target).await?;
    Ok(other)
}

/// Is there certainly no process at the target: does every one of its addresses refuse a connection?
pub async fn is_refused(target: &Target) -> bool {
    for (host, port) in &target.addresses {
        let connecting = TcpStream::connect((host.as_str(), *port));
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            _ => return false,
        }
    }
    !target.addresses.is_empty()
}

async fn run(local: Arc<Local>, target: Arc<Mutex<Target>>, mut queue: mpsc::Receiver<Request>) {
    // Only changes are told: a member that is away is tried many times a second.
    let mut told = None;
    while let Some(first) = queue.recv().await {
        let target = target.lock().clone();
        match connect(&local, &target).await {
            Ok((stream, other)) => {
                if told.take().is_some() {
                    tracing::info!(server = other.my_id, "reached again");
                }
                let error = serve(stream, first, &mut queue).await;
                tracing::debug!(?target, %error, "a link has ended");
            }
            Err(error) => {
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    tracing::warn!(to = %address(&target), error = %text, "cannot reach a member");
                    told = Some(text);
                }
                fail(first, &mut queue, &error);
            }
        }
    }
}

fn address(target: &Target) -> String {
    let addresses = target
        .addresses
        .iter()
        .map(|(host, port)| format!("{host}:{port}"));
    addresses.collect::<Vec<_>>().join("|")
}

/// Fails everything that waits to be sent.
fn fail(first: Request, queue: &mut mpsc::Receiver<Request>, error: &LinkError) {
    (first.on_answer)(Err(error.clone()));
    while let Ok(request) = queue.try_recv() {
        (request.on_answer)(Err(error.clone()));
    }
}

fn unreachable(error: impl std::fmt::Display) -> LinkError {
    LinkError::Unreachable(error.to_string().into())
}

async fn connect(local: &Local, target: &Target) -> Result<(Stream, Identity), LinkError> {
    let mut last = unreachable("it has no address");
    let mut refused = None;
    for (host, port) in &target.addresses {
        let greeted = async {
            let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
            prepare(&stream)?;
            let Some(tls) = local.tls().filter(|tls| tls.calls()) else {
                let welcome = greet(&mut stream, local, target).await?;
                return Ok((Stream::Plain(stream), welcome));
            };
            let mut stream = tls.call(stream, host).await?;
            // The other end checks this one's certificate last: its refusal comes instead of the welcome.
            let welcome = greet(&mut stream, local, target).await;
            let welcome = welcome.map_err(|error| tls.explain(error))?;
            Ok::<_, io::Error>((Stream::Tls(Box::new(stream)), welcome))
        };
        match timeout(CONNECT_TIMEOUT, greeted).await {
            Ok(Ok((stream, welcome))) => {
                let fits = match welcome.refusal {
                    Some(reason) => Err(reason),
                    None => check_identities(&local.identity(), &welcome.from),
                };
                match fits {
                    Ok(()) => return Ok((stream, welcome.from)),
                    // Somebody else may be where the member was before.
                    Err(reason) => refused = refused.or(Some(LinkError::Refused(reason))),
                }
            }
            Ok(Err(error)) => last = unreachable(error),
            Err(_elapsed) => last = unreachable("it does not answer"),
        }
    }
    Err(refused.unwrap_or(last))
}

/// Small frames go at once, and a vanished machine is noticed.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(SILENCE_MAX))
}

async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    local: &Local,
    target: &Target,
) -> io::Result<Welcome> {
    let hello = Hello {
        versions: (VERSION_MIN, VERSION),
        from: local.identity(),
        wanted: target.node_id,
    };
    let mut out = BytesMut::from(&MAGIC[..]);
    frame::put(&mut out, 0, 0, &hello.encode());
    stream.write_all(&out).await?;
    stream.flush().await?;
    let mut received = BytesMut::new();
    let frame = read_frame(stream, &mut received, HELLO_BYTES_MAX).await;
    let frame = frame.map_err(|error| match received.first() {
        // A greeting is too short for its length to begin so.
        Some(&tls::ALERT) => {
            io::Error::other("it takes links with TLS only: set sslQuorum=true here")
        }
        _ => error,
    })?;
    Welcome::decode(frame.body).ok_or_else(|| io::Error::other("it is no member of an ensemble"))
}

/// The next frame of a stream.
pub(super) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
    bytes_max: usize,
) -> io::Result<Frame> {
    loop {
        if let Some(frame) = frame::take(received, bytes_max).map_err(io::Error::other)? {
            return Ok(frame);
        }
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Works until the connection breaks; everything that waits on it has failed then.
async fn serve(stream: Stream, first: Request, queue: &mut mpsc::Receiver<Request>) -> LinkError {
    let mut waiting = HashMap::new();
    let ended = match stream {
        Stream::Plain(stream) => exchange(stream.into_split(), first, queue, &mut waiting).await,
        Stream::Tls(stream) => exchange(tokio::io::split(stream), first, queue, &mut waiting).await,
    };
    let error = match ended {
        Ok(()) => unreachable("the link was closed"),
        Err(error) => unreachable(error),
    };
    for (_, (_, on_answer)) in waiting {
        on_answer(Err(error.clone()));
    }
    error
}

/// Requests by id, with the time at which they were sent.
type Waiting = HashMap<u64, (Instant, OnAnswer)>;

async fn exchange(
    (mut reading, mut writing): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    first: Request,
    queue: &mut mpsc::Receiver<Request>,
    waiting: &mut Waiting,
) -> io::Result<()> {
    let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
    let mut next_id = 0;
    let mut next = Some(first);
    let mut heard = Instant::now();
    let mut checks = tokio::time::interval(SILENCE_MAX / 4);
    checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while let Some(Request {
            kind,
            body,
            on_answer,
        }) = next.take()
        {
            frame::put(&mut out, kind, next_id, &body);
            waiting.insert(next_id, (Instant::now(), on_answer));
            next_id += 1;
            if out.len() < WRITE_BYTES && waiting.len() < WAITING_MAX {
                next = queue.try_recv().ok();
            }
        }
        if !out.is_empty() {
            let written = async {
                writing.write_all_buf(&mut out).await?;
                writing.flush().await
            };
            timeout(SILENCE_MAX, written)
                .await
                .map_err(|_elapsed| io::Error::other("it does not read"))??;
        }
        tokio::select! {
            read = reading.read_buf(&mut received) => {
                if read? == 0 {
                    return Ok(());
                }
                heard = Instant::now();
                while let Some(frame) = frame::take(&mut received, FRAME_BYTES_MAX).map_err(io::Error::other)? {
                    let Some((_, on_answer)) = waiting.remove(&frame.id) else {
                        return Err(io::Error::other("it answered what was not asked"));
                    };
                    on_answer(match frame.kind {
                        ANSWER => Ok(frame.body),
                        REFUSAL => Err(LinkError::Refused(String::from_utf8_lossy(&frame.body).into_owned())),
                        kind => return Err(io::Error::other(format!("a frame of the unknown kind {kind}"))),
                    });
                }
            }
            request = queue.recv(), if waiting.len() < WAITING_MAX => match request {
                Some(request) => next = Some(request),
                None => return Ok(()),
            },
            _ = checks.tick() => {
                let oldest = waiting.values().map(|(sent, _)| *sent).min();
                if oldest.is_some_and(|oldest| oldest.max(heard).elapsed() > SILENCE_MAX) {
                    return Err(io::Error::other("it does not answer"));
                }
            }
        }
    }
}
