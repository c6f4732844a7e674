//! Clients that take their time: to shake hands, to finish a frame, to read.

use std::time::{Duration, Instant};

use crate::wire::outcome::{Outcome, ensure, expect};
use crate::wire::reply::Frame;
use crate::wire::request::{add_watch, create, get_data, set_data};
use crate::wire::socket::{Connect, Socket};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

use super::abuse;

/// Bytes of data in the znode that is read over and over.
const DATA_LEN: usize = 100_000;
/// How many times, so that 100 MB of replies are due.
const READS: i32 = 1_000;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    abuse(suite, "slow/500-silent-connections-are-dropped", |case| {
        dropped(
            case,
            (0..500)
                .map(|_| case.socket())
                .collect::<Outcome<Vec<_>>>()?,
        )
    });
    abuse(
        suite,
        "slow/500-handshakes-that-stop-half-way-are-dropped",
        |case| {
            let whole = Connect::default().body().framed();
            let mut sockets = Vec::new();
            for index in 0..500 {
                let mut socket = case.socket()?;
                socket.send(&whole[..1 + index % (whole.len() - 1)])?;
                sockets.push(socket);
            }
            dropped(case, sockets)
        },
    );
    abuse(suite, "slow/handshakes-of-a-byte-at-a-time", |case| {
        let whole = Connect::default().body().framed();
        let mut sockets = (0..100)
            .map(|_| case.socket())
            .collect::<Outcome<Vec<_>>>()?;
        for byte in &whole {
            for socket in &mut sockets {
                socket.send(&[*byte])?;
            }
            crate::wire::pace::pace(Duration::from_millis(20));
        }
        for socket in &mut sockets {
            expect("length of the response", socket.frame()?.len(), 37)?;
        }
        Ok(())
    });
    abuse(suite, "slow/100-MB-of-replies-that-nobody-reads", |case| {
        unread_replies(case, true)
    });
    abuse(suite, "slow/100-MB-of-replies-and-then-gone", |case| {
        unread_replies(case, false)
    });
    abuse(suite, "slow/20-MB-of-events-that-nobody-reads", |case| {
        let mut lazy = case.client()?;
        let root = case.at("d");
        lazy.make(&root, b"", 0)?;
        lazy.call(&add_watch(&root, 1))?.number()?;
        let long = format!("{root}/{}", "n".repeat(1000));
        let mut writer = case.client()?;
        writer.make(&long, b"", 0)?;
        for _ in 0..20 {
            for _ in 0..1000 {
                writer.send(&set_data(&long, b"", -1))?;
            }
            for _ in 0..1000 {
                writer.reply()?.stat()?;
            }
        }
        // The lazy one now reads: its events in order, or the end of its connection.
        let mut zxid = 0;
        for _ in 0..=20_000 {
            let Some(frame) = lazy.socket.frame_or_end()? else {
                return Ok(());
            };
            let Frame::Event(event) = Frame::read(&frame)? else {
                return ensure(false, "an event");
            };
            ensure(
                event.zxid > zxid,
                format!("events in order, got {} behind {zxid}", event.zxid),
            )?;
            zxid = event.zxid;
        }
        Ok(())
    });
    abuse(suite, "slow/frame-that-never-ends", |case| {
        // A large frame trickles in; its session lives by its time-out alone.
        let mut client = case.client_for(2000)?;
        client.abandon();
        client.make(&case.at("e"), b"", 1)?;
        let frame = create(&case.at("n"), &vec![b'x'; 900_000], 0).framed(9);
        client.socket.send(&frame[..10])?;
        client.socket.send(&frame[10..500_000])?;
        client.socket.closed()?;
        case.until("the ephemeral's end", Duration::from_secs(20), || {
            Ok(case
                .client()?
                .call(&crate::wire::request::exists(&case.at("e"), false))?
                .err
                == -101)
        })
    });
}

/// The server closes all of these by itself, some ten seconds after they came.
fn dropped(case: &Case, sockets: Vec<Socket>) -> Outcome {
    let begin = Instant::now();
    for mut socket in sockets {
        socket.closed_within(Duration::from_secs(40).saturating_sub(begin.elapsed()))?;
    }
    case.client()?.ping().map(drop)
}

/// Asks for 100 MB, reads nothing for a while, then everything or not at all.
fn unread_replies(case: &Case, reads_at_last: bool) -> Outcome {
    let path = case.at("large");
    let data = vec![b'x'; DATA_LEN];
    let mut greedy = case.client_for(60_000)?;
    greedy.abandon();
    greedy.make(&path, &data, 0)?;
    for _ in 0..READS {
        greedy.send(&get_data(&path, false))?;
    }
    // Others are served meanwhile: the probe, and this one, for a thousand writes.
    let mut other = case.client()?;
    for _ in 0..1000 {
        other.call(&set_data(&case.root, b"", -1))?.stat()?;
    }
    if !reads_at_last {
        return Ok(());
    }
    for index in 0..READS {
        let Some(frame) = greedy.socket.frame_or_end()? else {
            return Ok(());
        };
        let Frame::Reply(reply) = Frame::read(&frame)? else {
            return ensure(false, "a reply");
        };
        expect("xid", reply.xid, index + 2)?;
        expect(
            "length of the data",
            reply.data_and_stat()?.0.map(|data| data.len()),
            Some(DATA_LEN),
        )?;
    }
    Ok(())
}
