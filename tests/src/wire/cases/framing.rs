//! Frames that are too short, too long or not frames at all, before and after the handshake.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, expect};
use crate::wire::request::{create, get_data, set_data};
use crate::wire::socket::Connect;
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// The longest payload that a server takes by default.
const FRAME_LEN_MAX: usize = 1_048_575;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (name, bytes) in [
        ("an-http-request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "a-tls-hello",
            vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01],
        ),
        ("zero-length", vec![0, 0, 0, 0]),
        ("length-minus-1", (-1_i32).to_be_bytes().to_vec()),
        ("length-minimum", i32::MIN.to_be_bytes().to_vec()),
        ("length-maximum", i32::MAX.to_be_bytes().to_vec()),
        ("length-1048576", 1_048_576_i32.to_be_bytes().to_vec()),
        (
            "an-unknown-word",
            b"ruok".map(|byte| byte.to_ascii_uppercase()).to_vec(),
        ),
    ] {
        let first = bytes.clone();
        suite.case(
            format!("framing/first-bytes-{name}-are-closed-without-a-byte"),
            move |case| {
                let mut socket = case.socket()?;
                socket.send(&first)?;
                socket.closed()
            },
        );
        suite.case(
            format!("framing/{name}-behind-the-handshake-closes"),
            move |case| {
                let mut client = case.client()?;
                client.abandon();
                client.socket.send(&bytes)?;
                client.socket.closed()
            },
        );
    }
    suite.case("framing/words-behind-the-handshake-close", |case| {
        for word in ["ruok", "srvr", "mntr"] {
            let mut client = case.client()?;
            client.abandon();
            client.socket.send(word.as_bytes())?;
            client.socket.closed()?;
        }
        Ok(())
    });
    suite.case("framing/request-of-1048575-bytes-is-taken", |case| {
        limit(case, FRAME_LEN_MAX, true)
    });
    suite.case("framing/request-of-1048576-bytes-closes", |case| {
        limit(case, FRAME_LEN_MAX + 1, false)
    });
    suite.case("framing/reply-may-be-longer-than-a-request", long_reply);
    for at_once in [false, true] {
        let how = if at_once {
            "sent-at-once"
        } else {
            "sent-one-by-one"
        };
        suite.case(
            format!("framing/100-MB-of-pipelined-replies-to-reads-{how}-arrive-in-order"),
            move |case| pipelined_reads(case, at_once),
        );
    }
    suite.case("framing/requests-before-a-bad-frame-are-served", |case| {
        let mut client = case.client()?;
        client.abandon();
        client.make(&case.at("a"), b"x", 0)?;
        client
            .socket
            .send(&set_data(&case.at("a"), b"y", -1).framed(8))?;
        client.reply()?.stat()?;
        client.socket.send(&[0, 0, 0, 0])?;
        client.socket.closed()?;
        let (data, _) = case
            .client()?
            .call(&get_data(&case.at("a"), false))?
            .data_and_stat()?;
        expect("data", data, Some(b"y".to_vec()))
    });
    suite.case("framing/session-outlives-a-bad-frame", |case| {
        let mut client = case.client()?;
        client.abandon();
        client.make(&case.at("e"), b"", 1)?;
        client.socket.send(&(-1_i32).to_be_bytes())?;
        client.socket.closed()?;
        let mut again = case.client_with(&client.reconnect())?;
        again
            .call(&get_data(&case.at("e"), false))?
            .data_and_stat()
            .map(drop)
    });
    for len in 1..8 {
        suite.case(
            format!("framing/payload-of-{len}-bytes-has-no-header-and-closes"),
            move |case| {
                let mut client = case.client()?;
                client.abandon();
                client
                    .socket
                    .send(&Body::new().raw(&vec![0; len]).framed())?;
                client.socket.closed()
            },
        );
    }
    suite.case("framing/request-in-single-bytes-is-served", |case| {
        let mut client = case.client()?;
        for byte in create(&case.at("a"), b"", 0).framed(5) {
            client.socket.send(&[byte])?;
        }
        expect("path", client.reply()?.path()?, case.at("a"))
    });
    suite.case("framing/two-handshakes-on-one-connection-close", |case| {
        let mut client = case.client()?;
        client.abandon();
        // Read as a request, the second one has xid 0 and op 0, which is no op.
        client.socket.send(&Connect::default().body().framed())?;
        let reply = client.reply()?;
        expect(
            "xid, zxid, err",
            (reply.xid, reply.zxid, reply.err),
            (0, -1, -6),
        )?;
        client.socket.closed()
    });
}

/// A setData whose payload has exactly `len` bytes.
fn limit(case: &Case, len: usize, is_taken: bool) -> Outcome {
    let path = case.at("a");
    let mut client = case.client()?;
    client.make(&path, b"", 0)?;
    let around = set_data(&path, b"", -1).framed(1).len() - 4;
    let data = vec![b'x'; len - around];
    let request = set_data(&path, &data, -1);
    expect("payload length", request.framed(1).len() - 4, len)?;
    if is_taken {
        let stat = client.call(&request)?.stat()?;
        expect(
            "dataLength",
            usize::try_from(stat.data_length).ok(),
            Some(data.len()),
        )?;
        let (back, _) = client.call(&get_data(&path, false))?.data_and_stat()?;
        return expect("data is what was set", back == Some(data), true);
    }
    client.abandon();
    client.socket.send_if_open(&request.framed(1));
    client.socket.closed()
}

/// A thousand reads of 100 kB by a client that reads its replies.
fn pipelined_reads(case: &Case, at_once: bool) -> Outcome {
    let (mut client, count, len) = (case.client()?, 1000, 100_000);
    let path = case.at("large");
    client.make(&path, &vec![b'x'; len], 0)?;
    let requests = (2..count + 2).map(|xid| get_data(&path, false).framed(xid));
    if at_once {
        client.socket.send(&requests.collect::<Vec<_>>().concat())?;
    } else {
        for request in requests {
            client.socket.send(&request)?;
        }
    }
    for xid in 2..count + 2 {
        let reply = client.reply()?;
        expect("xid", reply.xid, xid)?;
        let got = reply.data_and_stat()?.0.map(|data| data.len());
        expect("length of the data", got, Some(len))?;
    }
    Ok(())
}

fn long_reply(case: &Case) -> Outcome {
    let mut client = case.client()?;
    let name = "n".repeat(100_000);
    let count = 14;
    for index in 0..count {
        client.make(&case.at(&format!("{name}{index}")), b"", 0)?;
    }
    let reply = client.call(&crate::wire::request::get_children(&case.root, false))?;
    expect(
        "a reply above the request limit",
        reply.body.len() > FRAME_LEN_MAX,
        true,
    )?;
    expect("number of names", reply.children()?.len(), count)
}
