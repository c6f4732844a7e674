//! Consensus without a tree: the log of a server or an ensemble, and nothing behind it.
//!
//! In: the writes that an [`echo`](super::echo) has received, as bytes, and the configuration of a server, alone or in an
//! ensemble. Out: word of each once a majority has it on disk and this server has been told so. It is treekeeper's own
//! consensus, log and links, without znodes, watches and the store: what they leave to a server that needs no time for
//! its own work.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::sync::{Notify, mpsc, oneshot};
use treekeeper_server::config::{Config, Ensemble, Flags, JoinRule};
use treekeeper_server::consensus::{
    Applied, Checkpoints, Consensus, Entry, FirstRules, NoCheckpoints, Options, Payload,
    PeerMember, PeerOptions, Role, StateMachine,
};
use treekeeper_server::log::LogReader;

use super::echo::Durable;
use crate::server::status::Role as Mode;

/// Any number will do: there is one ensemble.
const CLUSTER_ID: u64 = 7;
/// Who a server alone is.
const ALONE: u8 = 1;
/// Bytes of entries after which the log may give up what it holds of them: about as often as a tree is made durable.
const FLUSHED_EVERY_BYTES: usize = 32 << 20;
/// A proposal that found no leader is made again after this time.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
const NO_LIMIT: &str = "a limit without its log is no limit";

/// A server alone, or a member of the ensemble.
#[derive(Debug)]
pub(super) struct Quorum {
    consensus: Consensus,
}

/// An entry of this member that is not applied yet.
struct Placed {
    number: u64,
    command: Bytes,
    /// The writes in it.
    waiting: Vec<oneshot::Sender<()>>,
    /// The next entry.
    applied: oneshot::Sender<()>,
}

/// There is one at a time, and what comes meanwhile makes the next: with two, 50 connections got less.
type OnItsWay = Arc<Mutex<Option<Placed>>>;

impl Quorum {
    /// Starts alone, or joins the ensemble if the configuration has one, and places whatever comes through `queue`. The
    /// log is in `folder`, which is empty or not there. Returns when somebody leads.
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
        let ensemble = config.ensemble.as_ref();
        let my_id = ensemble.map_or(ALONE, |ensemble| ensemble.my_id);

        let on_its_way = OnItsWay::default();
        let again = Arc::new(Notify::new());
        let refused = Arc::clone(&again);
        let mut options = Options::new(folder, Arc::new(move |_| refused.notify_one()));
        options.log_kept_bytes = config.storage.log_retention(ensemble.is_none());
        options.peers = ensemble
            .map(|ensemble| peers(ensemble, config.join.rule.clone()))
            .transpose()?;
        let nothing = Nothing {
            member: my_id,
            applied: None,
            membership: Bytes::new(),
            on_its_way: Arc::clone(&on_its_way),
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
            Arc::clone(&on_its_way),
            again,
        ));
        tokio::spawn(place(consensus.clone(), my_id, on_its_way, queue));
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

/// How the member reaches the others.
fn peers(ensemble: &Ensemble, join_rule: JoinRule) -> io::Result<PeerOptions> {
    let own = ensemble.members[&ensemble.my_id].addresses.first();
    let own = own.ok_or(io::ErrorKind::InvalidInput)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own.quorum_port))?;
    let members = ensemble.members.iter();
    let members = members.map(|(id, member)| (*id, PeerMember::of(member)));
    Ok(PeerOptions {
        my_id: ensemble.my_id,
        cluster_id: Arc::new(|| 0),
        members: members.collect(),
        listener: Arc::new(listener),
        tls: None,
        reconfig_enabled: false,
        join_rule,
        joined: None,
        check_forwarded: Arc::new(Some),
        on_report: Arc::new(|_, _| Some(Bytes::new())),
        replicated: Arc::new(FirstRules),
    })
}

/// Everything that waits goes into one entry.
async fn place(
    consensus: Consensus,
    member: u8,
    on_its_way: OnItsWay,
    mut queue: mpsc::Receiver<Durable>,
) {
    let mut number = 0;
    let mut unflushed = 0;
    while let Some(first) = queue.recv().await {
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
        unflushed += command.len();
        let (applied, is_applied) = oneshot::channel();
        *lock(&on_its_way) = Some(Placed {
            number,
            command: command.clone(),
            waiting,
            applied,
        });
        consensus.propose(command, number).await.expect(NO_LIMIT);
        is_applied.await.expect(NO_LIMIT);
        // Old files are used again, as under a tree: a log that only grew would fill ever new ones with zeros.
        if unflushed >= FLUSHED_EVERY_BYTES {
            unflushed = 0;
            consensus.flushed();
        }
    }
}

/// Another member leads, or none does: what is not applied is proposed again, and applied once.
async fn place_again(consensus: Consensus, on_its_way: OnItsWay, refused: Arc<Notify>) {
    loop {
        refused.notified().await;
        // An election takes longer than that; there is nothing to be told by.
        tokio::time::sleep(AGAIN_AFTER).await;
        let placed = lock(&on_its_way)
            .as_ref()
            .map(|placed| (placed.command.clone(), placed.number));
        if let Some((command, number)) = placed {
            consensus.propose(command, number).await.expect(NO_LIMIT);
        }
    }
}

fn lock(on_its_way: &OnItsWay) -> MutexGuard<'_, Option<Placed>> {
    on_its_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A state that is empty after any entry.
struct Nothing {
    member: u8,
    applied: Option<(u64, u64)>,
    membership: Bytes,
    on_its_way: OnItsWay,
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
        // Else it was proposed twice.
        let placed = lock(&self.on_its_way).take_if(|placed| Some(placed.number) == number);
        if let Some(placed) = placed {
            // The connections, and whoever places the next, may have ended meanwhile.
            for waiting in placed.waiting {
                let _ = waiting.send(());
            }
            let _ = placed.applied.send(());
        }
    }
}
