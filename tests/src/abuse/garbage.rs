//! Bytes that are no frames, frames that are no requests, requests that end early.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::Frame;
use crate::wire::request::{
    Request, create, create_with_acl, delete, exists, get_acl, get_children, get_data, multi,
    open_acl, set_acl, set_data, set_watches,
};
use crate::wire::socket::Connect;
use crate::wire::suite::Suite;
use crate::wire::target::Case;

use super::abuse;

/// A stream of bytes that is the same on every run (xorshift).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    abuse(suite, "garbage/handshakes-cut-at-every-byte", |case| {
        let whole = Connect::default().body().framed();
        for keep in 0..whole.len() {
            case.socket()?.send(&whole[..keep])?;
        }
        Ok(())
    });
    abuse(
        suite,
        "garbage/requests-cut-at-every-byte-then-closed",
        |case| {
            let whole = multi(&[
                create(&case.at("n"), b"data", 0),
                set_data(&case.at("n"), b"x", 0),
            ])
            .framed(1);
            for keep in 1..whole.len() {
                let mut client = case.client()?;
                client.abandon();
                client.socket.send(&whole[..keep])?;
            }
            case.client()?
                .call(&exists(&case.at("n"), false))?
                .refused(-101)
        },
    );
    abuse(
        suite,
        "garbage/bodies-cut-at-every-byte-are--5-each",
        |case| {
            let mut client = case.client()?;
            for request in [
                create(&case.at("n"), b"data", 0),
                multi(&[create(&case.at("n"), b"", 0), delete(&case.at("n"), 0)]),
                set_watches(0, &["/a"], &["/b"], &["/c"]),
                set_acl(&case.root, &open_acl(), 0),
            ] {
                for keep in 0..request.body.0.len() {
                    client
                        .call(&Request::new(
                            request.op,
                            Body::new().raw(&request.body.0[..keep]),
                        ))?
                        .refused(-5)?;
                }
            }
            client.ping().map(drop)
        },
    );
    abuse(suite, "garbage/noise-as-first-bytes", |case| {
        let mut noise = Noise(0x7ee1_2026);
        for round in 0..500 {
            let mut socket = case.socket()?;
            socket.send_if_open(&noise.bytes(1 + round % 200));
        }
        Ok(())
    });
    abuse(
        suite,
        "garbage/noise-as-handshake-in-a-right-frame",
        |case| {
            let mut noise = Noise(0x7ee1_2027);
            for round in 0..500 {
                let mut socket = case.socket()?;
                socket.send_if_open(&Body::new().raw(&noise.bytes(1 + round % 80)).framed());
                // Whatever it was taken for, it is answered or closed at once.
                if round % 10 == 0 && round % 80 >= 28 {
                    drop(socket.frame_or_end()?);
                }
            }
            Ok(())
        },
    );
    abuse(suite, "garbage/noise-as-bodies-of-every-op", |case| {
        let mut noise = Noise(0x7ee1_2028);
        let ops = [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 18, 19, 21, 22, 101, 103, 104, 105, 106,
        ];
        let mut client = case.client()?;
        for round in 0..2000 {
            let op = ops[round % ops.len()];
            let body = Body::new().raw(&noise.bytes(round % 97));
            let reply = client.call(&Request::new(op, body))?;
            let known = [0, -5, -8, -101, -103, -110, -114, -121, -123];
            ensure(
                known.contains(&reply.err),
                format!("one of {known:?} for op {op}, got {}", reply.err),
            )?;
        }
        Ok(())
    });
    abuse(suite, "garbage/noise-behind-the-handshake", |case| {
        let mut noise = Noise(0x7ee1_2029);
        for round in 0..300 {
            let mut client = case.client()?;
            if round % 2 == 0 {
                client.socket.send_if_open(&noise.bytes(1 + round));
            } else {
                client
                    .socket
                    .send_if_open(&Body::new().raw(&noise.bytes(8 + round)).framed());
            }
        }
        Ok(())
    });
    abuse(suite, "garbage/paths-that-are-not-utf-8", not_utf8);
    abuse(suite, "garbage/acls-and-auth-that-are-not-utf-8", |case| {
        let bad: &[u8] = &[0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80];
        let mut client = case.client()?;
        let acl = Body::new()
            .str(&case.at("n"))
            .buf(None)
            .i32(1)
            .i32(31)
            .buf(Some(bad))
            .buf(Some(bad))
            .i32(0);
        let err = client.call(&Request::new(1, acl))?.err;
        ensure(err == -114 || err == -5, format!("-114 or -5, got {err}"))?;
        client
            .call(&crate::wire::request::auth("digest", bad))?
            .bare()?;
        client
            .call(&create_with_acl(
                &case.at("m"),
                &[crate::wire::reply::Acl::new(31, "auth", "")],
            ))?
            .path()?;
        client.call(&get_acl(&case.at("m")))?.acl_and_stat()?;
        client.ping().map(drop)
    });
    abuse(suite, "garbage/half-closed-connections", |case| {
        for _ in 0..200 {
            let mut client = case.client()?;
            client.abandon();
            client.send(&get_data(&case.root, true))?;
            client.socket.stream().shutdown(std::net::Shutdown::Write)?;
        }
        Ok(())
    });
    abuse(suite, "garbage/unread-replies-and-a-reset", |case| {
        let data = vec![b'x'; 100_000];
        case.client()?
            .call(&set_data(&case.root, &data, -1))?
            .stat()?;
        for _ in 0..200 {
            // A socket that is dropped with bytes unread resets the connection.
            let mut client = case.client()?;
            client.abandon();
            for _ in 0..5 {
                client.send(&get_data(&case.root, true))?;
            }
        }
        Ok(())
    });
    abuse(suite, "garbage/on-the-admin-port", |case| {
        if !case.has_admin() {
            return Ok(());
        }
        let mut noise = Noise(0x7ee1_2030);
        for round in 0..100 {
            let mut socket = case.admin_socket()?;
            socket.send_if_open(&noise.bytes(1 + round));
        }
        let mut endless = case.admin_socket()?;
        endless.send_if_open(b"GET /commands/ruok HTTP/1.1\r\n");
        for _ in 0..2000 {
            endless.send_if_open(&[&b"X-Filler: "[..], &[b'x'; 1000], b"\r\n"].concat());
        }
        expect(
            "status of an honest request",
            case.admin("/commands/ruok")?.0,
            200,
        )
    });
}

fn not_utf8(case: &Case) -> Outcome {
    let bads: [&[u8]; 6] = [
        &[0xff, 0xfe],
        &[0xc0, 0x80],
        &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
        &[0xf4, 0x90, 0x80, 0x80],
        &[0xe2, 0x82],
        &[0x80],
    ];
    let mut client = case.client()?;
    for bad in bads {
        let mut path = case.at("").into_bytes();
        path.extend_from_slice(bad);
        let path = Body::new().buf(Some(&path));
        for (op, rest) in [
            (1, Body::new().null().acls(&open_acl()).i32(0)),
            (2, Body::new().i32(-1)),
            (3, Body::new().bool(true)),
            (4, Body::new().bool(true)),
            (5, Body::new().null().i32(-1)),
            (6, Body::new()),
            (7, Body::new().acls(&open_acl()).i32(-1)),
            (8, Body::new().bool(true)),
            (12, Body::new().bool(true)),
            (104, Body::new()),
        ] {
            let reply = client.call(&Request::new(op, path.clone().raw(&rest.0)))?;
            ensure(
                matches!(reply.err, -5 | -8 | -101),
                format!("-5, -8 or -101 for op {op}, got {}", reply.err),
            )?;
        }
        for (op, rest) in [
            (106, Body::new().i32(1)),
            (9, Body::new()),
            (103, Body::new()),
        ] {
            client.send(&Request::new(op, path.clone().raw(&rest.0)))?;
            let Frame::Reply(reply) = Frame::read(&client.socket.frame()?)? else {
                continue;
            };
            ensure(
                matches!(reply.err, 0 | -5 | -8),
                format!("0, -5 or -8 for op {op}, got {}", reply.err),
            )?;
        }
    }
    // None of it has left anything behind.
    let names = client.call(&get_children(&case.root, false))?.children()?;
    ensure(
        names.iter().all(|name| name.starts_with("probe")),
        format!("no odd names, got {names:?}"),
    )?;
    Ok(())
}
