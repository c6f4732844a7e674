//! openraft's own suite over the log, and members of one voter through restarts, power cuts and failing disks.

mod member;
mod stranger;
mod suite;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::*;

/// What a [`Machine`] has seen, shared with the test; survives the member, as a tree on disk does.
#[derive(Debug, Default)]
struct Seen {
    applied: Option<Applied>,
    flushed: Option<Applied>,
    commands: Vec<(u64, Bytes)>,
    terms: BTreeMap<u64, u64>,
}

/// Remembers what it was given.
#[derive(Clone, Debug)]
struct Machine {
    seen: Arc<Mutex<Seen>>,
    count: watch::Sender<usize>,
}

impl Machine {
    fn new() -> Machine {
        Machine {
            seen: Arc::default(),
            count: watch::Sender::new(0),
        }
    }

    /// Waits until this many commands are applied, and gives all of them.
    async fn commands(&self, count: usize) -> Vec<Bytes> {
        self.count
            .subscribe()
            .wait_for(|have| *have >= count)
            .await
            .unwrap();
        self.seen
            .lock()
            .commands
            .iter()
            .map(|(_, command)| command.clone())
            .collect()
    }

    /// The tree is safe as it is now.
    fn flush(&self) {
        let mut seen = self.seen.lock();
        seen.flushed = seen.applied.clone();
    }

    /// A tree that remembers only this many of the commands.
    fn set_back(&self, kept: usize) -> Machine {
        let seen = self.seen.lock();
        let commands = seen.commands[..kept].to_vec();
        let applied = commands.last().map(|(index, _)| {
            let applied = seen.applied.clone().expect("a command was applied");
            Applied {
                index: *index,
                term: seen.terms[index],
                ..applied
            }
        });
        let terms = seen.terms.clone();
        drop(seen);
        let machine = Machine::new();
        *machine.seen.lock() = Seen {
            applied,
            flushed: None,
            commands,
            terms,
        };
        machine.count.send_replace(kept);
        machine
    }
}

impl StateMachine for Machine {
    fn applied(&self) -> Option<Applied> {
        self.seen.lock().applied.clone()
    }

    fn flushed(&self) -> Option<Applied> {
        self.seen.lock().flushed.clone()
    }

    fn follow(&mut self, _log: LogReader) {}

    fn checkpoints(&self) -> Arc<dyn Checkpoints> {
        Arc::new(NoCheckpoints)
    }

    fn received(&self) -> Option<u64> {
        None
    }

    fn install(&mut self, _dir: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn apply(&mut self, batch: Vec<Entry>) {
        let mut seen = self.seen.lock();
        for entry in batch {
            let next = seen.applied.as_ref().map_or(0, |applied| applied.index + 1);
            assert_eq!(entry.index, next, "entries come without a gap");
            let mut membership = seen
                .applied
                .as_ref()
                .map_or(Bytes::new(), |applied| applied.membership.clone());
            match entry.payload {
                Payload::Blank => {}
                Payload::Command(command) if command == "panic" => panic!("asked to"),
                Payload::Command(command) => seen.commands.push((entry.index, command)),
                Payload::Membership(members) => membership = members,
            }
            seen.terms.insert(entry.index, entry.term);
            seen.applied = Some(Applied {
                index: entry.index,
                term: entry.term,
                membership,
            });
        }
        self.count.send_replace(seen.commands.len());
    }
}
