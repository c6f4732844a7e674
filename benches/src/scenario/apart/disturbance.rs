//! Small requests beside large ones: how long reads and writes of 100 bytes wait while others move megabytes.
//!
//! The large requests come at fixed rates, so that they are the same work for every server.

use std::path::Path;
use std::thread;

use bytes::Bytes;
use treekeeper_protocol::{DeleteRequest, MultiRequest, ReadRequest, Request, SetDataRequest};

use crate::load::client::Client;
use crate::load::requests::create;
use crate::load::steady::{self, Steady, SteadyMeasured};
use crate::load::{LoadError, Target};
use crate::scenario::apart::{Findings, beside};
use crate::scenario::tail::Tail;
use crate::scenario::throughput::{Operation, warm_up};
use crate::scenario::{ScenarioError, Settings, tree};
use crate::server::Server;
use crate::server::products::Product;

/// The lines, undisturbed before disturbed.
pub(super) const LINES: [&str; 4] = ["get-calm", "set-calm", "get-disturbed", "set-disturbed"];

/// Undisturbed and then disturbed, at half the rates of the tails.
const CALM: [Tail; 2] = [
    tail(LINES[0], Operation::Get),
    tail(LINES[1], Operation::Set),
];
const DISTURBED: [Tail; 2] = [
    tail(LINES[2], Operation::Get),
    tail(LINES[3], Operation::Set),
];

const LARGE_VALUES: &str = "/megabytes";
const LARGE_VALUE_COUNT: usize = 8;
/// With it a setData is just below what a server accepts (`jute.maxbuffer`).
const LARGE_VALUE_BYTES: usize = 900_000;
const DIRECTORY: &str = "/directory";
/// One child to so many znodes of the settings: 100 000 to the default million.
const ZNODES_PER_CHILD: u64 = 10;

const fn tail(line: &'static str, operation: Operation) -> Tail {
    Tail { line, operation }
}

/// Measures the tails without and with the large requests.
pub(super) fn run(
    product: &Product,
    folder: &Path,
    settings: &Settings,
) -> Result<Findings, ScenarioError> {
    let server = Server::start(product, folder)?;
    let target = server.target();
    tree::make(target)?;
    make(target, settings.znodes / ZNODES_PER_CHILD)?;
    warm_up(target, settings)?;
    thread::sleep(settings.settle);

    let half = Settings {
        get_rate: settings.get_rate.div_ceil(2),
        set_rate: settings.set_rate.div_ceil(2),
        ..settings.clone()
    };
    let mut findings = Findings::default();
    for tail in CALM {
        findings.samples.push(tail.run(target, &half)?);
    }
    let (large, tails) = beside(
        |ended| steady::run_until(target, &large_requests(), ended),
        || DISTURBED.map(|tail| tail.run(target, &half)),
    );
    for tail in tails {
        findings.samples.push(tail?);
    }
    for requests in &large? {
        findings.notes.push(note(product, requests));
    }
    Ok(findings)
}

fn note(product: &Product, requests: &SteadyMeasured) -> String {
    let latency = requests.latency.latency();
    format!(
        "{}, beside the small requests: {:.1} {} a second, p50 {:.1} ms, longest {:.0} ms",
        product.name(),
        requests.per_second,
        requests.name,
        latency.p50_us / 1000.0,
        latency.max_us / 1000.0
    )
}

fn child_path(number: u64) -> String {
    format!("{DIRECTORY}/child-{number:06}")
}

fn large_path(number: usize) -> String {
    format!("{LARGE_VALUES}/{number}")
}

fn large_data() -> Bytes {
    Bytes::from(vec![b'x'; LARGE_VALUE_BYTES])
}

/// The large values, and a directory of so many children with names of 12 bytes.
fn make(target: Target, children: u64) -> Result<(), LoadError> {
    let mut client = Client::connect(target.address)?;
    let mut znodes = vec![
        create(LARGE_VALUES, Bytes::new()),
        create(DIRECTORY, Bytes::new()),
    ];
    znodes.extend((0..children).map(|number| create(&child_path(number), Bytes::new())));
    client.call_all(&znodes)?;
    for number in 0..LARGE_VALUE_COUNT {
        client.call(&create(&large_path(number), large_data()))?;
    }
    client.close()
}

fn large_requests() -> [Steady; 4] {
    let each = |request: fn(String) -> Request| {
        let paths = (0..LARGE_VALUE_COUNT).map(large_path);
        paths.map(request).collect()
    };
    let set = |path| {
        Request::SetData(SetDataRequest {
            path,
            data: Some(large_data()),
            version: -1,
        })
    };
    [
        Steady {
            name: "reads of 900 kB",
            requests: each(|path| Request::GetData(ReadRequest { path, watch: false })),
            connections: 2,
            per_second: 20,
        },
        Steady {
            name: "writes of 900 kB",
            requests: each(set),
            connections: 2,
            per_second: 20,
        },
        Steady {
            name: "lists of the large directory",
            requests: vec![Request::GetChildren(ReadRequest {
                path: DIRECTORY.to_owned(),
                watch: false,
            })],
            connections: 2,
            per_second: 5,
        },
        // A directory is listed because it has changed. The child is there before and after.
        Steady {
            name: "changes of that directory",
            requests: vec![Request::Multi(MultiRequest {
                ops: vec![
                    Request::Delete(DeleteRequest {
                        path: child_path(0),
                        version: -1,
                    }),
                    create(&child_path(0), Bytes::new()),
                ],
            })],
            connections: 1,
            per_second: 5,
        },
    ]
}
