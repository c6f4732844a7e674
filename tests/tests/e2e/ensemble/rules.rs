//! The rules of apply: an ensemble of two releases works by those of the older one, and goes over to the newer ones when
//! its last member knows them. The older release is a build of its own; a setting holds a server of this one back.

use std::time::Instant;

use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, binary};

use super::{LONG, LOOK_EVERY, Numbers, assert_holds, connect, same_tree};

/// Lines of a zoo.cfg of a server that can be asked for its rules.
pub(super) const ASKED: &str = "4lw.commands.whitelist=*\n";
/// And of one that is held back.
const HELD_BACK: &str = "4lw.commands.whitelist=*\ntreekeeper.rulesVersion=1\n";
/// What who knows only the first rules says of an ensemble that uses the second ones.
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

/// Makes a member one of the older release from its next start on.
fn downgrade(ensemble: &mut Ensemble, id: usize) {
    ensemble.change_options(id, |options| options.binary(binary::older()));
}

/// Makes a member one of this release from its next start on.
fn upgrade(ensemble: &mut Ensemble, id: usize) {
    ensemble.change_options(id, |options| options.binary(binary::treekeeper()));
}

/// Starts a member that is not let in, and waits for its reason.
#[track_caller]
fn not_admitted(ensemble: &mut Ensemble, id: usize, setting: &str, reason: &str) {
    start_with(ensemble, id, setting);
    let said = ensemble.server(id).line_within(reason, PATIENCE);
    assert!(said.is_some(), "{}", ensemble.server(id).stderr());
    assert!(!ensemble.server(id).stderr().contains("panicked"));
    ensemble.discard(id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_member_that_is_upgraded_brings_the_newer_rules() {
    let mut ensemble = Ensemble::prepare(3, 0);
    for id in ensemble.ids() {
        downgrade(&mut ensemble, id);
        start_with(&mut ensemble, id, ASKED);
    }
    ensemble.settle();
    wait_for_rules(&ensemble, 1, 1);
    let client = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(client.clone());
    for id in ensemble.ids() {
        numbers.advance(50).await;
        wait_for_rules(&ensemble, 1, 1);
        ensemble.stop(id);
        upgrade(&mut ensemble, id);
        ensemble.start_member(id);
        ensemble.settle();
    }
    wait_for_rules(&ensemble, 2, 2);
    numbers.advance(50).await;

    // Whoever goes back is told so while the others serve.
    ensemble.stop(3);
    downgrade(&mut ensemble, 3);
    let refused = ensemble.options(3).run_to_end();
    refused.assert_failed_with(&[TOO_NEW, "The data is unharmed"]);
    upgrade(&mut ensemble, 3);
    numbers.advance(50).await;
    let held_back = ensemble
        .options(3)
        .clone()
        .set("treekeeper.rulesVersion", 1);
    held_back.run_to_end().assert_failed_with(&[TOO_NEW]);
    ensemble.start_member(3);
    ensemble.settle();
    let acknowledged = numbers.finish().await;
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

    // Where all go back there is nobody to get the data from again.
    for id in ensemble.ids() {
        ensemble.stop(id);
        downgrade(&mut ensemble, id);
    }
    for id in ensemble.ids() {
        let refused = ensemble.options(id).run_to_end();
        refused.assert_failed_with(&[TOO_NEW, "The data is unharmed"]);
    }
    for id in ensemble.ids() {
        upgrade(&mut ensemble, id);
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
    downgrade(&mut ensemble, 4);
    not_admitted(&mut ensemble, 4, ASKED, TOO_NEW);
    upgrade(&mut ensemble, 4);
    not_admitted(&mut ensemble, 4, HELD_BACK, TOO_NEW);
    start_with(&mut ensemble, 4, ASKED);
    ensemble.settle();
    same_tree(&ensemble).await;
    drop(ensemble);

    // One that votes not counts as well.
    let mut ensemble = Ensemble::prepare(3, 1);
    for id in ensemble.ids() {
        start_with(&mut ensemble, id, HELD_BACK);
    }
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
