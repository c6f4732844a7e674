use super::*;
use crate::{OneshotWatcher, PersistentWatcher, WATCH_EVENTS_MAX};
use futures::FutureExt;

fn table() -> WatchTable {
    WatchTable::new(Chroot::new("/app"))
}

fn event(event_type: EventType, path: &str) -> WatcherEvent {
    WatcherEvent {
        event_type,
        state: KeeperState::SyncConnected,
        path: path.to_owned(),
    }
}

fn oneshot(table: &mut WatchTable, kind: OneshotKind, path: &str) -> OneshotWatcher {
    let (sender, watcher) = OneshotWatcher::new();
    table.register(path.to_owned(), Registration::Oneshot(kind, sender));
    watcher
}

fn persistent(table: &mut WatchTable, mode: AddWatchMode, path: &str) -> PersistentWatcher {
    let (sender, watcher) = PersistentWatcher::new(path, mode);
    table.register(path.to_owned(), Registration::Persistent(mode, sender));
    watcher
}

/// The types and paths of the events that wait in a persistent watcher.
fn waiting(watcher: &mut PersistentWatcher) -> Vec<(EventType, String)> {
    std::iter::from_fn(|| watcher.next_event().now_or_never().flatten())
        .map(|event| (event.event_type, event.path))
        .collect()
}

#[test]
fn a_oneshot_watch_fires_once_for_its_own_kind_of_change() {
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    for (kind, fires) in [
        (
            OneshotKind::Data,
            vec![NodeCreated, NodeDataChanged, NodeDeleted],
        ),
        (
            OneshotKind::Exist,
            vec![NodeCreated, NodeDataChanged, NodeDeleted],
        ),
        (OneshotKind::Child, vec![NodeChildrenChanged, NodeDeleted]),
    ] {
        for event_type in [
            NodeCreated,
            NodeDataChanged,
            NodeDeleted,
            NodeChildrenChanged,
        ] {
            let mut table = table();
            let watcher = oneshot(&mut table, kind, "/app/a");
            table.fire(&event(event_type, "/app/other"), 6);
            table.fire(&event(event_type, "/app/a"), 7);
            table.fire(&event(event_type, "/app/a"), 8);
            let told = watcher
                .now_or_never()
                .map(|event| (event.event_type, event.path, event.zxid));
            let expected = fires
                .contains(&event_type)
                .then(|| (event_type, "/a".to_owned(), 7));
            assert_eq!(told, expected, "{kind:?} {event_type:?}");
        }
    }
}

#[test]
fn a_persistent_watch_sees_its_znode_only() {
    let mut table = table();
    let mut watcher = persistent(&mut table, AddWatchMode::Persistent, "/app/a");
    table.fire(&event(EventType::NodeCreated, "/app/a"), 1);
    table.fire(&event(EventType::NodeChildrenChanged, "/app/a"), 2);
    table.fire(&event(EventType::NodeCreated, "/app/a/b"), 2);
    table.fire(&event(EventType::NodeDeleted, "/app/a"), 3);
    assert_eq!(
        waiting(&mut watcher),
        [
            (EventType::NodeCreated, "/a".to_owned()),
            (EventType::NodeChildrenChanged, "/a".to_owned()),
            (EventType::NodeDeleted, "/a".to_owned()),
        ]
    );
}

#[test]
fn a_recursive_watch_sees_everything_below_but_no_lists_of_children() {
    let mut table = table();
    let mut top = persistent(&mut table, AddWatchMode::PersistentRecursive, "/app");
    let mut root = persistent(&mut table, AddWatchMode::PersistentRecursive, "/");
    table.fire(&event(EventType::NodeCreated, "/app/a/b"), 1);
    table.fire(&event(EventType::NodeChildrenChanged, "/app/a"), 1);
    table.fire(&event(EventType::NodeDataChanged, "/app"), 2);
    let expected = [
        (EventType::NodeCreated, "/a/b".to_owned()),
        (EventType::NodeDataChanged, "/".to_owned()),
    ];
    assert_eq!(waiting(&mut top), expected);
    assert_eq!(waiting(&mut root), expected);
}

#[tokio::test]
async fn the_end_of_the_session_reaches_every_watcher() {
    let mut table = table();
    let once = oneshot(&mut table, OneshotKind::Child, "/app/a");
    let mut many = persistent(&mut table, AddWatchMode::Persistent, "/app/a");
    table.connection_changed(KeeperState::Disconnected);
    table.end(KeeperState::Expired);
    assert_eq!(once.await, WatchedEvent::of_session(KeeperState::Expired));
    assert_eq!(
        many.next_event().await,
        Some(WatchedEvent::of_session(KeeperState::Disconnected))
    );
    assert_eq!(
        many.next_event().await,
        Some(WatchedEvent::of_session(KeeperState::Expired))
    );
    assert_eq!(many.next_event().await, None);
    assert!(!many.has_lagged());
}

#[test]
fn removal_is_told_and_ends_the_stream() {
    let mut table = table();
    let data = oneshot(&mut table, OneshotKind::Data, "/app/a");
    let child = oneshot(&mut table, OneshotKind::Child, "/app/a");
    let mut many = persistent(&mut table, AddWatchMode::Persistent, "/app/a");
    table.remove("/app/a", WatchKind::Data);
    table.remove("/app/a", WatchKind::Persistent);
    assert_eq!(
        data.now_or_never().map(|event| event.event_type),
        Some(EventType::DataWatchRemoved)
    );
    assert!(child.now_or_never().is_none());
    assert_eq!(
        waiting(&mut many),
        [(EventType::PersistentWatchRemoved, "/a".to_owned())]
    );
    assert_eq!(many.next_event().now_or_never(), Some(None));
}

#[test]
fn a_slow_reader_loses_its_watch_and_is_told() {
    let mut table = table();
    let mut watcher = persistent(&mut table, AddWatchMode::Persistent, "/app/a");
    for zxid in 0..=10_000 {
        table.fire(&event(EventType::NodeDataChanged, "/app/a"), zxid);
    }
    assert!(watcher.has_lagged());
    assert_eq!(waiting(&mut watcher).len(), WATCH_EVENTS_MAX);
    assert_eq!(watcher.next_event().now_or_never(), Some(None));
}

#[test]
fn watches_are_set_again_in_requests_of_limited_length() {
    let mut table = table();
    let name = "x".repeat(1000);
    let data: Vec<_> = (0..300)
        .map(|n| oneshot(&mut table, OneshotKind::Data, &format!("/app/{name}{n}")))
        .collect();
    let recursive = persistent(&mut table, AddWatchMode::PersistentRecursive, "/app/r");
    let exist = oneshot(&mut table, OneshotKind::Exist, "/app/e");
    let requests = table.set_watches(99);
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.relative_zxid, 99);
        assert!(
            request
                .data
                .iter()
                .map(|path| path.len() + 4)
                .sum::<usize>()
                <= SET_WATCHES_LEN_MAX
        );
    }
    assert_eq!(
        requests
            .iter()
            .map(|request| request.data.len())
            .sum::<usize>(),
        data.len()
    );
    assert_eq!(requests[2].exist, ["/app/e"]);
    assert_eq!(requests[2].persistent_recursive, ["/app/r"]);
    drop((recursive, exist));
}

#[test]
fn watches_whose_holders_are_gone_are_forgotten() {
    let mut table = table();
    for number in 0..10 * SWEEP_MIN {
        drop(oneshot(
            &mut table,
            OneshotKind::Exist,
            &format!("/app/{number}"),
        ));
    }
    assert!(table.exist.len() <= SWEEP_MIN);
    drop(persistent(&mut table, AddWatchMode::Persistent, "/app/p"));
    assert_eq!(table.set_watches(0), []);
}
