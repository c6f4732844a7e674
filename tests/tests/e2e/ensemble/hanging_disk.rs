//! A leader whose disk does not answer: another one leads, and nothing is lost.

use std::time::Duration;

use treekeeper_tests::faults::preload::{Control, Count, Preload};
use treekeeper_tests::process::Ensemble;

use super::{LONG, Numbers, assert_holds, connect, same_tree};

/// Writes between two events.
const BATCH: u64 = 50;
/// Longer than any other member waits for a leader.
const HANG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_hangs_hands_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let preload = Preload::compile(folder.path()).expect("a C compiler");
    let mut ensemble = Ensemble::prepare(3, 0);
    let mut controls = Vec::new();
    for id in ensemble.ids() {
        let control = Control::create(&folder.path().join(format!("control{id}")));
        let control = control.expect("a file can be made");
        let environment = preload.environment(&control, ensemble.data_dir(id));
        ensemble.change_options(id, |options| options.environment(environment));
        ensemble.start_member(id);
        controls.push((id, control));
    }
    let leader = ensemble.settle();
    let client = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(client.clone());
    numbers.advance(BATCH).await;

    let (_, disk) = controls
        .iter()
        .find(|(id, _)| *id == leader)
        .expect("each member has a disk");
    disk.delay_syncs(HANG).expect("a file can be written");
    let hangs = "a sync of the log does not end: another member is to lead";
    ensemble.server(leader).wait_for_line(hangs);
    ensemble.wait_for_another_leader(leader);
    numbers.advance(BATCH).await;
    assert!(disk.count(Count::Delayed).expect("a file can be read") > 0);

    // Its sync never comes back: only a restart helps.
    disk.delay_syncs(Duration::ZERO)
        .expect("a file can be written");
    ensemble.kill(leader);
    ensemble.start_member(leader);
    ensemble.settle();
    numbers.advance(BATCH).await;
    let acknowledged = numbers.finish().await;
    assert_holds(&same_tree(&ensemble).await, &acknowledged);
    client.close().await.expect("a session can be closed");
}
