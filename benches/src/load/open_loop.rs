//! Open loop: requests leave at a fixed rate whether or not earlier ones were answered, and their latency counts from
//! the moment at which they *should* have left.
//!
//! So a server's pause is felt by every request that falls into it, as its users would feel it, and not only by those
//! that happened to be in flight ("coordinated omission").

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::task::JoinSet;
use treekeeper_protocol::Request;

use crate::load::closed_loop::sleep_until;
use crate::load::connection::Connection;
use crate::load::frame::Frame;
use crate::load::recorder::{Recorder, Silence};
use crate::load::requests::Requests;
use crate::load::{LoadError, Measured, Target};
use crate::usage::Usage;

/// How long after the last request all must be answered.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

/// A plan of load at a fixed rate.
#[derive(Debug)]
pub struct OpenLoop {
    /// One sequence of requests per connection; they take turns.
    pub requests: Vec<Requests>,
    /// Requests per second, evenly spaced, over all connections.
    pub per_second: u32,
    /// Load that is not counted, first.
    pub warm_up: Duration,
    /// Load that is counted.
    pub measure: Duration,
}

/// The intended times of a connection's unanswered requests. `None` is the closing of its session, the last request.
type Unanswered = Mutex<VecDeque<Option<Instant>>>;

/// The sending side of a connection.
struct Sender {
    stream: TcpStream,
    requests: Requests,
    unanswered: Arc<Unanswered>,
    next_xid: i32,
    /// What the socket did not take at once.
    unsent: Vec<u8>,
}

/// A request that was answered without an error while measuring.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When it should have left.
    pub intended: Instant,
    /// How long after that it was answered.
    pub latency: Duration,
}

/// What the connections saw.
#[derive(Debug, Default)]
struct Seen {
    recorder: Recorder,
    /// Each single answer, if they are asked for.
    answers: Option<Vec<Answer>>,
}

impl OpenLoop {
    /// Puts the load on `target` and measures.
    ///
    /// # Errors
    /// When a connection fails, or replies are still missing a minute after the last request.
    ///
    /// # Panics
    /// When a request of the plan is answered before it was sent, or its requests are finite.
    pub fn run(self, target: Target) -> Result<Measured, LoadError> {
        Ok(self.run_into(target, Seen::default())?.0)
    }

    /// The same, and every single answer, in the order in which they came.
    ///
    /// # Errors
    /// Those of [`OpenLoop::run`].
    ///
    /// # Panics
    /// Those of [`OpenLoop::run`].
    pub fn run_with_answers(self, target: Target) -> Result<(Measured, Vec<Answer>), LoadError> {
        let seen = Seen {
            answers: Some(Vec::new()),
            ..Seen::default()
        };
        let (measured, answers) = self.run_into(target, seen)?;
        Ok((measured, answers.unwrap_or_default()))
    }

    fn run_into(
        self,
        target: Target,
        seen: Seen,
    ) -> Result<(Measured, Option<Vec<Answer>>), LoadError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for requests in self.requests {
            let (connection, stream) = runtime.block_on(open(target.address))?;
            let unanswered = Arc::new(Unanswered::default());
            receivers.push((connection, Arc::clone(&unanswered)));
            senders.push(Sender {
                stream,
                requests,
                unanswered,
                next_xid: 1,
                unsent: Vec::new(),
            });
        }
        let start = Instant::now() + self.warm_up;
        let end = start + self.measure;
        let silence = Arc::new(Silence::since(start));
        let seen = Arc::new(Mutex::new(seen));
        let interval = Duration::from_secs(1) / self.per_second;

        thread::scope(|scope| {
            let sending = scope.spawn(move || send_all(&mut senders, interval, start, end));
            let receiving = {
                let (seen, silence) = (Arc::clone(&seen), Arc::clone(&silence));
                scope.spawn(move || {
                    runtime.block_on(async {
                        let mut connections = JoinSet::new();
                        for (connection, unanswered) in receivers {
                            let (seen, silence) = (Arc::clone(&seen), Arc::clone(&silence));
                            connections.spawn(async move {
                                receive_all(connection, &unanswered, start..end, &seen, &silence)
                                    .await
                            });
                        }
                        while let Some(result) = connections.join_next().await {
                            result.expect("a connection's task does not panic")?;
                        }
                        Ok::<_, LoadError>(())
                    })
                })
            };
            sleep_until(start);
            let before = Usage::now(target)?;
            sleep_until(end);
            let usage = Usage::now(target)?.since(before);
            let sent_late = sending.join().expect("the sender does not panic")?;
            receiving.join().expect("the receiver does not panic")?;
            silence.broken(end);
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let silence_ms = silence.longest_ms();
            let mut measured = Measured::new(&seen.recorder, silence_ms, end - start, usage);
            measured.sent_late_p99_us = Some(sent_late.percentile_us(99.0));
            Ok((measured, seen.answers.take()))
        })
    }
}

/// A session with its socket twice: tokio's to read, the plain one to write from the thread that keeps the time.
async fn open(address: SocketAddr) -> Result<(Connection, TcpStream), LoadError> {
    let Connection { stream, replies } = Connection::open(address).await?;
    let stream = stream.into_std()?;
    let writing = stream.try_clone()?;
    Ok((
        Connection {
            stream: tokio::net::TcpStream::from_std(stream)?,
            replies,
        },
        writing,
    ))
}

/// Sends each request at its time until `end`, then closes the sessions. Returns how late requests left.
fn send_all(
    senders: &mut [Sender],
    interval: Duration,
    start: Instant,
    end: Instant,
) -> Result<Recorder, LoadError> {
    // The kernel may wake a sleeper 50 µs late, to save wake-ups; we would count that as the server's latency.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))
        .map_err(io::Error::from)?;
    let mut late = Recorder::default();
    let mut intended = Instant::now();
    let mut turn = 0;
    let connections = senders.len();
    while intended < end {
        let now = Instant::now();
        if now < intended {
            for sender in senders.iter_mut() {
                sender.flush()?;
            }
            thread::sleep(intended - now);
            continue;
        }
        senders[turn % connections].send(intended)?;
        if intended >= start {
            late.answered(now - intended);
        }
        turn += 1;
        intended += interval;
    }
    for sender in senders.iter_mut() {
        sender.close()?;
    }
    let give_up = Instant::now() + DRAIN_WITHIN;
    while senders.iter().any(|sender| !sender.unsent.is_empty()) {
        if Instant::now() > give_up {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server takes no more requests",
            )
            .into());
        }
        for sender in senders.iter_mut() {
            sender.flush()?;
        }
        thread::sleep(interval);
    }
    Ok(late)
}

impl Sender {
    fn send(&mut self, intended: Instant) -> Result<(), LoadError> {
        let more = self.requests.append_next(self.next_xid, &mut self.unsent);
        assert!(more, "an open loop needs endless requests");
        self.sent(Some(intended))
    }

    fn close(&mut self) -> Result<(), LoadError> {
        Frame::new(&Request::CloseSession).append(self.next_xid, &mut self.unsent);
        self.sent(None)
    }

    fn sent(&mut self, intended: Option<Instant>) -> Result<(), LoadError> {
        self.next_xid += 1;
        // Before the bytes leave: the reply may be faster than this thread.
        self.unanswered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(intended);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), LoadError> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

async fn receive_all(
    mut connection: Connection,
    unanswered: &Unanswered,
    window: std::ops::Range<Instant>,
    seen: &Mutex<Seen>,
    silence: &Silence,
) -> Result<(), LoadError> {
    let mut expected = 1;
    loop {
        let within = window.end.saturating_duration_since(Instant::now()) + DRAIN_WITHIN;
        tokio::time::timeout(within, connection.receive())
            .await
            .map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "a request was never answered")
            })??;
        let now = Instant::now();
        if window.contains(&now) {
            silence.broken(now);
        }
        while let Some(reply) = connection.replies.next_reply()? {
            if reply.xid != expected {
                return Err(LoadError::WrongXid {
                    expected,
                    got: reply.xid,
                });
            }
            expected += 1;
            let intended = unanswered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some(intended) = intended.expect("no reply comes before its request") else {
                return Ok(());
            };
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if reply.error != 0 {
                seen.recorder.failed();
            } else if window.contains(&intended) {
                let latency = now.saturating_duration_since(intended);
                seen.recorder.answered(latency);
                if let Some(answers) = &mut seen.answers {
                    answers.push(Answer { intended, latency });
                }
            }
        }
    }
}
