//! What the stock Java client and server of Apache `ZooKeeper` say to each other is understood, and would be written
//! with the same bytes. `golden/record` wrote it down.

use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use treekeeper_protocol::response::{
    Create2Response, CreateResponse, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetChildren2Response, GetChildrenResponse, GetDataResponse, GetEphemeralsResponse,
    MultiResponse, StatResponse, SyncResponse, WhoAmIResponse,
};
use treekeeper_protocol::{
    Acl, ClientInfo, ConnectRequest, ConnectResponse, CreateKind, CreateRequest, ErrorCode,
    EventType, KeeperState, OpCode, OpResult, ReplyHeader, Request, RequestHeader, Stat,
    WatcherEvent, xid,
};

/// One frame, understood.
#[derive(Debug)]
enum Message {
    Connect(ConnectRequest),
    Connected(ConnectResponse),
    Request(Request),
    Event(WatcherEvent),
    Reply(OpCode, ReplyHeader, Bytes),
}

/// The frames in their order.
fn frames() -> Vec<(u32, bool, Bytes)> {
    let lines = include_str!("golden/frames.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [connection, direction, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("three words in {line:?}");
            };
            let bytes = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
            (
                connection.parse().expect("a number"),
                direction == ">",
                bytes.collect(),
            )
        })
        .collect()
}

fn encoded(encode: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.freeze()
}

/// Reads the body of a reply as the record that belongs to `op`, and writes it again.
fn body_again(op: OpCode, body: &Bytes) -> Bytes {
    macro_rules! again {
        ($type:ident) => {
            encoded(|out| {
                $type::decode(body)
                    .expect("the body is understood")
                    .encode(out)
            })
        };
    }
    match op {
        OpCode::Create => again!(CreateResponse),
        OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => again!(Create2Response),
        OpCode::Exists | OpCode::SetData | OpCode::SetAcl => again!(StatResponse),
        OpCode::GetData | OpCode::Reconfig => again!(GetDataResponse),
        OpCode::GetAcl => again!(GetAclResponse),
        OpCode::GetChildren => again!(GetChildrenResponse),
        OpCode::GetChildren2 => again!(GetChildren2Response),
        OpCode::Sync => again!(SyncResponse),
        OpCode::Multi | OpCode::MultiRead => again!(MultiResponse),
        OpCode::GetEphemerals => again!(GetEphemeralsResponse),
        OpCode::GetAllChildrenNumber => again!(GetAllChildrenNumberResponse),
        OpCode::AddWatch => again!(ErrorResponse),
        OpCode::WhoAmI => again!(WhoAmIResponse),
        OpCode::Delete
        | OpCode::Ping
        | OpCode::Auth
        | OpCode::CheckWatches
        | OpCode::RemoveWatches
        | OpCode::SetWatches
        | OpCode::SetWatches2
        | OpCode::CloseSession => Bytes::new(),
        OpCode::Notification
        | OpCode::Check
        | OpCode::Sasl
        | OpCode::DeleteContainer
        | OpCode::CreateSession
        | OpCode::Error => panic!("there is no reply to {op:?}"),
    }
}

/// Every frame, understood; each is checked to be written again with the same bytes.
fn conversation() -> Vec<Message> {
    let mut shaken = BTreeSet::new();
    let mut asked = BTreeMap::from([(xid::PING, OpCode::Ping), (xid::AUTH, OpCode::Auth)]);
    let mut messages = Vec::new();
    for (connection, is_request, payload) in frames() {
        let (message, again) = if shaken.insert((connection, is_request)) {
            if is_request {
                let request = ConnectRequest::decode(&payload).expect("a handshake");
                let again = encoded(|out| request.encode(out));
                (Message::Connect(request), again)
            } else {
                let response = ConnectResponse::decode(&payload).expect("a handshake");
                let again = encoded(|out| response.encode(out));
                (Message::Connected(response), again)
            }
        } else if is_request {
            let (header, body) = RequestHeader::decode(&payload).expect("a header");
            let op = OpCode::from_i32(header.op).expect("a known operation");
            asked.insert(header.xid, op);
            let request = Request::decode(op, &body).expect("a valid request");
            assert_eq!(request.op(), op);
            let again = encoded(|out| {
                header.encode(out);
                request.encode(out);
            });
            (Message::Request(request), again)
        } else {
            let (header, body) = ReplyHeader::decode(&payload).expect("a header");
            let (message, body_again) = if header.xid == xid::NOTIFICATION {
                let event = WatcherEvent::decode(&body).expect("an event");
                let again = encoded(|out| event.encode(out));
                (Message::Event(event), again)
            } else {
                let op = asked[&header.xid];
                let again = if header.err == 0 {
                    body_again(op, &body)
                } else {
                    Bytes::new()
                };
                (Message::Reply(op, header, body), again)
            };
            let again = encoded(|out| {
                header.encode(out);
                out.extend_from_slice(&body_again);
            });
            (message, again)
        };
        assert_eq!(again, payload, "{message:?}");
        messages.push(message);
    }
    messages
}

/// The replies to one operation: zxid, error and body of each.
fn replies(op: OpCode) -> Vec<(i64, Option<ErrorCode>, Bytes)> {
    let replies = conversation()
        .into_iter()
        .filter_map(|message| match message {
            Message::Reply(of, header, body) if of == op => {
                Some((header.zxid, ErrorCode::from_i32(header.err), body))
            }
            _ => None,
        });
    replies.collect()
}

#[test]
fn every_operation_of_the_java_client_is_there_and_answered() {
    let mut requests = BTreeSet::new();
    let mut replies = BTreeSet::new();
    for message in conversation() {
        match message {
            Message::Request(request) => requests.insert(request.op().as_i32()),
            Message::Reply(op, _, _) => replies.insert(op.as_i32()),
            Message::Connect(_) | Message::Connected(_) | Message::Event(_) => true,
        };
    }
    let all = [
        -11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 18, 19, 21, 22, 100, 101, 103, 104,
        105, 106, 107,
    ];
    assert_eq!(requests.into_iter().collect::<Vec<_>>(), all);
    assert_eq!(replies.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn handshakes() {
    let messages = conversation();
    let [Message::Connect(first), Message::Connected(opened), ..] = &messages[..] else {
        panic!("a handshake, not {:?}", &messages[..2]);
    };
    assert_eq!(
        (first.timeout_ms, first.session_id, first.last_zxid_seen),
        (6000, 0, 0)
    );
    assert_eq!(
        (first.password.as_deref(), first.read_only),
        (Some(&[0; 16][..]), Some(false))
    );
    assert_eq!((opened.timeout_ms, opened.read_only), (6000, Some(false)));
    let again = messages.iter().find_map(|message| match message {
        Message::Connect(request) if request.session_id == opened.session_id => Some(request),
        _ => None,
    });
    let again = again.expect("the client came back");
    assert_eq!(
        (again.password.as_deref(), again.last_zxid_seen),
        (Some(&opened.password[..]), 15)
    );
}

#[test]
fn creates() {
    let creates: Vec<_> = conversation()
        .into_iter()
        .filter_map(|message| match message {
            Message::Request(Request::Create(create)) => Some(create),
            _ => None,
        })
        .collect();
    let golden = CreateRequest {
        kind: CreateKind::Create,
        path: "/golden".into(),
        data: Some(Bytes::from_static(b"one")),
        acl: Some(Acl::world_anyone_all()),
        flags: 0,
        ttl: 0,
    };
    assert_eq!(creates[0], golden);
    assert_eq!(
        (creates[1].kind, &creates[1].data),
        (CreateKind::Create2, &None)
    );
    assert_eq!(creates[1].acl, Some(Acl::creator_all()));
    assert_eq!(
        (creates[2].kind, creates[2].flags),
        (CreateKind::Container, 4)
    );
    assert_eq!(creates[2].acl, Some(Acl::world_anyone_read()));
    assert_eq!(
        (creates[3].kind, creates[3].flags, creates[3].ttl),
        (CreateKind::Ttl, 6, 600_000)
    );
    assert_eq!(creates[4].path, "/golden/grüße");
    assert_eq!(
        replies(OpCode::Create)[2],
        (7, Some(ErrorCode::NodeExists), Bytes::new())
    );
    let (_, _, body) = &replies(OpCode::CreateTtl)[0];
    let created = Create2Response::decode(body).expect("understood");
    assert_eq!(
        (created.path.as_str(), created.stat.czxid),
        ("/golden/ttl-0000000002", 5)
    );
}

#[test]
fn reads() {
    let (_, _, body) = &replies(OpCode::GetData)[0];
    let GetDataResponse { data, stat } = GetDataResponse::decode(body).expect("understood");
    assert_eq!(data.as_deref(), Some(&b"one"[..]));
    let times = Stat {
        ctime: stat.ctime,
        mtime: stat.mtime,
        ..Stat::default()
    };
    assert_eq!(
        stat,
        Stat {
            czxid: 2,
            mzxid: 2,
            pzxid: 6,
            cversion: 4,
            data_length: 3,
            num_children: 4,
            ..times
        }
    );
    let (_, _, body) = &replies(OpCode::WhoAmI)[0];
    let info = |scheme: &str, user: &str| ClientInfo {
        scheme: scheme.into(),
        user: user.into(),
    };
    let infos = WhoAmIResponse::decode(body).expect("understood").infos;
    assert_eq!(infos, [info("digest", "golden"), info("ip", "127.0.0.1")]);
    assert_eq!(
        replies(OpCode::Exists)[0],
        (7, Some(ErrorCode::NoNode), Bytes::new())
    );
}

#[test]
fn events() {
    let events: Vec<_> = conversation()
        .into_iter()
        .filter_map(|message| match message {
            Message::Event(event) => Some(event),
            _ => None,
        })
        .collect();
    assert!(
        events
            .iter()
            .all(|event| event.state == KeeperState::SyncConnected)
    );
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.event_type, event.path.as_str()))
        .collect();
    assert_eq!(
        told[..4],
        [
            (EventType::NodeDataChanged, "/golden"),
            (EventType::NodeCreated, "/golden/absent"),
            (EventType::NodeChildrenChanged, "/golden"),
            (EventType::NodeDeleted, "/golden/absent"),
        ]
    );
}

#[test]
fn multis() {
    let results = |op, index: usize| {
        let (_, err, body) = replies(op).swap_remove(index);
        assert_eq!(err, Some(ErrorCode::Ok));
        OpResult::decode_results(&body).expect("understood")
    };
    let done = results(OpCode::Multi, 0);
    assert_eq!(done[0], OpResult::Check);
    assert_eq!(
        done[1],
        OpResult::Create {
            path: "/golden/multi".into()
        }
    );
    assert!(matches!(&done[2], OpResult::Create2 { path, .. } if path == "/golden/multi/c"));
    assert!(matches!(&done[3], OpResult::Create2 { path, .. } if path == "/golden/multi/t"));
    assert!(matches!(&done[4], OpResult::SetData(stat) if stat.version == 1));
    assert_eq!(done[5..], [OpResult::Delete]);
    let failed = [
        ErrorCode::Ok,
        ErrorCode::NoNode,
        ErrorCode::RuntimeInconsistency,
    ]
    .map(OpResult::Error);
    assert_eq!(results(OpCode::Multi, 1), failed);
    let read = results(OpCode::MultiRead, 0);
    assert!(matches!(&read[0], OpResult::GetData { data: Some(data), .. } if data == "two"));
    assert_eq!(
        read[1..],
        [
            OpResult::GetChildren(vec!["t".into()]),
            OpResult::Error(ErrorCode::NoNode)
        ]
    );
}

#[test]
fn watches_that_are_set_again() {
    let set: Vec<_> = conversation()
        .into_iter()
        .filter_map(|message| match message {
            Message::Request(Request::SetWatches(set)) => Some(set),
            _ => None,
        })
        .collect();
    let [all, one_shot] = &set[..] else {
        panic!("two requests, not {set:?}")
    };
    assert_eq!((all.op(), all.relative_zxid), (OpCode::SetWatches2, 15));
    assert_eq!(
        (&all.data[..], &all.exist[..]),
        (
            &["/golden".to_owned()][..],
            &["/golden/once".to_owned()][..]
        )
    );
    assert_eq!(all.child, ["/golden/multi"]);
    assert_eq!(
        (&all.persistent[..], &all.persistent_recursive[..]),
        (
            &["/golden/null".to_owned()][..],
            &["/golden".to_owned()][..]
        )
    );
    assert_eq!(
        (one_shot.op(), &one_shot.exist[..]),
        (OpCode::SetWatches, &["/golden/once".to_owned()][..])
    );
}
