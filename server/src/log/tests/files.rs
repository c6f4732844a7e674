//! Opening, files and their order, with nothing going wrong.

use crossbeam::channel::bounded;

use super::*;

#[test]
fn entries_are_read_back_from_memory_and_from_disk() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    for first in (0..1000).step_by(10) {
        append(&mut log, numbered(first..first + 10)).unwrap();
    }
    assert_eq!(read_all(&log).unwrap(), numbered(0..1000));
    assert!(
        segments(&disk).len() > 4,
        "the entries fill several segments"
    );
    log.close().unwrap();
    let log = open(&disk, SMALL).unwrap();
    assert_eq!(
        log.reader().last(),
        Some(Position {
            index: 999,
            term: 1
        })
    );
    assert_eq!(read_all(&log).unwrap(), numbered(0..1000));
    assert_eq!(log.reader().read(1000..2000, 1).unwrap(), []);
}

#[test]
fn an_entry_is_readable_before_it_is_durable() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..1)).unwrap();
    let (release, held) = bounded::<()>(0);
    disk.fail_when(move |operation, _| {
        // The channel closes when the test lets go.
        (operation == simulated::Operation::Sync)
            .then(|| held.recv().ok())
            .and(None)
    });
    let (sender, done) = mpsc::channel();
    log.append(
        numbered(1..3),
        Box::new(move |durable| sender.send(durable.result).unwrap()),
    );
    assert_eq!(read_all(&log).unwrap(), numbered(0..3));
    assert!(done.try_recv().is_err(), "not durable yet");
    drop(release);
    done.recv().unwrap().unwrap();
}

#[test]
fn what_queues_up_during_a_sync_shares_the_next_one() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, LogOptions::default()).unwrap();
    append(&mut log, numbered(0..1)).unwrap();
    let (release, held) = bounded::<()>(0);
    disk.fail_when(move |operation, path| {
        let log_sync =
            operation == simulated::Operation::Sync && path.extension() == Some("log".as_ref());
        log_sync.then(|| held.recv().ok()).and(None)
    });
    let (sender, done) = mpsc::channel();
    let before = disk.syncs();
    for index in 1..201 {
        let sender = sender.clone();
        log.append(
            numbered(index..index + 1),
            Box::new(move |durable| sender.send((index, durable.result)).unwrap()),
        );
    }
    drop(release);
    for index in 1..201 {
        let (got, result) = done.recv().unwrap();
        assert_eq!(got, index, "callbacks run in order");
        result.unwrap();
    }
    // One for whatever the writer had taken when it was held up, one for the rest; the preparing thread adds its own.
    let own = disk.syncs() - before;
    assert!(own <= 2 + 8, "{own} syncs for 200 appends");
}

#[test]
fn a_record_longer_than_a_segment_gets_one_that_grows() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    let long = record(1, 1, vec![7; 100_000]);
    append(&mut log, numbered(0..1)).unwrap();
    append(&mut log, vec![long.clone(), record(2, 1, "after")]).unwrap();
    drop(log);
    let log = open(&disk, SMALL).unwrap();
    assert_eq!(read_all(&log).unwrap()[1..], [long, record(2, 1, "after")]);
}

#[test]
fn truncated_entries_are_replaced() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..300)).unwrap();
    log.truncate_after(Some(Position { index: 99, term: 1 }));
    append(&mut log, vec![record(100, 2, "other")]).unwrap();
    let mut expected = numbered(0..100);
    expected.push(record(100, 2, "other"));
    assert_eq!(read_all(&log).unwrap(), expected);
    assert_eq!(
        log.reader().term_starts().unwrap(),
        [
            Position { index: 0, term: 1 },
            Position {
                index: 100,
                term: 2
            }
        ]
    );
    log.close().unwrap();
    let log = open(&disk, SMALL).unwrap();
    assert_eq!(read_all(&log).unwrap(), expected);
    assert_eq!(
        log.reader().term_starts().unwrap(),
        [
            Position { index: 0, term: 1 },
            Position {
                index: 100,
                term: 2
            }
        ]
    );
}

#[test]
fn a_truncation_alone_survives_a_restart() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..10)).unwrap();
    log.truncate_after(None);
    log.close().unwrap();
    let log = open(&disk, SMALL).unwrap();
    assert_eq!(
        (log.reader().last(), read_all(&log).unwrap()),
        (None, vec![])
    );
}

#[test]
fn purged_files_are_used_again_and_their_old_bytes_never_read() {
    let disk = SimulatedDisk::new();
    let options = LogOptions {
        first_segment_bytes: SMALL.segment_bytes,
        ..SMALL
    };
    let mut log = open(&disk, options).unwrap();
    for round in 0..20 {
        let first = round * 400;
        append(&mut log, numbered(first..first + 400)).unwrap();
        log.purge_to(Position {
            index: first + 350,
            term: 1,
        });
    }
    assert!(
        segments(&disk).len() < 10,
        "purged files are given up: {:?}",
        segments(&disk)
    );
    assert!(matches!(
        log.reader().read(7000..7001, 1),
        Err(LogError::Purged {
            first: 7951,
            asked: 7000
        })
    ));
    assert_eq!(read_all(&log).unwrap(), numbered(7951..8000));
    // Without a clean end, so that what follows the last entry in a recycled file is all that bounds it.
    let disk = disk.kill();
    drop(log);
    let log = open(&disk, options).unwrap();
    let all = read_all(&log).unwrap();
    let first = all.first().unwrap().position.index;
    assert_eq!(all, numbered(first..8000));
}

#[test]
fn the_log_goes_on_beyond_its_end_after_an_installed_checkpoint() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..200)).unwrap();
    let checkpoint = Position {
        index: 5000,
        term: 3,
    };
    log.purge_to(checkpoint);
    assert_eq!(log.reader().last(), Some(checkpoint));
    append(&mut log, vec![record(5001, 3, "after")]).unwrap();
    log.close().unwrap();
    let log = open(&disk, SMALL).unwrap();
    assert_eq!(log.reader().purged(), Some(checkpoint));
    assert_eq!(read_all(&log).unwrap(), [record(5001, 3, "after")]);
}

#[test]
fn the_vote_and_the_committed_position_are_kept() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    let (sender, done) = mpsc::channel();
    log.save_vote(
        Bytes::from("term 7"),
        Box::new(move |durable| sender.send(durable.result).unwrap()),
    );
    done.recv().unwrap().unwrap();
    append(&mut log, numbered(0..10)).unwrap();
    log.set_committed(Some(Position { index: 8, term: 1 }));
    let disk = disk.power_cut(0);
    drop(log);
    let mut log = open(&disk, SMALL).unwrap();
    assert_eq!(log.reader().vote(), Some(Bytes::from("term 7")));
    assert_eq!(
        log.reader().committed(),
        None,
        "nothing was written since it was set"
    );
    log.set_committed(Some(Position { index: 9, term: 1 }));
    log.close().unwrap();
    let log = open(&disk, SMALL).unwrap();
    assert_eq!(
        log.reader().committed(),
        Some(Position { index: 9, term: 1 })
    );
}

#[test]
fn opening_reads_the_newest_segment_and_no_other() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    for first in (0..20_000).step_by(100) {
        append(&mut log, numbered(first..first + 100)).unwrap();
    }
    log.close().unwrap();
    let files = segments(&disk).len() as u64;
    assert!(files > 60);
    let before = disk.bytes_read();
    let log = open(&disk, SMALL).unwrap();
    let read = disk.bytes_read() - before;
    assert!(
        read <= files * 512 + SMALL.segment_bytes + 100,
        "{read} bytes of {files} files"
    );
    assert_eq!(
        log.reader().term_starts().unwrap(),
        [Position { index: 0, term: 1 }]
    );
    assert!(
        disk.bytes_read() - before <= read + 8 * SMALL.segment_bytes,
        "terms are found without reading all"
    );
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Log::open(Arc::new(RealDisk), folder.path(), SMALL, Box::new(|_| {}));
    let mut log = open().unwrap();
    append(&mut log, numbered(0..10)).unwrap();
    let error = open().unwrap_err();
    assert!(
        matches!(&error, LogError::Locked { dir } if dir == folder.path()),
        "{error}"
    );
    log.close().unwrap();
    assert_eq!(read_all(&open().unwrap()).unwrap(), numbered(0..10));
}
