//! Batches on their way out, and entries on their way into the state and the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;
use treekeeper_protocol::{Acl, CreateKind, CreateRequest, OpCode, Request};

use super::*;
use crate::apply::{Batch, BatchWriter, Command, Meta, State, SupportedRules};
use crate::config::{Config, Flags};
use crate::connection::Turn;
use crate::consensus::{Entry, Payload, StateMachine};
use crate::log::simulated::{Operation, SimulatedDisk};
use crate::log::{Log, LogOptions, Position, Record, RecordKind};
use crate::tree::Key;

const MEMBER: u64 = 1;
const CREATES: usize = 200;

/// A node with an empty tree in this folder.
pub(crate) fn node(dir: &TempDir) -> Arc<Node> {
    let flags = Flags {
        data_dir: Some(dir.path().to_owned()),
        ..Flags::default()
    };
    let (config, _) = Config::load(&flags).unwrap();
    let state = State::open(&dir.path().join("tree"), 1 << 20).unwrap();
    Arc::new(Node::new(Arc::new(config), state))
}

fn machine(node: &Arc<Node>, flush: FlushSignal) -> Machine {
    machine_with(node, flush, |error| panic!("{error:?}"))
}

fn machine_with(
    node: &Arc<Node>,
    flush: FlushSignal,
    fatal: impl Fn(ApplyError) + Send + 'static,
) -> Machine {
    let folders = TreeFolders::new(PathBuf::from("nowhere/tree"));
    Machine::new(Arc::clone(node), flush, folders, None, fatal)
}

fn idle_flusher(node: &Node) -> Flusher {
    Flusher::new(FlushPolicy::default(), &node.state.read().meta)
}

/// One that flushes with each entry, and is waited for when so many bytes are buffered.
fn busy_flusher(node: &Arc<Node>, buffer_bytes_max: usize) -> Flusher {
    let policy = FlushPolicy {
        buffer_bytes: 0,
        buffer_bytes_max,
        ..FlushPolicy::default()
    };
    let mut flusher = Flusher::new(policy, &node.state.read().meta);
    flusher
        .start(node, || {}, |error| panic!("{error:?}"))
        .unwrap();
    flusher
}

/// The entry at `index` with the batch of that number, so that number 0 stands at index 1.
fn entry(number: u64, writer: BatchWriter) -> Entry {
    let bytes = writer.finish(MEMBER, 1, number, 1_700_000_000_000);
    Entry {
        index: number + 1,
        term: 1,
        payload: Payload::Command(bytes),
    }
}

/// Forms the ensemble, opens a session, and creates znodes in batches.
struct History {
    entries: Vec<Entry>,
}

impl History {
    fn of_batches(count: u64) -> Self {
        let mut first = BatchWriter::default();
        first.push(&Command::Form {
            cluster_id: 7,
            secret: [0; 32],
        });
        first.push(&Command::OpenSession { timeout_ms: 4000 });
        let membership = Entry {
            index: 0,
            term: 1,
            payload: Payload::Membership(Bytes::from_static(b"members")),
        };
        let mut entries = vec![
            membership,
            entry(0, BatchWriter::default()),
            entry(1, first),
        ];
        let session = session_of(&entries);
        for number in 2..2 + count {
            let mut writer = BatchWriter::default();
            for _ in 0..CREATES {
                let mut body = bytes::BytesMut::new();
                create("/s", 2).encode(&mut body);
                writer.client(session, 0, &[], OpCode::Create, &body);
            }
            entries.push(entry(number, writer));
        }
        Self { entries }
    }
}

fn create(path: &str, flags: i32) -> Request {
    Request::Create(CreateRequest {
        kind: CreateKind::Create,
        path: path.to_owned(),
        data: Some(Bytes::new()),
        acl: Some(Acl::world_anyone_all()),
        flags,
        ttl: 0,
    })
}

/// The session that these entries open.
fn session_of(entries: &[Entry]) -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir);
    let flusher = idle_flusher(&node);
    machine(&node, flusher.signal()).apply(entries.to_vec());
    let state = node.state.read();
    *state.sessions.first_key_value().unwrap().0
}

/// Znodes that must stand beside this record of what was applied.
fn znodes_after(meta: &Meta) -> u64 {
    4 + meta.index.saturating_sub(2) * CREATES as u64
}

fn is_whole(meta: &Meta) -> bool {
    let numbered = meta
        .origins
        .get(&MEMBER)
        .map_or(0, |origin| origin.last + 1);
    meta.znode_count == znodes_after(meta) && numbered == meta.index
}

#[test]
fn what_is_flushed_is_the_state_after_a_whole_entry() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::of_batches(60);
    let node = node(&dir);
    // A flush is asked for with each entry, and waited for only every few: it falls into the next entry.
    let flusher = busy_flusher(&node, 256 << 10);
    let mut machine = machine(&node, flusher.signal());
    let store = Arc::clone(node.state.read().tree.store());
    let mut flushes = 0;
    let mut last = None;
    for entry in history.entries {
        machine.apply(vec![entry]);
        if let Some(record) = store.record(&Key::meta()).unwrap() {
            let meta = Meta::decode(&record).unwrap();
            assert!(is_whole(&meta), "half an entry was flushed: {meta:?}");
            flushes += u32::from(last != Some(meta.index));
            last = Some(meta.index);
        }
    }
    assert!(flushes > 1, "it flushed while entries were applied");
    flusher.stop();
    let meta = node.state.read().meta.clone();
    assert_eq!(meta.znode_count, 4 + 60 * CREATES as u64);
    drop((store, machine, node));
    let reopened = State::open(&dir.path().join("tree"), 0).unwrap();
    assert_eq!(reopened.meta, meta, "the last flush holds everything");
    reopened.validate().unwrap();
}

#[test]
fn much_log_that_changes_little_is_made_durable() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::of_batches(20);
    let bytes = |entry: &Entry| match &entry.payload {
        Payload::Command(bytes) => bytes.len() as u64,
        _ => 0,
    };
    let node = node(&dir);
    // Nothing but the length of the log asks for it.
    let policy = FlushPolicy {
        log_bytes: history.entries.iter().map(bytes).sum(),
        sync_interval: Duration::MAX,
        ..FlushPolicy::default()
    };
    let mut flusher = Flusher::new(policy, &node.state.read().meta);
    let (durable, made_durable) = crossbeam::channel::bounded(8);
    let told = move || durable.send(()).expect("the test waits");
    let failed = |error| panic!("{error:?}");
    flusher.start(&node, told, failed).unwrap();
    let mut machine = machine(&node, flusher.signal());
    let last = history.entries.last().map(|entry| entry.index);
    for entry in history.entries {
        assert!(made_durable.is_empty(), "the log is not that long yet");
        machine.apply(vec![entry]);
    }
    made_durable.recv().unwrap();
    let reached = flusher.signal().durable();
    assert_eq!(reached.map(|applied| applied.index), last);
    flusher.stop();
}

#[test]
fn what_a_power_cut_may_take_from_the_log_is_not_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::of_batches(60);
    let node = node(&dir);
    let flusher = busy_flusher(&node, usize::MAX);
    let mut machine = machine(&node, flusher.signal());
    let store = Arc::clone(node.state.read().tree.store());
    let disk = SimulatedDisk::new();
    let options = LogOptions {
        segment_bytes: 1 << 20,
        first_segment_bytes: 1 << 20,
        recent_bytes: 1 << 20,
    };
    let opened = Arc::new(disk.clone());
    let mut log = Log::open(opened, Path::new("log"), options, Box::new(|_| {})).unwrap();
    machine.follow(log.reader());
    let (gate, held) = crossbeam::channel::bounded::<()>(0);
    disk.fail_when(move |operation, _| {
        if operation == Operation::Sync {
            // Until the gate is gone.
            let _ = held.recv();
        }
        None
    });
    let written = || {
        let record = store.record(&Key::meta()).unwrap();
        record.map_or(0, |record| Meta::decode(&record).unwrap().index)
    };
    for entry in history.entries {
        let record = Record {
            position: Position {
                index: entry.index,
                term: entry.term,
            },
            kind: RecordKind::Command,
            payload: Bytes::new(),
        };
        log.append(vec![record], Box::new(|_| {}));
        machine.apply(vec![entry]);
        assert_eq!(written(), 0, "the store is ahead of the log");
    }
    drop(gate);
    log.close().unwrap();
    flusher.stop();
    assert_eq!(written(), node.state.read().meta.index);
}

#[test]
fn a_restart_applies_what_follows_the_last_flush_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::of_batches(4);
    let expected = {
        let node = node(&dir);
        let mut flusher = idle_flusher(&node);
        let mut machine = machine(&node, flusher.signal());
        assert_eq!(machine.applied(), None, "no entry, no member");
        machine.apply(history.entries[..4].to_vec());
        flusher
            .start(&node, || {}, |error| panic!("{error:?}"))
            .unwrap();
        flusher.stop();
        assert_eq!(machine.flushed(), machine.applied());
        // These are lost with the process.
        machine.apply(history.entries[4..].to_vec());
        assert_ne!(machine.flushed(), machine.applied());
        node.state.read().meta.clone()
    };
    let node = node(&dir);
    let flusher = idle_flusher(&node);
    let mut machine = machine(&node, flusher.signal());
    assert_eq!(machine.applied().unwrap().index, 3);
    machine.apply(history.entries[4..].to_vec());
    assert_eq!(node.state.read().meta, expected);
    node.state.read().validate().unwrap();
}

#[test]
fn a_batch_that_comes_twice_or_after_a_gap_changes_nothing_but_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::of_batches(3);
    let node = node(&dir);
    let flusher = idle_flusher(&node);
    let mut machine = machine(&node, flusher.signal());
    let entries = history.entries;
    machine.apply(entries[..4].to_vec());
    let before = node.state.read().meta.clone();
    for (index, again) in [(9, &entries[3]), (10, &entries[5])] {
        let entry = Entry {
            index,
            ..again.clone()
        };
        machine.apply(vec![entry]);
        let expected = Meta {
            index,
            ..before.clone()
        };
        assert_eq!(node.state.read().meta, expected);
    }
    machine.apply(vec![
        Entry {
            index: 11,
            term: 2,
            payload: Payload::Blank,
        },
        Entry {
            index: 12,
            ..entries[4].clone()
        },
    ]);
    let meta = node.state.read().meta.clone();
    assert_eq!(meta.znode_count, before.znode_count + CREATES as u64);
    assert_eq!(meta.index, 12);
}

/// Applies entries of which one cannot be applied: what is told of it.
fn apply_and_stop(node: &Arc<Node>, flusher: &Flusher, entries: Vec<Entry>) -> Vec<String> {
    let fatal = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&fatal);
    let mut machine = machine_with(node, flusher.signal(), move |error| {
        told.lock().push(error.to_string());
    });
    let applied = catch_unwind(AssertUnwindSafe(|| machine.apply(entries)));
    assert!(applied.is_err(), "consensus must not go on");
    let fatal = fatal.lock();
    fatal.clone()
}

#[test]
fn an_entry_that_cannot_be_read_stops_the_machine_before_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir);
    let flusher = idle_flusher(&node);
    let mut entries = History::of_batches(2).entries;
    entries[3].payload = Payload::Command(Bytes::from_static(b"\0\x01damaged"));
    let told = apply_and_stop(&node, &flusher, entries);
    assert_eq!(told, ["a log entry is not a batch of commands"]);
    assert_eq!(node.state.read().meta.index, 2);
}

#[test]
fn newer_rules_stop_a_server_that_is_held_back_and_a_newer_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = History::of_batches(0).entries;
    let before = entries.last().expect("there are some").index;
    let mut raise = BatchWriter::default();
    raise.push(&Command::RaiseRules { rules: 2 });
    entries.push(Entry {
        index: before + 1,
        term: 1,
        payload: Payload::Command(raise.finish_for_ensemble(0)),
    });
    let last = entries.last().cloned().expect("there are some");
    {
        let held = node(&dir);
        let mut config = (*held.config).clone();
        drop(held);
        config.rules = SupportedRules::up_to(1);
        let state = State::open(&dir.path().join("tree"), 1 << 20).unwrap();
        let held = Arc::new(Node::new(Arc::new(config), state));
        let flusher = idle_flusher(&held);
        let told = apply_and_stop(&held, &flusher, entries);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("this ensemble uses rules 2; this server knows up to 1"),
            "{}",
            told[0]
        );
        let state = held.state.read();
        assert_eq!((state.meta.index, state.rules()), (before, 1));
        assert!(!state.damaged, "what was applied may be flushed");
    }
    let newer = node(&dir);
    let flusher = idle_flusher(&newer);
    let mut entries = History::of_batches(0).entries;
    // Twice, as from two leaders: it has no number.
    entries.extend([
        last.clone(),
        Entry {
            index: last.index + 1,
            ..last
        },
    ]);
    machine(&newer, flusher.signal()).apply(entries);
    assert_eq!(newer.state.read().rules(), 2);
    assert_eq!(newer.state.read().meta.index, before + 2);
}

#[test]
fn an_entry_that_fails_half_way_is_never_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let entries = History::of_batches(0).entries;
    let session = session_of(&entries);
    let meta = {
        let node = node(&dir);
        let mut flusher = idle_flusher(&node);
        machine(&node, flusher.signal()).apply(entries);
        let meta = node.state.read().meta.clone();
        // A znode that nobody can read any more.
        let mut state = node.state.write();
        state.tree.put_record(Key::znode("/bad"), vec![9]);
        state.store_meta();
        let frozen = state.tree.freeze().unwrap();
        state.tree.store().write(&frozen).unwrap();
        let emptied = state.tree.flushed();
        // It counts, so memory does not hold all that there are.
        state.meta.znode_count += 1;
        let len = state.meta.znode_count;
        state.tree.set_len(len);
        drop((emptied, state));

        let mut writer = BatchWriter::default();
        for path in ["/good", "/bad/child"] {
            let mut body = bytes::BytesMut::new();
            create(path, 0).encode(&mut body);
            writer.client(session, 0, &[], OpCode::Create, &body);
        }
        let told = apply_and_stop(&node, &flusher, vec![entry(2, writer)]);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("damaged record"), "{told:?}");
        let half = node.state.read().tree.get("/good").unwrap();
        assert!(half.is_some(), "it was applied in part");
        flusher
            .start(&node, || {}, |error| panic!("{error:?}"))
            .unwrap();
        flusher.stop();
        meta
    };
    let reopened = State::open(&dir.path().join("tree"), 0).unwrap();
    assert_eq!(reopened.meta, meta);
    assert!(reopened.tree.get("/good").unwrap().is_none());
}

/// A proposer, and the batches that it sent.
fn proposer() -> (Proposer, Arc<Mutex<Vec<Batch>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let proposer = Proposer::new(Clock::start());
    (proposer, sent)
}

fn connect(proposer: &Proposer, sent: &Arc<Mutex<Vec<Batch>>>) {
    let sent = Arc::clone(sent);
    proposer.connect(MEMBER, 5, move |bytes| {
        sent.lock().push(Batch::decode(bytes).unwrap());
    });
}

fn open(timeout_ms: i32) -> Command {
    Command::OpenSession { timeout_ms }
}

#[test]
fn commands_that_come_while_entries_are_on_their_way_make_the_next_batch() {
    let (proposer, sent) = proposer();
    connect(&proposer, &sent);
    assert!(proposer.applied(0).is_empty());
    for at in 0..8 {
        proposer.command(&open(at), Origin::Timer(None));
    }
    let shape = |sent: &[Batch]| {
        sent.iter()
            .map(|batch| (batch.number, batch.commands.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(shape(&sent.lock()), [(0, 0), (1, 1)]);
    assert_eq!(proposer.outstanding(), 8);
    assert_eq!(proposer.applied(1).len(), 1);
    assert_eq!(shape(&sent.lock())[2..], [(2, 7)]);
    assert_eq!(proposer.applied(2).len(), 7);
    assert_eq!((proposer.outstanding(), sent.lock().len()), (0, 3));
    let order: Vec<Command> = sent
        .lock()
        .iter()
        .flat_map(|batch| batch.commands.clone())
        .collect();
    assert_eq!(order, (0..8).map(open).collect::<Vec<_>>());
    assert!(
        sent.lock()
            .iter()
            .all(|batch| (batch.member, batch.incarnation) == (MEMBER, 5))
    );
    assert!(proposer.is_own(MEMBER, 5) && !proposer.is_own(MEMBER, 4) && !proposer.is_own(2, 5));
}

#[test]
fn a_second_entry_waits_until_it_is_worth_a_sync() {
    for (first, second) in [(40, 20), (2, 8)] {
        let (proposer, sent) = proposer();
        let command = || proposer.command(&open(1), Origin::Timer(None));
        for _ in 0..first {
            command();
        }
        connect(&proposer, &sent);
        proposer.applied(0);
        let sizes = || {
            let sent = sent.lock();
            let sizes = sent.iter().map(|batch| batch.commands.len());
            sizes.skip(1).collect::<Vec<_>>()
        };
        for _ in 1..second {
            command();
            assert_eq!(sizes(), [first]);
        }
        command();
        assert_eq!(sizes(), [first, second]);
        for _ in 0..255 {
            command();
        }
        assert_eq!(sizes(), [first, second], "a third one has to be full");
        command();
        assert_eq!(sizes(), [first, second, 256]);
    }
}

#[test]
fn what_comes_before_the_ensemble_is_joined_waits_for_it() {
    let (proposer, sent) = proposer();
    for at in 0..3 {
        proposer.command(&open(at), Origin::Timer(None));
    }
    assert!(sent.lock().is_empty());
    connect(&proposer, &sent);
    assert_eq!(sent.lock().len(), 1);
    proposer.applied(0);
    let sent = sent.lock();
    assert_eq!(sent.len(), 2);
    assert_eq!(
        (sent[0].number, sent[0].commands.len()),
        (0, 0),
        "it registers"
    );
    assert_eq!((sent[1].number, sent[1].commands.len()), (1, 3));
}

#[test]
fn a_full_batch_is_followed_by_another_and_their_times_never_go_back() {
    let (proposer, sent) = proposer();
    connect(&proposer, &sent);
    proposer.applied(0);
    for at in 0..1002 {
        proposer.command(&open(at), Origin::Timer(None));
    }
    for number in 1.. {
        if proposer.outstanding() == 0 {
            break;
        }
        proposer.applied(number);
    }
    let sent = sent.lock();
    let counts: Vec<usize> = sent.iter().map(|batch| batch.commands.len()).collect();
    assert_eq!(counts, [0, 1, 8, 256, 256, 256, 225]);
    assert!(sent.is_sorted_by_key(|batch| batch.time_ms));
}

#[test]
fn the_next_proposal_is_expected_behind_a_lone_write_only() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir);
    let sent = Arc::new(Mutex::new(Vec::new()));
    node.proposer.connect(MEMBER, 1, {
        let sent = Arc::clone(&sent);
        move |bytes| sent.lock().push(bytes)
    });
    let flusher = idle_flusher(&node);
    let mut machine = machine(&node, flusher.signal());
    let mut index = 0;
    // Applies what was sent, one entry at a time.
    let mut expects_next = || {
        let bytes = sent.lock().remove(0);
        index += 1;
        machine.apply(vec![Entry {
            index,
            term: 1,
            payload: Payload::Command(bytes),
        }]);
        machine.expects_next()
    };
    assert!(!expects_next(), "this was the registration");

    let peer = "127.0.0.1:1".parse().unwrap();
    let connection = node.registry.admit(peer).unwrap();
    let write = || {
        let mut writes = vec![Write {
            turn: Turn::FIRST,
            standing: Standing::Global(0),
            op: OpCode::CloseSession,
            body: Bytes::new(),
            identities: connection.identities(),
        }];
        node.proposer.writes(&connection, 7, &mut writes);
    };
    write();
    assert!(expects_next());
    node.proposer.command(&open(1), Origin::Timer(None));
    assert!(!expects_next(), "nobody waits for a timer's command");
    for _ in 0..3 {
        write();
    }
    assert!(!expects_next(), "others are waiting");
    assert!(!expects_next(), "two clients were answered");
    write();
    assert!(expects_next());
}
