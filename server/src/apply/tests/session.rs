//! Sessions open, move and end.

use super::*;

#[test]
fn ids_count_up_from_the_time_of_forming_and_a_closed_one_never_comes_back() {
    let mut fixture = Fixture::new();
    let first = fixture.session;
    assert_eq!(first >> 56, 1);
    assert_eq!(
        first >> 16 & 0xff_ffff_ffff,
        fixture.time_ms & 0xff_ffff_ffff
    );
    fixture.run(&Command::CloseSession {
        session: first,
        generation: 0,
        term: 1,
    });
    assert_eq!(fixture.open_session(), first + 1);
}

#[test]
fn an_opened_session_gets_its_password_and_the_timeout_that_was_negotiated() {
    let mut fixture = Fixture::new();
    let outcome = fixture.run(&Command::OpenSession { timeout_ms: 1234 });
    let id = fixture.session + 1;
    let expected = Outcome {
        zxid: fixture.state.meta.zxid,
        result: Ok(Reply::Session {
            id,
            generation: 0,
            timeout_ms: 1234,
            password: password_of(&[9; 32], id),
        }),
    };
    assert_eq!(outcome, Some(expected));
    assert_eq!(fixture.state.sessions[&id].timeout_ms, 1234);
}

#[test]
fn a_reopened_session_is_of_the_next_generation_and_takes_no_zxid() {
    let mut fixture = Fixture::new();
    fixture.done(ephemeral("/e"));
    let zxid = fixture.state.meta.zxid;
    let session = fixture.session;
    let outcome = fixture.run(&Command::ReopenSession {
        session,
        timeout_ms: 9000,
    });
    let expected = Outcome {
        zxid,
        result: Ok(Reply::Session {
            id: session,
            generation: 1,
            timeout_ms: 9000,
            password: password_of(&[9; 32], session),
        }),
    };
    assert_eq!(outcome, Some(expected));
    assert_eq!(
        fixture.state.sessions[&session].timeout_ms, TIMEOUT_MS,
        "the table keeps the time-out of its opening"
    );
    assert!(fixture.exists("/e"));
}

#[test]
fn a_session_that_is_unknown_or_closed_is_not_reopened() {
    let mut fixture = Fixture::new();
    let session = fixture.session;
    fixture.run(&Command::CloseSession {
        session,
        generation: 0,
        term: 1,
    });
    let zxid = fixture.state.meta.zxid;
    for session in [session, 0, -1, i64::MAX] {
        let outcome = fixture.run(&Command::ReopenSession {
            session,
            timeout_ms: 4000,
        });
        let result = Err(ErrorCode::SessionExpired);
        assert_eq!(outcome, Some(Outcome { zxid, result }));
    }
    assert!(fixture.state.sessions.is_empty());
}

#[test]
fn a_write_of_an_older_generation_or_of_no_session_is_dropped_without_a_trace() {
    let mut fixture = Fixture::new();
    let session = fixture.session;
    fixture.run(&Command::ReopenSession {
        session,
        timeout_ms: 4000,
    });
    let before = fixture.state.meta.clone();
    let dropped = [
        write(session, 0, &[], create("/a")),
        write(session, 2, &[], create("/a")),
        write(session, 0, &[], Request::CloseSession),
        write(session + 1, 0, &[], create("/a")),
        Command::CloseSession {
            session,
            generation: 0,
            term: 1,
        },
        Command::CloseSession {
            session: session + 1,
            generation: 0,
            term: 1,
        },
        // What a leader decided whose reign is over.
        Command::CloseSession {
            session,
            generation: 1,
            term: 0,
        },
    ];
    for command in dropped {
        assert_eq!(fixture.run(&command), None, "{command:?}");
        assert!(fixture.changes.is_empty());
        assert_eq!(fixture.state.meta, before, "{command:?}");
    }
    let current = write(session, 1, &[], create("/a"));
    assert!(fixture.run(&current).unwrap().result.is_ok());
}

#[test]
fn a_closed_session_takes_its_ephemerals_along_and_no_others() {
    for by_client in [true, false] {
        let mut fixture = Fixture::with(&["/a", "/b"]);
        let other = fixture.open_session();
        fixture.ask_as(other, &[], ephemeral("/a/other")).unwrap();
        for path in ["/b/z", "/a/y", "/a/x"] {
            fixture.done(ephemeral(path));
        }
        let (session, generation) = (fixture.session, 0);
        let command = if by_client {
            write(session, generation, &[], Request::CloseSession)
        } else {
            Command::CloseSession {
                session,
                generation,
                term: 1,
            }
        };
        let outcome = fixture.run(&command);
        let zxid = fixture.state.meta.zxid;
        let result = Ok(Reply::SessionClosed { id: session });
        assert_eq!(outcome, Some(Outcome { zxid, result }));
        let expected = [
            "NodeDeleted /a/x",
            "NodeChildrenChanged /a",
            "NodeDeleted /a/y",
            "NodeChildrenChanged /a",
            "NodeDeleted /b/z",
            "NodeChildrenChanged /b",
        ];
        assert_eq!(fixture.changes(), expected);
        assert_eq!(fixture.stat("/a").pzxid, zxid);
        assert_eq!(fixture.stat("/a").num_children, 1);
        assert!(fixture.exists("/a/other"));
        assert_eq!(fixture.state.ephemeral_count, 1);
        assert_eq!(fixture.run(&command), None, "it is closed once");
    }
}

#[test]
fn a_session_may_end_inside_nothing_that_it_does_not_own() {
    let mut fixture = Fixture::with(&["/a"]);
    fixture.done(set_acl("/", world(treekeeper_protocol::perms::READ), -1));
    let session = fixture.session;
    fixture.done(with_acl(ephemeral("/a/mine"), ann_only()));
    fixture.done(set_acl("/a", world(0), -1));
    fixture.run(&Command::CloseSession {
        session,
        generation: 0,
        term: 1,
    });
    assert!(!fixture.exists("/a/mine"), "no ACL holds it back");
}
