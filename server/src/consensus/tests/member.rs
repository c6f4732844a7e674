//! A member of one voter.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::log::simulated::{Operation, SimulatedDisk};
use crate::log::{LogError, LogOptions, atomic_file};

/// Small files, so that few commands make many segments.
fn options(disk: &SimulatedDisk) -> Options {
    let refused = |refusal: Refusal| panic!("a leader refused {refusal:?}");
    let mut options = Options::new("/log", Arc::new(refused));
    options.log = LogOptions {
        segment_bytes: 64 << 10,
        first_segment_bytes: 16 << 10,
        recent_bytes: 4 << 10,
    };
    options.disk = Arc::new(disk.clone());
    options
}

async fn start(disk: &SimulatedDisk, machine: &Machine) -> Consensus {
    Consensus::start(options(disk), machine.clone())
        .await
        .unwrap()
}

fn numbered(range: Range<u32>) -> Vec<Bytes> {
    range
        .map(|number| Bytes::from(number.to_string()))
        .collect()
}

async fn propose(consensus: &Consensus, commands: Vec<Bytes>) {
    for command in commands {
        consensus.propose(command, 0).await.unwrap();
    }
}

#[tokio::test]
async fn commands_are_applied_in_the_order_of_their_proposals() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    propose(&consensus, numbered(0..1000)).await;
    assert_eq!(machine.commands(1000).await, numbered(0..1000));
    consensus.linearize().await.unwrap();
    let status = consensus.status();
    assert_eq!(status.leadership.role, Role::Leader);
    assert_eq!(status.leadership.leader, Some(consensus.node_id()));
    assert_eq!(status.leadership, *consensus.leadership().borrow());
    assert_eq!(status.voters, [consensus.node_id()]);
    assert_eq!(
        consensus.linearize().await.unwrap(),
        status.last_index.unwrap()
    );
    consensus.shutdown().await;
    assert_eq!(consensus.propose(Bytes::new(), 0).await, Err(Stopped));
    assert_eq!(
        consensus.linearize().await,
        Err(LinearizeError::Stopped(Stopped))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_proposers_keeps_its_order() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    let proposers = (0..50).map(|proposer| {
        let consensus = consensus.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                consensus
                    .propose(Bytes::from(format!("{proposer} {number}")), proposer)
                    .await
                    .unwrap();
            }
        })
    });
    for proposer in proposers.collect::<Vec<_>>() {
        proposer.await.unwrap();
    }
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for command in machine.commands(5000).await {
        let text = String::from_utf8(command.to_vec()).unwrap();
        let (proposer, number) = text.split_once(' ').unwrap();
        numbers
            .entry(proposer.to_owned())
            .or_default()
            .push(number.parse().unwrap());
    }
    assert_eq!(numbers.len(), 50);
    for (proposer, numbers) in numbers {
        assert!(
            numbers.iter().copied().eq(0..100),
            "proposer {proposer}: {numbers:?}"
        );
    }
}

#[tokio::test]
async fn a_restart_gives_exactly_the_entries_after_the_applied_one() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    propose(&consensus, numbered(0..500)).await;
    let mut expected = machine.commands(500).await;
    let mut term = consensus.status().leadership.term;
    for kept in [500, 499, 250, 1, 0] {
        // Nothing ended well, and the tree has only what it had flushed.
        let disk = disk.kill();
        let tree = machine.set_back(kept);
        let consensus = start(&disk, &tree).await;
        assert_eq!(tree.commands(expected.len()).await, expected);
        let now = consensus.status().leadership.term;
        assert!(now > term, "every reign has its term: {now} after {term}");
        term = now;
        expected.push(Bytes::from(format!("after restart with {kept}")));
        propose(&consensus, expected[expected.len() - 1..].to_vec()).await;
        assert_eq!(tree.commands(expected.len()).await, expected);
        consensus.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_survives_a_power_cut() {
    for seed in 0..20 {
        let mut disk = SimulatedDisk::new();
        let mut applied: Vec<Bytes> = Vec::new();
        for round in 0..3 {
            // The tree lost everything too, so all is replayed.
            let machine = Machine::new();
            let consensus = start(&disk, &machine).await;
            let replayed = machine.commands(applied.len()).await;
            assert_eq!(
                replayed[..applied.len()],
                applied,
                "seed {seed}, round {round}"
            );
            let at = u32::try_from(replayed.len()).unwrap();
            let proposer = consensus.clone();
            let proposing = tokio::spawn(async move {
                for command in numbered(at..at + 2000) {
                    // Ends early when the machine is gone.
                    if proposer.propose(command, 0).await.is_err() {
                        return;
                    }
                }
            });
            machine.commands(replayed.len() + 300).await;
            disk = disk.power_cut(seed * 3 + round);
            proposing.await.unwrap();
            // Whatever a client could have seen is what was applied until nothing moved any more.
            consensus.shutdown().await;
            applied = machine.commands(0).await;
        }
    }
}

#[tokio::test]
async fn a_failed_sync_is_reported_and_nothing_more_applied() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    propose(&consensus, numbered(0..10)).await;
    machine.commands(10).await;
    disk.fail_when(|operation, _| (operation == Operation::Sync).then_some(ErrorKind::StorageFull));
    consensus.propose(Bytes::from("lost"), 0).await.unwrap();
    let failure = consensus.failed().await;
    assert!(matches!(&failure, Failure::Log(_)), "{failure}");
    assert!(
        failure.to_string().contains("the disk is full"),
        "{failure}"
    );
    disk.heal();
    // The core ends by itself; until then proposals are taken and come to nothing.
    while consensus.propose(Bytes::from("late"), 0).await.is_ok() {
        tokio::task::yield_now().await;
    }
    consensus.shutdown().await;
    assert_eq!(machine.commands(10).await, numbered(0..10));
    assert_eq!(consensus.failed().await.to_string(), failure.to_string());
}

#[tokio::test]
async fn a_panic_while_applying_stops_the_member() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    consensus.propose(Bytes::from("panic"), 0).await.unwrap();
    let failure = consensus.failed().await;
    assert!(matches!(&failure, Failure::Stopped(_)), "{failure}");
    assert!(failure.to_string().contains("panicked"), "{failure}");
}

#[tokio::test]
async fn a_held_up_disk_bounds_what_is_in_flight() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let mut options = options(&disk);
    options.in_flight_bytes_max = 10_000;
    let consensus = Consensus::start(options, machine.clone()).await.unwrap();
    let (release, held) = crossbeam::channel::bounded::<()>(0);
    disk.fail_when(move |operation, _| {
        (operation == Operation::Sync)
            .then(|| held.recv().ok())
            .and(None)
    });
    let proposing = tokio::spawn({
        let consensus = consensus.clone();
        async move { propose(&consensus, vec![Bytes::from(vec![0; 1000]); 100]).await }
    });
    while consensus.status().in_flight_bytes < 8_000 {
        tokio::task::yield_now().await;
    }
    assert!(!proposing.is_finished());
    assert!(consensus.status().in_flight_bytes <= 10_000);
    let too_much = Bytes::from(vec![0; 5000]);
    assert_eq!(
        consensus.try_propose(too_much.clone(), 0),
        Err(TryProposeError::Full(too_much))
    );
    drop(release);
    proposing.await.unwrap();
    assert_eq!(machine.commands(100).await.len(), 100);
}

#[tokio::test]
async fn commands_that_cannot_wait_are_applied_like_others() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    for command in numbered(0..1000) {
        consensus.try_propose(command, 0).unwrap();
    }
    assert_eq!(machine.commands(1000).await, numbered(0..1000));
    consensus.shutdown().await;
    assert_eq!(
        Arc::strong_count(&machine.seen),
        1,
        "the state machine is gone"
    );
    assert_eq!(
        consensus.try_propose(Bytes::new(), 0),
        Err(TryProposeError::Stopped(Stopped))
    );
}

#[tokio::test]
async fn the_log_is_purged_below_the_flushed_tree() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let mut options = options(&disk);
    options.log_kept_bytes = 100_000;
    let consensus = Consensus::start(options.clone(), machine.clone())
        .await
        .unwrap();
    let proposals = |count: usize| vec![Bytes::from(vec![1; 1000]); count];
    propose(&consensus, proposals(1000)).await;
    machine.commands(1000).await;
    let files = disk.paths(".log").len();
    assert!(files > 10);
    while disk.paths(".log").len() > 5 {
        machine.flush();
        consensus.flushed();
        // A purge is recorded with the next batch, and files are given up after that.
        propose(&consensus, proposals(1)).await;
        tokio::task::yield_now().await;
    }
    let purged = consensus.status().purged_index.unwrap();
    assert!(purged > 500, "purged up to {purged}");
    consensus.shutdown().await;

    // Twice, as the first start may still remember more of the log than the second.
    for _ in 0..2 {
        let applied = machine.seen.lock().commands.len();
        let consensus = Consensus::start(options.clone(), machine.clone())
            .await
            .unwrap();
        propose(&consensus, proposals(1)).await;
        machine.commands(applied + 1).await;
        consensus.shutdown().await;
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let disk = SimulatedDisk::new();
    let first = start(&disk, &Machine::new()).await;
    let error = Consensus::start(options(&disk), Machine::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::Log(LogError::Locked { .. })),
        "{error}"
    );
    first.shutdown().await;
    start(&disk, &Machine::new()).await;
}

#[tokio::test]
async fn a_tree_without_its_log_is_refused() {
    let machine = Machine::new();
    let consensus = start(&SimulatedDisk::new(), &machine).await;
    propose(&consensus, numbered(0..10)).await;
    machine.commands(10).await;
    consensus.shutdown().await;
    let error = Consensus::start(options(&SimulatedDisk::new()), machine)
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::NotThisLog { .. }), "{error}");
}

#[tokio::test]
async fn contradicting_timeouts_are_refused() {
    let mut options = options(&SimulatedDisk::new());
    options.election_timeout_min = Duration::from_millis(10);
    let error = Consensus::start(options, Machine::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Settings(_)), "{error}");
}

#[tokio::test]
async fn a_node_that_is_not_in_its_log_is_refused() {
    let disk = SimulatedDisk::new();
    start(&disk, &Machine::new()).await.shutdown().await;
    atomic_file::write(&disk, Path::new("/log/node"), &7_u64.to_le_bytes()).unwrap();
    let error = Consensus::start(options(&disk), Machine::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::NotAVoter { node_id: 7 }),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_member_ends_and_frees_its_folder() {
    let (disk, machine) = (SimulatedDisk::new(), Machine::new());
    let consensus = start(&disk, &machine).await;
    propose(&consensus, numbered(0..10)).await;
    machine.commands(10).await;
    drop(consensus);
    let machine = Machine::new();
    loop {
        match Consensus::start(options(&disk), machine.clone()).await {
            Err(StartError::Log(LogError::Locked { .. })) => tokio::task::yield_now().await,
            started => {
                started.unwrap();
                break;
            }
        }
    }
    assert_eq!(machine.commands(10).await, numbered(0..10));
}

#[tokio::test]
async fn a_start_that_fails_at_any_step_spoils_nothing() {
    for first_run in [true, false] {
        for step in 0.. {
            let disk = SimulatedDisk::new();
            let expected = if first_run { 0 } else { 300 };
            if !first_run {
                let machine = Machine::new();
                let consensus = start(&disk, &machine).await;
                propose(&consensus, numbered(0..expected)).await;
                machine.commands(300).await;
                consensus.shutdown().await;
            }
            let operations = AtomicU32::new(0);
            let failed = Arc::new(AtomicBool::new(false));
            let fails = Arc::clone(&failed);
            disk.fail_when(move |_, _| {
                let now = operations.fetch_add(1, Ordering::Relaxed) == step;
                now.then(|| fails.store(true, Ordering::Relaxed))
                    .map(|()| ErrorKind::Other)
            });
            let interrupted = Consensus::start(options(&disk), Machine::new()).await;
            let disk = disk.power_cut(u64::from(step));
            if let Ok(consensus) = interrupted {
                consensus.shutdown().await;
            }
            let machine = Machine::new();
            let consensus = start(&disk, &machine).await;
            assert_eq!(
                machine.commands(0).await,
                numbered(0..expected),
                "failed at step {step}"
            );
            consensus.shutdown().await;
            if !failed.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}
