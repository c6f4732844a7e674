//! The answering end of links.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::frame::{self, ANSWER, FRAME_BYTES_MAX, REFUSAL};
use super::hello::{HELLO_BYTES_MAX, Hello, Identity, Local, MAGIC, Welcome};
use super::link::{prepare, read_frame};

/// How long a caller may take to say who it is.
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
}

/// Accepts links until it is dropped.
pub async fn listen(listener: TcpListener, local: Arc<Local>, service: Arc<dyn Service>) {
    let room = Arc::new(tokio::sync::Semaphore::new(LINKS_MAX));
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
        links.spawn(async move {
            if let Err(error) = serve(stream, peer, &local, &*service).await {
                tracing::warn!(%peer, %error, "a link of another member has ended");
            }
            drop(share);
        });
    }
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    local: &Local,
    service: &dyn Service,
) -> io::Result<()> {
    prepare(&stream)?;
    let mut received = BytesMut::new();
    let hello = timeout(HELLO_TIMEOUT, read_hello(&mut stream, &mut received))
        .await
        .map_err(|_elapsed| io::Error::other("it does not say who it is"))??;
    let own = local.identity();
    let checked = hello.check(&own);
    let welcome = Welcome {
        version: *checked.as_ref().unwrap_or(&0),
        from: own,
        refusal: checked.as_ref().err().cloned(),
    };
    let mut out = BytesMut::new();
    frame::put(&mut out, 0, 0, &welcome.encode());
    stream.write_all_buf(&mut out).await?;
    checked.map_err(io::Error::other)?;
    tracing::debug!(%peer, server = hello.from.my_id, "linked");
    match exchange(stream, received, &hello.from, service).await {
        // A member that stops or dies drops its links.
        Err(error) if is_end(&error) => Ok(()),
        ended => ended,
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionReset | TimedOut | UnexpectedEof
    )
}

async fn read_hello(stream: &mut TcpStream, received: &mut BytesMut) -> io::Result<Hello> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
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
    stream: TcpStream,
    mut received: BytesMut,
    from: &Identity,
    service: &dyn Service,
) -> io::Result<()> {
    let (mut reading, mut writing) = stream.into_split();
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
