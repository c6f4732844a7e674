//! Which change is told to whom, once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use proptest::prelude::*;
use treekeeper_protocol::frame::{FRAME_LEN_MAX_DEFAULT, split_frame};
use treekeeper_protocol::{
    Acl, AddWatchMode, EventType, KeeperState, ReplyHeader, WatchKind, WatcherEvent, path, perms,
};

use super::*;

const ZXID: i64 = 0x1_0000_0007;
const KINDS: [Kinds; 4] = [
    Kinds::DATA,
    Kinds::CHILD,
    Kinds::PERSISTENT,
    Kinds::RECURSIVE,
];

/// A connection that writes down what it hears: all that everyone may read.
#[derive(Default)]
struct Recorder {
    heard: Mutex<Vec<(EventType, String)>>,
    zxids: Mutex<Vec<i64>>,
}

impl Recorder {
    fn take(&self) -> Vec<(EventType, String)> {
        std::mem::take(&mut *self.heard.lock())
    }
}

impl Sink for Recorder {
    fn push_event(&self, frame: &Bytes, acl: Option<&[Acl]>) {
        let (header, event) = decode(frame);
        assert_eq!((header.xid, header.err), (-1, 0));
        assert_eq!(event.state, KeeperState::SyncConnected);
        if crate::auth::allows(acl, perms::READ, &[]) {
            self.heard.lock().push((event.event_type, event.path));
            self.zxids.lock().push(header.zxid);
        }
    }

    fn wake(&self) {}

    fn send(&self, _metrics: &Metrics, _contact: &Contact) {}
}

fn decode(frame: &Bytes) -> (ReplyHeader, WatcherEvent) {
    let mut bytes = BytesMut::from(&frame[..]);
    let payload = split_frame(&mut bytes, FRAME_LEN_MAX_DEFAULT)
        .unwrap()
        .unwrap();
    assert!(bytes.is_empty(), "one event, one frame");
    let (header, body) = ReplyHeader::decode(&payload).unwrap();
    (header, WatcherEvent::decode(&body).unwrap())
}

/// A table, and connections that are numbered from 0.
struct Fixture {
    table: WatchTable,
    recorders: Vec<Arc<Recorder>>,
    woken: Vec<Arc<dyn Sink>>,
}

impl Fixture {
    fn with_connections(count: usize) -> Self {
        Self {
            table: WatchTable::default(),
            recorders: (0..count).map(|_| Arc::default()).collect(),
            woken: Vec::new(),
        }
    }

    fn add(&mut self, connection: usize, path: &str, kinds: Kinds) {
        let sink: Arc<dyn Sink> = Arc::clone(&self.recorders[connection]) as Arc<dyn Sink>;
        self.table.add(id(connection), &sink, path, kinds);
    }

    fn fire(&mut self, event: EventType, path: &str) -> Fired {
        self.fire_under(event, path, None)
    }

    fn fire_under(&mut self, event: EventType, path: &str, acl: Option<Vec<Acl>>) -> Fired {
        let change = Change {
            event,
            path: path.into(),
            acl: acl.map(Into::into),
        };
        let woken = &mut self.woken;
        self.table
            .fire(&change, ZXID, |sink| woken.push(Arc::clone(sink)))
    }

    fn heard(&self, connection: usize) -> Vec<String> {
        let told = self.recorders[connection].take();
        let line = |(event, path): &(EventType, String)| format!("{event:?} {path}");
        told.iter().map(line).collect()
    }
}

fn id(connection: usize) -> ConnectionId {
    ConnectionId(connection as u64)
}

/// What apply tells of one change of /a/b.
const CREATED: [(EventType, &str); 2] = [
    (EventType::NodeCreated, "/a/b"),
    (EventType::NodeChildrenChanged, "/a"),
];
const SET: [(EventType, &str); 1] = [(EventType::NodeDataChanged, "/a/b")];
const DELETED: [(EventType, &str); 2] = [
    (EventType::NodeDeleted, "/a/b"),
    (EventType::NodeChildrenChanged, "/a"),
];

#[test]
fn each_kind_hears_of_what_it_watches() {
    let own = [
        "NodeCreated /a/b",
        "NodeDataChanged /a/b",
        "NodeDeleted /a/b",
    ];
    let children = ["NodeChildrenChanged /a", "", "NodeChildrenChanged /a"];
    let nothing = [""; 3];
    let table = [
        (Kinds::DATA, "/a/b", own),
        (Kinds::DATA, "/a", nothing),
        (Kinds::CHILD, "/a/b", ["", "", "NodeDeleted /a/b"]),
        (Kinds::CHILD, "/a", children),
        (Kinds::CHILD, "/", nothing),
        (Kinds::PERSISTENT, "/a/b", own),
        (Kinds::PERSISTENT, "/a", children),
        (Kinds::PERSISTENT, "/", nothing),
        (Kinds::RECURSIVE, "/a/b", own),
        (Kinds::RECURSIVE, "/a", own),
        (Kinds::RECURSIVE, "/", own),
        (Kinds::ALL, "/a/b/c", nothing),
        (Kinds::ALL, "/a/bc", nothing),
        (Kinds::ALL, "/ab", nothing),
    ];
    for (kinds, watched, expected) in table {
        for (changes, expected) in [&CREATED[..], &SET, &DELETED].into_iter().zip(expected) {
            let mut fixture = Fixture::with_connections(1);
            fixture.add(0, watched, kinds);
            for (event, path) in changes {
                fixture.fire(*event, path);
            }
            let expected: Vec<&str> = (!expected.is_empty())
                .then_some(expected)
                .into_iter()
                .collect();
            assert_eq!(
                fixture.heard(0),
                expected,
                "{kinds:?} on {watched}: {changes:?}"
            );
        }
    }
}

#[test]
fn a_one_shot_watch_fires_once_and_the_others_stay() {
    for kinds in KINDS {
        let mut fixture = Fixture::with_connections(1);
        fixture.add(0, "/a", kinds);
        fixture.fire(EventType::NodeDeleted, "/a");
        fixture.fire(EventType::NodeDeleted, "/a");
        let stays = kinds == Kinds::PERSISTENT || kinds == Kinds::RECURSIVE;
        let expected = if stays { 2 } else { 1 };
        assert_eq!(fixture.heard(0).len(), expected, "{kinds:?}");
        assert_eq!(fixture.table.contains(id(0), "/a", kinds), stays);
        assert_eq!(fixture.table.is_empty(), !stays);
        assert_eq!(fixture.table.len(), if stays { 2 } else { 0 });
    }
}

#[test]
fn a_watch_that_a_change_does_not_fire_is_kept() {
    let mut fixture = Fixture::with_connections(1);
    fixture.add(0, "/a", Kinds::DATA.with(Kinds::CHILD));
    fixture.fire(EventType::NodeChildrenChanged, "/a");
    assert!(!fixture.table.contains(id(0), "/a", Kinds::CHILD));
    fixture.fire(EventType::NodeChildrenChanged, "/a");
    fixture.fire(EventType::NodeDataChanged, "/a");
    assert_eq!(
        fixture.heard(0),
        ["NodeChildrenChanged /a", "NodeDataChanged /a"]
    );
    assert!(fixture.table.is_empty());
}

#[test]
fn a_connection_is_told_once_of_one_change() {
    let mut fixture = Fixture::with_connections(2);
    fixture.add(0, "/a", Kinds::DATA);
    fixture.add(0, "/a", Kinds::DATA);
    fixture.add(0, "/a", Kinds::ALL);
    fixture.add(0, "/", Kinds::RECURSIVE);
    fixture.add(1, "/a", Kinds::DATA);
    let fired = fixture.fire(EventType::NodeDeleted, "/a");
    assert_eq!(fired.events, 2);
    assert_eq!(fixture.woken.len(), 2);
    assert_eq!(fixture.heard(0), ["NodeDeleted /a"]);
    assert_eq!(fixture.heard(1), ["NodeDeleted /a"]);
    assert!(
        !fixture
            .table
            .contains(id(0), "/a", Kinds::DATA.with(Kinds::CHILD))
    );
    assert!(fixture.table.contains(id(0), "/a", Kinds::PERSISTENT));
    assert!(fixture.table.contains(id(0), "/a", Kinds::RECURSIVE));

    let fired = fixture.fire(EventType::NodeDataChanged, "/a");
    assert_eq!(fired.events, 1, "the other connection's watch is used up");
    assert_eq!(fixture.heard(0), ["NodeDataChanged /a"]);
}

#[test]
fn an_event_carries_the_zxid_of_its_change() {
    let mut fixture = Fixture::with_connections(1);
    fixture.add(0, "/a", Kinds::DATA);
    let fired = fixture.fire(EventType::NodeCreated, "/a");
    assert_eq!(*fixture.recorders[0].zxids.lock(), [ZXID]);
    assert_eq!(
        fired.bytes,
        4 + 16 + 4 + 4 + 4 + 2,
        "frame, header, type, state, path"
    );
    let (header, event) = decode(&missed_event(EventType::NodeDeleted, "/a"));
    assert_eq!(header.zxid, -1, "a missed event names no transaction");
    assert_eq!(
        (event.event_type, event.path.as_str()),
        (EventType::NodeDeleted, "/a")
    );
}

#[test]
fn an_event_that_the_acl_keeps_back_uses_the_watch_up() {
    let mut fixture = Fixture::with_connections(1);
    fixture.add(0, "/a", Kinds::DATA.with(Kinds::PERSISTENT));
    let foreign = vec![Acl::new(perms::ALL, "digest", "ann:hash")];
    fixture.fire_under(EventType::NodeCreated, "/a", Some(foreign));
    assert_eq!(fixture.heard(0), [""; 0]);
    assert!(!fixture.table.contains(id(0), "/a", Kinds::DATA));
    assert!(fixture.table.contains(id(0), "/a", Kinds::PERSISTENT));
    let readable = Acl::world_anyone_read();
    fixture.fire_under(EventType::NodeDataChanged, "/a", Some(readable));
    assert_eq!(fixture.heard(0), ["NodeDataChanged /a"]);
}

#[test]
fn watches_are_removed_kind_by_kind() {
    for kind in KINDS {
        let mut fixture = Fixture::with_connections(2);
        fixture.add(0, "/a", Kinds::ALL);
        let others = Kinds::ALL.without(kind);
        assert!(!fixture.table.remove(id(1), "/a", kind), "another's");
        assert!(!fixture.table.remove(id(0), "/b", kind), "elsewhere");
        assert!(fixture.table.remove(id(0), "/a", kind));
        assert!(!fixture.table.remove(id(0), "/a", kind), "it is gone");
        assert!(!fixture.table.contains(id(0), "/a", kind));
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            assert!(fixture.table.contains(id(0), "/a", other), "{kind:?}");
        }
        assert!(fixture.table.remove(id(0), "/a", others));
        assert!(fixture.table.is_empty());
        assert_eq!(fixture.table.len(), 0);
        assert_eq!(
            Arc::strong_count(&fixture.recorders[0]),
            1,
            "nobody holds it"
        );
    }
}

#[test]
fn the_wire_names_single_kinds_or_any() {
    assert_eq!(Kinds::named(WatchKind::Children), Kinds::CHILD);
    assert_eq!(Kinds::named(WatchKind::Data), Kinds::DATA);
    assert_eq!(Kinds::named(WatchKind::Any), Kinds::ALL);
    assert_eq!(Kinds::named(WatchKind::Persistent), Kinds::PERSISTENT);
    assert_eq!(
        Kinds::named(WatchKind::PersistentRecursive),
        Kinds::RECURSIVE
    );
    assert_eq!(Kinds::added(AddWatchMode::Persistent), Kinds::PERSISTENT);
    assert_eq!(
        Kinds::added(AddWatchMode::PersistentRecursive),
        Kinds::RECURSIVE
    );
}

#[test]
fn an_ended_connection_leaves_nothing() {
    let mut fixture = Fixture::with_connections(2);
    for path in ["/", "/a", "/a/b"] {
        fixture.add(0, path, Kinds::ALL);
    }
    fixture.add(1, "/a", Kinds::DATA);
    fixture.table.remove_connection(id(0));
    assert_eq!(fixture.table.len(), 1);
    fixture.fire(EventType::NodeDeleted, "/a");
    fixture.woken.clear();
    assert_eq!(fixture.heard(0), [""; 0]);
    assert_eq!(fixture.heard(1), ["NodeDeleted /a"]);
    assert!(fixture.table.is_empty());
    assert_eq!(fixture.table.len(), 0);
    fixture.table.remove_connection(id(0));
    fixture.table.remove_connection(id(1));
    for recorder in &fixture.recorders {
        assert_eq!(Arc::strong_count(recorder), 1, "nobody holds it");
    }
}

#[test]
fn each_kind_counts_in_the_tables_where_a_stock_server_keeps_it() {
    for (kinds, len, shown) in [
        (Kinds::DATA, 1, 1),
        (Kinds::CHILD, 1, 0),
        (Kinds::DATA.with(Kinds::CHILD), 2, 1),
        (Kinds::PERSISTENT, 2, 1),
        (Kinds::RECURSIVE, 2, 1),
    ] {
        let mut fixture = Fixture::with_connections(2);
        fixture.add(0, "/a", kinds);
        fixture.add(1, "/a", kinds);
        assert_eq!(fixture.table.len(), 2 * len, "{kinds:?}");
        assert_eq!(fixture.table.data_watches().count(), 2 * shown, "{kinds:?}");
    }
}

/// `WatchManager.size` counts connections by path: a table holds each pair once, whatever its kinds.
#[test]
fn kinds_on_one_path_of_one_connection_share_an_entry_of_a_table() {
    let mut fixture = Fixture::with_connections(1);
    fixture.add(0, "/a", Kinds::ALL);
    assert_eq!(fixture.table.data_watches().count(), 1);
    assert_eq!(fixture.table.len(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Add(usize, usize, Kinds),
    Remove(usize, usize, Kinds),
    Fire(EventType, usize),
    End(usize),
}

const PATHS: [&str; 5] = ["/", "/a", "/a/b", "/a/b/c", "/ab"];
const CONNECTIONS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let (connection, path) = (|| 0..CONNECTIONS, || 0..PATHS.len());
    let kinds = || {
        prop::sample::subsequence(KINDS.to_vec(), 1..=KINDS.len())
            .prop_map(|kinds| kinds.into_iter().fold(Kinds::NONE, Kinds::with))
    };
    let event = prop_oneof![
        Just(EventType::NodeCreated),
        Just(EventType::NodeDeleted),
        Just(EventType::NodeDataChanged),
        Just(EventType::NodeChildrenChanged),
    ];
    prop_oneof![
        6 => (connection(), path(), kinds()).prop_map(|(connection, path, kinds)| Step::Add(connection, path, kinds)),
        2 => (connection(), path(), kinds()).prop_map(|(connection, path, kinds)| Step::Remove(connection, path, kinds)),
        5 => (event, path()).prop_map(|(event, path)| Step::Fire(event, path)),
        1 => connection().prop_map(Step::End),
    ]
}

/// Single watches: connection, path, kind.
type Model = BTreeSet<(usize, usize, u8)>;

fn singles(kinds: Kinds) -> impl Iterator<Item = u8> {
    (0..4).filter(move |at| !kinds.and(KINDS[usize::from(*at)]).is_empty())
}

fn is_fired(event: EventType, changed: &str, kind: u8, watched: &str) -> bool {
    let below = std::iter::successors(Some(changed), |path| path::parent(path))
        .any(|above| above == watched);
    let children = event == EventType::NodeChildrenChanged;
    match kind {
        0 => watched == changed && !children,
        1 => watched == changed && (children || event == EventType::NodeDeleted),
        2 => watched == changed,
        _ => below && !children,
    }
}

proptest! {
    #[test]
    fn a_table_is_a_set_of_single_watches(steps in prop::collection::vec(step(), 1..60)) {
        let mut fixture = Fixture::with_connections(CONNECTIONS);
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Add(connection, path, kinds) => {
                    fixture.add(connection, PATHS[path], kinds);
                    model.extend(singles(kinds).map(|kind| (connection, path, kind)));
                }
                Step::Remove(connection, path, kinds) => {
                    let removed = fixture.table.remove(id(connection), PATHS[path], kinds);
                    let before = model.len();
                    for kind in singles(kinds) {
                        model.remove(&(connection, path, kind));
                    }
                    prop_assert_eq!(removed, model.len() < before);
                }
                Step::Fire(event, changed) => {
                    let fired = fixture.fire(event, PATHS[changed]);
                    let hit: Model = model.iter().copied().filter(|(_, path, kind)| is_fired(event, PATHS[changed], *kind, PATHS[*path])).collect();
                    model.retain(|watch| watch.2 >= 2 || !hit.contains(watch));
                    let told: BTreeSet<usize> = hit.iter().map(|watch| watch.0).collect();
                    prop_assert_eq!(fired.events, told.len() as u64);
                    for connection in 0..CONNECTIONS {
                        let expected: Vec<_> = told.contains(&connection).then(|| (event, PATHS[changed].to_owned())).into_iter().collect();
                        prop_assert_eq!(fixture.recorders[connection].take(), expected);
                    }
                    fixture.woken.clear();
                }
                Step::End(connection) => {
                    fixture.table.remove_connection(id(connection));
                    model.retain(|watch| watch.0 != connection);
                }
            }
            let mut shown: BTreeMap<(usize, usize), bool> = BTreeMap::new();
            for (connection, path, kind) in &model {
                *shown.entry((*connection, *path)).or_default() |= *kind != 1;
            }
            for (connection, recorder) in fixture.recorders.iter().enumerate() {
                for (path, text) in PATHS.iter().enumerate() {
                    for (kind, kinds) in (0..4).zip(KINDS) {
                        prop_assert_eq!(fixture.table.contains(id(connection), text, kinds), model.contains(&(connection, path, kind)));
                    }
                }
                let watches = shown.keys().any(|(watcher, _)| *watcher == connection);
                prop_assert_eq!(Arc::strong_count(recorder), 1 + usize::from(watches), "it is held while it watches");
            }
            prop_assert_eq!(fixture.table.data_watches().count(), shown.values().filter(|shown| **shown).count());
            prop_assert_eq!(fixture.table.is_empty(), model.is_empty());
            prop_assert_eq!(fixture.table.len().min(1), usize::from(!model.is_empty()));
        }
    }
}
