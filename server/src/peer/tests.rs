//! Links between two ends of this process, and what strangers send.

mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::frame::{self, FRAME_BYTES_MAX, Frame, FrameError};
use super::hello::{Hello, MAGIC, VERSION, VERSION_MIN, Welcome};
use super::*;

const ECHO: u8 = 1;
const REFUSE: u8 = 2;

/// Echoes, and refuses.
struct Echo;

impl Service for Echo {
    fn ended(&self, _from: &Identity) {}

    fn accept(&self, from: &Identity, kind: u8, body: Bytes) -> Answer {
        let from = from.my_id;
        Box::pin(async move {
            match kind {
                ECHO => Ok(body),
                _ => Err(format!("server {from} asks too much")),
            }
        })
    }
}

fn identity(my_id: u8) -> Identity {
    Identity {
        my_id,
        node_id: 100 + u64::from(my_id),
        cluster_id: 0,
        formed: false,
        lines: 7,
        rules: 1,
    }
}

/// A member that listens; its port, and what it says of itself.
async fn member(identity: Identity) -> (u16, Arc<Local>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let local = Arc::new(Local::new(identity));
    tokio::spawn(listen(listener, Arc::clone(&local), Arc::new(Echo)));
    (port, local)
}

fn target(port: u16, node_id: u64) -> Target {
    Target {
        node_id,
        addresses: vec![("127.0.0.1".to_owned(), port)],
    }
}

#[tokio::test]
async fn requests_are_answered_in_any_number_and_refusals_say_why() {
    let (port, _) = member(identity(1)).await;
    let local = Arc::new(Local::new(identity(2)));
    assert_eq!(probe(&local, &target(port, 0)).await, Ok(identity(1)));
    let link = Link::open(local, target(port, 101));
    let large = Bytes::from(vec![7; 3 << 20]);
    assert_eq!(link.call(ECHO, large.clone()).await, Ok(large));
    let calls = (0..200_u8).map(|number| link.call(ECHO, Bytes::from(vec![number])));
    let answers = futures::future::join_all(calls).await;
    for (number, answer) in (0..).zip(answers) {
        assert_eq!(answer, Ok(Bytes::from(vec![number])));
    }
    assert_eq!(
        link.call(REFUSE, Bytes::new()).await,
        Err(LinkError::Refused("server 2 asks too much".to_owned()))
    );
}

#[tokio::test]
async fn nobody_is_there_when_every_address_refuses() {
    let (port, _) = member(identity(1)).await;
    assert!(!is_refused(&target(port, 0)).await);
    // Bound, so that nobody else gets it, and not listening.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    bound.bind(&any.into()).unwrap();
    let closed = bound.local_addr().unwrap().as_socket().unwrap().port();
    assert!(is_refused(&target(closed, 0)).await);
    let mut either = target(closed, 0);
    either.addresses.extend(target(port, 0).addresses);
    assert!(!is_refused(&either).await);
    either.addresses.clear();
    assert!(!is_refused(&either).await, "nobody knows where it is");
}

#[tokio::test]
async fn who_does_not_belong_here_is_told_why() {
    let (port, local) = member(identity(1)).await;
    local.belongs_to(5);
    let refused = |other: Identity, node_id| async move {
        let link = Link::open(Arc::new(Local::new(other)), target(port, node_id));
        match link.call(ECHO, Bytes::new()).await {
            Err(LinkError::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    let foreign = Identity {
        cluster_id: 6,
        ..identity(2)
    };
    assert!(refused(foreign, 0).await.contains("belongs to ensemble"));
    let twin = Identity {
        node_id: 999,
        ..identity(1)
    };
    assert!(
        refused(twin, 0)
            .await
            .contains("two members say that they are server 1")
    );
    assert!(
        refused(identity(2), 102)
            .await
            .contains("another data folder")
    );
}

#[tokio::test]
async fn a_stranger_is_cut_off_and_harms_nobody() {
    let (port, _) = member(identity(1)).await;
    let link = Link::open(Arc::new(Local::new(identity(2))), target(port, 0));
    assert!(link.call(ECHO, Bytes::new()).await.is_ok());
    let mut wrong_length = BytesMut::from(&MAGIC[..]);
    wrong_length.extend_from_slice(&[0xff; 64]);
    let mut flipped = BytesMut::from(&MAGIC[..]);
    let hello = Hello {
        versions: (VERSION_MIN, VERSION),
        from: identity(3),
        wanted: 0,
    };
    frame::put(&mut flipped, 0, 0, &hello.encode());
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &wrong_length, &flipped] {
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stranger.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        // Closed, or reset as not everything was read.
        let _ = stranger.read_to_end(&mut said).await;
        assert!(said.is_empty());
        assert!(link.call(ECHO, Bytes::new()).await.is_ok());
    }
}

#[tokio::test]
async fn a_link_fails_its_requests_when_the_other_end_goes_and_finds_it_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let local = Arc::new(Local::new(identity(1)));
    let serving = tokio::spawn(listen(listener, Arc::clone(&local), Arc::new(Echo)));
    let link = Link::open(Arc::new(Local::new(identity(2))), target(port, 101));
    assert!(link.call(ECHO, Bytes::new()).await.is_ok());
    serving.abort();
    assert!(serving.await.is_err());
    while link.call(ECHO, Bytes::new()).await.is_ok() {}
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(listen(listener, local, Arc::new(Echo)));
    while link.call(ECHO, Bytes::new()).await.is_err() {}
}

#[test]
fn a_release_without_a_common_version_is_refused() {
    let hello = Hello {
        versions: (VERSION + 1, VERSION + 3),
        from: identity(2),
        wanted: 0,
    };
    assert!(
        hello
            .check(&identity(1))
            .unwrap_err()
            .contains("one release at a time")
    );
    let newer = Hello {
        versions: (VERSION, VERSION + 3),
        ..hello
    };
    assert_eq!(newer.check(&identity(1)), Ok(VERSION));
}

#[tokio::test]
async fn a_link_goes_to_where_its_member_is_now() {
    let (old_port, _) = member(identity(2)).await;
    let (port, _) = member(identity(3)).await;
    let at = |port| vec![("127.0.0.1".to_owned(), port)];
    // Somebody else is where the member was.
    let target = Target {
        node_id: identity(3).node_id,
        addresses: at(old_port),
    };
    let link = Link::open(Arc::new(Local::new(identity(1))), target);
    let answer = link.call(ECHO, Bytes::from_static(b"a")).await;
    assert!(matches!(answer, Err(LinkError::Refused(_))), "{answer:?}");
    link.follow(at(port));
    let answer = link.call(ECHO, Bytes::from_static(b"b")).await;
    assert_eq!(answer, Ok(Bytes::from_static(b"b")));
    // Of several addresses the one where it is.
    let target = Target {
        node_id: identity(3).node_id,
        addresses: [at(old_port), at(port)].concat(),
    };
    let link = Link::open(Arc::new(Local::new(identity(1))), target);
    let answer = link.call(ECHO, Bytes::from_static(b"c")).await;
    assert_eq!(answer, Ok(Bytes::from_static(b"c")));
}

proptest! {
    #[test]
    fn frames_are_taken_as_they_were_put_however_they_are_cut(
        frames in prop::collection::vec((any::<u8>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
        cut in 1..30_usize,
    ) {
        let mut sent = BytesMut::new();
        for (kind, id, body) in &frames {
            frame::put(&mut sent, *kind, *id, body);
        }
        let (mut received, mut taken) = (BytesMut::new(), Vec::new());
        for piece in sent.chunks(cut) {
            received.extend_from_slice(piece);
            while let Some(frame) = frame::take(&mut received, FRAME_BYTES_MAX).unwrap() {
                taken.push(frame);
            }
        }
        let expected: Vec<_> = frames.into_iter().map(|(kind, id, body)| Frame { kind, id, body: body.into() }).collect();
        prop_assert_eq!(taken, expected);
    }

    #[test]
    fn a_flipped_bit_is_seen(body in prop::collection::vec(any::<u8>(), 0..40), at in 32_usize.., kind: u8, id: u64) {
        let mut sent = BytesMut::new();
        frame::put(&mut sent, kind, id, &body);
        let at = 32 + at % ((sent.len() - 4) * 8);
        sent[at / 8] ^= 1 << (at % 8);
        prop_assert_eq!(frame::take(&mut sent, FRAME_BYTES_MAX), Err(FrameError::Checksum));
    }

    #[test]
    fn any_bytes_are_frames_and_greetings_or_none(bytes: Vec<u8>) {
        let mut received = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = frame::take(&mut received, 64) {}
        let bytes = Bytes::from(bytes);
        let _ = (Hello::decode(bytes.clone()), Welcome::decode(bytes));
    }

    #[test]
    fn greetings_are_read_as_they_were_written(
        my_id: u8, node_id: u64, cluster_id: u64, formed: bool, lines: u64, rules: u16, versions: (u16, u16), wanted: u64,
        refusal in prop::option::of(".{0,40}"),
    ) {
        let from = Identity { my_id, node_id, cluster_id, formed, lines, rules };
        let hello = Hello { versions, from, wanted };
        prop_assert_eq!(Hello::decode(hello.encode().freeze()), Some(hello));
        // The first release ends its greetings before the rules.
        let short = hello.encode().freeze();
        let first = Hello { from: Identity { rules: 1, ..from }, ..hello };
        prop_assert_eq!(Hello::decode(short.slice(..short.len() - 2)), Some(first));
        let version = if refusal.is_some() { 0 } else { 3 };
        let welcome = Welcome { version, from, refusal };
        prop_assert_eq!(Welcome::decode(welcome.encode().freeze()), Some(welcome));
    }
}
