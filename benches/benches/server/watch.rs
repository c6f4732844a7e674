//! The watch table, and events on their way into the outboxes of connections.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use treekeeper_protocol::{Acl, EventType};
use treekeeper_server::admin::metrics::Metrics;
use treekeeper_server::connection::Registry;
use treekeeper_server::publish::Contact;
use treekeeper_server::watch::{Change, ConnectionId, Kinds, Sink, WatchTable};

const PATH: &str = "/services/greeter/providers";
const WATCHERS: u64 = 1000;
/// Bytes of an event for such a path.
const EVENT_BYTES: usize = 64;

/// Takes events and keeps none.
struct Forgetful;

impl Sink for Forgetful {
    fn push_event(&self, frame: &Bytes, _acl: Option<&[Acl]>) {
        std::hint::black_box(frame);
    }

    fn wake(&self) {}

    fn send(&self, _metrics: &Metrics, _contact: &Contact) {}
}

fn table(kinds: Kinds) -> WatchTable {
    let sink: Arc<dyn Sink> = Arc::new(Forgetful);
    let mut table = WatchTable::default();
    for connection in 0..WATCHERS {
        table.add(ConnectionId(connection), &sink, PATH, kinds);
    }
    table
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let change = Change {
        event: EventType::NodeChildrenChanged,
        path: Arc::from(PATH),
        acl: None,
    };
    let mut group = criterion.benchmark_group("watch");
    group.throughput(Throughput::Elements(WATCHERS));
    group.bench_function("fire for 1000 that watch once", |bencher| {
        bencher.iter_batched_ref(
            || (table(Kinds::CHILD), Vec::new()),
            |(table, wakes)| table.fire(&change, 1, |sink| wakes.push(Arc::clone(sink))),
            BatchSize::SmallInput,
        );
    });
    let mut staying = table(Kinds::PERSISTENT);
    group.bench_function("fire for 1000 that stay", |bencher| {
        let mut wakes = Vec::new();
        bencher.iter(|| {
            wakes.clear();
            staying.fire(&change, 1, |sink| wakes.push(Arc::clone(sink)))
        });
    });

    let registry = Registry::new(None, None, false);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let event = Bytes::from_static(&[0; EVENT_BYTES]);
    group.bench_function("1000 events into an outbox", |bencher| {
        bencher.iter_batched_ref(
            || registry.admit(peer).expect("there is no limit"),
            |connection| {
                for _ in 0..WATCHERS {
                    connection.push_event(&event, None);
                }
                registry.remove(connection);
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
