//! Some seeds, and what must hold for every seed.

use std::time::Duration;

use treekeeper_simulation::properties::check_all;
use treekeeper_simulation::{DiskFault, Options, What, run};

fn options(seed: u64, disk_fault: DiskFault) -> Options {
    Options {
        seed,
        time: Duration::from_secs(15),
        disk_fault,
    }
}

#[test]
fn every_promise_is_kept() {
    let (mut came, mut went) = (0, 0);
    for seed in 1..=20 {
        let run = run(&options(seed, DiskFault::None)).unwrap();
        let violations: Vec<String> = run.violations.iter().map(ToString::to_string).collect();
        assert_eq!(violations, [""; 0], "seed {seed}");
        for record in &run.history {
            if let What::Fault(fault) = &record.what
                && fault.starts_with("done: a change of the members")
            {
                came += u32::from(fault.contains("votes: Some"));
                went += u32::from(fault.contains("leaves: Some"));
            }
        }
        let told = |what: &What| matches!(what, What::Told { .. });
        let told = run.history.iter().filter(|record| told(&record.what));
        assert!(
            told.count() > 100,
            "seed {seed} has told its clients little"
        );
    }
    assert!(came > 5 && went > 5, "{came} members came, {went} went");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..=6 {
        let first = run(&options(seed, DiskFault::None)).unwrap();
        let second = run(&options(seed, DiskFault::None)).unwrap();
        let differ = first.history.iter().zip(&second.history);
        for (place, (one, other)) in differ.enumerate() {
            assert_eq!(one, other, "record {place} of seed {seed}");
        }
        assert_eq!(first.fingerprint, second.fingerprint, "seed {seed}");
    }
    let [one, other] = [3, 4].map(|seed| run(&options(seed, DiskFault::None)).unwrap());
    assert_ne!(one.fingerprint, other.fingerprint);
}

#[test]
fn a_disk_that_loses_what_it_has_synced_is_noticed() {
    let noticed = |seed| {
        let run = run(&options(seed, DiskFault::ForgetsSynced)).unwrap();
        !run.violations.is_empty()
    };
    assert!((1..=20).any(noticed));
}

#[test]
fn reads_that_are_not_strict_would_be_noticed() {
    let noticed = |seed| {
        let mut run = run(&options(seed, DiskFault::None)).unwrap();
        for record in &mut run.history {
            if let What::Began { strict_reads, .. } = &mut record.what {
                if *strict_reads {
                    return false;
                }
                *strict_reads = true;
            }
        }
        let violations = check_all(&run.history);
        violations
            .iter()
            .any(|violation| violation.property == "strict_reads")
    };
    assert!((1..=20).any(noticed));
}
