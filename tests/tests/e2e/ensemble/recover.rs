//! Most members of an ensemble are lost for good: `treekeeper recover` makes a new one of what is left.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use treekeeper_client::{CreateMode, CreateOptions};
use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, Server, binary};

use super::members::voters;
use super::{LONG, Numbers, Tree, assert_holds, connect, connect_to, create, insist, same_tree};

/// The member that is left.
const LEFT: usize = 3;

fn recover(ensemble: &Ensemble, force: bool) -> Output {
    let mut command = binary::command();
    command
        .arg("recover")
        .arg("--config")
        .arg(ensemble.config(LEFT));
    if force {
        command.arg("--force-new-ensemble");
    }
    command.output().expect("the command can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "expected {part:?}: {said}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be read") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

fn wipe(ensemble: &Ensemble, id: usize) {
    std::fs::remove_dir_all(ensemble.data_dir(id)).expect("a folder can be removed");
    ensemble.write_myid(id, id);
}

#[track_caller]
fn assert_complains(server: &Server, text: &str) {
    assert!(
        server.line_within(text, PATIENCE).is_some(),
        "{}",
        server.stderr()
    );
}

fn newest_zxid(tree: &Tree) -> i64 {
    let zxids = tree.values().map(|(_, stat)| stat.mzxid);
    zxids.max().expect("there are znodes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_is_left_and_everything_with_it() {
    let mut ensemble = Ensemble::start(3);
    let client = connect(&ensemble.connect_string(), LONG).await;
    let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
    let created = client.create("/mine", "", &ephemeral).await;
    created.expect("it is created");
    let mut numbers = Numbers::start(client.clone());
    numbers.advance(200).await;
    let acknowledged = numbers.finish().await;
    let before = same_tree(&ensemble).await;
    assert_refused(
        &recover(&ensemble, true),
        &["a server runs on", "stop it first"],
    );
    ensemble.kill_all();
    let old = tempfile::tempdir().expect("a folder");
    copy(ensemble.data_dir(2), old.path());
    wipe(&ensemble, 1);
    wipe(&ensemble, 2);

    let looked = recover(&ensemble, false);
    assert_refused(&looked, &["nothing was changed", "--force-new-ensemble"]);
    let found = text(&looked.stdout);
    for part in [
        "last index",
        "last zxid",
        "this one    server.3=",
        "member      server.1=",
    ] {
        assert!(found.contains(part), "expected {part:?}: {found}");
    }
    let forced = recover(&ensemble, true);
    let said = text(&forced.stdout);
    assert!(forced.status.success(), "{said}{}", text(&forced.stderr));
    assert!(said.contains("treekeeper serve --config"), "{said}");
    assert_refused(
        &recover(&ensemble, true),
        &["the only voter", "treekeeper serve"],
    );

    ensemble.start_member(LEFT);
    assert_eq!(ensemble.settle(), LEFT);
    let after = same_tree(&ensemble).await;
    assert_holds(&after, &acknowledged);
    // Its session lives on, and so does what it owns.
    assert!(after.contains_key("/mine"));
    insist(async || client.get_data("/mine").await).await;
    insist(
        async || match client.create("/new", "", &CreateOptions::default()).await {
            Err(treekeeper_client::Error::Api(treekeeper_client::ErrorCode::NodeExists)) => Ok(()),
            other => other.map(drop),
        },
    )
    .await;
    let after = same_tree(&ensemble).await;
    assert!(newest_zxid(&after) >> 32 > (newest_zxid(&before) >> 32) + 0xffff);

    // A member of the old ensemble is refused.
    let emptied = ensemble.data_dir(2).to_owned();
    std::fs::remove_dir_all(&emptied).expect("a folder can be removed");
    copy(old.path(), &emptied);
    ensemble.start_member(2);
    assert_complains(ensemble.server(2), "treekeeper recover");
    assert_complains(ensemble.server(LEFT), "belongs to ensemble");
    assert_eq!(ensemble.mode(2), None);
    ensemble.kill(2);
    wipe(&ensemble, 2);
    // Emptied, both become members of the new one.
    for id in [1, 2] {
        ensemble.start_member(id);
    }
    voters(&connect_to(&ensemble, LEFT).await, &[1, 2, 3]).await;
    ensemble.settle();
    ensemble.kill(LEFT);
    ensemble.settle();
    create(&connect_to(&ensemble, 1).await, "/without-it", "").await;
    ensemble.start_member(LEFT);
    ensemble.settle();
    let grown = same_tree(&ensemble).await;
    assert_holds(&grown, &acknowledged);
    assert!(grown.contains_key("/new") && grown.contains_key("/without-it"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_is_killed_is_done_or_not_begun() {
    let mut ensemble = Ensemble::start(3);
    // Its session lives on, and so do its ephemerals.
    let client = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(client.clone());
    numbers.advance(300).await;
    let acknowledged = numbers.finish().await;
    same_tree(&ensemble).await;
    ensemble.kill_all();
    let folder = ensemble.data_dir(LEFT).join("treekeeper-1");
    // At its beginning, in its midst and near its end, as far as its traces tell.
    for trace in [
        "log/lock",
        "incoming/recover",
        "incoming/recover/CURRENT",
        "current",
    ] {
        let saved = tempfile::tempdir().expect("a folder");
        copy(&folder, saved.path());
        let mut command = binary::command();
        command
            .arg("recover")
            .arg("--config")
            .arg(ensemble.config(LEFT));
        command.arg("--force-new-ensemble").stdout(Stdio::null());
        let mut child = command.spawn().expect("the command can be run");
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            let ended = child.try_wait().expect("a child can be asked for");
            if ended.is_some() || folder.join(trace).exists() {
                break ended;
            }
            assert!(
                Instant::now() < deadline,
                "it neither ends nor gets to {trace}"
            );
            std::hint::spin_loop();
        };
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        assert!(ended.is_none_or(|status| status.success()));
        let looked = recover(&ensemble, false);
        let said = text(&looked.stderr);
        let is_new = !said.contains("nothing was changed");
        assert!(said.contains("the only voter"), "{said}");
        if !is_new {
            let forced = recover(&ensemble, true);
            assert!(forced.status.success(), "{}", text(&forced.stderr));
        }
        ensemble.start_member(LEFT);
        assert_eq!(ensemble.settle(), LEFT);
        assert_holds(&same_tree(&ensemble).await, &acknowledged);
        ensemble.kill(LEFT);
        std::fs::remove_dir_all(&folder).expect("a folder can be removed");
        copy(saved.path(), &folder);
    }
    drop(client);
}
