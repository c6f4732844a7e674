//! The task that owns a session.
//!
//! In: commands of handles, frames of the server, the passing of time. Out: frames to the server, replies to
//! handles, events to watchers, the state of the session.
//! Tasks and channels: one task per client, spawned by the builder; handles reach it through one bounded channel
//! of [`Command`]s; each call waits on a oneshot of its own. The task ends with the session.
//! Not here: what a reply means (`client`).

mod backoff;
mod command;
mod intake;
mod link;
mod state;

use crate::Error;
use crate::watch::WatchTable;
use backoff::Backoff;
use bytes::Bytes;
pub(crate) use command::{COMMANDS_MAX, Call, Command, OnReply, ReplyTo, Subscription};
use futures::FutureExt;
use intake::{HandlesGone, Intake};
use link::{Link, LinkError};
pub use state::{SessionInfo, SessionState};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use treekeeper_protocol::{
    ConnectRequest, ErrorCode, KeeperState, PASSWORD_LEN, ReplyHeader, WatcherEvent, xid,
};

/// A connection that lasted this long is taken for a good one: after it the pause between attempts starts anew.
const GOOD_CONNECTION: Duration = Duration::from_secs(1);

/// What a session needs to know from the beginning.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Host and port of each server, in the order in which they are tried.
    pub(crate) servers: Vec<(String, u16)>,
    /// The session timeout to ask for.
    pub(crate) session_timeout: Duration,
    /// The longest that one server may take to open the session.
    pub(crate) attempt_timeout: Duration,
    /// Whether a read-only server will do.
    pub(crate) read_only: bool,
    /// Identities for every connection: scheme and proof.
    pub(crate) auths: Vec<(String, Bytes)>,
    /// A session to go on with; id 0 for a new one.
    pub(crate) session: SessionInfo,
}

/// A session and all that belongs to it.
pub(crate) struct Session {
    settings: Settings,
    intake: Intake,
    watches: WatchTable,
    info: watch::Sender<SessionInfo>,
    state: watch::Sender<SessionState>,
    /// The highest zxid in any reply: no server that is behind it will do.
    last_zxid: i64,
    /// Read-only servers hand out sessions of their own, which no other server knows.
    is_known_to_ensemble: bool,
    next_server: usize,
    backoff: Backoff,
}

/// How the service of a connection ended.
enum Outcome {
    /// Another server may go on with the session.
    Lost,
    /// The session is over.
    Ended(SessionState),
}

impl Session {
    pub(crate) fn new(
        settings: Settings,
        watches: WatchTable,
        commands: mpsc::Receiver<Command>,
        info: watch::Sender<SessionInfo>,
        state: watch::Sender<SessionState>,
    ) -> Self {
        let is_known_to_ensemble = settings.session.id != 0;
        Self {
            settings,
            intake: Intake::new(commands),
            watches,
            info,
            state,
            last_zxid: 0,
            is_known_to_ensemble,
            next_server: 0,
            backoff: Backoff::default(),
        }
    }

    /// Serves the handles until the session is over.
    pub(crate) async fn run(mut self) {
        let end = loop {
            let mut link = match self.connect().await {
                Ok(link) => link,
                Err(end) => break end,
            };
            let connected_at = Instant::now();
            let outcome = self.serve(&mut link).await;
            match outcome {
                Outcome::Ended(end) => {
                    link.fail_pending(&end.error());
                    break end;
                }
                Outcome::Lost => {
                    link.fail_pending(&Error::ConnectionLoss);
                    self.state.send_replace(SessionState::Connecting);
                    self.watches.connection_changed(KeeperState::Disconnected);
                }
            }
            if connected_at.elapsed() >= GOOD_CONNECTION {
                self.backoff = Backoff::default();
            }
        };
        tracing::debug!(session_id = self.info.borrow().id, state = ?end, "session is over");
        // The state comes first: whoever is refused now finds the reason there.
        self.state.send_replace(end);
        self.watches.end(end.keeper_state());
        self.intake.refuse_all(&end.error());
    }

    /// Finds a server that goes on with the session, or says how the session ended.
    async fn connect(&mut self) -> Result<Link, SessionState> {
        loop {
            for _ in 0..self.settings.servers.len() {
                let (host, port) = self.settings.servers[self.next_server].clone();
                self.next_server = (self.next_server + 1) % self.settings.servers.len();
                let attempt = Link::open(
                    (host.clone(), port),
                    self.connect_request(),
                    self.settings.attempt_timeout,
                );
                match self.intake.stash_during(attempt).await {
                    Err(HandlesGone) => return Err(SessionState::Closed),
                    Ok(Err(error)) => {
                        tracing::debug!(host, port, %error, "server did not open the session");
                    }
                    Ok(Ok((_, response))) if response.timeout_ms <= 0 => {
                        return Err(SessionState::Expired);
                    }
                    Ok(Ok((link, response))) => {
                        tracing::debug!(host, port, session_id = response.session_id, "connected");
                        let is_read_only = response.read_only == Some(true);
                        self.is_known_to_ensemble |= !is_read_only;
                        self.info.send_replace(SessionInfo {
                            id: response.session_id,
                            password: response.password,
                            timeout: Duration::from_millis(u64::from(
                                response.timeout_ms.unsigned_abs(),
                            )),
                        });
                        return Ok(self.restore(link, is_read_only));
                    }
                }
            }
            self.intake.refuse_stashed(&Error::ConnectionLoss);
            if self
                .intake
                .stash_during(sleep(self.backoff.next_pause()))
                .await
                .is_err()
            {
                return Err(SessionState::Closed);
            }
        }
    }

    fn connect_request(&self) -> ConnectRequest {
        let session = if self.is_known_to_ensemble && self.info.borrow().id != 0 {
            self.info.borrow().clone()
        } else {
            SessionInfo {
                id: 0,
                password: [0; PASSWORD_LEN],
                timeout: Duration::ZERO,
            }
        };
        ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: i32::try_from(self.settings.session_timeout.as_millis())
                .unwrap_or(i32::MAX),
            session_id: session.id,
            password: Some(Bytes::copy_from_slice(&session.password)),
            read_only: Some(self.settings.read_only),
        }
    }

    /// Tells a new connection who we are and what we watch.
    fn restore(&mut self, mut link: Link, is_read_only: bool) -> Link {
        for (scheme, proof) in &self.settings.auths {
            link.send_auth(scheme, proof, None);
        }
        for request in self.watches.set_watches(self.last_zxid) {
            link.send_set_watches(request);
        }
        self.watches.connection_changed(KeeperState::SyncConnected);
        self.state.send_replace(if is_read_only {
            SessionState::ConnectedReadOnly
        } else {
            SessionState::Connected
        });
        link
    }

    async fn serve(&mut self, link: &mut Link) -> Outcome {
        let session_timeout = self.info.borrow().timeout;
        let idle_max = session_timeout / 3;
        let silence_max = session_timeout * 2 / 3;
        let timer = sleep_until(Instant::now() + idle_max);
        tokio::pin!(timer);
        for command in self.intake.take_stashed() {
            self.submit(link, Some(command));
        }
        loop {
            tokio::select! {
                read = link.read() => {
                    if let Some(outcome) = self.on_read(link, read) {
                        return outcome;
                    }
                }
                command = self.intake.next(), if link.has_room() => {
                    self.submit(link, command);
                    // What else is there goes out in the same write.
                    while link.has_room() && let Some(command) = self.intake.next_now() {
                        self.submit(link, Some(command));
                    }
                }
                () = &mut timer => {
                    let now = Instant::now();
                    if now >= link.heard_at() + silence_max {
                        // A process that was stopped for a while finds what came meanwhile in the socket.
                        let read = link.read().now_or_never().unwrap_or(Err(LinkError::Silent));
                        if let Some(outcome) = self.on_read(link, read) {
                            return outcome;
                        }
                    }
                    if now >= link.sent_at() + idle_max {
                        link.send_ping();
                    }
                    timer.as_mut().reset((link.sent_at() + idle_max).min(link.heard_at() + silence_max));
                }
            }
        }
    }

    /// Handles the frames that have come; `Some` if there will be no more.
    fn on_read(&mut self, link: &mut Link, read: Result<(), LinkError>) -> Option<Outcome> {
        if let Err(error) = read {
            return Some(link.outcome_of_loss(&error));
        }
        loop {
            match link.next_frame() {
                Ok(None) => return None,
                Ok(Some((header, body))) => {
                    let outcome = self.on_frame(link, header, &body);
                    if outcome.is_some() {
                        return outcome;
                    }
                }
                Err(error) => return Some(link.outcome_of_loss(&error)),
            }
        }
    }

    /// Puts a command on the wire; `None` means that all handles are gone, which closes the session.
    fn submit(&mut self, link: &mut Link, command: Option<Command>) {
        match command {
            Some(Command::Call(call)) => link.send_call(call),
            Some(Command::Auth {
                scheme,
                proof,
                reply,
            }) => {
                link.send_auth(&scheme, &proof, Some(reply));
                self.settings.auths.push((scheme, proof));
            }
            Some(Command::Close { reply }) => link.send_close(Some(reply)),
            None => link.send_close(None),
        }
    }

    /// Hands a frame to whom it belongs; `Some` if it was the last of this connection.
    fn on_frame(&mut self, link: &mut Link, header: ReplyHeader, body: &Bytes) -> Option<Outcome> {
        match header.xid {
            xid::NOTIFICATION => match WatcherEvent::decode(body) {
                Ok(event) => self.watches.fire(&event, header.zxid),
                Err(error) => return Some(link.outcome_of_loss(&error.into())),
            },
            xid::PING => {}
            xid::AUTH => {
                let refused = ErrorCode::from_i32(header.err) == Some(ErrorCode::AuthFailed);
                link.answer_auth(if refused {
                    Err(Error::AuthFailed)
                } else {
                    outcome_of(header)
                });
                if refused {
                    return Some(Outcome::Ended(SessionState::AuthFailed));
                }
            }
            xid::SET_WATCHES => {
                if header.err != 0 {
                    tracing::warn!(
                        err = header.err,
                        "server did not register the watches again"
                    );
                }
            }
            _ => return self.on_reply(link, header, body),
        }
        self.last_zxid = self.last_zxid.max(if header.xid == xid::NOTIFICATION {
            0
        } else {
            header.zxid
        });
        None
    }

    fn on_reply(&mut self, link: &mut Link, header: ReplyHeader, body: &Bytes) -> Option<Outcome> {
        let Some((reply, on_reply)) = link.take_pending(header.xid) else {
            return Some(link.outcome_of_loss(&LinkError::OutOfOrder { xid: header.xid }));
        };
        self.last_zxid = self.last_zxid.max(header.zxid);
        match on_reply {
            OnReply::Nothing => {}
            OnReply::Close => {
                answer(reply, outcome_of(header).map(|()| Bytes::new()));
                return Some(Outcome::Ended(SessionState::Closed));
            }
            OnReply::Watch(watch) => watch.confirm(header.err, &mut self.watches),
            OnReply::Unwatch { path, kind } => {
                if header.err == 0 {
                    self.watches.remove(&path, kind);
                }
            }
        }
        answer(reply, outcome_of(header).map(|()| body.clone()));
        None
    }
}

fn answer(reply: Option<ReplyTo>, outcome: Result<Bytes, Error>) {
    if let Some(reply) = reply {
        reply.answer(outcome);
    }
}

fn outcome_of(header: ReplyHeader) -> Result<(), Error> {
    if header.err == 0 {
        Ok(())
    } else {
        Err(Error::of_reply(header.err))
    }
}
