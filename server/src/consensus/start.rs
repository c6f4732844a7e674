//! Starting a member: open the log, replay, form or rejoin the ensemble, lead.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{Fatal, InitializeError, RaftError};
use openraft::{BasicNode, Config, Raft, ServerState, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tracing::info;

use super::admit;
use super::checkpoint::Incoming;
use super::encoding::{decode_node_id, encode_node_id};
use super::error::{Failure, StartError};
use super::in_flight::InFlight;
use super::leader_gone::LeaderGone;
use super::log_store::{LogStore, raft_entry};
use super::machine::{self, Applied, Checkpoints, MachineAdapter, StateMachine};
use super::network::{Joining, Links, Network};
use super::next_proposal::NextProposal;
use super::options::{Options, PeerOptions};
use super::purge;
use super::read_index::ReadIndex;
use super::service::Service;
use super::status::{Elections, Leadership};
use super::types::Types;
use crate::log::{Disk, Log, LogError, LogReader, Position, RealDisk, atomic_file};
use crate::peer::{self, Identity, Local};

/// The file with this node's id.
const NODE_ID_FILE: &str = "node";

/// The file with the number of this start of the process.
const INCARNATION_FILE: &str = "incarnation";

/// Bytes of entries replayed at once.
pub(super) const REPLAY_BYTES_MAX: usize = 1024 * 1024;

/// What opening the folder gave.
struct Opened {
    log: Log,
    node_id: u64,
    incarnation: u64,
    machine: Box<dyn StateMachine>,
}

/// What a started member gives its handles.
pub(super) struct Started {
    pub(super) node_id: u64,
    pub(super) raft: Raft<Types, MachineAdapter>,
    pub(super) log: LogReader,
    pub(super) flushed: Arc<Notify>,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) failure: watch::Receiver<Option<Failure>>,
    pub(super) elections: Arc<Mutex<Elections>>,
    pub(super) incarnation: u64,
    pub(super) links: Option<Arc<Links>>,
    pub(super) read_index: Option<ReadIndex>,
    /// Answers the other members, in an ensemble.
    pub(super) serving: Option<JoinHandle<()>>,
}

/// Starts a member; see [`super::Consensus::start`]. Its tasks run on the runtime of the caller, which may be held up
/// meanwhile.
pub(super) async fn start(
    options: &Options,
    in_flight: InFlight,
    next: NextProposal,
    machine: Box<dyn StateMachine>,
) -> Result<Started, StartError> {
    let config = Arc::new(config(options)?);
    let (failed, failure) = watch::channel(None);
    let failed = Arc::new(failed);
    let Opened {
        log,
        node_id,
        incarnation,
        machine,
    } = open(options, machine, &failed)?;
    let reader = log.reader();
    let links = options.peers.as_ref().map(|peers| links(peers, node_id));
    let checkpoints = machine.checkpoints();
    let outgoing = links
        .as_ref()
        .map(|links| Arc::clone(links.outgoing()))
        .unwrap_or_default();
    let machine = MachineAdapter::new(machine, Arc::clone(&outgoing), next);
    // openraft's errors say that storage failed; the log's own says which file and why.
    let why = |error: StartError| failure.borrow().clone().map_or(error, StartError::Failed);
    let store = LogStore::new(log, in_flight.clone(), links.is_some());
    let network = Network::new(links.clone());
    let raft = Raft::new(node_id, config, network, store, machine).await;
    let raft = raft.map_err(|fatal| why(fatal.into()))?;
    let mut serving = None;
    match (&options.peers, &links) {
        (Some(peers), Some(links)) => {
            if admit::has_members(&raft).await.map_err(&why)? {
                // Before anybody asks: who belongs to an ensemble never says that it does not.
                links.local().formed();
            }
            serving = Some(serve_peers(peers, links, &raft, in_flight, checkpoints)?);
            admit::join(&raft, links).await.map_err(&why)?;
            tokio::spawn(admit::tend(raft.clone(), Arc::clone(links)));
        }
        _ => {
            lead(&raft, node_id).await.map_err(&why)?;
            // An ensemble of one has no heartbeats to send and no elections to watch for.
            raft.runtime_config().tick(false);
        }
    }

    let flushed = Arc::new(Notify::new());
    let leads = Leadership::of(&raft.server_metrics().borrow_watched());
    let (leads, leadership) = watch::channel(leads);
    let elections = Arc::new(Mutex::new(Elections::default()));
    elections.lock().note(*leadership.borrow());
    tokio::spawn(watch_core(
        raft.clone(),
        leads,
        Arc::clone(&elections),
        failed,
    ));
    let kept_bytes = options.log_kept_bytes;
    tokio::spawn(purge::run(
        raft.clone(),
        reader.clone(),
        Arc::clone(&flushed),
        kept_bytes,
        outgoing,
    ));
    Ok(Started {
        node_id,
        log: reader,
        flushed,
        leadership,
        failure,
        elections,
        incarnation,
        read_index: links
            .as_ref()
            .map(|links| ReadIndex::start(raft.clone(), Arc::clone(links))),
        raft,
        links,
        serving,
    })
}

fn links(peers: &PeerOptions, node_id: u64) -> Arc<Links> {
    let mut lines = DefaultHasher::new();
    peers
        .members
        .values()
        .for_each(|member| member.line.hash(&mut lines));
    let identity = Identity {
        my_id: peers.my_id,
        node_id,
        cluster_id: (peers.cluster_id)(),
        formed: false,
        lines: lines.finish(),
        rules: peers.replicated.supported(),
    };
    let local = Local::new(identity).with_tls(peers.tls.clone());
    let joining = Joining {
        rule: peers.join_rule.clone(),
        joined: peers.joined,
    };
    // What a member that joined was told of the others may be outdated; the ensemble's lines are not.
    let by_config = !peers.reconfig_enabled && peers.joined.is_none();
    Links::new(
        Arc::new(local),
        peers.members.clone(),
        joining,
        by_config,
        Arc::clone(&peers.replicated),
    )
}

/// Answers the other members from now on, on the caller's runtime.
fn serve_peers(
    peers: &PeerOptions,
    links: &Arc<Links>,
    raft: &Raft<Types, MachineAdapter>,
    in_flight: InFlight,
    checkpoints: Arc<dyn Checkpoints>,
) -> Result<JoinHandle<()>, StartError> {
    let listener = peers.listener.try_clone().and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
    let listener = listener
        .map_err(|error| StartError::Ensemble(format!("cannot listen for members: {error}")))?;
    let service = Service {
        raft: raft.clone(),
        links: Arc::clone(links),
        in_flight,
        peers: peers.clone(),
        incoming: Arc::new(Incoming::new(checkpoints)),
        leader_gone: LeaderGone::new(raft.clone(), Arc::clone(links)),
    };
    let local = Arc::clone(links.local());
    let serving = peer::listen(listener, local, Arc::new(service));
    Ok(tokio::spawn(serving))
}

fn config(options: &Options) -> Result<Config, StartError> {
    let millis =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "treekeeper".to_owned(),
        heartbeat_interval: millis(options.heartbeat),
        election_timeout_min: millis(options.election_timeout_min),
        election_timeout_max: millis(options.election_timeout_max),
        // The tree on disk is the snapshot; it says by itself how far it reaches.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        enable_pre_vote: Some(true),
        // A leader's reign begins with an election, so that a term names one process's reign.
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    Ok(config.validate()?)
}

/// Opens the log and brings the state machine up to what is known to be committed.
fn open(
    options: &Options,
    mut machine: Box<dyn StateMachine>,
    failed: &Arc<watch::Sender<Option<Failure>>>,
) -> Result<Opened, StartError> {
    let failed = Arc::clone(failed);
    let on_failure = Box::new(move |failure: &crate::log::LogFailure| {
        failed.send_replace(Some(Failure::Log(failure.clone())));
    });
    let mut log = Log::open(
        Arc::clone(&options.disk),
        &options.dir,
        options.log,
        on_failure,
    )?;
    let reader = log.reader();
    machine.follow(reader.clone());
    let stored = read_node_id(&*options.disk, &options.dir)?;
    let applied = machine.applied();
    if let (None, Some(applied)) = (&stored, &applied) {
        return Err(StartError::NotThisLog {
            applied: applied.index,
            reason: "the log's folder is new".to_owned(),
        });
    }
    let node_id = match stored {
        Some(node_id) => node_id,
        None => make_node_id(&*options.disk, &options.dir.join(NODE_ID_FILE))?,
    };
    if let (Some(received), Some(applied)) = (machine.received(), &applied)
        && received == applied.index
    {
        go_on_behind(&mut log, applied)?;
    }
    let incarnation = next_incarnation(&*options.disk, &options.dir.join(INCARNATION_FILE))?;
    replay(&reader, &mut *machine)?;
    Ok(Opened {
        log,
        node_id,
        incarnation,
        machine,
    })
}

/// The tree was received from another member, and the process ended before the log could go on behind it.
pub(super) fn go_on_behind(log: &mut Log, applied: &Applied) -> Result<(), StartError> {
    let reader = log.reader();
    let at = Position {
        index: applied.index,
        term: applied.term,
    };
    let covered = reader
        .purged()
        .is_some_and(|purged| purged.index >= at.index);
    if covered {
        return Ok(());
    }
    let same = match reader.last() {
        Some(last) if last.index >= at.index => {
            let found = reader.read(at.index..at.index + 1, REPLAY_BYTES_MAX)?;
            found.first().is_some_and(|record| record.position == at)
        }
        _ => false,
    };
    if !same {
        // What is there was never committed, or is in the tree.
        log.truncate_after(reader.purged());
        log.purge_to(at);
    }
    Ok(())
}

/// The id of the node whose log is in `dir`; none before there is one.
///
/// # Errors
/// When the file cannot be read, or is damaged.
pub fn stored_node_id(dir: &Path) -> Result<Option<u64>, StartError> {
    read_node_id(&RealDisk, dir)
}

fn read_node_id(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StartError> {
    let path = dir.join(NODE_ID_FILE);
    let Some(bytes) = atomic_file::read(disk, &path)? else {
        return Ok(None);
    };
    let node_id = decode_node_id(&bytes).ok_or(LogError::Damaged {
        file: path,
        offset: 0,
        reason: "the content is no node id",
    })?;
    Ok(Some(node_id))
}

/// Counts the starts, before anything is proposed: another member may know of a start that this one's log does not.
fn next_incarnation(disk: &dyn Disk, path: &Path) -> Result<u64, StartError> {
    let last = match atomic_file::read(disk, path)? {
        Some(bytes) => decode_node_id(&bytes).ok_or_else(|| LogError::Damaged {
            file: path.to_path_buf(),
            offset: 0,
            reason: "the content is no count of starts",
        })?,
        None => 0,
    };
    let next = last + 1;
    atomic_file::write(disk, path, &encode_node_id(next))?;
    Ok(next)
}

fn make_node_id(disk: &dyn Disk, path: &Path) -> Result<u64, StartError> {
    let node_id = rand::random();
    atomic_file::write(disk, path, &encode_node_id(node_id))?;
    info!(node_id = format_args!("{node_id:016x}"), "new data folder");
    Ok(node_id)
}

/// Applies the entries from the state machine's position up to the last one known to be committed.
fn replay(log: &LogReader, machine: &mut dyn StateMachine) -> Result<(), StartError> {
    let applied = machine.applied().map(|applied| applied.index);
    let mut next = applied.map_or(0, |applied| applied + 1);
    if let Some(applied) = applied
        && log.last().is_none_or(|last| last.index < applied)
    {
        let last = log.last().map_or("is empty".to_owned(), |last| {
            format!("ends at index {}", last.index)
        });
        return Err(StartError::NotThisLog {
            applied,
            reason: format!("the log {last}"),
        });
    }
    let Some(committed) = log.committed() else {
        return Ok(());
    };
    if next <= committed.index {
        info!(from = next, up_to = committed.index, "replaying the log");
    }
    while next <= committed.index {
        let records = log.read(next..committed.index + 1, REPLAY_BYTES_MAX)?;
        let entries = records
            .into_iter()
            .map(|record| raft_entry(record).map(machine::entry));
        let entries: Vec<_> = entries
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::Stopped(error.to_string().into()))?;
        next += entries.len() as u64;
        machine.apply(entries);
    }
    Ok(())
}

/// Forms the ensemble if there is none, stands for election, and waits until everything in the log is applied.
async fn lead(raft: &Raft<Types, MachineAdapter>, node_id: u64) -> Result<(), StartError> {
    if raft.is_initialized().await? {
        let voters = |state: &openraft::RaftState<Types>| {
            state.membership_state.effective().voter_ids().collect()
        };
        let voters: Vec<u64> = raft.with_raft_state(voters).await?;
        if !voters.contains(&node_id) {
            return Err(StartError::NotAVoter { node_id });
        }
        raft.trigger().elect(false).await?;
    } else {
        let members = BTreeMap::from([(node_id, BasicNode::new(""))]);
        raft.initialize(members)
            .await
            .map_err(|error| match error {
                RaftError::Fatal(fatal) => StartError::from(fatal),
                RaftError::APIError(
                    InitializeError::NotAllowed(_) | InitializeError::NotInMembers(_),
                ) => StartError::NotAVoter { node_id },
            })?;
    }
    let recovered = |metrics: &openraft::RaftMetrics<Types>| {
        let applied = metrics.last_applied.map(|applied| applied.index);
        metrics.running_state.is_err()
            || metrics.state == ServerState::Leader
                && applied.is_some()
                && applied >= metrics.last_log_index
    };
    let metrics = raft
        .wait(None)
        .metrics(recovered, "everything in the log is applied")
        .await;
    let metrics = metrics.map_err(|error| Failure::Stopped(error.to_string().into()))?;
    metrics.running_state.map_err(StartError::from)?;
    info!(
        node_id = format_args!("{node_id:016x}"), term = metrics.current_term, index = ?metrics.last_log_index,
        "leading an ensemble of one"
    );
    Ok(())
}

/// Passes on who leads, and says when the core ended by itself.
async fn watch_core(
    raft: Raft<Types, MachineAdapter>,
    leads: watch::Sender<Leadership>,
    elections: Arc<Mutex<Elections>>,
    failed: Arc<watch::Sender<Option<Failure>>>,
) {
    let mut server_metrics = raft.server_metrics();
    while server_metrics.changed().await.is_ok() {
        let now = Leadership::of(&server_metrics.borrow_watched());
        if leads.send_if_modified(|known| std::mem::replace(known, now) != now) {
            elections.lock().note(now);
            info!(role = ?now.role, term = now.term, leader = now.leader.map(|id| format!("{id:016x}")), "leadership");
        }
    }
    let ended = raft.metrics().borrow_watched().running_state.clone();
    if let Err(fatal @ (Fatal::StorageError(_) | Fatal::Panicked)) = ended {
        // The log's own failure names the file, so it stays if it is there.
        failed.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| Failure::from(fatal));
            first
        });
    }
}
