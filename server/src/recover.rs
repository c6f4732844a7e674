//! `treekeeper recover`: the way out when most members of an ensemble are lost for good.
//!
//! A member that is left, stopped, becomes the only voter of a new ensemble, with everything that is in its tree and its
//! log: what it had accepted counts as committed, for nobody is left who could say otherwise. In: a data folder that
//! nobody serves. Out: the same folder, in the old state or in the new one, whenever this is interrupted.
//!
//! That is so because the new state is made beside the old one, as a checkpoint of the tree into which the log is
//! replayed, and becomes the current tree in one step, in the way in which a tree that came from another member does:
//! the next start finds a tree that is further than its log, and goes on behind it. The old entries are in the tree
//! and leave the log with their terms, so nothing of the old ensemble's log can be sent to a member of the new one, which
//! a further entry at the end of the old log would not give. Before that step only the vote is changed, which a member
//! may promise at any time.
//!
//! Not here: what changes in the state (`apply::force_new_ensemble`), the log's side (`consensus::StoppedMember`).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::apply::{
    Batch, CommandError, NewEnsemble, OpenError, State, execute, force_new_ensemble,
    members_changed,
};
use crate::config::{Config, ConfigError, Flags, Member, MemberRole};
use crate::consensus::{Entry, KnownMember, Payload, StartError, StoppedMember, member_lines};
use crate::publish::{TreeFolders, applied};
use crate::tree::{Store, StoreError, StoreOptions};

/// Buffered bytes of replayed entries from which on they are written.
const BUFFER_BYTES: usize = 8 << 20;

/// What to recover, and whether it is meant.
#[derive(Debug, clap::Args)]
pub struct Recover {
    /// The config file (zoo.cfg) that the server is started with.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data folder; goes over dataDir of the file.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Makes this member the only one of a new ensemble. Whatever the others had and this one has not is lost.
    #[arg(long)]
    force_new_ensemble: bool,
}

/// Why nothing was recovered. The folder is as it was, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody was ever a member here.
    #[error(
        "{} holds no member of an ensemble: give the --config or --data-dir that the server was started with",
        folder.display()
    )]
    NoMember {
        /// The folder.
        folder: PathBuf,
    },
    /// A server runs on the folder.
    #[error("a server runs on {}: stop it first. If it serves, its ensemble is not lost", folder.display())]
    Running {
        /// The folder.
        folder: PathBuf,
    },
    /// It needs nobody else.
    #[error(
        "this server is the only voter of its ensemble already, and needs no other: start it with `treekeeper serve`"
    )]
    Alone,
    /// It was not asked for by name.
    #[error(
        "nothing was changed. If a majority of the voters can be started again, with their data folders, start them \
         instead: nothing is lost then. If they are gone for good, run this again with --force-new-ensemble, on the member \
         with the highest last index of those that are left: it becomes the only voter of a new ensemble, with all that is \
         in its log. What the others had acknowledged and this one never got is lost"
    )]
    NotForced,
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] StartError),
    /// The tree cannot be read or written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tree's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log holds what this release cannot read.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The disk, or stdout.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Recovers, and tells on stdout what it found and what to do next.
///
/// # Errors
/// [`RecoverError`] says what to do.
pub fn recover(arguments: &Recover) -> Result<(), RecoverError> {
    let flags = Flags {
        config: arguments.config.clone(),
        data_dir: arguments.data_dir.clone(),
        ..Flags::default()
    };
    let (config, _notices) = Config::load(&flags)?;
    let folder = config.storage.data_folder();
    let log_dir = config.storage.log_dir();
    let no_member = || RecoverError::NoMember {
        folder: folder.clone(),
    };
    if !folder.exists() || !log_dir.exists() {
        return Err(no_member());
    }
    let folders = TreeFolders::new(config.storage.tree_dir());
    let current = folders.current()?;
    if !current.dir.exists() {
        return Err(no_member());
    }
    let cache_bytes = config.storage.cache_bytes;
    let running = |error: OpenError| match error {
        OpenError::Store(StoreError::Locked { .. }) => RecoverError::Running {
            folder: folder.clone(),
        },
        error => error.into(),
    };
    // Only looked at, so that it is let go before its checkpoint is made.
    let state = State::open(&current.dir, cache_bytes).map_err(running)?;
    let meta = state.meta.clone();
    drop(state);
    let known = applied(&meta);
    let received = current.received.map(|(index, _)| index);
    let stopped = StoppedMember::open(&log_dir, known.as_ref(), received);
    let mut stopped = stopped
        .map_err(|error| match error {
            StartError::Log(crate::log::LogError::Locked { .. }) => RecoverError::Running {
                folder: folder.clone(),
            },
            error => error.into(),
        })?
        .ok_or_else(no_member)?;
    let members = stopped.members(known.as_ref())?;
    let own = stopped.node_id();
    let own_line = members.iter().find(|member| member.node_id == own);
    if members.is_empty() {
        return Err(no_member());
    }
    let mut voters = members.iter().filter(|member| member.votes);
    let is_alone = voters.next().is_some_and(|first| first.node_id == own);
    tell(&found(
        &folder,
        &stopped,
        &members,
        meta.cluster_id,
        meta.zxid,
    ))?;
    if is_alone && voters.next().is_none() {
        return Err(RecoverError::Alone);
    }
    if !arguments.force_new_ensemble {
        return Err(RecoverError::NotForced);
    }
    let own_line = own_line.and_then(|known| known.member.clone());
    let own_line = own_line.map(|member| Member {
        role: MemberRole::Participant,
        ..member
    });
    let remembered = config.join.remembered.clone();
    if let Some(known) = &remembered {
        // It names the old ensemble, or none, until the new one is there.
        known.admitted_to(0).write(&folder)?;
    }
    let done = make_new(
        &folders,
        &current.dir,
        cache_bytes,
        &mut stopped,
        own_line.as_ref(),
    )?;
    if let Some(known) = &remembered {
        known.admitted_to(done.cluster_id).write(&folder)?;
    }
    tell(&next_steps(arguments, &done))?;
    Ok(())
}

/// What came of it.
struct Done {
    cluster_id: u64,
    zxid: i64,
    sessions: usize,
    znodes: u64,
}

fn make_new(
    folders: &TreeFolders,
    current: &Path,
    cache_bytes: u64,
    stopped: &mut StoppedMember,
    own_line: Option<&Member>,
) -> Result<Done, RecoverError> {
    // What an earlier attempt left.
    folders.remove_garbage()?;
    let copy = folders.incoming("recover");
    if let Some(parent) = copy.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let store = Store::open(
        current,
        &StoreOptions {
            block_cache_bytes: cache_bytes / 5,
        },
    )?;
    store.checkpoint(&copy)?;
    drop(store);

    let mut state = State::open(&copy, cache_bytes)?;
    let mut next = applied(&state.meta).map_or(0, |applied| applied.index + 1);
    loop {
        let entries = stopped.entries(next)?;
        if entries.is_empty() {
            break;
        }
        next += entries.len() as u64;
        for entry in entries {
            replay(&mut state, entry)?;
        }
        if state.tree.buffered_bytes() >= BUFFER_BYTES {
            flush(&mut state)?;
        }
    }
    // Above every term that the lost members can have reached while this one still heard of them, and promised before
    // the tree says so.
    let term = stopped.term() + 1;
    stopped.promise(term)?;
    let cluster_id = rand::random::<u64>().max(1);
    let line = own_line.map(Member::line);
    force_new_ensemble(
        &mut state,
        NewEnsemble {
            index: next,
            term,
            cluster_id,
            membership: stopped.alone(next, term, line.as_deref().unwrap_or_default()),
            lines: line.map(|line| vec![line]),
        },
    )?;
    flush(&mut state)?;
    state.tree.store().sync()?;
    let done = Done {
        cluster_id,
        zxid: state.meta.zxid,
        sessions: state.sessions.len(),
        znodes: state.meta.znode_count,
    };
    let at = applied(&state.meta).ok_or_else(|| io::Error::other("the new tree has no members"))?;
    drop(state);
    sync_folder(&copy)?;
    // The step before which the folder is in the old state, and behind which it is in the new one.
    folders.adopt(&copy, &at)?;
    Ok(done)
}

/// Applies an entry as a running member does, with nobody to tell.
fn replay(state: &mut State, entry: Entry) -> Result<(), RecoverError> {
    match entry.payload {
        Payload::Blank => {}
        Payload::Command(bytes) => {
            let batch = Batch::decode(bytes)?;
            if state
                .meta
                .accept(batch.member, batch.incarnation, batch.number)
            {
                for command in &batch.commands {
                    execute(state, entry.term, batch.time_ms, command)?;
                    drop(state.take_changes());
                }
            }
        }
        Payload::Membership(members) => {
            if let Some(lines) = member_lines(&members) {
                members_changed(state, entry.term, &lines)?;
                drop(state.take_changes());
            }
            state.meta.consensus = members;
        }
    }
    state.meta.index = entry.index;
    state.meta.term = entry.term;
    Ok(())
}

fn flush(state: &mut State) -> Result<(), StoreError> {
    state.store_meta();
    if let Some(frozen) = state.tree.freeze() {
        state.tree.store().write(&frozen)?;
        drop(state.tree.flushed());
    }
    Ok(())
}

/// Makes the files of a folder durable, and their names.
fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        std::fs::File::open(entry?.path())?.sync_all()?;
    }
    std::fs::File::open(folder)?.sync_all()
}

fn tell(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

fn found(
    folder: &Path,
    stopped: &StoppedMember,
    members: &[KnownMember],
    cluster_id: u64,
    zxid: i64,
) -> String {
    let (index, term) = stopped.last().unwrap_or_default();
    let committed = stopped.committed().unwrap_or_default().min(index);
    let mut text = format!(
        "found in {}:\n  ensemble    {cluster_id:016x}\n  last index  {index} in term {term}; known to be committed up to \
         {committed}\n  last zxid   {zxid:#x} in the tree, before the log is replayed\n",
        folder.display()
    );
    for known in members {
        let is_own = known.node_id == stopped.node_id();
        let line = known.member.as_ref().map(Member::line);
        let _ = writeln!(
            text,
            "  {}  {}",
            if is_own { "this one  " } else { "member    " },
            line.unwrap_or_else(|| format!("node {:016x}", known.node_id))
        );
    }
    text
}

fn next_steps(arguments: &Recover, done: &Done) -> String {
    let flag = |name: &str, path: &Option<PathBuf>| {
        let path = path.as_ref();
        path.map_or_else(String::new, |path| format!(" --{name} {}", path.display()))
    };
    let given = flag("config", &arguments.config) + &flag("data-dir", &arguments.data_dir);
    format!(
        "this member is now the only voter of the new ensemble {:016x}: {} znodes, {} sessions, zxids from {:#x} on\n\
         next:\n  1. start it:  treekeeper serve{given}\n  2. on every other server of the old ensemble, empty the data \
         folder (keep the file myid), and start it again: by its server.N lines, or with --join, it becomes a member of \
         the new one. With its old data it is refused\n",
        done.cluster_id, done.znodes, done.sessions, done.zxid
    )
}
