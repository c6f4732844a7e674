//! The log: encoding and checksum of entries, on a disk that takes no time.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use treekeeper_server::log::{Log, LogOptions, Position, Record, RecordKind};

use crate::discarding_disk::DiscardingDisk;

/// A lone write, and a batch of 256.
const PAYLOADS: [usize; 2] = [200, 256 * 200];

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log: encode, check and write an entry");
    for bytes in PAYLOADS {
        let failed = |error: &_| panic!("a disk that discards everything failed: {error:?}");
        let mut log = Log::open(
            Arc::new(DiscardingDisk::default()),
            Path::new("/log"),
            LogOptions::default(),
            Box::new(failed),
        )
        .expect("an empty log opens");
        let payload = Bytes::from(vec![b'x'; bytes]);
        let (sender, done) = mpsc::channel();
        let mut index = 0;
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("{bytes} bytes"), |bencher| {
            bencher.iter(|| {
                let record = Record {
                    position: Position { index, term: 1 },
                    kind: RecordKind::Command,
                    payload: payload.clone(),
                };
                let position = record.position;
                let sender = sender.clone();
                let written = move |durable: treekeeper_server::log::Durable| {
                    // Nobody has gone: the receiver lives as long as the log.
                    let _ = sender.send(durable.result);
                };
                log.append_here(vec![record], Box::new(written));
                done.recv()
                    .expect("it is told once")
                    .expect("nothing fails");
                // As consensus does: what is applied and flushed is given up.
                log.set_committed(Some(position));
                if index % 1024 == 1023 {
                    log.purge_to(position);
                }
                index += 1;
            });
        });
        drop(log);
    }
    group.finish();
}
