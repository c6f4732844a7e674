//! Random records for the property tests.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use treekeeper_protocol::{
    Acl, AddWatchRequest, AuthRequest, CheckRequest, ClientInfo, ConnectRequest, ConnectResponse,
    CreateKind, CreateRequest, DeleteRequest, ErrorCode, EventType, KeeperState, MultiRequest,
    OpResult, PathRequest, ReadRequest, ReconfigRequest, Request, SetAclRequest, SetDataRequest,
    SetWatchesRequest, Stat, SyncRequest, WatchTypeRequest, WatcherEvent,
};

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "/[a-z]{1,8}(/[a-z0-9]{1,8}){0,3}"]
}

pub(crate) fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..5)
}

pub(crate) fn data() -> impl Strategy<Value = Option<Bytes>> {
    option::of(vec(any::<u8>(), 0..64).prop_map(Bytes::from))
}

fn acl() -> impl Strategy<Value = Acl> {
    (any::<i32>(), text(), text()).prop_map(|(perms, scheme, id)| Acl { perms, scheme, id })
}

pub(crate) fn acls() -> impl Strategy<Value = Option<Vec<Acl>>> {
    option::of(vec(acl(), 0..4))
}

pub(crate) fn stat() -> impl Strategy<Value = Stat> {
    (any::<[i64; 6]>(), any::<[i32; 5]>()).prop_map(
        |(
            [czxid, mzxid, ctime, mtime, ephemeral_owner, pzxid],
            [version, cversion, aversion, data_length, num_children],
        )| Stat {
            czxid,
            mzxid,
            ctime,
            mtime,
            version,
            cversion,
            aversion,
            ephemeral_owner,
            data_length,
            num_children,
            pzxid,
        },
    )
}

pub(crate) fn connect_request() -> impl Strategy<Value = ConnectRequest> {
    (any::<(i32, i64, i32, i64)>(), data(), any::<Option<bool>>()).prop_map(
        |((protocol_version, last_zxid_seen, timeout_ms, session_id), password, read_only)| {
            ConnectRequest {
                protocol_version,
                last_zxid_seen,
                timeout_ms,
                session_id,
                password,
                read_only,
            }
        },
    )
}

pub(crate) fn connect_response() -> impl Strategy<Value = ConnectResponse> {
    any::<(i32, i32, i64, [u8; 16], Option<bool>)>().prop_map(
        |(protocol_version, timeout_ms, session_id, password, read_only)| ConnectResponse {
            protocol_version,
            timeout_ms,
            session_id,
            password,
            read_only,
        },
    )
}

pub(crate) fn event() -> impl Strategy<Value = WatcherEvent> {
    (
        prop::sample::select(EventType::ALL),
        prop::sample::select(KeeperState::ALL),
        text(),
    )
        .prop_map(|(event_type, state, path)| WatcherEvent {
            event_type,
            state,
            path,
        })
}

fn create(kind: CreateKind, flags: impl Strategy<Value = i32>) -> impl Strategy<Value = Request> {
    (text(), data(), acls(), flags, any::<i64>()).prop_map(move |(path, data, acl, flags, ttl)| {
        let ttl = if kind == CreateKind::Ttl { ttl } else { 0 };
        Request::Create(CreateRequest {
            kind,
            path,
            data,
            acl,
            flags,
            ttl,
        })
    })
}

fn read() -> impl Strategy<Value = ReadRequest> {
    (text(), any::<bool>()).prop_map(|(path, watch)| ReadRequest { path, watch })
}

fn watch_type() -> impl Strategy<Value = WatchTypeRequest> {
    (text(), any::<i32>()).prop_map(|(path, kind)| WatchTypeRequest { path, kind })
}

fn delete() -> impl Strategy<Value = Request> {
    (text(), any::<i32>())
        .prop_map(|(path, version)| Request::Delete(DeleteRequest { path, version }))
}

fn set_data() -> impl Strategy<Value = Request> {
    (text(), data(), any::<i32>()).prop_map(|(path, data, version)| {
        Request::SetData(SetDataRequest {
            path,
            data,
            version,
        })
    })
}

fn check() -> impl Strategy<Value = Request> {
    (text(), any::<i32>())
        .prop_map(|(path, version)| Request::CheckVersion(CheckRequest { path, version }))
}

fn set_watches() -> impl Strategy<Value = Request> {
    (any::<i64>(), texts(), texts(), texts(), texts(), texts()).prop_map(
        |(relative_zxid, data, exist, child, persistent, persistent_recursive)| {
            Request::SetWatches(SetWatchesRequest {
                relative_zxid,
                data,
                exist,
                child,
                persistent,
                persistent_recursive,
            })
        },
    )
}

fn multi_part() -> impl Strategy<Value = Request> {
    prop_oneof![
        create(CreateKind::Create, 0..5),
        create(CreateKind::Create2, 0..5),
        create(CreateKind::Container, 0..5),
        create(CreateKind::Ttl, 0..7),
        delete(),
        set_data(),
        check(),
    ]
}

fn multi() -> impl Strategy<Value = Request> {
    vec(multi_part(), 0..6).prop_map(|ops| Request::Multi(MultiRequest { ops }))
}

fn multi_read() -> impl Strategy<Value = Request> {
    let part = prop_oneof![
        read().prop_map(Request::GetData),
        read().prop_map(Request::GetChildren)
    ];
    vec(part, 0..6).prop_map(|ops| Request::MultiRead(MultiRequest { ops }))
}

/// Any request that a client may send.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        create(CreateKind::Create, any::<i32>()),
        create(CreateKind::Create2, any::<i32>()),
        create(CreateKind::Container, any::<i32>()),
        create(CreateKind::Ttl, any::<i32>()),
        prop_oneof![delete(), set_data(), set_watches(), multi(), multi_read()],
        prop_oneof![
            read().prop_map(Request::Exists),
            read().prop_map(Request::GetData),
            read().prop_map(Request::GetChildren),
            read().prop_map(Request::GetChildren2),
            text().prop_map(|path| Request::GetAcl(PathRequest { path })),
            text().prop_map(|path| Request::GetAllChildrenNumber(PathRequest { path })),
            option::of(text()).prop_map(|path| Request::Sync(SyncRequest { path })),
            option::of(text()).prop_map(Request::GetEphemerals),
        ],
        prop_oneof![
            watch_type().prop_map(Request::CheckWatches),
            watch_type().prop_map(Request::RemoveWatches),
            (text(), any::<i32>())
                .prop_map(|(path, mode)| Request::AddWatch(AddWatchRequest { path, mode })),
            (text(), acls(), any::<i32>()).prop_map(|(path, acl, version)| Request::SetAcl(
                SetAclRequest { path, acl, version }
            )),
            (any::<i32>(), option::of(text()), data()).prop_map(|(auth_type, scheme, auth)| {
                Request::Auth(AuthRequest {
                    auth_type,
                    scheme,
                    auth,
                })
            }),
            data().prop_map(Request::Sasl),
            (
                option::of(text()),
                option::of(text()),
                option::of(text()),
                any::<i64>()
            )
                .prop_map(|(joining, leaving, new_members, cur_config_id)| {
                    Request::Reconfig(ReconfigRequest {
                        joining,
                        leaving,
                        new_members,
                        cur_config_id,
                    })
                }),
        ],
        Just(Request::Ping),
        Just(Request::WhoAmI),
        Just(Request::CloseSession),
    ]
}

pub(crate) fn results() -> impl Strategy<Value = Vec<OpResult>> {
    let result = prop_oneof![
        text().prop_map(|path| OpResult::Create { path }),
        (text(), stat()).prop_map(|(path, stat)| OpResult::Create2 { path, stat }),
        Just(OpResult::Delete),
        stat().prop_map(OpResult::SetData),
        Just(OpResult::Check),
        (data(), stat()).prop_map(|(data, stat)| OpResult::GetData { data, stat }),
        texts().prop_map(OpResult::GetChildren),
        prop::sample::select(ErrorCode::ALL).prop_map(OpResult::Error),
    ];
    vec(result, 0..6)
}

pub(crate) fn client_infos() -> impl Strategy<Value = Vec<ClientInfo>> {
    vec(
        (text(), text()).prop_map(|(scheme, user)| ClientInfo { scheme, user }),
        0..4,
    )
}
