//! Writes and syncs that fail.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};

use super::simulated::Operation;
use super::*;

/// Opens with a counter of reported failures.
fn open_counting(disk: &SimulatedDisk) -> (Log, Arc<AtomicU32>) {
    let failures = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&failures);
    let on_failure = Box::new(move |_: &LogFailure| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (
        Log::open(Arc::new(disk.clone()), dir(), SMALL, on_failure).unwrap(),
        failures,
    )
}

#[test]
fn who_waits_for_an_entry_is_told_when_it_is_durable_and_when_it_never_will_be() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open_counting(&disk);
    let reader = log.reader();
    append(&mut log, numbered(0..5)).unwrap();
    assert!(reader.wait_durable(4));
    let waits = |index| {
        let reader = reader.clone();
        std::thread::spawn(move || reader.wait_durable(index))
    };
    let later = waits(7);
    append(&mut log, numbered(5..8)).unwrap();
    assert!(later.join().unwrap());
    // What replaces entries must be durable itself.
    log.truncate_after(Some(Position { index: 5, term: 1 }));
    assert!(reader.wait_durable(5), "what is kept is durable");
    let replaced = waits(6);
    append(&mut log, vec![record(6, 2, "another")]).unwrap();
    assert!(replaced.join().unwrap());
    let never = waits(7);
    disk.fail_when(|operation, _| (operation == Operation::Sync).then_some(ErrorKind::Other));
    append(&mut log, vec![record(7, 2, "lost")]).unwrap_err();
    assert!(!never.join().unwrap());

    let disk = SimulatedDisk::new();
    let (log, _) = open_counting(&disk);
    let reader = log.reader();
    let beyond_the_end = std::thread::spawn(move || reader.wait_durable(0));
    log.close().unwrap();
    assert!(!beyond_the_end.join().unwrap());
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    for failing in [Operation::Sync, Operation::Write] {
        let disk = SimulatedDisk::new();
        let (mut log, failures) = open_counting(&disk);
        append(&mut log, numbered(0..5)).unwrap();
        let path = newest_segment(&disk);
        let fails_at = path.clone();
        disk.fail_when(move |operation, path| {
            (operation == failing && path == fails_at).then_some(ErrorKind::Other)
        });
        let failure = append(&mut log, numbered(5..8)).unwrap_err();
        assert_eq!(failure.file, path);
        // The disk works again, and it does not matter.
        disk.heal();
        append(&mut log, numbered(8..9)).unwrap_err();
        let (sender, done) = mpsc::channel();
        log.save_vote(
            Bytes::from("vote"),
            Box::new(move |durable| sender.send(durable.result).unwrap()),
        );
        done.recv().unwrap().unwrap_err();
        assert_eq!(failures.load(Ordering::Relaxed), 1);
        log.close().unwrap_err();
        let disk = disk.power_cut(1);
        let log = open(&disk, SMALL).unwrap();
        let kept = read_all(&log).unwrap();
        assert!((5..=8).contains(&kept.len()));
        assert_eq!(kept, numbered(0..kept.len() as u64));
    }
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let disk = SimulatedDisk::new();
    let (mut log, failures) = open_counting(&disk);
    append(&mut log, numbered(0..10)).unwrap();
    disk.fail_when(|operation, path| {
        let filling = operation == Operation::Write && path.extension() == Some("tmp".as_ref());
        filling.then_some(ErrorKind::StorageFull)
    });
    let mut next = 10;
    let failure = loop {
        match append(&mut log, numbered(next..next + 10)) {
            Ok(()) => next += 10,
            Err(failure) => break failure,
        }
    };
    assert!(
        failure.to_string().contains("the disk is full"),
        "{failure}"
    );
    assert_eq!(failures.load(Ordering::Relaxed), 1);
    let disk = disk.power_cut(2);
    drop(log);
    let kept = read_all(&open(&disk, SMALL).unwrap()).unwrap();
    assert!(kept.len() as u64 >= next);
    assert_eq!(kept, numbered(0..kept.len() as u64));
}

#[test]
fn a_disk_that_is_full_for_a_while_goes_unnoticed() {
    let disk = SimulatedDisk::new();
    let (mut log, failures) = open_counting(&disk);
    append(&mut log, numbered(0..10)).unwrap();
    let refusals = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&refusals);
    disk.fail_when(move |operation, path| {
        let first = operation == Operation::Write
            && path.extension() == Some("tmp".as_ref())
            && counter.fetch_add(1, Ordering::Relaxed) == 0;
        first.then_some(ErrorKind::StorageFull)
    });
    for first in (10..2000).step_by(10) {
        append(&mut log, numbered(first..first + 10)).unwrap();
    }
    assert!(refusals.load(Ordering::Relaxed) > 1);
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    assert_eq!(read_all(&log).unwrap(), numbered(0..2000));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let disk = SimulatedDisk::new();
    disk.fail_when(|operation, _| {
        (operation == Operation::Lock).then_some(ErrorKind::ReadOnlyFilesystem)
    });
    let error = open(&disk, SMALL).unwrap_err();
    assert!(
        matches!(&error, LogError::Io { action: "lock", file, .. } if file == &dir().join("lock")),
        "{error}"
    );
}

#[test]
fn a_vote_survives_a_cut_at_any_step_of_the_next() {
    for failing in [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::SyncDir,
    ] {
        for seed in 0..20 {
            let disk = SimulatedDisk::new();
            let (mut log, _) = open_counting(&disk);
            append(&mut log, numbered(0..1)).unwrap();
            let save = |log: &mut Log, vote: &'static str| {
                let (sender, done) = mpsc::channel();
                log.save_vote(
                    Bytes::from(vote),
                    Box::new(move |durable| sender.send(durable.result).unwrap()),
                );
                done.recv().unwrap()
            };
            save(&mut log, "old").unwrap();
            disk.fail_when(move |operation, path| {
                let of_vote =
                    path.file_stem() == Some("vote".as_ref()) || operation == Operation::SyncDir;
                (operation == failing && of_vote).then_some(ErrorKind::Other)
            });
            save(&mut log, "new").unwrap_err();
            let disk = disk.power_cut(seed);
            drop(log);
            let vote = open(&disk, SMALL).unwrap().reader().vote().unwrap();
            assert!(vote == "old" || vote == "new", "{failing:?}: {vote:?}");
        }
    }
}
