//! auth and whoAmI: identities of a connection.

use crate::wire::bytes::Body;
use crate::wire::outcome::expect;
use crate::wire::request::{Request, auth, exists, who_am_i};
use crate::wire::suite::Suite;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (name, scheme, credentials, identities) in [
        (
            "digest",
            "digest",
            &b"bob:pw"[..],
            &["digest:bob", "ip:127.0.0.1"][..],
        ),
        (
            "digest-without-a-colon",
            "digest",
            b"nocolon",
            &["digest:nocolon", "ip:127.0.0.1"],
        ),
        (
            "super",
            "digest",
            b"super:secret",
            &["digest:super", "ip:127.0.0.1", "super:"],
        ),
        (
            "ip-which-changes-nothing",
            "ip",
            b"9.9.9.9",
            &["ip:127.0.0.1"],
        ),
    ] {
        suite.case(format!("auth/{name}-shows-in-whoAmI"), move |case| {
            let mut client = case.client()?;
            client.call(&auth(scheme, credentials))?.bare()?;
            let expected: Vec<_> = identities.iter().map(ToString::to_string).collect();
            expect(
                "identities",
                client.call(&who_am_i())?.identities()?,
                expected,
            )
        });
    }
    suite.case("auth/whoAmI-of-a-new-connection-is-its-address", |case| {
        expect(
            "identities",
            case.client()?.call(&who_am_i())?.identities()?,
            vec!["ip:127.0.0.1".to_owned()],
        )
    });
    suite.case(
        "auth/several-accumulate-and-the-same-one-counts-once",
        |case| {
            let mut client = case.client()?;
            for credentials in [&b"bob:pw"[..], b"alice:secret", b"bob:pw"] {
                client.call(&auth("digest", credentials))?.bare()?;
            }
            let expected = ["digest:alice", "digest:bob", "ip:127.0.0.1"]
                .map(str::to_owned)
                .to_vec();
            expect(
                "identities",
                client.call(&who_am_i())?.identities()?,
                expected,
            )
        },
    );
    for xid in [-4, 3, 0] {
        suite.case(
            format!("auth/success-echoes-xid-{xid}-with-zxid-0"),
            move |case| {
                let reply = case.client()?.call_as(xid, &auth("digest", b"a:b"))?;
                expect("xid, zxid", (reply.xid, reply.zxid), (xid, 0))?;
                reply.bare()
            },
        );
        suite.case(
            format!("auth/unknown-scheme-is--115-for-xid-{xid}-then-the-end"),
            move |case| {
                let mut client = case.client()?;
                client.abandon();
                let reply = client.call_as(xid, &auth("nosuch", b"a:b"))?;
                expect("xid, zxid", (reply.xid, reply.zxid), (xid, 0))?;
                reply.refused(-115)?;
                client.socket.closed()
            },
        );
    }
    for scheme in ["world", "super", "auth", "", "Digest"] {
        suite.case(
            format!("auth/scheme-{scheme:?}-is--115-then-the-end"),
            move |case| {
                let mut client = case.client()?;
                client.abandon();
                client.call(&auth(scheme, b"anyone"))?.refused(-115)?;
                client.socket.closed()
            },
        );
    }
    suite.case(
        "auth/failure-leaves-the-session-for-a-new-connection",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("e"), b"", 1)?;
            client.abandon();
            client.call(&auth("nosuch", b""))?.refused(-115)?;
            client.socket.closed()?;
            let mut back = case.client_with(&client.reconnect())?;
            expect(
                "owner",
                back.call(&exists(&case.at("e"), false))?
                    .stat()?
                    .ephemeral_owner,
                back.session(),
            )
        },
    );
    suite.case("auth/type-is-ignored", |case| {
        let body = Body::new().i32(77).str("digest").buf(Some(b"a:b"));
        case.client()?.call(&Request::new(100, body))?.bare()
    });
    suite.case("auth/of-one-connection-is-not-of-another", |case| {
        let (mut one, mut two) = (case.client()?, case.client()?);
        one.call(&auth("digest", b"bob:pw"))?.bare()?;
        expect(
            "identities",
            two.call(&who_am_i())?.identities()?,
            vec!["ip:127.0.0.1".to_owned()],
        )
    });
}
