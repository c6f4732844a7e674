//! Three members form an ensemble: whoever is asked, it is one tree.

use tokio::time::timeout;
use treekeeper_client::{CreateMode, CreateOptions, EventType};
use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, Mode};

use super::{connect_to, create, synced_data};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_through_one_member_is_read_through_every_other() {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.settle();
    for id in ensemble.ids() {
        let mode = if id == leader {
            Mode::Leader
        } else {
            Mode::Follower
        };
        assert_eq!(ensemble.mode(id), Some(mode), "member {id}");
    }
    for writer in ensemble.ids() {
        let path = format!("/through{writer}");
        create(&connect_to(&ensemble, writer).await, &path, "written").await;
        for reader in ensemble.others(writer) {
            let client = connect_to(&ensemble, reader).await;
            let read = synced_data(&client, &path).await;
            let read = read.unwrap_or_else(|error| panic!("{path} at member {reader}: {error}"));
            assert_eq!(read.as_deref(), Some(&b"written"[..]), "member {reader}");
        }
    }
    // Followers first: the last one to go leads nobody any more, and ends as cleanly.
    for id in ensemble.others(leader) {
        ensemble.stop(id);
    }
    ensemble.stop(leader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_fires_for_a_change_that_was_made_at_another_member() {
    let ensemble = Ensemble::start(3);
    create(&connect_to(&ensemble, 1).await, "/parent", "").await;
    for watching in ensemble.ids() {
        let watcher = connect_to(&ensemble, watching).await;
        for writing in ensemble.others(watching) {
            watcher.sync("/parent").await.expect("a leader");
            let read = watcher.get_children_and_watch("/parent").await;
            let (names, _, event) = read.expect("it is there");
            let name = format!("from{writing}to{watching}");
            assert!(!names.contains(&name));
            let path = format!("/parent/{name}");
            create(&connect_to(&ensemble, writing).await, &path, "").await;
            let event = timeout(PATIENCE, event).await.expect("an event in time");
            assert_eq!(
                (event.event_type, event.path.as_str()),
                (EventType::NodeChildrenChanged, "/parent"),
                "at member {watching}"
            );
            // Whoever is told sees it.
            let (names, _) = watcher.get_children("/parent").await.expect("it is there");
            assert!(names.contains(&name), "{name} in {names:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ephemeral_is_everywhere_until_its_client_closes() {
    let ensemble = Ensemble::start(3);
    let owner = connect_to(&ensemble, 1).await;
    let ephemeral = CreateOptions::new(CreateMode::Ephemeral);
    let created = owner.create("/mine", "", &ephemeral).await;
    let (_, created) = created.expect("an ephemeral");
    assert_eq!(created.ephemeral_owner, owner.session().id);

    let other = connect_to(&ensemble, 2).await;
    other.sync("/mine").await.expect("a leader");
    let (found, event) = other.exists_and_watch("/mine").await.expect("an answer");
    assert_eq!(found, Some(created));
    owner.close().await.expect("a session can be closed");
    let event = timeout(PATIENCE, event).await.expect("an event in time");
    assert_eq!(
        (event.event_type, event.path.as_str()),
        (EventType::NodeDeleted, "/mine")
    );
    assert_eq!(other.exists("/mine").await, Ok(None));
}
