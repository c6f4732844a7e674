//! Servers without a config become an ensemble by `serve --join`.

use treekeeper_tests::process::server::{LISTENING, PATIENCE};
use treekeeper_tests::process::{Ensemble, Mode, ServerOptions};

use super::members::voters;
use super::{LONG, Numbers, assert_holds, connect, connect_to, create, same_tree};

/// The first server, which serves, and others that do not run yet.
fn first_of(count: usize) -> Ensemble {
    let mut ensemble = Ensemble::joining(count);
    ensemble.start_member(1);
    ensemble.server(1).wait_for_line(LISTENING);
    ensemble
}

/// Three servers, of which the last two have joined in this order.
async fn three() -> Ensemble {
    let mut ensemble = first_of(3);
    create(&connect_to(&ensemble, 1).await, "/before", "it").await;
    for id in [2, 3] {
        ensemble.start_member(id);
        ensemble.server(id).wait_for_line(LISTENING);
    }
    let client = connect(&ensemble.connect_string(), LONG).await;
    voters(&client, &[1, 2, 3]).await;
    ensemble.settle();
    ensemble
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grows_to_three_and_five_under_writes() {
    let mut ensemble = first_of(5);
    let looker = connect_to(&ensemble, 1).await;
    // Its session, which owns ephemerals, outlives the writing.
    let writer = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(writer.clone());
    numbers.advance(20).await;
    for (joining, all) in [([2, 3], &[1, 2, 3][..]), ([4, 5], &[1, 2, 3, 4, 5])] {
        // At once: each gets a number of its own.
        joining.iter().for_each(|id| ensemble.start_member(*id));
        voters(&looker, all).await;
        ensemble.settle();
        numbers.advance(20).await;
    }
    ensemble.kill(1);
    numbers.advance(20).await;
    ensemble.kill(2);
    numbers.advance(20).await;
    let acknowledged = numbers.finish().await;
    // None needs --join any more, and with it, it is the same.
    for id in [3, 4] {
        ensemble.kill(id);
        ensemble.change_options(id, |options| options.without_flag("--join"));
    }
    ensemble.kill(5);
    for id in ensemble.ids() {
        ensemble.start_member(id);
    }
    ensemble.settle();
    assert_holds(&same_tree(&ensemble).await, &acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_joins_at_an_address_of_its_own_choice() {
    let mut ensemble = Ensemble::joining(2);
    for id in [1, 2] {
        ensemble.change_options(id, |options| options.without_flag("--peer-address"));
    }
    ensemble.start_member(1);
    ensemble.server(1).wait_for_line(LISTENING);
    ensemble.change_options(2, |options| options.flag("--join-as", "observer"));
    ensemble.start_member(2);
    ensemble.server(2).wait_for_line(LISTENING);
    assert_eq!(ensemble.settle(), 1);
    assert_eq!(ensemble.mode(2), Some(Mode::Observer));
    create(&connect_to(&ensemble, 2).await, "/through-it", "").await;
    assert!(same_tree(&ensemble).await.contains_key("/through-it"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_member_takes_its_own_place_again_when_it_is_told_to() {
    let mut ensemble = three().await;
    ensemble.kill(3);
    std::fs::remove_dir_all(ensemble.data_dir(3)).expect("a folder can be removed");
    // It would be a fourth member at the third one's address.
    let refused = ensemble.options(3).run_to_end();
    refused.assert_failed_with(&["server 3", "--join-replace 3"]);
    ensemble.change_options(3, |options| options.flag("--join-replace", 9));
    let refused = ensemble.options(3).run_to_end();
    refused.assert_failed_with(&["there is no server 9"]);
    ensemble.change_options(3, |options| options.flag("--join-replace", 3));
    ensemble.start_member(3);
    ensemble.server(3).wait_for_line(LISTENING);
    let client = connect(&ensemble.connect_string(), LONG).await;
    voters(&client, &[1, 2, 3]).await;
    ensemble.settle();
    assert!(same_tree(&ensemble).await.contains_key("/before"));
    // It counts again.
    let leader = ensemble.leader();
    ensemble.kill(if leader == 2 { 1 } else { 2 });
    ensemble.settle();
    create(&connect_to(&ensemble, 3).await, "/two-of-three", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_joins_no_other_ensemble_and_data_is_not_thrown_away() {
    let mut ensemble = first_of(2);
    ensemble.start_member(2);
    ensemble.server(2).wait_for_line(LISTENING);
    ensemble.settle();
    let mut other = first_of(1);
    let elsewhere = other.address(1);
    ensemble.kill(2);
    ensemble.change_options(2, |options| options.flag("--join", elsewhere));
    let refused = ensemble.options(2).run_to_end();
    refused.assert_failed_with(&["belongs to ensemble", "give another address to --join"]);
    // Nobody has joined that one, so it still stands alone; and it has data.
    other.kill(1);
    let joins = other.options(1).clone().flag("--join", ensemble.address(1));
    joins
        .run_to_end()
        .assert_failed_with(&["holds data of its own"]);
}

#[test]
fn a_stranger_does_not_join() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    };
    let config = write("zoo.cfg", "tickTime=500\n");
    let token = write("token", "correct-horse-battery-staple\n");
    let other = write("other", "incorrect-horse-battery-staple\n");
    let short = write("short", "horse\n");
    let first = ServerOptions::new(folder.path().join("first")).config(config);
    let server = first.start();
    let second = ServerOptions::new(folder.path().join("second")).flag("--join", server.address());
    second
        .run_to_end()
        .assert_failed_with(&["nobody may join", "--join-token-file"]);
    server.stop();

    let first = first.flag("--join-token-file", token.display());
    let _server = first.start();
    for with in [
        second.clone(),
        second.clone().flag("--join-token-file", other.display()),
    ] {
        with.run_to_end()
            .assert_failed_with(&["the join token is missing, or not the one"]);
    }
    let short = second.clone().flag("--join-token-file", short.display());
    short.run_to_end().assert_failed_with(&["16 to 1024"]);
    let second = second.flag("--join-token-file", token.display());
    let joined = second.spawn();
    joined.wait_for_line(LISTENING);
    joined.stop();
    // It remembers the token, too.
    let again = second
        .without_flag("--join-token-file")
        .without_flag("--join");
    let again = again.spawn();
    assert!(
        again.line_within(LISTENING, PATIENCE).is_some(),
        "{}",
        again.stderr()
    );
}
