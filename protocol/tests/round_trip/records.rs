//! What is written reads back as it was, also with bytes after it.

use crate::strategies::{
    acls, client_infos, connect_request, connect_response, data, event, request, results, stat,
    text, texts,
};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use treekeeper_protocol::response::{
    Create2Response, CreateResponse, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetChildren2Response, GetChildrenResponse, GetDataResponse, GetEphemeralsResponse,
    MultiResponse, SaslResponse, StatResponse, SyncResponse, WhoAmIResponse,
};
use treekeeper_protocol::{
    ConnectRequest, ConnectResponse, DecodeError, ReplyHeader, Request, RequestHeader, Stat,
    WatcherEvent,
};

/// The bytes that `encode` writes.
fn written(encode: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.freeze()
}

/// The same with bytes after them, which every decoder ignores.
fn with_more(bytes: &Bytes, more: &[u8]) -> Bytes {
    [bytes, more].concat().into()
}

/// A record reads back, alone and with more bytes behind it, and no part of it is a whole.
macro_rules! assert_round_trip {
    ($record:expr, $type:ident) => {{
        let record = $record;
        let bytes = written(|out| record.encode(out));
        prop_assert_eq!(&$type::decode(&bytes)?, &record);
        prop_assert_eq!(&$type::decode(&with_more(&bytes, &[0xA5; 9]))?, &record);
        for length in 0..bytes.len() {
            prop_assert_eq!(
                $type::decode(&bytes.slice(..length)),
                Err(DecodeError::Truncated)
            );
        }
    }};
}

proptest! {
    #[test]
    fn requests(request in request(), xid: i32, more: [u8; 3]) {
        let header = RequestHeader { xid, op: request.op().as_i32() };
        let payload = written(|out| {
            header.encode(out);
            request.encode(out);
        });
        let (read, body) = RequestHeader::decode(&payload)?;
        prop_assert_eq!(read, header);
        prop_assert_eq!(&Request::decode(request.op(), &body)?, &request);
        prop_assert_eq!(&Request::decode(request.op(), &with_more(&body, &more))?, &request);
        for length in 0..body.len() {
            prop_assert_eq!(Request::decode(request.op(), &body.slice(..length)), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn connect_requests(request in connect_request()) {
        let bytes = written(|out| request.encode(out));
        prop_assert_eq!(&ConnectRequest::decode(&bytes)?, &request);
        let without_flag = ConnectRequest { read_only: None, ..request.clone() };
        prop_assert_eq!(written(|out| without_flag.encode(out)).len(), bytes.len() - usize::from(request.read_only.is_some()));
    }

    #[test]
    fn connect_responses(response in connect_response()) {
        let bytes = written(|out| response.encode(out));
        prop_assert_eq!(bytes.len(), if response.read_only.is_some() { 37 } else { 36 });
        prop_assert_eq!(ConnectResponse::decode(&bytes)?, response);
    }

    #[test]
    fn reply_headers(xid: i32, zxid: i64, err: i32) {
        let header = ReplyHeader { xid, zxid, err };
        let bytes = written(|out| header.encode(out));
        prop_assert_eq!(ReplyHeader::decode(&with_more(&bytes, b"body"))?, (header, Bytes::from_static(b"body")));
    }

    #[test]
    fn stats(stat in stat()) {
        prop_assert_eq!(written(|out| stat.encode(out)).len(), Stat::LEN);
        assert_round_trip!(stat, Stat);
        assert_round_trip!(StatResponse { stat }, StatResponse);
    }

    #[test]
    fn events(event in event()) {
        assert_round_trip!(event, WatcherEvent);
    }

    #[test]
    fn responses_of_writes(path in text(), stat in stat(), results in results()) {
        assert_round_trip!(CreateResponse { path: path.clone() }, CreateResponse);
        assert_round_trip!(Create2Response { path, stat }, Create2Response);
        assert_round_trip!(MultiResponse { results }, MultiResponse);
    }

    #[test]
    fn responses_of_reads(data in data(), acl in acls(), children in texts(), stat in stat(), total: i32) {
        assert_round_trip!(GetDataResponse { data, stat }, GetDataResponse);
        assert_round_trip!(GetAclResponse { acl, stat }, GetAclResponse);
        assert_round_trip!(GetChildrenResponse { children: children.clone() }, GetChildrenResponse);
        assert_round_trip!(GetChildren2Response { children: children.clone(), stat }, GetChildren2Response);
        assert_round_trip!(GetEphemeralsResponse { ephemerals: children }, GetEphemeralsResponse);
        assert_round_trip!(GetAllChildrenNumberResponse { total }, GetAllChildrenNumberResponse);
    }

    #[test]
    fn responses_of_the_connection(path in prop::option::of(text()), token in data(), infos in client_infos(), err: i32) {
        assert_round_trip!(SyncResponse { path }, SyncResponse);
        assert_round_trip!(SaslResponse { token }, SaslResponse);
        assert_round_trip!(WhoAmIResponse { infos }, WhoAmIResponse);
        assert_round_trip!(ErrorResponse { err }, ErrorResponse);
    }

    #[test]
    fn data_are_slices_of_the_frame(data in prop::collection::vec(any::<u8>(), 1..64), stat in stat()) {
        let response = GetDataResponse { data: Some(data.into()), stat };
        let body = written(|out| response.encode(out));
        let read = GetDataResponse::decode(&body)?.data.expect("data is not null");
        prop_assert_eq!(read.as_ptr(), body[4..].as_ptr());
    }
}

#[test]
fn handshakes_have_the_lengths_of_a_stock_client_and_server() {
    let request = |read_only| ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 30_000,
        session_id: 0,
        password: Some(Bytes::from_static(&[0; 16])),
        read_only,
    };
    assert_eq!(written(|out| request(None).encode(out)).len(), 44);
    assert_eq!(written(|out| request(Some(false)).encode(out)).len(), 45);
    assert_eq!(
        written(|out| ConnectResponse::refused(None).encode(out)).len(),
        36
    );
    assert_eq!(
        written(|out| ConnectResponse::refused(Some(true)).encode(out)).len(),
        37
    );
}
