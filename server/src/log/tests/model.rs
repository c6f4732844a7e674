//! Random histories of a log and its disk, against a model that is a list.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};
use proptest::prelude::*;

use super::simulated::Operation;
use super::*;

/// The writer has nothing to sync if it does not try within this time.
const SYNC_COMES_WITHIN: Duration = Duration::from_millis(2);

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Entries with payloads of these lengths; the term rises if so told, and the caller's thread writes if so told.
    Append {
        payloads: Vec<u16>,
        new_term: bool,
        here: bool,
    },
    /// Removes this many entries from the end.
    Truncate(u8),
    /// Gives up this share of the log, in 256ths.
    Purge(u8),
    /// Notes everything as committed.
    Commit,
    /// From now on syncs of segments and of the folder wait.
    Hold,
    /// This many of the syncs that wait may pass.
    Let(u8),
    /// Waits until all is durable.
    Wait,
    /// Ends and opens again.
    Reopen,
    /// The process dies and the machine does not.
    Kill,
    /// The machine dies.
    PowerCut(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payloads = prop::collection::vec(0..3000_u16, 1..6);
    let step = prop_oneof![
        8 => (payloads, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(payloads, new_term, here)| Step::Append { payloads, new_term, here }),
        1 => any::<u8>().prop_map(|count| Step::Truncate(count % 12)),
        1 => any::<u8>().prop_map(Step::Purge),
        2 => Just(Step::Commit),
        2 => Just(Step::Hold),
        4 => (0..4_u8).prop_map(Step::Let),
        1 => Just(Step::Wait),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        2 => any::<u64>().prop_map(Step::PowerCut),
    ];
    prop::collection::vec(step, 1..60)
}

/// A change of the log that may not be durable yet.
#[derive(Clone, Debug)]
enum Change {
    Append(Vec<Record>),
    TruncateTo(u64),
}

/// Invariants:
/// * `durable`, followed by the first changes that were acknowledged, is on disk whatever happens;
/// * what is found after a cut is `durable` followed by some of the changes in order, the last of them perhaps in part.
struct Model {
    /// Lets one held sync pass with each message, and all when it is dropped: before the log, whose end waits for them.
    gate: Option<Sender<()>>,
    disk: SimulatedDisk,
    log: Option<Log>,
    /// Entries by index, from the first that was ever written.
    durable: Vec<Record>,
    changes: Vec<Change>,
    /// How many of the changes were acknowledged.
    acknowledged: Arc<AtomicUsize>,
    purged: Option<Position>,
    committed: Option<Position>,
    term: u64,
    /// Makes payloads unique.
    written: u64,
}

impl Model {
    fn new() -> Model {
        let disk = SimulatedDisk::new();
        let log = Some(open(&disk, SMALL).unwrap());
        Model {
            disk,
            log,
            durable: Vec::new(),
            changes: Vec::new(),
            acknowledged: Arc::default(),
            purged: None,
            committed: None,
            term: 1,
            written: 0,
            gate: None,
        }
    }

    /// The entries after the first so many changes.
    fn after(&self, changes: usize) -> Vec<Record> {
        let mut entries = self.durable.clone();
        for change in &self.changes[..changes] {
            match change {
                Change::Append(records) => entries.extend_from_slice(records),
                Change::TruncateTo(next) => entries.truncate(usize::try_from(*next).unwrap()),
            }
        }
        entries
    }

    fn now(&self) -> Vec<Record> {
        self.after(self.changes.len())
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append {
                payloads,
                new_term,
                here,
            } => self.append(&payloads, new_term, here),
            Step::Truncate(count) => {
                let entries = self.now();
                let first = next_index(self.purged);
                // What is committed is never truncated.
                let least = first.max(next_index(self.committed));
                let next = (entries.len() as u64)
                    .saturating_sub(u64::from(count))
                    .max(least);
                let log = self.log.as_mut().unwrap();
                log.truncate_after(match next.checked_sub(1) {
                    Some(last) if next == first => {
                        self.purged.filter(|purged| purged.index == last)
                    }
                    Some(last) => Some(entries[usize::try_from(last).unwrap()].position),
                    None => None,
                });
                self.changes.push(Change::TruncateTo(next));
            }
            Step::Purge(share) => {
                let entries = self.now();
                let Some(index) = (entries.len() * usize::from(share) / 256).checked_sub(1) else {
                    return;
                };
                let position = entries[index].position;
                self.log.as_mut().unwrap().purge_to(position);
                if next_index(self.purged) <= position.index {
                    self.purged = Some(position);
                }
            }
            Step::Commit => {
                self.committed = self.now().last().map(|record| record.position);
                self.log.as_mut().unwrap().set_committed(self.committed);
            }
            Step::Hold => {
                let (gate, held) = bounded::<()>(0);
                self.disk.fail_when(move |operation, path| {
                    let of_log =
                        operation == Operation::Sync && path.extension() == Some("log".as_ref());
                    (of_log || operation == Operation::SyncDir)
                        .then(|| held.recv().ok())
                        .and(None)
                });
                self.gate = Some(gate);
            }
            Step::Let(syncs) => {
                let passes = |gate: &Sender<()>| gate.send_timeout((), SYNC_COMES_WITHIN).is_ok();
                let _ = self
                    .gate
                    .as_ref()
                    .is_some_and(|gate| (0..syncs).all(|_| passes(gate)));
            }
            Step::Wait => {
                self.let_go();
                self.append(&[1], false, false);
                let (sender, done) = mpsc::channel();
                let vote = Bytes::from("any");
                self.log.as_mut().unwrap().save_vote(
                    vote,
                    Box::new(move |durable| sender.send(durable.result).unwrap()),
                );
                done.recv().unwrap().unwrap();
                assert_eq!(self.acknowledged.load(Ordering::SeqCst), self.changes.len());
            }
            Step::Reopen => {
                self.let_go();
                self.log.take().unwrap().close().unwrap();
                let expected = self.now();
                self.open_again();
                assert_eq!(self.durable, expected, "a clean end loses nothing");
            }
            Step::Kill => {
                self.disk = self.disk.kill();
                self.recover();
            }
            Step::PowerCut(seed) => {
                self.disk = self.disk.power_cut(seed);
                self.recover();
            }
        }
        let log = self.log.as_ref().unwrap();
        let first = usize::try_from(next_index(log.reader().purged())).unwrap();
        assert_eq!(
            read_all(log).unwrap(),
            self.now()[first..],
            "what was appended is readable at once"
        );
    }

    fn append(&mut self, payloads: &[u16], new_term: bool, here: bool) {
        self.term += u64::from(new_term);
        let first = (self.now().len() as u64).max(next_index(self.purged));
        let records: Vec<_> = (first..)
            .zip(payloads)
            .map(|(index, len)| {
                self.written += 1;
                // No two payloads share a sector: of two writes to one place a cut may leave a mixture, and bytes of the
                // later one must not make the earlier one whole.
                let number = format!("<{}>", self.written);
                let mut payload: Vec<u8> = number.bytes().cycle().take(usize::from(*len)).collect();
                payload.extend_from_slice(number.as_bytes());
                record(index, self.term, payload)
            })
            .collect();
        self.changes.push(Change::Append(records.clone()));
        let (acknowledged, number) = (Arc::clone(&self.acknowledged), self.changes.len());
        let done = move |durable: Durable| {
            if durable.result.is_ok() {
                acknowledged.store(number, Ordering::SeqCst);
            }
        };
        let log = self.log.as_mut().unwrap();
        // The test's own thread must not wait for the test.
        if here && self.gate.is_none() {
            log.append_here(records, Box::new(done));
        } else {
            log.append(records, Box::new(done));
        }
    }

    fn let_go(&mut self) {
        self.disk.heal();
        self.gate = None;
    }

    /// Opens after a cut and checks what is there.
    fn recover(&mut self) {
        // A sync that was held when the machine died does nothing any more.
        self.gate = None;
        // Ends the threads; what they still acknowledge counts.
        drop(self.log.take());
        self.open_again();
    }

    fn open_again(&mut self) {
        let log = open(&self.disk, SMALL).unwrap();
        let reader = log.reader();
        let found = read_all(&log).unwrap();
        let purged = reader.purged();
        assert!(
            next_index(purged) <= next_index(self.purged),
            "not more was purged than asked"
        );
        let first = usize::try_from(next_index(purged)).unwrap();
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let explained = (acknowledged..=self.changes.len()).find_map(|changes| {
            let whole = self.after(changes);
            let next = self.changes.get(changes).into_iter();
            let partly = next.flat_map(|change| match change {
                Change::Append(records) => records.as_slice(),
                Change::TruncateTo(_) => &[],
            });
            let mut entries = whole;
            let mut partly = partly.cloned();
            loop {
                if entries.get(first..).unwrap_or(&[]) == found
                    && entries.len() == first.max(entries.len())
                {
                    return Some(entries);
                }
                entries.push(partly.next()?);
            }
        });
        let explained = explained.unwrap_or_else(|| {
            let indexes: Vec<_> = found.iter().map(|record| record.position).collect();
            panic!(
                "found {indexes:?} after {acknowledged} acknowledged of {:?}",
                self.changes
            )
        });
        if let Some(committed) = reader.committed() {
            let index = usize::try_from(committed.index).unwrap();
            assert_eq!(
                explained[index].position, committed,
                "what is committed is in the log"
            );
        }
        self.durable = explained;
        self.changes.clear();
        self.acknowledged = Arc::default();
        self.purged = purged;
        self.committed = reader.committed();
        self.log = Some(log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20000, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_entry_survives_and_no_other_appears(steps in steps()) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
    }
}
