//! Sessions: how they begin, what they keep, how they end.

use crate::server::{PASSWORD, SESSION_ID, Server, opened, soon};
use std::time::Duration;
use treekeeper_client::{Client, ClientInfo, Error, ErrorCode, SessionInfo, SessionState};
use treekeeper_protocol::response::WhoAmIResponse;
use treekeeper_protocol::{AuthRequest, ConnectResponse, OpCode, Request, RequestHeader, xid};

fn auth(scheme: &str, proof: &'static str) -> Request {
    Request::Auth(AuthRequest {
        auth_type: 0,
        scheme: Some(scheme.into()),
        auth: Some(proof.into()),
    })
}

#[tokio::test]
async fn a_new_session_is_asked_for_and_taken_as_the_server_grants_it() {
    let server = Server::bind().await;
    let address = server.address();
    let builder = Client::builder()
        .session_timeout(Duration::from_secs(12))
        .read_only(true);
    let (client, (request, _connection)) =
        tokio::join!(builder.connect(&address), server.shake_hands(opened(9000)));
    assert_eq!(
        (
            request.session_id,
            request.timeout_ms,
            request.last_zxid_seen
        ),
        (0, 12_000, 0)
    );
    assert_eq!(request.password.as_deref(), Some(&[0; 16][..]));
    assert_eq!(request.read_only, Some(true));
    let client = client.expect("connects");
    let granted = SessionInfo {
        id: SESSION_ID,
        password: PASSWORD,
        timeout: Duration::from_secs(9),
    };
    assert_eq!(client.session(), granted);
    assert_eq!(client.state(), SessionState::Connected);
    assert!(!format!("{granted:?}").contains("password"));
}

#[tokio::test]
async fn a_known_session_can_be_taken_over() {
    let server = Server::bind().await;
    let address = server.address();
    let session = SessionInfo {
        id: SESSION_ID,
        password: PASSWORD,
        timeout: Duration::from_secs(9),
    };
    let (client, (request, _connection)) = tokio::join!(
        Client::builder().session(session).connect(&address),
        server.shake_hands(opened(9000))
    );
    assert!(client.is_ok());
    assert_eq!(
        (request.session_id, request.password.as_deref()),
        (SESSION_ID, Some(&PASSWORD[..]))
    );
}

#[tokio::test]
async fn the_session_of_a_read_only_server_is_not_shown_to_another() {
    let server = Server::bind().await;
    let address = server.address();
    let read_only = ConnectResponse {
        read_only: Some(true),
        ..opened(9000)
    };
    let (client, (_, connection)) = tokio::join!(
        Client::builder().read_only(true).connect(&address),
        server.shake_hands(read_only)
    );
    let client = client.expect("connects");
    assert_eq!(client.state(), SessionState::ConnectedReadOnly);
    drop(connection);
    let (request, _connection) = server.shake_hands(opened(9000)).await;
    assert_eq!(request.session_id, 0);
    soon(
        client
            .states()
            .wait_for(|state| *state == SessionState::Connected),
    )
    .await
    .expect("the client lives");
}

#[tokio::test]
async fn identities_are_told_to_every_connection() {
    let server = Server::bind().await;
    let (client, mut connection) = server
        .open(Client::builder().auth("digest", "a:1"), "")
        .await;
    assert_eq!(
        connection.request().await,
        (xid::AUTH, auth("digest", "a:1"))
    );
    connection.reply(xid::AUTH, 0, |_| {}).await;

    let (added, ()) = tokio::join!(client.auth("digest", "b:2"), async {
        assert_eq!(
            connection.request().await,
            (xid::AUTH, auth("digest", "b:2"))
        );
        connection.reply(xid::AUTH, 0, |_| {}).await;
    });
    assert_eq!(added, Ok(()));
    drop(connection);

    let (_, mut connection) = server.shake_hands(opened(30_000)).await;
    assert_eq!(
        connection.request().await,
        (xid::AUTH, auth("digest", "a:1"))
    );
    assert_eq!(
        connection.request().await,
        (xid::AUTH, auth("digest", "b:2"))
    );
    // An answer to an identity may overtake the reply to an earlier request.
    let infos = vec![ClientInfo {
        scheme: "digest".into(),
        user: "a".into(),
    }];
    let (who, ()) = tokio::join!(client.who_am_i(), async {
        let (xid, request) = connection.request().await;
        assert_eq!(request, Request::WhoAmI);
        connection.reply(xid::AUTH, 0, |_| {}).await;
        connection.reply(xid::AUTH, 0, |_| {}).await;
        connection
            .reply(xid, 1, |out| {
                WhoAmIResponse {
                    infos: infos.clone(),
                }
                .encode(out);
            })
            .await;
    });
    assert_eq!(who, Ok(infos));
}

#[tokio::test]
async fn a_refused_identity_ends_the_session() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let ((refused, waiting), ()) = tokio::join!(
        async { tokio::join!(client.auth("magic", "x"), client.exists("/a")) },
        async {
            assert_eq!(connection.request().await, (xid::AUTH, auth("magic", "x")));
            connection.refuse(xid::AUTH, 0, ErrorCode::AuthFailed).await;
        }
    );
    assert_eq!(refused, Err(Error::AuthFailed));
    assert_eq!(waiting, Err(Error::AuthFailed));
    assert_eq!(client.state(), SessionState::AuthFailed);
    assert_eq!(client.exists("/a").await, Err(Error::AuthFailed));
}

#[tokio::test]
async fn closing_ends_the_session_at_the_server() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let other = client.clone();
    let (closed, ()) = tokio::join!(client.close(), async {
        let (xid, request) = connection.request().await;
        assert_eq!(request, Request::CloseSession);
        connection.reply(xid, 1, |_| {}).await;
    });
    assert_eq!(closed, Ok(()));
    assert_eq!(other.state(), SessionState::Closed);
    assert_eq!(other.exists("/a").await, Err(Error::Closed));
    assert_eq!(connection.frame().await, None);
}

#[tokio::test]
async fn the_last_handle_that_goes_closes_the_session() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let other = client.clone();
    drop(client);
    drop(other);
    let payload = connection.frame().await.expect("a request");
    let (header, _) = RequestHeader::decode(&payload).expect("a header");
    assert_eq!(header.op, OpCode::CloseSession.as_i32());
    connection.reply(header.xid, 1, |_| {}).await;
    assert_eq!(connection.frame().await, None);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_server() {
    let server = Server::bind().await;
    let (client, connection) = server.open(Client::builder(), "").await;
    drop((server, connection));
    soon(
        client
            .states()
            .wait_for(|state| *state == SessionState::Connecting),
    )
    .await
    .expect("the client lives");
    // The session may live on, which its owner must hear.
    assert_eq!(soon(client.close()).await, Err(Error::ConnectionLoss));
    assert_eq!(client.exists("/a").await, Err(Error::Closed));
}

#[tokio::test]
async fn a_close_that_nobody_confirmed_is_an_error() {
    let server = Server::bind().await;
    let (client, mut connection) = server.open(Client::builder(), "").await;
    let (closed, ()) = tokio::join!(client.close(), async {
        let (_, request) = connection.request().await;
        assert_eq!(request, Request::CloseSession);
        drop(connection);
    });
    assert_eq!(closed, Err(Error::ConnectionLoss));
    assert_eq!(client.state(), SessionState::Closed);
    assert_eq!(client.exists("/a").await, Err(Error::Closed));
}
