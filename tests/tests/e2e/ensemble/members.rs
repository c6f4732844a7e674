//! Members come and go while clients work: a lone server becomes an ensemble, and `reconfig` changes one.

use std::fmt::Write as _;

use tokio::time::{sleep, timeout};
use treekeeper_client::{Client, CreateOptions, Error, ErrorCode, EventType};
use treekeeper_tests::compat::ports::free_port;
use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, Mode};

use super::minority::assert_refused;
use super::rules::{ASKED, wait_for_rules};
use super::{
    LONG, LOOK_EVERY, OPEN, connect, connect_to, create, disconnected, insist, same_tree,
    start_waiting,
};

const CONFIG: &str = "/zookeeper/config";

/// The `server.N` lines of these members.
fn lines_of(ensemble: &Ensemble, ids: &[usize]) -> String {
    let mut lines = String::new();
    for id in ids {
        let begin = format!("server.{id}=");
        let line = ensemble
            .lines()
            .lines()
            .find(|line| line.starts_with(&begin));
        writeln!(lines, "{}", line.expect("a member has a line")).expect("a string takes it");
    }
    lines
}

/// Waits until the members are these, all with a vote; gives the version of their list.
pub(super) async fn voters(client: &Client, ids: &[usize]) -> i64 {
    let wait = async {
        loop {
            let read = insist(async || client.get_data(CONFIG).await).await;
            let text = String::from_utf8_lossy(read.0.as_deref().unwrap_or_default()).into_owned();
            let members: Vec<usize> = text
                .lines()
                .filter(|line| line.contains(":participant"))
                .filter_map(|line| {
                    line.strip_prefix("server.")?
                        .split('=')
                        .next()?
                        .parse()
                        .ok()
                })
                .collect();
            if members == ids {
                return read.1.mzxid;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let voters = timeout(PATIENCE, wait).await;
    voters.unwrap_or_else(|_| panic!("the voters are never {ids:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stood_alone_becomes_one_of_three() {
    let mut ensemble = Ensemble::prepare(3, 0);
    ensemble.write_config(1, &lines_of(&ensemble, &[1]));
    ensemble.start_member(1);
    let alone = connect_to(&ensemble, 1).await;
    create(&alone, "/alone", "data").await;
    alone.close().await.expect("a session can be closed");
    ensemble.stop(1);

    ensemble.write_config(1, &lines_of(&ensemble, &[1, 2, 3]));
    ensemble.start_member(1);
    assert_eq!(
        ensemble.settle(),
        1,
        "it is a majority by itself until the others vote"
    );
    ensemble.start_member(2);
    ensemble.start_member(3);
    let client = connect(&ensemble.connect_string(), LONG).await;
    voters(&client, &[1, 2, 3]).await;
    ensemble.settle();
    ensemble.kill(1);
    create_anywhere(&client, "/without-the-first").await;
    ensemble.start_member(1);
    ensemble.settle();
    let tree = same_tree(&ensemble).await;
    assert!(tree.contains_key("/alone") && tree.contains_key("/without-the-first"));
}

/// An ensemble of the first three of `ensemble`, that can be changed by anybody and uses the newest rules.
fn start_three(ensemble: &mut Ensemble) {
    let three = lines_of(ensemble, &[1, 2, 3]);
    for id in [1, 2, 3] {
        ensemble.write_config(id, &format!("{ASKED}{OPEN}{three}"));
        ensemble.start_member(id);
    }
    ensemble.settle();
    wait_for_rules(ensemble, 2, 2);
}

/// Follows the list of members; gives all of its versions that are seen until there is one as `wanted`.
async fn follow_config(client: Client, wanted: impl Fn(&str) -> bool) -> Vec<(i64, String)> {
    let mut seen: Vec<(i64, String)> = Vec::new();
    loop {
        let watched = client.get_data_and_watch(CONFIG).await;
        let (data, stat, event) = watched.expect("it is always there");
        let text = String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
        let is_last = wanted(&text);
        seen.push((stat.mzxid, text));
        if is_last {
            return seen;
        }
        event.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reconfig_is_one_version_for_clients() {
    let mut ensemble = Ensemble::prepare(4, 0);
    start_three(&mut ensemble);
    let leaving = if ensemble.leader() == 1 { 2 } else { 1 };
    let members = ensemble.connect_string_of(&[3 - leaving, 3]);
    let client = connect(&members, LONG).await;
    start_waiting(&mut ensemble, 4);
    let before = voters(&client, &[1, 2, 3]).await;
    let follower = connect(&members, LONG).await;
    let gone = format!("server.{leaving}=");
    let is_last = move |text: &str| !text.contains(&gone);
    let follows = tokio::spawn(follow_config(follower, is_last));

    let joining = lines_of(&ensemble, &[4]);
    let changed = client.reconfig(Some(joining.trim()), None, None).await;
    let (text, added) = changed.expect("the leader takes it");
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
    assert!(text.contains("server.4="), "{text}");
    let removed = client
        .reconfig(None, Some(&leaving.to_string()), None)
        .await;
    let (_, removed) = removed.expect("the leader takes it");

    let seen = timeout(PATIENCE, follows).await;
    let seen = seen
        .expect("it sees the last one")
        .expect("it finds nothing wrong");
    // It may have read only after the second of two changes, but it has seen none that was half done.
    let versions: Vec<i64> = seen.iter().map(|(version, _)| *version).collect();
    let complete = [before, added.mzxid, removed.mzxid];
    assert!(
        versions.iter().all(|version| complete.contains(version)),
        "{seen:?}"
    );
    let half = |text: &str| text.contains(":observer");
    assert!(seen.iter().all(|(_, text)| !half(text)), "{seen:?}");
    assert_eq!(removed.mzxid, added.mzxid + 1, "nothing else was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_moves_is_found_by_members_that_run_on() {
    let mut ensemble = Ensemble::prepare(3, 0);
    start_three(&mut ensemble);
    let stay = [1, 2];
    let client = connect(&ensemble.connect_string_of(&stay), LONG).await;
    let old = lines_of(&ensemble, &[3]);
    let port = old.split(':').nth(1).expect("a line names its ports");
    let new_port = free_port().expect("some port is free").to_string();
    let new = old.replacen(port, &new_port, 1);
    let changed = client.reconfig(Some(new.trim()), None, None).await;
    let (text, _) = changed.expect("the leader takes it");
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
    assert!(text.contains(&format!(":{new_port}:")), "{text}");

    ensemble.stop(3);
    create_anywhere(&client, "/while-it-moves").await;
    let lines = lines_of(&ensemble, &stay);
    ensemble.write_config(3, &format!("{ASKED}{OPEN}{lines}{new}"));
    ensemble.start_member(3);
    ensemble.settle();
    assert!(same_tree(&ensemble).await.contains_key("/while-it-moves"));
}

/// Creates a znode, though the leader may be gone.
async fn create_anywhere(client: &Client, path: &str) {
    insist(async || {
        let created = client.create(path, "", &CreateOptions::default()).await;
        match created {
            Err(Error::Api(ErrorCode::NodeExists)) => Ok(()),
            other => other.map(drop),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconfig_adds_and_removes_members() {
    let mut ensemble = Ensemble::prepare(4, 0);
    let three = lines_of(&ensemble, &[1, 2, 3]);
    for id in [1, 2, 3] {
        ensemble.write_config(id, &format!("{OPEN}{three}"));
        ensemble.start_member(id);
    }
    ensemble.settle();
    let client = connect(&ensemble.connect_string_of(&[1, 2, 3]), LONG).await;
    let version = voters(&client, &[1, 2, 3]).await;
    assert!(version >= 0x1_0000_0000, "{version:#x}");
    create(&client, "/before", "").await;

    let watched = client.get_data_and_watch(CONFIG).await;
    let (_, _, event) = watched.expect("it is always there");
    start_waiting(&mut ensemble, 4);
    let joining = lines_of(&ensemble, &[4]);
    let changed = client
        .reconfig(Some(joining.trim()), None, Some(version))
        .await;
    let (text, stat) = changed.expect("the leader takes it");
    assert!(stat.mzxid > version);
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
    assert!(
        text.contains("server.4=") && text.contains(&format!("version={:x}", stat.mzxid)),
        "{text}"
    );
    let event = timeout(PATIENCE, event).await.expect("an event in time");
    assert_eq!(event.event_type, EventType::NodeDataChanged);
    let again = client
        .reconfig(Some(joining.trim()), None, Some(version))
        .await;
    assert_eq!(again.map(drop), Err(Error::Api(ErrorCode::BadVersion)));
    voters(&client, &[1, 2, 3, 4]).await;
    ensemble.settle();
    same_tree(&ensemble).await;

    let leader = ensemble.leader();
    let leaving = if leader == 1 { 2 } else { 1 };
    let stay: Vec<_> = ensemble
        .ids()
        .into_iter()
        .filter(|id| *id != leaving)
        .collect();
    let client = connect(&ensemble.connect_string_of(&stay), LONG).await;
    let removed = client
        .reconfig(None, Some(&leaving.to_string()), None)
        .await;
    removed.expect("the leader takes it");
    voters(&client, &stay).await;
    // The removed one runs on, with its old config, and must not come back by itself: it would ask every second.
    let members = async || insist(async || client.get_data(CONFIG).await).await.1.mzxid;
    let version = members().await;
    let until = tokio::time::Instant::now() + std::time::Duration::from_millis(2500);
    while tokio::time::Instant::now() < until {
        assert_eq!(
            members().await,
            version,
            "the members have changed by themselves"
        );
        sleep(LOOK_EVERY).await;
    }
    ensemble.discard(leaving);
    // Two of three are a majority; with the removed one in the count they would not be.
    let other = *stay.iter().find(|id| **id != leader).expect("three stay");
    ensemble.kill(other);
    create_anywhere(&client, "/two-of-three").await;
    ensemble.start_member(other);
    ensemble.settle();
    assert_eq!(ensemble.mode(ensemble.leader()), Some(Mode::Leader));
    let tree = same_tree(&ensemble).await;
    assert!(tree.contains_key("/before") && tree.contains_key("/two-of-three"));
}

/// Removes a member by a request to itself, and checks that it serves nobody from then on: not those who were there, and
/// nobody new. It has an empty folder afterwards, asks for its old place, and gets it when a reconfig gives it.
async fn a_removed_member_serves_nobody(leads: bool) {
    let mut ensemble = Ensemble::prepare(3, 0);
    start_three(&mut ensemble);
    let leader = ensemble.leader();
    let removed = if leads {
        leader
    } else {
        ensemble.others(leader)[0]
    };
    let there = connect_to(&ensemble, removed).await;
    // It may be closed before it has heard of its own removal.
    let asked = there.reconfig(None, Some(&removed.to_string()), None).await;
    assert!(
        matches!(asked, Ok(_) | Err(Error::ConnectionLoss)),
        "{asked:?}"
    );
    disconnected(&there).await;
    assert_refused(&ensemble, removed).await;

    let others: Vec<usize> = ensemble.others(removed);
    let client = connect(&ensemble.connect_string_of(&others), LONG).await;
    voters(&client, &others).await;
    create_anywhere(&client, "/without-it").await;
    ensemble.stop(removed);
    let data = ensemble.data_dir(removed).join("treekeeper-1");
    std::fs::remove_dir_all(data).expect("the member has one");
    start_waiting(&mut ensemble, removed);
    create_anywhere(&client, "/while-it-waits").await;
    voters(&client, &others).await;

    let line = lines_of(&ensemble, &[removed]);
    let again = insist(async || client.reconfig(Some(line.trim()), None, None).await).await;
    assert!(again.1.mzxid > 0);
    voters(&client, &[1, 2, 3]).await;
    ensemble.settle();
    let tree = same_tree(&ensemble).await;
    assert!(tree.contains_key("/without-it") && tree.contains_key("/while-it-waits"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_removed_serves_nobody_until_it_is_added_again() {
    a_removed_member_serves_nobody(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_removed_serves_nobody_until_it_is_added_again() {
    a_removed_member_serves_nobody(true).await;
}
