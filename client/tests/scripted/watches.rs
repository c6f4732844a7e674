//! Watches, and what becomes of them on another connection.

use crate::server::{Connection, Server, opened, soon, stat};
use bytes::BytesMut;
use futures::{FutureExt, StreamExt};
use treekeeper_client::{
    AddWatchMode, Client, Error, ErrorCode, EventType, KeeperState, OneshotWatcher,
    PersistentWatcher, WatchKind, WatchedEvent,
};
use treekeeper_protocol::response::{ErrorResponse, GetChildren2Response};
use treekeeper_protocol::{OpCode, Request, SetWatchesRequest, WatchTypeRequest, xid};

fn event(event_type: EventType, path: &str, zxid: i64) -> WatchedEvent {
    WatchedEvent {
        event_type,
        state: KeeperState::SyncConnected,
        path: path.to_owned(),
        zxid,
    }
}

fn session_event(state: KeeperState) -> WatchedEvent {
    WatchedEvent {
        event_type: EventType::None,
        state,
        path: String::new(),
        zxid: -1,
    }
}

async fn watch_data(client: &Client, connection: &mut Connection, path: &str) -> OneshotWatcher {
    let (outcome, ()) = tokio::join!(client.get_data_and_watch(path), async {
        let (xid, request) = connection.request().await;
        assert!(matches!(request, Request::GetData(read) if read.watch));
        connection.reply_data(xid, 40, b"x").await;
    });
    outcome.expect("reads").2
}

async fn watch_absent(client: &Client, connection: &mut Connection, path: &str) -> OneshotWatcher {
    let (outcome, ()) = tokio::join!(client.exists_and_watch(path), async {
        let (xid, _) = connection.request().await;
        connection.refuse(xid, 41, ErrorCode::NoNode).await;
    });
    let (stat, watcher) = outcome.expect("answers");
    assert_eq!(stat, None);
    watcher
}

async fn watch_children(
    client: &Client,
    connection: &mut Connection,
    path: &str,
) -> OneshotWatcher {
    let (outcome, ()) = tokio::join!(client.get_children_and_watch(path), async {
        let (xid, _) = connection.request().await;
        let response = GetChildren2Response {
            children: vec![],
            stat: stat(0),
        };
        connection.reply(xid, 42, |out| response.encode(out)).await;
    });
    outcome.expect("reads").2
}

async fn add_watch(
    client: &Client,
    connection: &mut Connection,
    path: &str,
    mode: AddWatchMode,
) -> PersistentWatcher {
    let (outcome, ()) = tokio::join!(client.add_watch(path, mode), async {
        let (xid, request) = connection.request().await;
        assert!(matches!(request, Request::AddWatch(add) if add.mode == mode.as_i32()));
        connection
            .reply(xid, 43, |out: &mut BytesMut| {
                ErrorResponse { err: 0 }.encode(out);
            })
            .await;
    });
    outcome.expect("watches")
}

#[tokio::test]
async fn events_reach_the_watchers_with_their_own_paths() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "/app").await;
    let data = watch_data(&client, &mut connection, "/a").await;
    let absent = watch_absent(&client, &mut connection, "/b").await;
    let mut below = add_watch(
        &client,
        &mut connection,
        "/",
        AddWatchMode::PersistentRecursive,
    )
    .await;
    connection
        .event(50, EventType::NodeDataChanged, "/app/a")
        .await;
    connection.event(51, EventType::NodeCreated, "/app/b").await;
    assert_eq!(
        soon(data).await,
        event(EventType::NodeDataChanged, "/a", 50)
    );
    assert_eq!(soon(absent).await, event(EventType::NodeCreated, "/b", 51));
    assert_eq!(
        soon(below.next()).await,
        Some(event(EventType::NodeDataChanged, "/a", 50))
    );
    assert_eq!(
        soon(below.next_event()).await,
        Some(event(EventType::NodeCreated, "/b", 51))
    );
}

#[tokio::test]
async fn a_failed_read_leaves_no_watch() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let (outcome, ()) = tokio::join!(client.get_data_and_watch("/a"), async {
        let (xid, _) = connection.request().await;
        connection.refuse(xid, 1, ErrorCode::NoNode).await;
    });
    assert_eq!(outcome.err(), Some(Error::Api(ErrorCode::NoNode)));
    drop(connection);
    let (_, mut connection) = server.shake_hands(opened(30_000)).await;
    let (outcome, ()) = tokio::join!(client.exists("/b"), async {
        let (xid, request) = connection.request().await;
        assert!(
            matches!(request, Request::Exists(_)),
            "no watch is set again, but {request:?}"
        );
        connection.reply_stat(xid, 1, 0).await;
    });
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn one_shot_watches_are_set_again_and_can_fire_there() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "/app").await;
    let data = watch_data(&client, &mut connection, "/a").await;
    let absent = watch_absent(&client, &mut connection, "/b").await;
    let children = watch_children(&client, &mut connection, "/").await;
    let _fired = {
        let fired = watch_data(&client, &mut connection, "/fired").await;
        connection
            .event(44, EventType::NodeDeleted, "/app/fired")
            .await;
        soon(fired).await
    };
    drop(connection);

    let (handshake, mut connection) = server.shake_hands(opened(30_000)).await;
    assert_eq!(
        handshake.last_zxid_seen, 42,
        "an event does not count as a reply"
    );
    let (number, request) = connection.request().await;
    assert_eq!(
        (number, request.op()),
        (xid::SET_WATCHES, OpCode::SetWatches)
    );
    assert_eq!(
        request,
        Request::SetWatches(SetWatchesRequest {
            relative_zxid: 42,
            data: vec!["/app/a".into()],
            exist: vec!["/app/b".into()],
            child: vec!["/app".into()],
            ..SetWatchesRequest::default()
        })
    );
    connection
        .event(-1, EventType::NodeDataChanged, "/app/a")
        .await;
    connection.reply(xid::SET_WATCHES, 60, |_| {}).await;
    connection
        .event(61, EventType::NodeChildrenChanged, "/app")
        .await;
    assert_eq!(
        soon(data).await,
        event(EventType::NodeDataChanged, "/a", -1)
    );
    assert_eq!(
        soon(children).await,
        event(EventType::NodeChildrenChanged, "/", 61)
    );
    assert_eq!(absent.now_or_never(), None);
}

#[tokio::test]
async fn persistent_watches_are_set_again_and_tell_of_the_gap() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let mut node = add_watch(&client, &mut connection, "/a", AddWatchMode::Persistent).await;
    let mut tree = add_watch(
        &client,
        &mut connection,
        "/t",
        AddWatchMode::PersistentRecursive,
    )
    .await;
    drop(connection);

    let (_, mut connection) = server.shake_hands(opened(30_000)).await;
    let (number, request) = connection.request().await;
    assert_eq!(
        (number, request.op()),
        (xid::SET_WATCHES, OpCode::SetWatches2)
    );
    assert_eq!(
        request,
        Request::SetWatches(SetWatchesRequest {
            relative_zxid: 43,
            persistent: vec!["/a".into()],
            persistent_recursive: vec!["/t".into()],
            ..SetWatchesRequest::default()
        })
    );
    connection.reply(xid::SET_WATCHES, 43, |_| {}).await;
    connection.event(70, EventType::NodeDeleted, "/t/x").await;
    for watcher in [&mut node, &mut tree] {
        assert_eq!(
            soon(watcher.next()).await,
            Some(session_event(KeeperState::Disconnected))
        );
        assert_eq!(
            soon(watcher.next()).await,
            Some(session_event(KeeperState::SyncConnected))
        );
    }
    assert_eq!(
        soon(tree.next()).await,
        Some(event(EventType::NodeDeleted, "/t/x", 70))
    );
    assert_eq!(node.next().now_or_never(), None);
}

#[tokio::test]
async fn removed_watches_end_and_are_not_set_again() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "/app").await;
    let mut watcher = add_watch(&client, &mut connection, "/a", AddWatchMode::Persistent).await;
    let (removed, ()) = tokio::join!(client.remove_watches("/a", WatchKind::Persistent), async {
        let (xid, request) = connection.request().await;
        assert_eq!(
            request,
            Request::RemoveWatches(WatchTypeRequest {
                path: "/app/a".into(),
                kind: 4
            })
        );
        connection.reply(xid, 44, |_| {}).await;
    });
    assert_eq!(removed, Ok(()));
    assert_eq!(
        soon(watcher.next()).await,
        Some(event(EventType::PersistentWatchRemoved, "/a", -1))
    );
    assert_eq!(soon(watcher.next()).await, None);

    let (checked, ()) = tokio::join!(client.check_watches("/a", WatchKind::Any), async {
        let (xid, request) = connection.request().await;
        assert_eq!(
            request,
            Request::CheckWatches(WatchTypeRequest {
                path: "/app/a".into(),
                kind: 3
            })
        );
        connection.refuse(xid, 44, ErrorCode::NoWatcher).await;
    });
    assert_eq!(checked, Ok(false));
}

#[tokio::test]
async fn the_end_of_the_client_reaches_its_watchers() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let once = watch_data(&client, &mut connection, "/a").await;
    let mut many = add_watch(&client, &mut connection, "/a", AddWatchMode::Persistent).await;
    let (closed, ()) = tokio::join!(client.close(), async {
        let (xid, _) = connection.request().await;
        connection.reply(xid, 45, |_| {}).await;
    });
    assert_eq!(closed, Ok(()));
    assert_eq!(soon(once).await, session_event(KeeperState::Closed));
    assert_eq!(
        soon(many.next()).await,
        Some(session_event(KeeperState::Closed))
    );
    assert_eq!(soon(many.next()).await, None);
}
