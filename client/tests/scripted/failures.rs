//! Connections that break, servers that refuse, and bytes that make no sense.

use crate::server::{SESSION_ID, Server, opened, soon};
use bytes::BufMut;
use std::time::Duration;
use treekeeper_client::{Client, ConnectStringError, Error, SessionState};
use treekeeper_protocol::{ConnectResponse, OpCode, ReplyHeader, Request, RequestHeader};

#[tokio::test]
async fn requests_in_flight_end_with_the_connection_and_the_session_goes_on() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let (seen, ()) = tokio::join!(client.exists("/a"), async {
        let (xid, _) = connection.request().await;
        connection.reply_stat(xid, 77, 0).await;
    });
    assert!(seen.is_ok());

    let (lost, request) = tokio::join!(client.set_data("/a", "x", None), async {
        let (_, request) = connection.request().await;
        drop(connection);
        request
    });
    assert!(matches!(request, Request::SetData(_)));
    assert_eq!(lost, Err(Error::ConnectionLoss));

    let (handshake, mut connection) = server.shake_hands(opened(30_000)).await;
    assert_eq!(handshake.session_id, SESSION_ID);
    assert_eq!(
        handshake.password.as_deref(),
        Some(&crate::server::PASSWORD[..])
    );
    assert_eq!(handshake.last_zxid_seen, 77);
    let (again, ()) = tokio::join!(client.exists("/a"), async {
        let (xid, _) = connection.request().await;
        connection.reply_stat(xid, 78, 1).await;
    });
    assert!(again.is_ok());
}

#[tokio::test]
async fn calls_made_while_no_server_is_connected_wait_for_one() {
    let server = Server::bind().await;
    let (client, connection) = server.open(Client::builder(), "").await;
    drop(connection);
    let mut states = client.states();
    soon(states.wait_for(|state| *state == SessionState::Connecting))
        .await
        .expect("the client lives");
    let (outcome, ()) = tokio::join!(client.exists("/a"), async {
        let (_, mut connection) = server.shake_hands(opened(30_000)).await;
        let (xid, _) = connection.request().await;
        connection.reply_stat(xid, 1, 0).await;
    });
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn calls_fail_when_all_servers_have_been_tried_in_vain() {
    let server = Server::bind().await;
    let (client, connection) = server.open(Client::builder(), "").await;
    drop((server, connection));
    let mut states = client.states();
    soon(states.wait_for(|state| *state == SessionState::Connecting))
        .await
        .expect("the client lives");
    assert_eq!(soon(client.exists("/a")).await, Err(Error::ConnectionLoss));
    assert_eq!(client.state(), SessionState::Connecting);
}

#[tokio::test]
async fn a_server_that_closes_without_a_word_is_passed_over() {
    let (deaf, good) = (Server::bind().await, Server::bind().await);
    let servers = format!("{},{}", deaf.address(), good.address());
    let refusing = async {
        loop {
            drop(deaf.accept().await);
        }
    };
    let connected = async {
        let (client, (_, connection)) =
            tokio::join!(Client::connect(&servers), good.shake_hands(opened(30_000)));
        (client.expect("connects"), connection)
    };
    let (client, _connection) = tokio::select! {
        connected = connected => connected,
        () = refusing => unreachable!("the loop does not end"),
    };
    assert_eq!(client.state(), SessionState::Connected);
}

#[tokio::test]
async fn a_refused_session_has_expired() {
    let server = Server::bind().await;
    let (client, connection) = server.open(Client::builder(), "").await;
    let (_, _, watcher) = {
        let mut connection = connection;
        let (outcome, ()) = tokio::join!(client.get_data_and_watch("/a"), async {
            let (xid, _) = connection.request().await;
            connection.reply_data(xid, 1, b"x").await;
        });
        outcome.expect("reads")
    };
    let (handshake, _connection) = server
        .shake_hands(ConnectResponse::refused(Some(false)))
        .await;
    assert_eq!(handshake.session_id, SESSION_ID);
    let event = soon(watcher).await;
    assert_eq!(event.state, treekeeper_client::KeeperState::Expired);
    assert_eq!(client.state(), SessionState::Expired);
    assert_eq!(client.exists("/a").await, Err(Error::SessionExpired));
    assert_eq!(client.close().await, Err(Error::SessionExpired));
}

#[tokio::test]
async fn a_reply_to_another_request_breaks_the_connection() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let (outcome, ()) = tokio::join!(client.exists("/a"), async {
        let (xid, _) = connection.request().await;
        connection.reply_stat(xid + 1, 1, 0).await;
    });
    assert_eq!(outcome, Err(Error::ConnectionLoss));
    assert_eq!(connection.frame().await, None);
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_an_error_of_its_call_alone() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let ((bad, good), ()) = tokio::join!(
        async { tokio::join!(client.get_data("/a"), client.exists("/a")) },
        async {
            let (xid, _) = connection.request().await;
            connection
                .reply(xid, 1, |out| out.put_slice(&[0x7F; 9]))
                .await;
            let (xid, _) = connection.request().await;
            connection.reply_stat(xid, 1, 0).await;
        }
    );
    assert!(matches!(bad, Err(Error::Reply(_))), "{bad:?}");
    assert!(good.is_ok());
}

#[tokio::test]
async fn a_frame_that_makes_no_sense_breaks_the_connection() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    connection.send(|out| out.put_slice(b"short")).await;
    assert_eq!(connection.frame().await, None);
    let (handshake, _connection) = server.shake_hands(opened(30_000)).await;
    assert_eq!(handshake.session_id, SESSION_ID);
    let mut states = client.states();
    soon(states.wait_for(|state| *state == SessionState::Connected))
        .await
        .expect("the client lives");
}

#[tokio::test]
async fn an_idle_client_pings_and_leaves_a_silent_server() {
    let server = Server::bind().await;
    let address = server.address();
    let (client, (_, mut connection)) =
        tokio::join!(Client::connect(&address), server.shake_hands(opened(1200)));
    let client = client.expect("connects");
    for _ in 0..2 {
        let payload = connection.frame().await.expect("a ping");
        let (header, _) = RequestHeader::decode(&payload).expect("a header");
        assert_eq!((header.xid, header.op), (-2, OpCode::Ping.as_i32()));
        connection
            .send(|out| {
                ReplyHeader {
                    xid: -2,
                    zxid: 5,
                    err: 0,
                }
                .encode(out);
            })
            .await;
    }
    let mut pings_without_answer = 0;
    while connection.frame().await.is_some() {
        pings_without_answer += 1;
    }
    assert!(
        (1..=2).contains(&pings_without_answer),
        "{pings_without_answer} pings to a silent server"
    );
    let (handshake, _connection) = server.shake_hands(opened(1200)).await;
    assert_eq!(
        (handshake.session_id, handshake.last_zxid_seen),
        (SESSION_ID, 5)
    );
    drop(client);
}

#[tokio::test]
async fn connecting_takes_no_longer_than_allowed() {
    let server = Server::bind().await;
    let hurried = Client::builder().connect_timeout(Duration::from_millis(50));
    assert_eq!(
        hurried.connect(&server.address()).await.err(),
        Some(Error::Timeout)
    );
}

#[tokio::test]
async fn a_connect_string_without_a_server_is_refused() {
    assert_eq!(
        Client::connect("/app").await.err(),
        Some(Error::InvalidConnectString(ConnectStringError::NoServer))
    );
}
