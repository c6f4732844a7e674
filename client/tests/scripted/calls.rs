//! Calls and their replies.

use crate::server::{Server, soon, stat};
use bytes::{Bytes, BytesMut};
use futures::future::join_all;
use treekeeper_client::{
    Client, CreateMode, CreateOptions, Error, ErrorCode, Op, OpResult, PathError, ReadOp,
};
use treekeeper_protocol::response::{
    Create2Response, GetChildren2Response, GetEphemeralsResponse, MultiResponse, SyncResponse,
};
use treekeeper_protocol::{CreateKind, ReadRequest, Request};

#[tokio::test]
async fn calls_go_out_without_waiting_for_each_other() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let calls = async {
        tokio::join!(
            client.exists("/a"),
            client.exists("/b"),
            client.get_data("/c")
        )
    };
    let script = async {
        let mut xids = Vec::new();
        for path in ["/a", "/b", "/c"] {
            let (xid, request) = connection.request().await;
            let read = ReadRequest {
                path: path.to_owned(),
                watch: false,
            };
            assert_eq!(
                request,
                if path == "/c" {
                    Request::GetData(read)
                } else {
                    Request::Exists(read)
                }
            );
            xids.push(xid);
        }
        assert_eq!(xids, [1, 2, 3]);
        connection.reply_stat(xids[0], 10, 7).await;
        connection.refuse(xids[1], 10, ErrorCode::NoNode).await;
        connection.reply_data(xids[2], 10, b"data").await;
    };
    let ((a, b, c), ()) = tokio::join!(calls, script);
    assert_eq!(a, Ok(Some(stat(7))));
    assert_eq!(b, Ok(None));
    assert_eq!(c, Ok((Some(Bytes::from_static(b"data")), stat(0))));
}

#[tokio::test]
async fn more_calls_than_any_queue_holds_are_all_answered() {
    const CALLS: i32 = 12_000;
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let calls = join_all((0..CALLS).map(|_| client.set_data("/a", "x", None)));
    let script = async {
        for version in 0..CALLS {
            let (xid, _) = connection.request().await;
            connection.reply_stat(xid, 1, version).await;
        }
    };
    let (stats, ()) = soon(async { tokio::join!(calls, script) }).await;
    for (version, outcome) in (0..).zip(stats) {
        assert_eq!(outcome, Ok(stat(version)));
    }
}

#[tokio::test]
async fn an_error_of_the_server_is_the_callers() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let (outcome, ()) = tokio::join!(client.delete("/a", Some(3)), async {
        let (xid, _) = connection.request().await;
        connection.refuse(xid, 5, ErrorCode::BadVersion).await;
    });
    assert_eq!(outcome, Err(Error::Api(ErrorCode::BadVersion)));
}

#[tokio::test]
async fn what_no_server_would_accept_is_not_sent() {
    let server = Server::bind().await;
    let (client, mut connection) = server
        .open(Client::builder().request_len_max(1000), "")
        .await;
    let sequential = CreateOptions::new(CreateMode::PersistentSequential);
    assert_eq!(
        client.exists("a").await,
        Err(Error::InvalidPath {
            path: "a".into(),
            reason: PathError::NotAbsolute
        })
    );
    assert!(matches!(
        client.create("/a/", "", &CreateOptions::default()).await,
        Err(Error::InvalidPath { .. })
    ));
    assert!(matches!(
        client.create("/a//", "", &sequential).await,
        Err(Error::InvalidPath { .. })
    ));
    assert!(matches!(
        client.set_data("/a", vec![0; 1000], None).await,
        Err(Error::RequestTooLong { max: 992, .. })
    ));
    let (synced, ()) = tokio::join!(client.sync("/"), async {
        let (xid, request) = connection.request().await;
        assert!(
            matches!(request, Request::Sync(_)),
            "the first request on the wire is {request:?}"
        );
        connection
            .reply(xid, 1, |out| {
                SyncResponse {
                    path: Some("/".into()),
                }
                .encode(out);
            })
            .await;
    });
    assert_eq!(synced, Ok(()));
}

#[tokio::test]
async fn paths_are_below_the_chroot_on_the_wire_only() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "/app").await;
    let sequential = CreateOptions::new(CreateMode::EphemeralSequential);
    let calls = async {
        tokio::join!(
            client.create("/", "x", &sequential),
            client.multi(vec![Op::Create {
                path: "/a".into(),
                data: Bytes::new(),
                options: CreateOptions::default()
            }]),
            client.get_ephemerals("/"),
            client.get_children("/"),
        )
    };
    let script = async {
        let (xid, request) = connection.request().await;
        let Request::Create(create) = request else {
            panic!("a create, not {request:?}")
        };
        assert_eq!(
            (create.path.as_str(), create.kind, create.flags),
            ("/app/", CreateKind::Create2, 3)
        );
        connection
            .reply(xid, 1, |out| {
                Create2Response {
                    path: "/app/0000000001".into(),
                    stat: stat(0),
                }
                .encode(out);
            })
            .await;

        let (xid, request) = connection.request().await;
        let Request::Multi(multi) = request else {
            panic!("a multi, not {request:?}")
        };
        assert!(matches!(&multi.ops[..], [Request::Create(create)] if create.path == "/app/a"));
        let results = vec![OpResult::Create2 {
            path: "/app/a".into(),
            stat: stat(0),
        }];
        connection
            .reply(xid, 2, |out| MultiResponse { results }.encode(out))
            .await;

        let (xid, request) = connection.request().await;
        assert_eq!(request, Request::GetEphemerals(Some("/app".into())));
        let ephemerals = vec!["/app/0000000001".into(), "/apple".into()];
        connection
            .reply(xid, 2, |out| {
                GetEphemeralsResponse { ephemerals }.encode(out);
            })
            .await;

        let (xid, request) = connection.request().await;
        assert_eq!(
            request,
            Request::GetChildren2(ReadRequest {
                path: "/app".into(),
                watch: false
            })
        );
        let children = vec!["a".into()];
        connection
            .reply(xid, 2, |out| {
                GetChildren2Response {
                    children,
                    stat: stat(0),
                }
                .encode(out);
            })
            .await;
    };
    let ((created, multi, ephemerals, children), ()) = tokio::join!(calls, script);
    assert_eq!(created, Ok(("/0000000001".into(), stat(0))));
    assert_eq!(
        multi,
        Ok(vec![OpResult::Create2 {
            path: "/a".into(),
            stat: stat(0)
        }])
    );
    assert_eq!(ephemerals, Ok(vec!["/0000000001".into()]));
    assert_eq!(children, Ok((vec!["a".into()], stat(0))));
}

#[tokio::test]
async fn a_failed_multi_names_its_culprit_and_a_multi_read_does_not_fail() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let check = || Op::Check {
        path: "/a".into(),
        version: None,
    };
    let calls = async {
        tokio::join!(
            client.multi(vec![check(), check()]),
            client.multi_read(vec![
                ReadOp::GetData("/a".into()),
                ReadOp::GetChildren("/b".into())
            ])
        )
    };
    let failed = vec![
        OpResult::Error(ErrorCode::Ok),
        OpResult::Error(ErrorCode::NoNode),
    ];
    let read = vec![
        OpResult::Error(ErrorCode::NoNode),
        OpResult::GetChildren(vec![]),
    ];
    let script = async {
        for results in [failed, read.clone()] {
            let (xid, _) = connection.request().await;
            connection
                .reply(xid, 1, |out: &mut BytesMut| {
                    MultiResponse { results }.encode(out);
                })
                .await;
        }
    };
    let ((multi, multi_read), ()) = tokio::join!(calls, script);
    assert_eq!(
        multi,
        Err(Error::Multi {
            index: 1,
            code: ErrorCode::NoNode
        })
    );
    assert_eq!(multi_read, Ok(read));
}
