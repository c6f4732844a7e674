//! A client that knows every host of an ensemble and writes without end: where its connection breaks it goes on at the next
//! host at once, with the same session.
//!
//! In: the hosts and a write. Out: when each accepted write was sent and answered. Real clients wait a random time before
//! they connect again; this one measures the servers and not its own patience.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use treekeeper_protocol::Request;

use crate::load::LoadError;
use crate::load::client::Client;
use crate::load::frame::Session;

/// A host that has not gone on with the session after this time is left for the next.
const GO_ON_WITHIN: Duration = Duration::from_millis(100);
/// A host that has not answered a write after this time is left for the next.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The pause after all hosts have refused: without it the client would take a processor from those that elect.
const PAUSE: Duration = Duration::from_millis(1);

/// A write that a server has accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// When it was sent.
    pub sent: Instant,
    /// When its reply had come.
    pub answered: Instant,
}

/// The client.
#[derive(Debug)]
pub struct Roaming {
    hosts: Vec<SocketAddr>,
    next: usize,
    session: Session,
}

impl Roaming {
    /// A new session at the host with the place `first`.
    ///
    /// # Errors
    /// When that host does not open one.
    pub fn start(hosts: Vec<SocketAddr>, first: usize) -> Result<(Self, Client), LoadError> {
        let next = first % hosts.len();
        let client = Client::connect(hosts[next])?;
        client.answer_within(ANSWER_WITHIN)?;
        let session = client.session();
        let roaming = Self {
            hosts,
            next,
            session,
        };
        Ok((roaming, client))
    }

    /// Sends `write` again and again, first to `client`, and passes on what was accepted, until `ended`.
    ///
    /// # Errors
    /// When the session is lost, or a reply cannot be read.
    pub fn write_until(
        mut self,
        client: Client,
        write: &Request,
        ended: &AtomicBool,
        accepted: &Sender<Accepted>,
    ) -> Result<(), LoadError> {
        let mut client = Some(client);
        while !ended.load(Ordering::Relaxed) {
            let Some(connected) = &mut client else {
                client = self.go_on()?;
                continue;
            };
            let sent = Instant::now();
            match connected.call(write) {
                Ok(()) => {
                    let answered = Instant::now();
                    if accepted.send(Accepted { sent, answered }).is_err() {
                        break;
                    }
                }
                // An error too says that this host cannot write now, for instance since the session has moved on.
                Err(LoadError::Io(_) | LoadError::Refused { .. }) => client = None,
                Err(error) => return Err(error),
            }
        }
        if let Some(client) = client {
            // A session that stays open takes nothing that is measured.
            let _ = client.close();
        }
        Ok(())
    }

    /// Tries the next host; `None` when it refuses.
    fn go_on(&mut self) -> Result<Option<Client>, LoadError> {
        self.next += 1;
        if self.next == self.hosts.len() {
            self.next = 0;
            thread::sleep(PAUSE);
        }
        match Client::go_on(self.session, self.hosts[self.next], GO_ON_WITHIN) {
            Ok(client) => {
                client.answer_within(ANSWER_WITHIN)?;
                Ok(Some(client))
            }
            Err(LoadError::Io(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
