//! Fan-out: many watchers of one znode are told of a change, then all list its children again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use treekeeper_protocol::{DeleteRequest, ReadRequest, Request};

use crate::load::connection::Connection;
use crate::load::frame::Frame;
use crate::load::recorder::Recorder;
use crate::load::requests::create;
use crate::load::{LoadError, Target};
use crate::usage::Usage;

/// The xid of every listing: a watcher has one request in flight.
const LIST_XID: i32 = 1;
/// The xid of a notification.
const EVENT_XID: i32 = -1;

/// A plan: `watchers` connections watch the children of `parent`, which exists with its children.
#[derive(Clone, Debug)]
pub struct FanOut {
    /// The znode whose children are watched and listed.
    pub parent: String,
    /// Connections with a child watch.
    pub watchers: usize,
    /// Changes made while measuring.
    pub changes: usize,
    /// Changes made before, which are not counted.
    pub warm_up: usize,
}

/// What was seen, one value per change.
#[derive(Debug)]
pub struct FanOutMeasured {
    /// From sending the change until the last watcher was told, in ms.
    pub told_ms: Vec<f64>,
    /// From telling them to list until the last of them had its list, in ms.
    pub listed_ms: Vec<f64>,
    /// When each single watcher was told.
    pub told: Recorder,
    /// When each single watcher had its list.
    pub listed: Recorder,
    /// What all of it took.
    pub elapsed: Duration,
    /// What all of it cost.
    pub usage: Usage,
}

/// Counts how many have arrived, and when the last one did.
#[derive(Debug, Default)]
struct Tally {
    arrived: Mutex<(Vec<Instant>, usize)>,
    complete: Notify,
}

impl Tally {
    fn arrived(&self) {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.0.push(Instant::now());
        if arrived.0.len() == arrived.1 {
            self.complete.notify_one();
        }
    }

    fn expect(&self, count: usize) {
        *self.arrived.lock().unwrap_or_else(PoisonError::into_inner) =
            (Vec::with_capacity(count), count);
    }

    /// Waits for all that are expected; records each into `recorder` and returns the time of the last in ms.
    async fn complete(&self, start: Instant, recorder: Option<&mut Recorder>) -> f64 {
        self.complete.notified().await;
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let last = arrived
            .0
            .iter()
            .max()
            .map_or(Duration::ZERO, |&last| last - start);
        if let Some(recorder) = recorder {
            for &instant in &arrived.0 {
                recorder.answered(instant - start);
            }
        }
        last.as_secs_f64() * 1000.0
    }
}

impl FanOut {
    /// Measures on `target`.
    ///
    /// # Errors
    /// When a connection fails or the server answers with an error.
    pub fn run(&self, target: Target) -> Result<FanOutMeasured, LoadError> {
        runtime::Builder::new_current_thread()
            .enable_io()
            .build()?
            .block_on(self.measure(target))
    }

    async fn measure(&self, target: Target) -> Result<FanOutMeasured, LoadError> {
        let tally = Arc::new(Tally::default());
        let (list, turns) = watch::channel(());
        let mut watchers = JoinSet::new();
        for connection in Connection::open_all(target.address, self.watchers).await? {
            let list = Frame::new(&Request::GetChildren2(ReadRequest {
                path: self.parent.clone(),
                watch: true,
            }));
            watchers.spawn(keep_watching(
                connection,
                list,
                turns.clone(),
                Arc::clone(&tally),
            ));
        }
        drop(turns);
        let measuring = async { self.change_and_list(target, &list, &tally).await };
        let measured = tokio::select! {
            measured = measuring => measured?,
            // A watcher ends early only when it failed.
            Some(ended) = watchers.join_next() => return match ended.expect("a watcher does not panic") {
                Ok(()) => Err(crate::load::client::closed().into()),
                Err(error) => Err(error),
            },
        };
        drop(list);
        while let Some(ended) = watchers.join_next().await {
            ended.expect("a watcher does not panic")?;
        }
        Ok(measured)
    }

    async fn change_and_list(
        &self,
        target: Target,
        list: &watch::Sender<()>,
        tally: &Tally,
    ) -> Result<FanOutMeasured, LoadError> {
        let mut changer = Changer::open(target.address, &self.parent).await?;
        let mut measured = FanOutMeasured {
            told_ms: Vec::new(),
            listed_ms: Vec::new(),
            told: Recorder::default(),
            listed: Recorder::default(),
            elapsed: Duration::ZERO,
            usage: Usage::default(),
        };
        // Everybody lists once, and so watches.
        tally.expect(self.watchers);
        list.send_replace(());
        tally.complete(Instant::now(), None).await;
        let mut before = (Instant::now(), Usage::now(target)?);
        for change in 0..self.warm_up + self.changes {
            let counts = change >= self.warm_up;
            if change == self.warm_up {
                before = (Instant::now(), Usage::now(target)?);
            }
            tally.expect(self.watchers);
            let start = Instant::now();
            changer.change().await?;
            let told_ms = tally
                .complete(start, counts.then_some(&mut measured.told))
                .await;
            tally.expect(self.watchers);
            let start = Instant::now();
            list.send_replace(());
            let listed_ms = tally
                .complete(start, counts.then_some(&mut measured.listed))
                .await;
            if counts {
                measured.told_ms.push(told_ms);
                measured.listed_ms.push(listed_ms);
            }
        }
        measured.elapsed = before.0.elapsed();
        measured.usage = Usage::now(target)?.since(before.1);
        changer.connection.close().await?;
        Ok(measured)
    }
}

/// A watcher: lists when it is its turn, then waits to be told, until there are no more turns.
async fn keep_watching(
    mut connection: Connection,
    list: Frame,
    mut turns: watch::Receiver<()>,
    tally: Arc<Tally>,
) -> Result<(), LoadError> {
    let mut out = Vec::new();
    list.append(LIST_XID, &mut out);
    while turns.changed().await.is_ok() {
        connection.stream.write_all(&out).await?;
        expect_reply(&mut connection, LIST_XID).await?;
        tally.arrived();
        let told = tokio::select! {
            told = expect_reply(&mut connection, EVENT_XID) => told,
            // The last listing is followed by no change.
            Err(_) = turns.changed() => break,
        };
        told?;
        tally.arrived();
    }
    connection.close().await
}

async fn expect_reply(connection: &mut Connection, xid: i32) -> Result<(), LoadError> {
    loop {
        match connection.replies.next_reply()? {
            None => connection.receive().await?,
            Some(reply) if reply.xid != xid => {
                return Err(LoadError::WrongXid {
                    expected: xid,
                    got: reply.xid,
                });
            }
            Some(reply) if reply.error != 0 => {
                return Err(LoadError::Unreadable(format!(
                    "error {} to xid {xid}",
                    reply.error
                )));
            }
            Some(_) => return Ok(()),
        }
    }
}

/// Creates a child and deletes it again, in turn.
struct Changer {
    connection: Connection,
    requests: [Vec<u8>; 2],
    turn: usize,
}

impl Changer {
    async fn open(address: SocketAddr, parent: &str) -> Result<Self, LoadError> {
        let path = format!("{parent}/comes-and-goes");
        let mut requests = [Vec::new(), Vec::new()];
        Frame::new(&create(&path, Bytes::from_static(&[b'x'; 100]))).append(1, &mut requests[0]);
        Frame::new(&Request::Delete(DeleteRequest { path, version: -1 }))
            .append(1, &mut requests[1]);
        Ok(Self {
            connection: Connection::open(address).await?,
            requests,
            turn: 0,
        })
    }

    async fn change(&mut self) -> Result<(), LoadError> {
        self.connection
            .stream
            .write_all(&self.requests[self.turn % 2])
            .await?;
        self.turn += 1;
        expect_reply(&mut self.connection, 1).await
    }
}
