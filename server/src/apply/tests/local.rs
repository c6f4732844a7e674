//! Sessions that apply does not know: what they may write, and how they become known.

use super::*;

const LOCAL: i64 = 1 << 62 | 5;

fn by_local(request: impl Into<Asked>) -> Command {
    Command::LocalClient {
        session: LOCAL,
        identities: [].into(),
        request: request.into().0,
    }
}

fn result(outcome: Option<Outcome>) -> Result<Reply, ErrorCode> {
    outcome.expect("nobody checks whether it lives").result
}

#[test]
fn a_local_session_writes_and_leaves_no_trace_of_itself() {
    let mut fixture = Fixture::new();
    let sessions = fixture.state.sessions.clone();
    let zxid = fixture.state.meta.zxid;
    let created = fixture.run(&by_local(create("/a"))).unwrap();
    assert_eq!(created.zxid, zxid + 1);
    assert_eq!(
        created.result,
        Ok(Reply::Created {
            path: "/a".to_owned()
        })
    );
    let set = SetDataRequest {
        path: "/a".to_owned(),
        data: Some(Bytes::from_static(b"x")),
        version: 0,
    };
    let set = fixture.run(&by_local(Request::SetData(set)));
    assert!(matches!(result(set), Ok(Reply::Stat(stat)) if stat.version == 1));
    let delete = DeleteRequest {
        path: "/a".to_owned(),
        version: 0,
    };
    let delete = fixture.run(&by_local(Request::Delete(delete)));
    assert_eq!(result(delete), Err(ErrorCode::BadVersion));
    assert_eq!(fixture.state.sessions, sessions);
}

#[test]
fn a_local_session_owns_nothing() {
    let mut fixture = Fixture::new();
    let refused = Err(ErrorCode::EphemeralOnLocalSession);
    for mode in [CreateMode::Ephemeral, CreateMode::EphemeralSequential] {
        // Before the path, the ACL and the parent are looked at.
        for path in ["/e", "/missing/e", "e"] {
            let outcome = fixture.run(&by_local(create_as(mode, path)));
            assert_eq!(result(outcome), refused, "{mode:?} {path}");
        }
    }
    let parts = vec![
        Request::Create(create("/a")),
        Request::Create(ephemeral("/e")),
    ];
    let multi = Request::Multi(MultiRequest { ops: parts });
    assert!(creates_ephemeral(&multi));
    let codes = [ErrorCode::Ok, ErrorCode::EphemeralOnLocalSession].map(OpResult::Error);
    let outcome = fixture.run(&by_local(multi));
    assert_eq!(result(outcome), Ok(Reply::Multi(codes.to_vec())));
    assert_eq!(fixture.state.ephemeral_count, 0);
}

#[test]
fn an_upgraded_session_owns_moves_and_ends_as_every_other() {
    let mut fixture = Fixture::new();
    let upgrade = Command::UpgradeSession {
        session: LOCAL,
        timeout_ms: 7000,
    };
    let zxid = fixture.state.meta.zxid;
    let upgraded = Outcome {
        zxid: zxid + 1,
        result: Ok(Reply::SessionUpgraded {
            id: LOCAL,
            timeout_ms: 7000,
        }),
    };
    assert_eq!(fixture.run(&upgrade), Some(upgraded));
    let known = fixture.state.sessions[&LOCAL].clone();
    assert_eq!((known.timeout_ms, known.generation), (7000, 0));
    let created = fixture.run(&write(LOCAL, 0, &[], ephemeral("/e")));
    assert!(result(created).is_ok());
    assert_eq!(
        result(fixture.run(&upgrade)),
        Err(ErrorCode::SessionExpired),
        "an id that is taken"
    );
    assert!(fixture.state.sessions[&LOCAL].ephemerals.contains("/e"));
    let reopened = fixture.run(&Command::ReopenSession {
        session: LOCAL,
        timeout_ms: 7000,
    });
    assert!(matches!(
        result(reopened),
        Ok(Reply::Session { generation: 1, .. })
    ));
    let closed = fixture.run(&write(LOCAL, 1, &[], Request::CloseSession));
    assert_eq!(result(closed), Ok(Reply::SessionClosed { id: LOCAL }));
    assert_eq!(fixture.state.ephemeral_count, 0);
}

#[test]
fn only_ephemeral_znodes_need_a_session_that_all_know() {
    for mode in [
        CreateMode::Persistent,
        CreateMode::PersistentSequential,
        CreateMode::Container,
    ] {
        let request = Request::Create(create_as(mode, "/a"));
        assert!(!creates_ephemeral(&request), "{mode:?}");
    }
    assert!(creates_ephemeral(&Request::Create(ephemeral("/a"))));
    // A container, whatever its flags say.
    let odd = CreateRequest {
        kind: CreateKind::Container,
        ..ephemeral("/a")
    };
    assert!(!creates_ephemeral(&Request::Create(odd)));
    assert!(!creates_ephemeral(&Request::CloseSession));
}
