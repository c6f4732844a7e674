//! The rules of apply: an ensemble of two releases works by those of the older one, and goes over to the newer ones when
//! its last member knows them. The setting that holds a server back stands in for the older release.

use std::time::Instant;

use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use super::{LONG, LOOK_EVERY, Numbers, assert_holds, connect, same_tree};

/// Lines of a zoo.cfg of a server that can be asked for its rules.
pub(super) const ASKED: &str = "4lw.commands.whitelist=*\n";
/// And of an older release.
const OLDER: &str = "4lw.commands.whitelist=*\ntreekeeper.rulesVersion=1\n";
/// What an older release says of an ensemble that uses the second rules.
const TOO_NEW: &str = "this ensemble uses rules 2";

/// The rules in use, and those that all support, as a member tells them.
fn rules(ensemble: &Ensemble, id: usize) -> (Option<u16>, Option<u16>) {
    let number = |key| ensemble.monitored(id, key)?.parse().ok();
    (
        number("zk_rules_version"),
        number("zk_rules_version_of_all"),
    )
}

/// Waits until all members that run say this.
#[track_caller]
pub(super) fn wait_for_rules(ensemble: &Ensemble, used: u16, of_all: u16) {
    let wanted = (Some(used), Some(of_all));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ids = ensemble.running().into_iter();
        let found: Vec<_> = ids.map(|id| rules(ensemble, id)).collect();
        if found.iter().all(|rules| *rules == wanted) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "expected {wanted:?}, found {found:?}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Starts a member with these lines in its zoo.cfg.
fn start_with(ensemble: &mut Ensemble, id: usize, setting: &str) {
    ensemble.write_config(id, &format!("{setting}{}", ensemble.lines()));
    ensemble.start_member(id);
}

/// Starts a member that must not run, and waits for its reason.
#[track_caller]
fn refused(ensemble: &mut Ensemble, id: usize, setting: &str, reason: &str) {
    start_with(ensemble, id, setting);
    let said = ensemble.server(id).line_within(reason, PATIENCE);
    assert!(said.is_some(), "{}", ensemble.server(id).stderr());
    assert!(!ensemble.server(id).stderr().contains("panicked"));
    ensemble.discard(id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_member_that_is_upgraded_brings_the_newer_rules() {
    let mut ensemble = Ensemble::start_with_setting(3, OLDER);
    wait_for_rules(&ensemble, 1, 1);
    let client = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(client.clone());
    for id in ensemble.ids() {
        numbers.advance(50).await;
        wait_for_rules(&ensemble, 1, 1);
        ensemble.stop(id);
        start_with(&mut ensemble, id, ASKED);
        ensemble.settle();
    }
    wait_for_rules(&ensemble, 2, 2);
    numbers.advance(50).await;

    // Whoever goes back is told so, loses nothing, and comes again with the newer release.
    let acknowledged = {
        ensemble.stop(3);
        refused(&mut ensemble, 3, OLDER, TOO_NEW);
        numbers.advance(50).await;
        start_with(&mut ensemble, 3, ASKED);
        ensemble.settle();
        numbers.finish().await
    };
    wait_for_rules(&ensemble, 2, 2);
    assert_holds(&same_tree(&ensemble).await, &acknowledged);

    // All at once, the rules are still those.
    ensemble.kill_all();
    for id in ensemble.ids() {
        ensemble.start_member(id);
    }
    ensemble.settle();
    wait_for_rules(&ensemble, 2, 2);
    assert_holds(&same_tree(&ensemble).await, &acknowledged);
    // Until here the session holds its ephemerals.
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_release_cannot_join_newer_rules_and_holds_older_ones_back() {
    let mut ensemble = Ensemble::prepare(3, 1);
    for id in [1, 2, 3] {
        start_with(&mut ensemble, id, ASKED);
    }
    ensemble.settle();
    wait_for_rules(&ensemble, 2, 2);
    refused(&mut ensemble, 4, OLDER, TOO_NEW);
    start_with(&mut ensemble, 4, ASKED);
    ensemble.settle();
    same_tree(&ensemble).await;
    drop(ensemble);

    // One that votes not counts as well.
    let mut ensemble = Ensemble::prepare(3, 1);
    for id in [1, 2, 3] {
        start_with(&mut ensemble, id, OLDER);
    }
    start_with(&mut ensemble, 4, OLDER);
    ensemble.settle();
    wait_for_rules(&ensemble, 1, 1);
    for id in [1, 2, 3] {
        ensemble.stop(id);
        start_with(&mut ensemble, id, ASKED);
        ensemble.settle();
    }
    wait_for_rules(&ensemble, 1, 1);
    ensemble.stop(4);
    start_with(&mut ensemble, 4, ASKED);
    ensemble.settle();
    wait_for_rules(&ensemble, 2, 2);
}
