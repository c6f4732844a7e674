//! Applying commands, and the batches in which they go through the log.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use tempfile::TempDir;
use treekeeper_protocol::{
    Acl, CreateKind, CreateRequest, DeleteRequest, MultiRequest, Request, SetDataRequest,
};
use treekeeper_server::apply::{Batch, BatchWriter, Command, Reply, State, execute};
use treekeeper_server::auth::{Identities, Identity};

/// Room for everything, so that nothing is ever loaded.
const CACHE_BYTES: u64 = 256 << 20;
const TERM: u64 = 1;
const TIME_MS: i64 = 1_700_000_000_000;
/// Znodes that are written in turn; as many as the side-by-side bench uses.
const ZNODES: usize = 1000;
/// Commands in the largest batch.
const BATCH: usize = 256;

/// A state of its own, with a session and [`ZNODES`] znodes.
struct Applying {
    state: State,
    session: i64,
    identities: Identities,
    next: usize,
    _folder: TempDir,
}

impl Applying {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut state = State::open(folder.path(), CACHE_BYTES).expect("an empty folder opens");
        let open = Command::OpenSession { timeout_ms: 40_000 };
        let outcome = execute(&mut state, TERM, TIME_MS, &open).expect("the store works");
        let Some(Ok(Reply::Session { id, .. })) = outcome.map(|outcome| outcome.result) else {
            unreachable!("a session is always opened");
        };
        let mut applying = Self {
            state,
            session: id,
            identities: Arc::from([Identity::ip([127, 0, 0, 1].into())]),
            next: 0,
            _folder: folder,
        };
        applying.apply(&applying.command(create("/population".to_owned())));
        for number in 0..ZNODES {
            applying.apply(&applying.command(create(path(number))));
        }
        applying
    }

    fn command(&self, request: Request) -> Command {
        Command::Client {
            session: self.session,
            generation: 0,
            identities: Arc::clone(&self.identities),
            request,
        }
    }

    fn commands(&self, request: impl Fn(usize) -> Request) -> Vec<Command> {
        (0..ZNODES)
            .map(|number| self.command(request(number)))
            .collect()
    }

    fn apply(&mut self, command: &Command) {
        let outcome = execute(&mut self.state, TERM, TIME_MS, command).expect("the store works");
        let outcome = black_box(outcome).expect("the session is open");
        assert!(outcome.result.is_ok(), "{outcome:?}");
        drop(self.state.take_changes());
    }

    fn apply_next(&mut self, commands: &[Command]) {
        self.next = (self.next + 1) % commands.len();
        self.apply(&commands[self.next]);
    }
}

/// With 48 bytes, like those of the side-by-side bench.
fn path(number: usize) -> String {
    format!("/population/znode-of-the-bench-{number:017}")
}

fn data() -> Option<Bytes> {
    Some(Bytes::from_static(&[b'x'; 100]))
}

fn set_data(number: usize) -> Request {
    Request::SetData(SetDataRequest {
        path: path(number),
        data: data(),
        version: -1,
    })
}

fn create(path: String) -> Request {
    Request::Create(CreateRequest {
        kind: CreateKind::Create,
        path,
        data: data(),
        acl: Some(Acl::world_anyone_all()),
        flags: 0,
        ttl: 0,
    })
}

fn delete(path: String) -> Request {
    Request::Delete(DeleteRequest { path, version: -1 })
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    let mut applying = Applying::new();

    let sets = applying.commands(set_data);
    group.bench_function("setData", |bencher| {
        bencher.iter(|| applying.apply_next(&sets));
    });

    let multis = applying.commands(|first| {
        let ops = (first..first + 10)
            .map(|number| set_data(number % ZNODES))
            .collect();
        Request::Multi(MultiRequest { ops })
    });
    group.bench_function("multi of 10 setData", |bencher| {
        bencher.iter(|| applying.apply_next(&multis));
    });

    let new = |number| path(ZNODES + number);
    let creates = applying.commands(|number| create(new(number)));
    let deletes = applying.commands(|number| delete(new(number)));
    // What was created is deleted again, so that the tree stays as it is however long this takes.
    let mut in_turn = |timed_creates: bool, iterations: u64| {
        let mut elapsed = Duration::ZERO;
        let mut left = usize::try_from(iterations).expect("at least 64 bits");
        while left > 0 {
            let count = left.min(ZNODES);
            let start = Instant::now();
            creates[..count]
                .iter()
                .for_each(|create| applying.apply(create));
            let created = Instant::now();
            deletes[..count]
                .iter()
                .for_each(|delete| applying.apply(delete));
            elapsed += if timed_creates {
                created - start
            } else {
                created.elapsed()
            };
            left -= count;
        }
        elapsed
    };
    group.bench_function("create", |bencher| {
        bencher.iter_custom(|count| in_turn(true, count));
    });
    group.bench_function("delete", |bencher| {
        bencher.iter_custom(|count| in_turn(false, count));
    });
    group.finish();

    batches(criterion, &applying);
}

/// Into the log and out of it: [`BATCH`] writes of one connection.
fn batches(criterion: &mut Criterion, applying: &Applying) {
    let bodies: Vec<(Request, BytesMut)> = (0..BATCH)
        .map(|number| {
            let (request, mut body) = (set_data(number), BytesMut::new());
            request.encode(&mut body);
            (request, body)
        })
        .collect();
    let encode = || {
        let mut writer = BatchWriter::default();
        for (request, body) in &bodies {
            writer.client(
                applying.session,
                0,
                &applying.identities,
                request.op(),
                body,
            );
        }
        writer.finish(1, 1, 1, TIME_MS)
    };
    let encoded = encode();
    let mut group = criterion.benchmark_group("batch of 256 setData");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("encode", |bencher| bencher.iter(encode));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| Batch::decode(black_box(&encoded).clone()).expect("encoded above"));
    });
    group.finish();
}
