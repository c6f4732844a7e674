//! Bytes of a peer never panic, and never make more than they warrant.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use treekeeper_protocol::response::{
    Create2Response, CreateResponse, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetChildren2Response, GetChildrenResponse, GetDataResponse, GetEphemeralsResponse,
    MultiResponse, SaslResponse, StatResponse, SyncResponse, WhoAmIResponse,
};
use treekeeper_protocol::{
    ConnectRequest, ConnectResponse, DecodeError, ErrorCode, OpCode, ReplyHeader, Request,
    RequestHeader, WatcherEvent,
};

/// Whatever decodes can be written, and reads back as the same.
macro_rules! assert_stable {
    ($bytes:expr, $($type:ident)*) => {
        $(if let Ok(record) = $type::decode($bytes) {
            let mut out = BytesMut::new();
            record.encode(&mut out);
            prop_assert_eq!($type::decode(&out.freeze()), Ok(record));
        })*
    };
}

/// Bytes in which small lengths are likely, so that decoders get past the first field.
fn bytes() -> impl Strategy<Value = Bytes> {
    let piece = prop_oneof![
        (-2i32..6).prop_map(|number| number.to_be_bytes().to_vec()),
        any::<i32>().prop_map(|number| number.to_be_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
        Just(vec![0]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn as_requests(bytes in bytes()) {
        for &op in OpCode::ALL {
            if let Ok(request) = Request::decode(op, &bytes) {
                let mut out = BytesMut::new();
                request.encode(&mut out);
                prop_assert_eq!(Request::decode(request.op(), &out.freeze()), Ok(request));
            }
        }
        assert_stable!(&bytes, ConnectRequest);
        prop_assert_eq!(RequestHeader::decode(&bytes).is_ok(), bytes.len() >= RequestHeader::LEN);
    }

    #[test]
    fn as_replies(bytes in bytes()) {
        prop_assert_eq!(ReplyHeader::decode(&bytes).is_ok(), bytes.len() >= ReplyHeader::LEN);
        assert_stable!(
            &bytes,
            ConnectResponse Create2Response CreateResponse ErrorResponse GetAclResponse GetAllChildrenNumberResponse
            GetChildren2Response GetChildrenResponse GetDataResponse GetEphemeralsResponse MultiResponse SaslResponse
            StatResponse SyncResponse WatcherEvent WhoAmIResponse
        );
    }
}

#[test]
fn a_list_is_not_longer_than_its_bytes() {
    let body = Bytes::from_static(&[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        GetChildrenResponse::decode(&body),
        Err(DecodeError::Truncated)
    );
    assert_eq!(GetAclResponse::decode(&body), Err(DecodeError::Truncated));
    assert_eq!(WhoAmIResponse::decode(&body), Err(DecodeError::Truncated));
}

#[test]
fn a_null_path_is_a_marshalling_error() {
    let null = Bytes::from_static(&[0xFF; 16]);
    for op in [
        OpCode::Create,
        OpCode::Delete,
        OpCode::Exists,
        OpCode::GetData,
        OpCode::SetAcl,
        OpCode::AddWatch,
    ] {
        let error = Request::decode(op, &null).expect_err("a path must not be null");
        assert_eq!(error, DecodeError::Null, "{op:?}");
        assert_eq!(error.error_code(), ErrorCode::MarshallingError);
    }
    assert!(Request::decode(OpCode::Sync, &null).is_ok());
    assert!(Request::decode(OpCode::GetEphemerals, &null).is_ok());
}

#[test]
fn internal_operations_are_unimplemented() {
    for op in [
        OpCode::Notification,
        OpCode::Check,
        OpCode::DeleteContainer,
        OpCode::CreateSession,
        OpCode::Error,
    ] {
        let error = Request::decode(op, &Bytes::new()).expect_err("not for clients");
        assert_eq!(error.error_code(), ErrorCode::Unimplemented, "{op:?}");
    }
}
