//! Rounds of writing, kill -9 and checking.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use treekeeper_client::{Client, CreateOptions};
use treekeeper_tests::process::server::LISTENING;
use treekeeper_tests::process::{Server, ServerOptions};

use super::writer::{Pace, Writer};

/// Enough for kills in the middle of everything: flushes, new log files, replays, starts.
const ROUNDS: u32 = 200;
/// Sessions that write at the same time.
const WRITERS: u32 = 5;
/// How long a writer tries to open a session; the kill may come first.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// The variable that repeats a run's choices.
const SEED_VARIABLE: &str = "TREEKEEPER_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_kill_9() {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().expect("a seed is a number"),
        Err(_) => rand::random::<u32>().into(),
    };
    println!("{SEED_VARIABLE}={seed}");
    let began = Instant::now();
    let folder = tempfile::tempdir().expect("a folder for the data");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rounds = Rounds::new(ServerOptions::new(folder.path()), &mut rng).await;
    for round in 0..ROUNDS {
        rounds.one(round, &mut rng).await;
    }
    let acknowledged: u64 = rounds
        .writers
        .iter()
        .map(|writer| writer.acknowledged)
        .sum();
    println!(
        "{ROUNDS} rounds in {:.1?}: {acknowledged} operations acknowledged, {} carried out and not acknowledged, \
         {} kills while starting, up to {} log entries replayed",
        began.elapsed(),
        rounds.carried_out,
        rounds.killed_at_start,
        rounds.replayed_max
    );
    assert!(
        acknowledged > u64::from(ROUNDS * WRITERS),
        "the rounds were too short to prove anything"
    );
    assert!(
        rounds.carried_out > 0,
        "no kill came between a write and its acknowledgement"
    );
}

struct Rounds<'a> {
    options: ServerOptions<'a>,
    server: Option<Server>,
    writers: Vec<Writer>,
    /// The zxid that the server showed last.
    zxid: i64,
    carried_out: usize,
    killed_at_start: u32,
    replayed_max: u64,
}

impl<'a> Rounds<'a> {
    async fn new(options: ServerOptions<'a>, rng: &mut StdRng) -> Self {
        let server = options.start();
        let client = Client::connect(&server.address().to_string())
            .await
            .expect("a new server");
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let root = format!("/writer{number}");
            client
                .create(&root, "", &CreateOptions::default())
                .await
                .expect("an empty tree");
            writers.push(Writer::new(root, number.into(), StdRng::from_rng(rng)));
        }
        client.close().await.expect("a session can be closed");
        Self {
            options,
            server: Some(server),
            writers,
            zxid: 0,
            carried_out: 0,
            killed_at_start: 0,
            replayed_max: 0,
        }
    }

    /// Writes, kills, starts again, compares.
    async fn one(&mut self, round: u32, rng: &mut StdRng) {
        let server = self
            .server
            .take()
            .expect("a round ends with a running server");
        let address = server.address().to_string();
        // Every fifth round moves enough for the tree's buffer to be flushed and the log to change its file.
        let heavy = round % 5 == 4;
        let pace = Pace {
            window: rng.random_range(1..=if heavy { 16 } else { 64 }),
            data_len_max: if heavy { 150_000 } else { 200 },
            close: 0.002,
            connect_timeout: CONNECT_TIMEOUT,
        };
        let (count, acknowledged) = watch::channel(0);
        let writers = self
            .writers
            .iter_mut()
            .map(|writer| writer.write(&address, pace, &count));
        let (_, said) = tokio::join!(join_all(writers), killed(server, acknowledged, heavy, rng));
        assert!(
            !said.contains("ERROR") && !said.contains("panicked"),
            "round {round}:\n{said}"
        );

        let server = self.start_again(rng);
        self.server = Some(server);
        let zxid = zxid_of(address.parse().expect("an address"));
        let told = self
            .writers
            .iter()
            .map(|writer| writer.zxid)
            .max()
            .unwrap_or(0);
        assert!(
            zxid >= self.zxid.max(told),
            "round {round}: zxid {zxid:#x} after {:#x} and {told:#x}",
            self.zxid
        );
        self.zxid = zxid;
        for writer in &mut self.writers {
            self.carried_out += writer.settle(&address).await;
        }
        self.compare_roots(&address).await;
    }

    /// Starts the server, sometimes with a few kills on the way.
    fn start_again(&mut self, rng: &mut StdRng) -> Server {
        // Settings that hold little make flushes, new log files and the reuse of old ones happen all the time.
        let small = rng.random_bool(0.5);
        let options = self.options.clone().set("treekeeper.logRetention", "2M");
        let options = if small {
            options.set("treekeeper.cacheSize", "1M")
        } else {
            options
        };
        while rng.random_ratio(1, 8) {
            let server = options.spawn();
            let moment = Duration::from_millis(rng.random_range(1..300));
            if server.line_within(LISTENING, moment).is_none() {
                self.killed_at_start += 1;
            }
            server.kill();
        }
        let server = options.start();
        let replayed = server.number("recovered", "replayed");
        self.replayed_max = self.replayed_max.max(replayed);
        server
    }

    /// Nothing but the writers' znodes lies at the top.
    async fn compare_roots(&self, address: &str) {
        let client = Client::connect(address).await.expect("the server runs");
        let (names, _) = client.get_children("/").await.expect("the root is there");
        let found: BTreeSet<_> = names.into_iter().map(|name| format!("/{name}")).collect();
        let mut expected: BTreeSet<_> = self
            .writers
            .iter()
            .map(|writer| writer.root.clone())
            .collect();
        expected.insert("/zookeeper".to_owned());
        assert_eq!(found, expected);
        client.close().await.expect("a session can be closed");
    }
}

/// Kills the server after some acknowledgements or some time, whatever comes first; gives back what it said.
async fn killed(
    server: Server,
    mut acknowledged: watch::Receiver<u64>,
    heavy: bool,
    rng: &mut StdRng,
) -> String {
    let enough = rng.random_range(1..=if heavy { 1000 } else { 3000 });
    let moment = Duration::from_millis(rng.random_range(1..=if heavy { 400 } else { 120 }));
    // Either way it is time.
    let _ = tokio::time::timeout(moment, acknowledged.wait_for(|count| *count >= enough)).await;
    server.kill()
}

/// The zxid that the server says it is at.
fn zxid_of(address: SocketAddr) -> i64 {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(b"srvr").expect("the server reads");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .expect("the server answers");
    let zxid = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
    let zxid = zxid.and_then(|digits| i64::from_str_radix(digits, 16).ok());
    zxid.unwrap_or_else(|| panic!("expected a zxid in {text:?}"))
}
