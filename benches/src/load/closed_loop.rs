//! Closed loop: each connection keeps a fixed number of requests in flight and sends the next when one is answered.
//!
//! It finds the throughput. Its latencies are those of a server that is exactly full; for the tail under a given load see
//! `open_loop`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::load::connection::{Connection, OPENING_MAX};
use crate::load::recorder::{Recorder, Silence};
use crate::load::requests::Requests;
use crate::load::{LoadError, Measured, Target};
use crate::usage::Usage;

/// Longer than any load that ends by itself.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// A plan of load.
#[derive(Debug)]
pub struct ClosedLoop {
    /// One sequence of requests per connection.
    pub requests: Vec<Requests>,
    /// Requests that each connection keeps unanswered.
    pub in_flight: usize,
    /// When it ends.
    pub until: Until,
    /// Threads of the generator.
    pub threads: usize,
}

/// When a closed loop ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After a time.
    Measured {
        /// Load that is not counted, first.
        warm_up: Duration,
        /// Load that is counted.
        measure: Duration,
    },
    /// When the requests are used up.
    Exhausted,
}

/// What is counted: replies from `start` on and before `end`.
#[derive(Clone, Debug)]
struct Window {
    start: Instant,
    end: Instant,
    silence: Arc<Silence>,
}

/// A connection's way to say that it is open, or could not be opened.
type Opened = mpsc::Sender<Result<(), LoadError>>;

impl ClosedLoop {
    /// Puts the load on `target` and measures.
    ///
    /// # Errors
    /// When any connection fails: a load of fewer connections than asked for measures something else.
    ///
    /// # Panics
    /// When a load thread does.
    pub fn run(self, target: Target) -> Result<Measured, LoadError> {
        self.run_on(&[target])
    }

    /// The same with the connections spread evenly over `targets`; what all of these cost is counted together.
    ///
    /// # Errors
    /// When any connection fails.
    ///
    /// # Panics
    /// When a load thread does, or there is no target.
    pub fn run_on(self, targets: &[Target]) -> Result<Measured, LoadError> {
        let Self {
            requests,
            in_flight,
            until,
            threads,
        } = self;
        let connections = requests.len();
        let mut shares: Vec<Vec<(SocketAddr, Requests)>> =
            (0..threads.max(1)).map(|_| Vec::new()).collect();
        for (number, requests) in requests.into_iter().enumerate() {
            let address = targets[number % targets.len()].address;
            shares[number % threads.max(1)].push((address, requests));
        }
        let (window_sender, window) = watch::channel(None);
        let (opened, all_opened) = mpsc::channel();
        thread::scope(|scope| {
            let threads: Vec<_> = shares
                .into_iter()
                .map(|share| {
                    let (opened, window) = (opened.clone(), window.clone());
                    scope.spawn(move || run_share(share, in_flight, &opened, &window))
                })
                .collect();
            drop(opened);
            for _ in 0..connections {
                // A thread that is gone before all are open has failed; its result tells why.
                match all_opened.recv() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        drop(window_sender);
                        return Err(error);
                    }
                    Err(_) => break,
                }
            }
            let (warm_up, measure) = match until {
                Until::Measured { warm_up, measure } => (warm_up, measure),
                Until::Exhausted => (Duration::ZERO, FOREVER),
            };
            let start = Instant::now() + warm_up;
            let silence = Arc::new(Silence::since(start));
            window_sender.send_replace(Some(Window {
                start,
                end: start + measure,
                silence: Arc::clone(&silence),
            }));

            sleep_until(start);
            let before = Usage::of_all(targets)?;
            let mut after = None;
            if let Until::Measured { .. } = until {
                sleep_until(start + measure);
                after = Some((start + measure, Usage::of_all(targets)?));
            }
            let mut recorder = Recorder::default();
            for thread in threads {
                recorder.merge(&thread.join().expect("a load thread does not panic")?);
            }
            let (end, usage) = match after {
                Some(after) => after,
                None => (Instant::now(), Usage::of_all(targets)?),
            };
            silence.broken(end);
            Ok(Measured::new(
                &recorder,
                silence.longest_ms(),
                end - start,
                usage.since(before),
            ))
        })
    }
}

/// Sleeps until `instant`, which may be over.
pub(crate) fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}

/// One load thread: its share of the connections on a runtime of its own, so that threads wake nobody but themselves.
fn run_share(
    share: Vec<(SocketAddr, Requests)>,
    in_flight: usize,
    opened: &Opened,
    window: &watch::Receiver<Option<Window>>,
) -> Result<Recorder, LoadError> {
    let recorder = Arc::new(Mutex::new(Recorder::default()));
    runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(async {
            let mut connections = JoinSet::new();
            let opening = Arc::new(Semaphore::new(OPENING_MAX));
            for (address, requests) in share {
                let opening = Arc::clone(&opening);
                let (opened, mut window, recorder) =
                    (opened.clone(), window.clone(), Arc::clone(&recorder));
                connections.spawn(async move {
                    let permit = opening.acquire().await;
                    let connection = match Connection::open(address).await {
                        Ok(connection) => connection,
                        Err(error) => {
                            // The starter may have given up on an earlier failure.
                            let _ = opened.send(Err(error));
                            return Ok(());
                        }
                    };
                    let _ = opened.send(Ok(()));
                    drop((permit, opened));
                    let Ok(window) = window
                        .wait_for(Option::is_some)
                        .await
                        .map(|window| window.clone())
                    else {
                        return Ok(());
                    };
                    let window = window.expect("waited for it");
                    drive(connection, requests, in_flight, &window, &recorder).await
                });
            }
            while let Some(result) = connections.join_next().await {
                result.expect("a connection's task does not panic")?;
            }
            Ok::<_, LoadError>(())
        })?;
    let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *recorder))
}

/// One connection until its window ends or its requests are used up, and all are answered.
async fn drive(
    mut connection: Connection,
    mut requests: Requests,
    in_flight: usize,
    window: &Window,
    recorder: &Mutex<Recorder>,
) -> Result<(), LoadError> {
    let mut sent: VecDeque<Instant> = VecDeque::with_capacity(in_flight);
    let mut out = Vec::new();
    let (mut next_xid, mut expected) = (1, 1);
    let mut now = Instant::now();
    let mut sending = true;
    loop {
        while sending && sent.len() < in_flight {
            sending = now < window.end && requests.append_next(next_xid, &mut out);
            if sending {
                next_xid += 1;
                sent.push_back(now);
            }
        }
        if !out.is_empty() {
            connection.stream.write_all(&out).await?;
            out.clear();
        }
        if sent.is_empty() {
            return connection.close().await;
        }
        connection.receive().await?;
        now = Instant::now();
        let measuring = (window.start..window.end).contains(&now);
        // One load thread alone locks it: never contended.
        let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(reply) = connection.replies.next_reply()? {
            let sent_at = sent.front().filter(|_| reply.xid == expected).copied();
            let Some(sent_at) = sent_at else {
                return Err(LoadError::WrongXid {
                    expected,
                    got: reply.xid,
                });
            };
            sent.pop_front();
            expected += 1;
            if measuring && reply.error == 0 {
                recorder.answered(now - sent_at);
            } else if reply.error != 0 {
                // Also while warming up: an error at any time makes the run worthless.
                recorder.failed();
            }
        }
        if measuring {
            window.silence.broken(now);
        }
    }
}
