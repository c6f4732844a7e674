//! What a server without an ensemble, without SASL and without reconfig answers to those operations.

use crate::wire::bytes::Body;
use crate::wire::outcome::expect;
use crate::wire::request::{Request, auth, get_data};
use crate::wire::suite::Suite;
use crate::wire::target::Server;

/// A reconfig request.
fn reconfig(
    joining: Option<&str>,
    leaving: Option<&str>,
    members: Option<&str>,
    from: i64,
) -> Request {
    let text = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    let body = Body::new()
        .buf(text(joining).as_deref())
        .buf(text(leaving).as_deref())
        .buf(text(members).as_deref())
        .i64(from);
    Request::new(16, body)
}

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (name, request) in [
        (
            "joining",
            reconfig(Some("server.2=h:1:2;3"), None, None, -1),
        ),
        ("leaving", reconfig(None, Some("1"), None, -1)),
        (
            "members",
            reconfig(None, None, Some("server.1=h:1:2;3"), -1),
        ),
        ("nothing", reconfig(None, None, None, -1)),
        ("nonsense", reconfig(Some("%%%"), Some("x"), Some(""), 77)),
    ] {
        let plain = request.clone();
        suite.case(
            format!("standalone/reconfig-with-{name}-is-disabled--123"),
            move |case| case.client()?.call(&plain)?.refused(-123),
        );
        suite.case(
            format!("standalone/reconfig-with-{name}-by-super-is-disabled--123"),
            move |case| {
                let mut client = case.client()?;
                client.call(&auth("digest", b"super:secret"))?.bare()?;
                client.call(&request)?.refused(-123)?;
                client.ping().map(drop)
            },
        );
    }
    suite.case("standalone/reconfig-cut-short-is--5", |case| {
        case.client()?
            .call(&Request::new(16, Body::new().null().null()))?
            .refused(-5)
    });
    suite.case("standalone/config-is-empty-and-readable", |case| {
        let (data, stat) = case
            .client()?
            .call(&get_data("/zookeeper/config", true))?
            .data_and_stat()?;
        expect(
            "data, dataLength, version",
            (data, stat.data_length, stat.version),
            (Some(vec![]), 0, 0),
        )
    });
    for (name, token) in [
        ("null", None),
        ("empty", Some(&b""[..])),
        ("some", Some(&b"token"[..])),
    ] {
        suite.case(
            format!("standalone/sasl-with-{name}-token-without-sasl-is-a-null-token"),
            move |case| {
                let mut client = case.client()?;
                // Apache ZooKeeper stumbles over a null token and closes.
                if token.is_none() && case.target.server == Server::ZooKeeper {
                    client.abandon();
                    client.send(&Request::new(102, Body::new().null()))?;
                    return client.socket.closed();
                }
                let reply = client.call(&Request::new(102, Body::new().buf(token)))?;
                let mut body = reply.ok()?;
                expect("token", body.buf()?, None)?;
                body.end()?;
                client.ping().map(drop)
            },
        );
    }
}
