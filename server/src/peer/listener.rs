//! The answering end of links.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::complaints::Complaints;
use super::frame::{self, ANSWER, FRAME_BYTES_MAX, REFUSAL};
use super::hello::{HELLO_BYTES_MAX, Hello, Identity, Local, MAGIC, Welcome};
use super::link::{prepare, read_frame};
use super::stream::Stream;
use super::tls;

/// How long a caller may take to say who it is, with the handshake of TLS.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests of one link that are worked on at once; the others wait in the socket.
const WORKING_MAX: usize = 1024;
/// Links at once: a handful from each member of the largest ensemble, and room for strangers.
const LINKS_MAX: usize = 256;
/// A pause after a failed accept: the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The answer to a request: its body, or why it was refused.
pub type Answer = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;

/// What answers the requests of other members.
pub trait Service: Send + Sync + 'static {
    /// Takes a request of the member. Called in the order in which a link brought them, and must not wait; the answers
    /// may come in any order.
    fn accept(&self, from: &Identity, kind: u8, body: Bytes) -> Answer;

    /// A link of the member has ended, for whatever reason.
    fn ended(&self, from: &Identity);
}

/// Accepts links until it is dropped.
pub async fn listen(listener: TcpListener, local: Arc<Local>, service: Arc<dyn Service>) {
    let room = Arc::new(tokio::sync::Semaphore::new(LINKS_MAX));
    let complaints = Arc::new(Complaints::default());
    let mut links = tokio::task::JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let Ok(share) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a member");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (local, service) = (Arc::clone(&local), Arc::clone(&service));
        let complaints = Arc::clone(&complaints);
        links.spawn(async move {
            let ended = match greet(stream, peer, &local).await {
                Ok(Some(caller)) => caller.serve(peer, &*service).await,
                // It only looked whether anybody is here.
                Ok(None) => Ok(()),
                Err(error) => {
                    let (host, text) = (peer.ip().to_canonical(), error.to_string());
                    if complaints.is_news(host, &text, Instant::now()) {
                        tracing::warn!(%peer, error = text, "another member is refused, or is none");
                    }
                    Ok(())
                }
            };
            if let Err(error) = ended {
                tracing::warn!(%peer, %error, "a link of another member has ended");
            }
            drop(share);
        });
    }
}

/// A member that has said who it is, and belongs here.
struct Caller {
    from: Identity,
    stream: Stream,
    /// What it has sent behind its greeting.
    received: BytesMut,
}

impl Caller {
    async fn serve(self, peer: SocketAddr, service: &dyn Service) -> io::Result<()> {
        let Caller {
            from,
            stream,
            received,
        } = self;
        tracing::debug!(%peer, server = from.my_id, "linked");
        let ended = match stream {
            Stream::Plain(stream) => exchange(stream.into_split(), received, &from, service).await,
            Stream::Tls(stream) => {
                exchange(tokio::io::split(stream), received, &from, service).await
            }
        };
        service.ended(&from);
        match ended {
            // A member that stops or dies drops its links.
            Err(error) if is_end(&error) => Ok(()),
            ended => ended,
        }
    }
}

/// Learns who calls; none if the caller left without a word.
async fn greet(stream: TcpStream, peer: SocketAddr, local: &Local) -> io::Result<Option<Caller>> {
    prepare(&stream)?;
    let greeted = async {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        let mut received = BytesMut::new();
        match secured(stream, first, local).await? {
            Stream::Plain(mut stream) => {
                let hello = read_hello(&mut stream, &mut received).await?;
                Ok(Some((Stream::Plain(stream), received, hello, Ok(()))))
            }
            Stream::Tls(mut stream) => {
                let hello = read_hello(&mut stream, &mut received).await;
                let (hello, is_from_there) = match local.tls() {
                    Some(tls) => (
                        hello.map_err(|error| tls.explain(error))?,
                        tls.check_caller(&stream, peer).await,
                    ),
                    None => (hello?, Ok(())),
                };
                Ok(Some((Stream::Tls(stream), received, hello, is_from_there)))
            }
        }
    };
    let greeted = timeout(HELLO_TIMEOUT, greeted)
        .await
        .unwrap_or_else(|_elapsed| Err(io::Error::other("it does not say who it is")))?;
    let Some((mut stream, received, hello, is_from_there)) = greeted else {
        return Ok(None);
    };
    let own = local.identity();
    let checked = is_from_there.and_then(|()| hello.check(&own));
    let welcome = Welcome {
        version: *checked.as_ref().unwrap_or(&0),
        from: own,
        refusal: checked.as_ref().err().cloned(),
    };
    let mut out = BytesMut::new();
    frame::put(&mut out, 0, 0, &welcome.encode());
    match &mut stream {
        Stream::Plain(stream) => stream.write_all_buf(&mut out).await?,
        Stream::Tls(stream) => {
            stream.write_all_buf(&mut out).await?;
            stream.flush().await?;
        }
    }
    checked.map_err(io::Error::other)?;
    Ok(Some(Caller {
        from: hello.from,
        stream,
        received,
    }))
}

/// The connection with TLS over it, if the caller speaks it, and as it is, if that is allowed. The first byte tells.
async fn secured(stream: TcpStream, first: [u8; 1], local: &Local) -> io::Result<Stream> {
    let Some(tls) = local.tls() else {
        return Ok(Stream::Plain(stream));
    };
    if first == [tls::HANDSHAKE] {
        return Ok(Stream::Tls(Box::new(tls.accept(stream).await?)));
    }
    if tls.accepts_plain() {
        return Ok(Stream::Plain(stream));
    }
    if first == MAGIC[..1] {
        tls::want_tls(stream).await;
    }
    Err(io::Error::other(
        "it does not speak TLS: set sslQuorum=true on it, or portUnification=true here to switch over first",
    ))
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionReset | TimedOut | UnexpectedEof
    )
}

async fn read_hello(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
) -> io::Result<Hello> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic[0] == tls::HANDSHAKE {
        return Err(io::Error::other(
            "it speaks TLS, and this server does not: set sslQuorum=true here, or portUnification=true to switch over first",
        ));
    }
    if magic != MAGIC {
        return Err(io::Error::other(
            "it is no treekeeper: ZooKeeper servers cannot be members of a treekeeper ensemble, and clients connect to the \
             client port",
        ));
    }
    let frame = read_frame(stream, received, HELLO_BYTES_MAX).await?;
    Hello::decode(frame.body).ok_or_else(|| io::Error::other("it does not say who it is"))
}

async fn exchange(
    (mut reading, mut writing): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    mut received: BytesMut,
    from: &Identity,
    service: &dyn Service,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    let mut working = FuturesUnordered::new();
    loop {
        while working.len() < WORKING_MAX
            && let Some(request) =
                frame::take(&mut received, FRAME_BYTES_MAX).map_err(io::Error::other)?
        {
            let answer = service.accept(from, request.kind, request.body);
            working.push(async move { (request.id, answer.await) });
        }
        tokio::select! {
            // First what is done, so that a flood of requests delays no answer.
            biased;
            Some((id, answer)) = working.next(), if !working.is_empty() => {
                put_answer(&mut out, id, &answer);
                while let Some(Some((id, answer))) = futures::FutureExt::now_or_never(working.next()) {
                    put_answer(&mut out, id, &answer);
                }
                writing.write_all_buf(&mut out).await?;
                writing.flush().await?;
            }
            read = reading.read_buf(&mut received), if working.len() < WORKING_MAX => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

fn put_answer(out: &mut BytesMut, id: u64, answer: &Result<Bytes, String>) {
    match answer {
        Ok(body) => frame::put(out, ANSWER, id, body),
        Err(reason) => frame::put(out, REFUSAL, id, reason.as_bytes()),
    }
}
