//! ConnectRequest and ConnectResponse: shapes, negotiation, coming back, refusals.

use crate::wire::bytes::Reader;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::{Frame, Reply};
use crate::wire::request::{close_session, create, exists, get_data, set_data};
use crate::wire::socket::{Connect, Connected};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case("handshake/44-byte-request-gets-36-byte-response", |case| {
        shape(case, None, 44, 36)
    });
    suite.case("handshake/45-byte-request-gets-37-byte-response", |case| {
        shape(case, Some(false), 45, 37)
    });
    suite.case(
        "handshake/read-only-offer-gets-a-read-write-session",
        |case| shape(case, Some(true), 45, 37),
    );
    for (wanted, granted) in [
        (i32::MIN, 1000),
        (-5, 1000),
        (0, 1000),
        (1, 1000),
        (999, 1000),
        (1000, 1000),
        (1001, 1001),
        (30_000, 30_000),
        (59_999, 59_999),
        (60_000, 60_000),
        (60_001, 60_000),
        (1_000_000, 60_000),
        (i32::MAX, 60_000),
    ] {
        suite.case(
            format!("handshake/timeout-{wanted}-is-negotiated-to-{granted}"),
            move |case| {
                let client = case.client_for(wanted)?;
                expect("negotiated time-out", client.connected.timeout_ms, granted)
            },
        );
    }
    for version in [1, -1, i32::MAX] {
        suite.case(
            format!("handshake/protocol-version-{version}-is-ignored-and-answered-0"),
            move |case| {
                let client = case.client_with(&Connect {
                    protocol_version: version,
                    ..Connect::default()
                })?;
                expect("protocol version", client.connected.protocol_version, 0)
            },
        );
    }
    for (name, password) in [
        ("null", None),
        ("empty", Some(vec![])),
        ("short", Some(vec![7; 3])),
        ("long", Some(vec![7; 64])),
    ] {
        suite.case(
            format!("handshake/{name}-password-opens-a-new-session"),
            move |case| {
                let mut client = case.client_with(&Connect {
                    password: password.clone(),
                    ..Connect::default()
                })?;
                expect("password length", client.connected.password.len(), 16)?;
                client.ping().map(drop)
            },
        );
    }
    suite.case("handshake/trailing-bytes-are-ignored", |case| {
        let mut socket = case.socket()?;
        socket.send(
            &Connect::default()
                .body()
                .raw(b"later versions may say more")
                .framed(),
        )?;
        let answer = Connected::read(&socket.frame()?)?;
        ensure(answer.session != 0, format!("a session, got {answer:?}"))
    });
    suite.case("handshake/sessions-differ-in-id-and-password", |case| {
        let (one, two) = (case.client()?, case.client()?);
        ensure(one.session() != two.session(), "two ids")?;
        ensure(
            one.connected.password != two.connected.password,
            "two passwords",
        )?;
        ensure(
            one.session() > 0 && two.session() > 0,
            format!("positive ids, got {} and {}", one.session(), two.session()),
        )
    });
    suite.case(
        "handshake/last-zxid-seen-of-the-server-is-accepted",
        |case| {
            let mut client = case.client()?;
            let last_zxid = client.call(&create(&case.at("a"), b"", 0))?.zxid;
            case.client_with(&Connect {
                last_zxid,
                ..Connect::default()
            })?
            .ping()
            .map(drop)
        },
    );
    suite.case("handshake/client-ahead-is-closed-without-a-byte", |case| {
        let mut socket = case.socket()?;
        socket.send(
            &Connect {
                last_zxid: i64::MAX,
                ..Connect::default()
            }
            .body()
            .framed(),
        )?;
        socket.closed()
    });
    suite.case(
        "handshake/client-ahead-with-a-live-session-keeps-that-session",
        client_ahead_keeps_session,
    );
    suite.case(
        "handshake/bytes-behind-the-request-are-served-in-order",
        pipelined_requests,
    );
    suite.case("handshake/request-in-single-bytes-is-served", byte_by_byte);
    suite.case("handshake/reconnect-gives-the-same-session", reconnect);
    suite.case("handshake/reconnect-negotiates-a-fresh-timeout", |case| {
        let connect = Connect {
            timeout_ms: 2_000,
            ..case.client()?.disconnect()
        };
        let client = case.client_with(&connect)?;
        expect("session", client.session(), connect.session)?;
        expect("negotiated time-out", client.connected.timeout_ms, 2_000)
    });
    suite.case(
        "handshake/reconnect-without-the-read-only-byte-gets-36-bytes",
        |case| {
            let connect = Connect {
                read_only: None,
                ..case.client()?.disconnect()
            };
            expect(
                "response length",
                case.client_with(&connect)?.connected.len,
                36,
            )
        },
    );
    for (name, read_only, len, unknown) in [
        ("with", Some(false), 37, 0x77_1234),
        ("without", None, 36, 0x77_1235),
    ] {
        suite.case(
            format!("handshake/wrong-password-is-refused-{name}-the-read-only-byte"),
            move |case| {
                let right = case.client()?.disconnect();
                refused(
                    case,
                    &Connect {
                        password: Some(vec![1; 16]),
                        read_only,
                        ..right
                    },
                    len,
                )
            },
        );
        suite.case(
            format!("handshake/unknown-session-is-refused-{name}-the-read-only-byte"),
            move |case| {
                let connect = Connect {
                    session: unknown,
                    password: Some(vec![0; 16]),
                    read_only,
                    ..Connect::default()
                };
                refused(case, &connect, len)
            },
        );
    }
    for (name, password) in [
        ("null", None),
        ("empty", Some(vec![])),
        ("15-byte", Some(vec![0; 15])),
        ("17-byte", Some(vec![0; 17])),
    ] {
        suite.case(
            format!("handshake/reconnect-with-a-{name}-password-is-refused"),
            move |case| {
                let right = case.client()?.disconnect();
                refused(
                    case,
                    &Connect {
                        password: password.clone(),
                        ..right
                    },
                    37,
                )
            },
        );
    }
    suite.case("handshake/closed-session-is-refused", |case| {
        let client = case.client()?;
        let connect = client.reconnect();
        client.close()?;
        refused(case, &connect, 37)
    });
    suite.case(
        "handshake/wrong-password-leaves-the-session-for-the-right-one",
        |case| {
            let right = case.client()?.disconnect();
            refused(
                case,
                &Connect {
                    password: Some(vec![1; 16]),
                    ..right.clone()
                },
                37,
            )?;
            expect(
                "session",
                case.client_with(&right)?.session(),
                right.session,
            )
        },
    );
    suite.case(
        "handshake/wrong-password-and-the-live-connection",
        wrong_password_and_live_connection,
    );
    suite.case(
        "handshake/moved-session-closes-the-old-connection",
        |case| {
            let mut old = case.client()?;
            old.abandon();
            let mut new = case.client_with(&old.reconnect())?;
            old.socket.closed()?;
            new.ping().map(drop)
        },
    );
    suite.case(
        "handshake/session-moved-twenty-times-stays-one-session",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("e"), b"", 1)?;
            for _ in 0..20 {
                let next = case.client_with(&client.reconnect())?;
                client.abandon();
                client = next;
            }
            let stat = client.call(&exists(&case.at("e"), false))?.stat()?;
            expect("ephemeralOwner", stat.ephemeral_owner, client.session())
        },
    );
    for (name, keep) in [
        ("nothing", 0),
        ("half-a-version", 2),
        ("a-version", 4),
        ("no-timeout", 12),
        ("no-session", 16),
        ("no-password", 24),
        ("half-a-password", 36),
    ] {
        suite.case(
            format!("handshake/request-cut-after-{name}-is-closed-without-a-byte"),
            move |case| {
                let mut socket = case.socket()?;
                let whole = Connect::default().body();
                let cut = crate::wire::bytes::Body::new().raw(&whole.0[..keep]);
                socket.send(&cut.framed())?;
                socket.closed()
            },
        );
    }
    suite.case(
        "handshake/password-with-a-huge-length-is-closed-without-a-byte",
        |case| {
            let mut socket = case.socket()?;
            let body = crate::wire::bytes::Body::new()
                .i32(0)
                .i64(0)
                .i32(30_000)
                .i64(0)
                .i32(i32::MAX)
                .raw(&[0; 17]);
            socket.send(&body.framed())?;
            socket.closed()
        },
    );
    suite.case("handshake/closing-before-the-answer-harms-nobody", |case| {
        for _ in 0..20 {
            case.socket()?.send(&Connect::default().body().framed())?;
        }
        case.client()?.ping().map(drop)
    });
}

fn shape(case: &Case, read_only: Option<bool>, request_len: usize, response_len: usize) -> Outcome {
    let connect = Connect {
        read_only,
        ..Connect::default()
    };
    expect("request length", connect.body().0.len(), request_len)?;
    let mut client = case.client_with(&connect)?;
    expect("response length", client.connected.len, response_len)?;
    expect("protocol version", client.connected.protocol_version, 0)?;
    expect("password length", client.connected.password.len(), 16)?;
    expect(
        "read-only flag",
        client.connected.read_only,
        read_only.map(|_| false),
    )?;
    client.make(&case.at("written"), b"", 0).map(drop)
}

/// A refusal tells every kind of client: time-out 0, session 0, 16 zero bytes; then the end.
fn refused(case: &Case, connect: &Connect, len: usize) -> Outcome {
    let mut socket = case.socket()?;
    let answer = socket.handshake(connect)?;
    let read_only = (len == 37).then_some(false);
    let refusal = Connected {
        protocol_version: 0,
        timeout_ms: 0,
        session: 0,
        password: vec![0; 16],
        read_only,
        len,
    };
    expect("refusal", answer, refusal)?;
    socket.closed()
}

fn client_ahead_keeps_session(case: &Case) -> Outcome {
    let connect = case.client()?.disconnect();
    let mut socket = case.socket()?;
    socket.send(
        &Connect {
            last_zxid: i64::MAX - 1,
            ..connect.clone()
        }
        .body()
        .framed(),
    )?;
    socket.closed()?;
    expect(
        "session",
        case.client_with(&connect)?.session(),
        connect.session,
    )
}

fn pipelined_requests(case: &Case) -> Outcome {
    let path = case.at("a");
    let mut burst = Connect::default().body().framed();
    burst.extend(create(&path, b"one", 0).framed(1));
    burst.extend(set_data(&path, b"two", 0).framed(2));
    burst.extend(get_data(&path, false).framed(3));
    let mut socket = case.socket()?;
    socket.send(&burst)?;
    let connected = Connected::read(&socket.frame()?)?;
    let mut client = crate::wire::raw_client::RawClient::over(socket, connected);
    for xid in 1..=2 {
        let reply = client.reply()?;
        expect("xid", reply.xid, xid)?;
        reply.ok()?;
    }
    let (data, _) = client.reply()?.data_and_stat()?;
    expect("data", data, Some(b"two".to_vec()))
}

fn byte_by_byte(case: &Case) -> Outcome {
    let mut bytes = Connect::default().body().framed();
    bytes.extend(exists(&case.root, false).framed(1));
    bytes.extend(close_session().framed(2));
    let mut socket = case.socket()?;
    for byte in bytes {
        socket.send(&[byte])?;
    }
    ensure(Connected::read(&socket.frame()?)?.session != 0, "a session")?;
    let replies = [socket.frame()?, socket.frame()?];
    for (frame, xid) in replies.iter().zip([1, 2]) {
        let Frame::Reply(Reply { xid: got, err, .. }) = Frame::read(frame)? else {
            continue;
        };
        expect("xid and err", (got, err), (xid, 0))?;
    }
    expect(
        "header of the close reply",
        Reader::new(&replies[1]).left(),
        16,
    )?;
    socket.closed()
}

fn reconnect(case: &Case) -> Outcome {
    let mut first = case.client()?;
    first.make(&case.at("e"), b"", 1)?;
    let connect = first.disconnect();
    let mut second = case.client_with(&connect)?;
    expect("session", second.session(), connect.session)?;
    expect(
        "password",
        Some(second.connected.password.clone()),
        connect.password,
    )?;
    let stat = second.call(&exists(&case.at("e"), false))?.stat()?;
    expect("ephemeralOwner", stat.ephemeral_owner, second.session())
}

fn wrong_password_and_live_connection(case: &Case) -> Outcome {
    let mut live = case.client()?;
    refused(
        case,
        &Connect {
            password: Some(vec![1; 16]),
            ..live.reconnect()
        },
        37,
    )?;
    // Apache ZooKeeper closes the live connection before it looks at the password.
    if case.on(true, false) {
        live.abandon();
        return live.socket.closed();
    }
    live.ping().map(drop)
}
