//! Bringing a member that is too far behind up to date: a checkpoint of the tree, file by file, in pieces.
//!
//! The leader makes a checkpoint (hard links, no pause) and tells the member its files. The member says how much of
//! each it has already, from an attempt that broke off, and the leader sends the rest. When all is there and synced,
//! the member makes it its tree (`StateMachine::install`), once consensus has accepted it: a crash anywhere leaves it
//! with the old tree and its log, or with the new one. While it is on its way the leader's log keeps what follows it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::Raft;
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf, VoteOf};
use openraft::vote::RaftLeaderId;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tracing::info;

use super::encoding::{decode_vote, encode_vote};
use super::machine::{Applied, Checkpoints, FlushedTree, MachineAdapter, log_state};
use super::service::kind;
use super::types::Types;
use crate::peer::{Link, LinkError};

/// Bytes of one piece.
const PIECE_BYTES: usize = 256 << 10;
/// Files of one checkpoint.
const FILES_MAX: usize = 100_000;
/// How often the leader asks whether the member has installed it.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// Pieces between two lines of the log.
const PIECES_PER_LINE: u64 = 1024;

/// How far the member is, as it answers to the end.
const INSTALLING: u8 = 1;
const INSTALLED: u8 = 2;

/// A file of a checkpoint: name and length.
type Files = Vec<(String, u64)>;

/// A checkpoint that this member has made for another.
#[derive(Clone, Debug)]
struct Made {
    id: u64,
    dir: PathBuf,
    files: Files,
    /// How far it reaches.
    at: Applied,
    since: Instant,
}

/// A checkpoint that has not arrived after so long is given up, and the log goes on without it.
const MADE_AGE_MAX: Duration = Duration::from_secs(3600);

/// Checkpoints on their way to other members, by node: kept until they have arrived.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    made: Mutex<HashMap<u64, Made>>,
}

impl Outgoing {
    /// The one that reaches least far.
    pub(super) fn oldest(&self) -> Option<Applied> {
        let mut made = self.made.lock();
        made.retain(|_, made| made.since.elapsed() < MADE_AGE_MAX);
        let oldest = made.values().min_by_key(|made| made.at.index);
        oldest.map(|made| made.at.clone())
    }

    /// The checkpoint to send to the node, which reaches at least so far.
    async fn made_for(
        &self,
        node: u64,
        checkpoints: Arc<dyn Checkpoints>,
        at_least: u64,
    ) -> Result<Made, LinkError> {
        let known = self.made.lock().get(&node).cloned();
        if let Some(made) = known.filter(|made| made.at.index >= at_least) {
            return Ok(made);
        }
        let made = spawn_blocking(move || make(&*checkpoints)).await;
        let made = made.map_err(io::Error::other).and_then(|made| made);
        let made = made.map_err(|error| {
            tracing::error!(%error, "cannot make a checkpoint for another member");
            LinkError::Unreachable(error.to_string().into())
        })?;
        let old = self.made.lock().insert(node, made.clone());
        if let Some(old) = old {
            // What cannot be removed now goes with the next start.
            let _ = fs::remove_dir_all(&old.dir);
        }
        Ok(made)
    }

    /// Sends a checkpoint to the node; returns the vote that it answers with.
    ///
    /// # Errors
    /// When the link breaks, or the node refuses. The next call goes on where this one was.
    pub(super) async fn send(
        &self,
        node: u64,
        link: &Link,
        checkpoints: Arc<dyn Checkpoints>,
        at_least: u64,
        vote: &VoteOf<Types>,
    ) -> Result<VoteOf<Types>, LinkError> {
        // A member that is away pins no files, and one that is at work on another is left alone.
        link.call(kind::CHECKPOINT_READY, Bytes::new()).await?;
        let made = self.made_for(node, checkpoints, at_least).await?;
        let sent = transfer(&made, link, vote).await;
        if !matches!(sent, Err(LinkError::Unreachable(_) | LinkError::Full)) {
            self.made.lock().remove(&node);
            // What cannot be removed now goes with the next start.
            let _ = fs::remove_dir_all(&made.dir);
        }
        sent
    }
}

fn make(checkpoints: &dyn Checkpoints) -> io::Result<Made> {
    let id: u64 = rand::random();
    let dir = checkpoints.make(&format!("{id:016x}"))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let entry = entry?;
        files.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.metadata()?.len(),
        ));
    }
    files.sort();
    let at = checkpoints.read(&dir)?;
    Ok(Made {
        id,
        dir,
        files,
        at,
        since: Instant::now(),
    })
}

async fn transfer(
    made: &Made,
    link: &Link,
    vote: &VoteOf<Types>,
) -> Result<VoteOf<Types>, LinkError> {
    let bytes: u64 = made.files.iter().map(|(_, len)| len).sum();
    info!(
        files = made.files.len(),
        bytes, "sending a checkpoint to a member that is far behind"
    );
    let mut have = link
        .call(kind::CHECKPOINT_BEGIN, encode_begin(made.id, &made.files))
        .await?;
    for (number, (name, len)) in (0..).zip(&made.files) {
        let mut offset = have.try_get_u64().unwrap_or_default();
        let path = made.dir.join(name);
        while offset < *len {
            let piece =
                usize::try_from(len - offset).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let body = {
                let (id, path) = (made.id, path.clone());
                let read = spawn_blocking(move || read_piece(id, number, &path, offset, piece));
                let read = read.await.map_err(io::Error::other).and_then(|read| read);
                read.map_err(|error| LinkError::Refused(error.to_string()))?
            };
            link.call(kind::CHECKPOINT_PIECE, body).await?;
            offset += piece as u64;
        }
    }
    let mut end = BytesMut::new();
    end.put_u64(made.id);
    end.put_slice(&encode_vote(vote));
    let end = end.freeze();
    loop {
        let mut answer = link.call(kind::CHECKPOINT_END, end.clone()).await?;
        if answer.try_get_u8() == Ok(INSTALLED) {
            info!("the member has installed the checkpoint");
            return decode_vote(&answer)
                .ok_or_else(|| LinkError::Refused("the answer is unreadable".to_owned()));
        }
        tokio::time::sleep(ASK_INTERVAL).await;
    }
}

fn read_piece(id: u64, number: u32, path: &Path, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut out = BytesMut::with_capacity(20 + len);
    out.put_u64(id);
    out.put_u32(number);
    out.put_u64(offset);
    let at = out.len();
    out.resize(at + len, 0);
    File::open(path)?.read_exact_at(&mut out[at..], offset)?;
    Ok(out.freeze())
}

fn encode_begin(id: u64, files: &Files) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u64(id);
    out.put_u32(u32::try_from(files.len()).expect("a tree has few files"));
    for (name, len) in files {
        out.put_u64(*len);
        out.put_u16(u16::try_from(name.len()).expect("RocksDB gives short names"));
        out.put_slice(name.as_bytes());
    }
    out.freeze()
}

fn decode_begin(mut input: Bytes) -> Option<(u64, Files)> {
    let id = input.try_get_u64().ok()?;
    let count = usize::try_from(input.try_get_u32().ok()?).ok()?;
    if count > FILES_MAX {
        return None;
    }
    let mut files = Vec::new();
    for _ in 0..count {
        let len = input.try_get_u64().ok()?;
        let name = usize::from(input.try_get_u16().ok()?);
        let name = (input.len() >= name).then(|| input.split_to(name))?;
        let name = String::from_utf8(name.into()).ok()?;
        files.push((name, len));
    }
    files
        .iter()
        .all(|(name, _)| is_plain(name))
        .then_some((id, files))
}

/// Is it a name that cannot lead out of its folder?
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// The checkpoint that another member sends to this one; at most one at a time.
pub(super) struct Incoming {
    checkpoints: Arc<dyn Checkpoints>,
    state: Mutex<Receiving>,
}

#[derive(Debug, Default)]
enum Receiving {
    #[default]
    Nothing,
    Files {
        id: u64,
        dir: PathBuf,
        files: Files,
        have: Vec<u64>,
    },
    Installing(u64),
    Done(u64, Result<Bytes, String>),
}

impl Incoming {
    pub(super) fn new(checkpoints: Arc<dyn Checkpoints>) -> Incoming {
        Incoming {
            checkpoints,
            state: Mutex::default(),
        }
    }

    /// Could a checkpoint come now?
    pub(super) fn is_ready(&self) -> Result<Bytes, String> {
        match &*self.state.lock() {
            Receiving::Installing(_) => Err("a checkpoint is being installed".to_owned()),
            _ => Ok(Bytes::new()),
        }
    }

    /// A checkpoint comes; the answer is how much of each file is here.
    pub(super) fn begin(&self, body: Bytes) -> Result<Bytes, String> {
        let (id, files) = decode_begin(body).ok_or("the list of files is unreadable")?;
        let mut state = self.state.lock();
        match &*state {
            Receiving::Files {
                id: known,
                files: same,
                ..
            } if *known == id && *same == files => {}
            Receiving::Done(known, Ok(_)) if *known == id => {
                // It is here whole: only the word of it was lost.
                let mut out = BytesMut::with_capacity(files.len() * 8);
                files.iter().for_each(|(_, len)| out.put_u64(*len));
                return Ok(out.freeze());
            }
            Receiving::Installing(_) => {
                return Err("another checkpoint is being installed".to_owned());
            }
            _ => {
                let dir = self.checkpoints.incoming(&format!("{id:016x}"));
                if let Receiving::Files { dir: old, .. } = &*state {
                    let _ = fs::remove_dir_all(old);
                }
                let made = fs::remove_dir_all(&dir).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                });
                made.and_then(|()| fs::create_dir_all(&dir))
                    .and_then(|()| {
                        files
                            .iter()
                            .try_for_each(|(name, _)| File::create(dir.join(name)).map(drop))
                    })
                    .map_err(|error| format!("cannot receive a checkpoint: {error}"))?;
                let bytes: u64 = files.iter().map(|(_, len)| len).sum();
                info!(
                    files = files.len(),
                    bytes, "this member is far behind: receiving a checkpoint"
                );
                let have = vec![0; files.len()];
                *state = Receiving::Files {
                    id,
                    dir,
                    files,
                    have,
                };
            }
        }
        let Receiving::Files { have, .. } = &*state else {
            return Err("nothing is being received".to_owned());
        };
        let mut out = BytesMut::with_capacity(have.len() * 8);
        have.iter().for_each(|len| out.put_u64(*len));
        Ok(out.freeze())
    }

    /// A piece of a file.
    pub(super) fn piece(&self, mut body: Bytes) -> Result<Bytes, String> {
        let mut state = self.state.lock();
        let Receiving::Files {
            id,
            dir,
            files,
            have,
        } = &mut *state
        else {
            return Err("nothing is being received".to_owned());
        };
        let unreadable = |_| "a piece is unreadable".to_owned();
        let of = body.try_get_u64().map_err(unreadable)?;
        let number = body.try_get_u32().map_err(unreadable)? as usize;
        let offset = body.try_get_u64().map_err(unreadable)?;
        let (Some((name, len)), Some(there)) = (files.get(number), have.get_mut(number)) else {
            return Err("a piece of an unknown file".to_owned());
        };
        let end = offset.saturating_add(body.len() as u64);
        if of != *id || offset != *there || end > *len {
            return Err("a piece that does not follow".to_owned());
        }
        let written = OpenOptions::new()
            .write(true)
            .open(dir.join(name))
            .and_then(|file| file.write_all_at(&body, offset));
        written.map_err(|error| format!("cannot write a checkpoint: {error}"))?;
        *there = end;
        let received: u64 = have.iter().sum();
        if (received / PIECE_BYTES as u64).is_multiple_of(PIECES_PER_LINE) {
            info!(received, "receiving a checkpoint");
        }
        Ok(Bytes::new())
    }

    /// Everything was sent: installs it, in the background. The answer says how far that is.
    pub(super) fn end(
        self: &Arc<Self>,
        mut body: Bytes,
        raft: &Raft<Types, MachineAdapter>,
    ) -> Result<Bytes, String> {
        let id = body
            .try_get_u64()
            .map_err(|_| "the end is unreadable".to_owned())?;
        let vote = decode_vote(&body).ok_or("the end is unreadable")?;
        let mut state = self.state.lock();
        match &*state {
            Receiving::Installing(known) if *known == id => {}
            Receiving::Done(known, result) if *known == id => return result.clone(),
            Receiving::Files {
                id: known,
                dir,
                files,
                have,
            } if *known == id => {
                if !files.iter().map(|(_, len)| len).eq(have) {
                    return Err("the checkpoint has not come whole".to_owned());
                }
                let (dir, files) = (dir.clone(), files.clone());
                *state = Receiving::Installing(id);
                let (incoming, raft) = (Arc::clone(self), raft.clone());
                tokio::spawn(async move {
                    let installing = Arc::clone(&incoming);
                    let work = async move { installing.install(dir, files, vote, raft).await };
                    // Its end is told even if it panics.
                    let result = tokio::spawn(work).await;
                    let result = result.unwrap_or_else(|error| Err(error.to_string()));
                    if let Err(error) = &result {
                        tracing::error!(%error, "cannot install a checkpoint");
                    }
                    *incoming.state.lock() = Receiving::Done(id, result);
                });
            }
            _ => return Err("nothing is being received".to_owned()),
        }
        Ok(Bytes::from_static(&[INSTALLING]))
    }

    async fn install(
        &self,
        dir: PathBuf,
        files: Files,
        vote: VoteOf<Types>,
        raft: Raft<Types, MachineAdapter>,
    ) -> Result<Bytes, String> {
        let checkpoints = Arc::clone(&self.checkpoints);
        let own = raft.with_state_machine(|machine| {
            let applied = machine.applied();
            Box::pin(async move { applied })
        });
        let own = own.await.map_err(|error| error.to_string())?;
        let folder = dir.clone();
        let checked = spawn_blocking(move || check(&*checkpoints, &folder, &files)).await;
        let at = checked
            .map_err(io::Error::other)
            .and_then(|checked| checked)
            .map_err(|error| error.to_string())?;
        let installed = |vote: &VoteOf<Types>| {
            let mut out = BytesMut::new();
            out.put_u8(INSTALLED);
            out.put_slice(&encode_vote(vote));
            out.freeze()
        };
        if own.is_some_and(|own| own.index >= at.index) {
            // It came up to date in another way.
            return Ok(installed(&vote));
        }
        if at.term > vote.leader_id().term() {
            return Err("a checkpoint of a later term than its sender's".to_owned());
        }
        let (last_log_id, last_membership) =
            log_state(Some(at)).map_err(|error| error.to_string())?;
        let snapshot = SnapshotOf::<Types, FlushedTree> {
            meta: SnapshotMetaOf::<Types> {
                last_log_id,
                last_membership,
            },
            snapshot: FlushedTree::Received(dir),
        };
        let response = raft
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(|error| error.to_string())?;
        Ok(installed(&response.vote))
    }
}

/// Makes what has come durable, and says how far it reaches.
fn check(checkpoints: &dyn Checkpoints, dir: &Path, files: &Files) -> io::Result<Applied> {
    for (name, _) in files {
        File::open(dir.join(name))?.sync_all()?;
    }
    File::open(dir)?.sync_all()?;
    checkpoints.read(dir)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["CURRENT", "000012.sst", "MANIFEST-000004", "OPTIONS-000007"] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "a b",
            "a\0",
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_list_of_files_is_read_as_it_was_written(id: u64, files in prop::collection::vec(("[A-Z0-9]{1,20}", any::<u64>()), 0..10)) {
            prop_assert_eq!(decode_begin(encode_begin(id, &files)), Some((id, files)));
        }

        #[test]
        fn any_bytes_are_a_list_of_files_or_none(bytes: Vec<u8>) {
            let _ = decode_begin(bytes.into());
        }
    }
}
