//! Consensus without a tree: the log of an ensemble, and nothing behind it.
//!
//! In: the writes that an [`echo`](super::echo) has received, as bytes, and the configuration of a member. Out: word of
//! each once a majority has it on disk and this member has been told so. It is treekeeper's own consensus, log and links,
//! without znodes, watches and the store: what they leave to a server that needs no time for its own work.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use treekeeper_server::config::{Config, Flags};
use treekeeper_server::consensus::{
    Applied, Checkpoints, Consensus, Entry, Options, Payload, PeerMember, PeerOptions, Replicated,
    Role, StateMachine,
};
use treekeeper_server::log::LogReader;

use super::echo::Durable;
use crate::server::status::Role as Mode;

/// Entries of one member on their way at once: what comes meanwhile makes the next. With two, 50 connections got less.
const IN_FLIGHT_MAX: usize = 1;
/// Any number will do: there is one ensemble.
const CLUSTER_ID: u64 = 7;
/// A proposal that found no leader is made again after this time.
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// A member of the ensemble.
#[derive(Debug)]
pub(super) struct Quorum {
    consensus: Consensus,
}

/// An entry of this member on its way.
struct Placed {
    number: u64,
    command: Bytes,
    waiting: Vec<oneshot::Sender<()>>,
    _room: OwnedSemaphorePermit,
}

/// The entries of this member that are not applied yet, in their order.
type OnTheirWay = Arc<Mutex<VecDeque<Placed>>>;

impl Quorum {
    /// Joins the ensemble of the configuration, with its log in `folder`, and places whatever comes through `queue`.
    /// Returns when somebody leads.
    pub(super) async fn start(
        config: &Path,
        folder: &Path,
        queue: mpsc::Receiver<Durable>,
    ) -> io::Result<Self> {
        let flags = Flags {
            config: Some(config.to_owned()),
            ..Flags::default()
        };
        let (config, _) = Config::load(&flags).map_err(io::Error::other)?;
        let ensemble = config.ensemble.ok_or(io::ErrorKind::InvalidInput)?;
        let own = ensemble.members[&ensemble.my_id].addresses.first();
        let own = own.ok_or(io::ErrorKind::InvalidInput)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own.quorum_port))?;
        let members = ensemble.members.iter();
        let members = members.map(|(id, member)| (*id, PeerMember::of(member)));

        let on_their_way = OnTheirWay::default();
        let again = Arc::new(Notify::new());
        let refused = Arc::clone(&again);
        let mut options = Options::new(folder, Arc::new(move |_| refused.notify_one()));
        options.peers = Some(PeerOptions {
            my_id: ensemble.my_id,
            cluster_id: Arc::new(|| 0),
            members: members.collect(),
            listener: Arc::new(listener),
            tls: None,
            reconfig_enabled: false,
            join_rule: config.join.rule,
            joined: None,
            check_forwarded: Arc::new(Some),
            on_report: Arc::new(|_, _| Some(Bytes::new())),
            replicated: Arc::new(FirstRules),
        });
        let nothing = Nothing {
            member: ensemble.my_id,
            applied: None,
            membership: Bytes::new(),
            on_their_way: Arc::clone(&on_their_way),
        };
        let consensus = Consensus::start(options, nothing)
            .await
            .map_err(io::Error::other)?;
        let mut leadership = consensus.leadership();
        let led = leadership.wait_for(|now| now.leader.is_some()).await;
        led.map_err(io::Error::other)?;
        consensus.belongs_to(CLUSTER_ID);
        tokio::spawn(place_again(
            consensus.clone(),
            Arc::clone(&on_their_way),
            again,
        ));
        tokio::spawn(place(
            consensus.clone(),
            ensemble.my_id,
            on_their_way,
            queue,
        ));
        Ok(Self { consensus })
    }

    /// What it does, and how far it has come.
    pub(super) fn status(&self) -> (Mode, u64) {
        let status = self.consensus.status();
        let mode = match status.leadership.role {
            Role::Leader => Mode::Leader,
            _ => Mode::Follower,
        };
        (mode, status.applied_index.unwrap_or_default())
    }
}

/// Everything that waits goes into one entry.
async fn place(
    consensus: Consensus,
    member: u8,
    on_their_way: OnTheirWay,
    mut queue: mpsc::Receiver<Durable>,
) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut number = 0;
    while let Some(first) = queue.recv().await {
        let room = Arc::clone(&room).acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let mut command = BytesMut::new();
        let mut waiting = Vec::new();
        number += 1;
        command.put_u8(member);
        command.put_u64(number);
        let mut next = Some(first);
        while let Some(durable) = next {
            command.put_slice(&durable.bytes);
            waiting.push(durable.done);
            next = queue.try_recv().ok();
        }
        let command = command.freeze();
        lock(&on_their_way).push_back(Placed {
            number,
            command: command.clone(),
            waiting,
            _room: room,
        });
        consensus
            .propose(command, number)
            .await
            .expect("a limit without its log is no limit");
    }
}

/// Another member leads, or none does: what is not applied is proposed again, and applied once.
async fn place_again(consensus: Consensus, on_their_way: OnTheirWay, refused: Arc<Notify>) {
    loop {
        refused.notified().await;
        tokio::time::sleep(AGAIN_AFTER).await;
        let commands: Vec<_> = lock(&on_their_way)
            .iter()
            .map(|placed| (placed.command.clone(), placed.number))
            .collect();
        for (command, number) in commands {
            consensus
                .propose(command, number)
                .await
                .expect("a limit without its log is no limit");
        }
    }
}

fn lock(on_their_way: &OnTheirWay) -> MutexGuard<'_, VecDeque<Placed>> {
    on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A state that is empty after any entry.
struct Nothing {
    member: u8,
    applied: Option<(u64, u64)>,
    membership: Bytes,
    on_their_way: OnTheirWay,
}

impl StateMachine for Nothing {
    fn applied(&self) -> Option<Applied> {
        self.applied.map(|(index, term)| Applied {
            index,
            term,
            membership: self.membership.clone(),
        })
    }

    fn flushed(&self) -> Option<Applied> {
        self.applied()
    }

    fn follow(&mut self, _log: LogReader) {}

    fn apply(&mut self, batch: Vec<Entry>) {
        for entry in batch {
            self.applied = Some((entry.index, entry.term));
            match entry.payload {
                Payload::Blank => {}
                Payload::Membership(members) => self.membership = members,
                Payload::Command(command) => self.tell(&command),
            }
        }
    }

    fn checkpoints(&self) -> Arc<dyn Checkpoints> {
        Arc::new(NoCheckpoints)
    }

    fn received(&self) -> Option<u64> {
        None
    }

    fn install(&mut self, _dir: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Nothing {
    /// Whoever waits for the entry here has it on disk.
    fn tell(&self, command: &[u8]) {
        let Some((&member, rest)) = command.split_first() else {
            return;
        };
        let number = rest.first_chunk().copied().map(u64::from_be_bytes);
        if member != self.member {
            return;
        }
        let mut on_their_way = lock(&self.on_their_way);
        let first = on_their_way.front().map(|placed| placed.number);
        // Else it was proposed twice.
        if first.is_some() && first == number {
            let placed = on_their_way.pop_front();
            drop(on_their_way);
            for done in placed.into_iter().flat_map(|placed| placed.waiting) {
                // The connection may have ended meanwhile.
                let _ = done.send(());
            }
        }
    }
}

/// Nothing is small enough to be told entry by entry.
struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn make(&self, _name: &str) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn incoming(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn read(&self, _dir: &Path) -> io::Result<Applied> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// There is nothing that rules could change.
struct FirstRules;

impl Replicated for FirstRules {
    fn supported(&self) -> u16 {
        1
    }

    fn rules(&self) -> u16 {
        1
    }

    fn hides_members(&self) -> bool {
        false
    }

    fn raise(&self, _rules: u16) -> Option<Bytes> {
        None
    }

    fn show_members(&self) -> Option<Bytes> {
        None
    }
}
