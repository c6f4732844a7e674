//! What spoils a multi as a whole, and what does not.

use bytes::{Bytes, BytesMut};
use treekeeper_protocol::{
    CheckRequest, CreateKind, CreateRequest, DecodeError, MultiHeader, MultiRequest, OpCode,
    PathRequest, ReadRequest, Request,
};

fn create(kind: CreateKind, flags: i32) -> Request {
    let ttl = if kind == CreateKind::Ttl { 1000 } else { 0 };
    Request::Create(CreateRequest {
        kind,
        path: "/a".into(),
        data: None,
        acl: None,
        flags,
        ttl,
    })
}

fn get_data() -> Request {
    Request::GetData(ReadRequest {
        path: "/a".into(),
        watch: false,
    })
}

fn check() -> Request {
    Request::CheckVersion(CheckRequest {
        path: "/a".into(),
        version: -1,
    })
}

/// Writes the parts as a multi, whether they may be one or not, and reads it as `op`.
fn decode(op: OpCode, ops: Vec<Request>) -> Result<Request, DecodeError> {
    let mut body = BytesMut::new();
    Request::Multi(MultiRequest { ops }).encode(&mut body);
    Request::decode(op, &body.freeze())
}

#[test]
fn flags_of_a_create_must_be_known() {
    for kind in [
        CreateKind::Create,
        CreateKind::Create2,
        CreateKind::Container,
        CreateKind::Ttl,
    ] {
        for flags in [-1, 7, i32::MAX] {
            assert_eq!(
                decode(OpCode::Multi, vec![check(), create(kind, flags)]),
                Err(DecodeError::MultiCreateFlags(flags)),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn flags_with_a_time_to_live_need_the_operation_for_it() {
    for flags in [5, 6] {
        for kind in [
            CreateKind::Create,
            CreateKind::Create2,
            CreateKind::Container,
        ] {
            assert_eq!(
                decode(OpCode::Multi, vec![create(kind, flags)]),
                Err(DecodeError::MultiCreateFlags(flags))
            );
        }
        assert!(decode(OpCode::Multi, vec![create(CreateKind::Ttl, flags)]).is_ok());
    }
    assert!(
        decode(
            OpCode::Multi,
            vec![create(CreateKind::Ttl, 0), create(CreateKind::Create, 4)]
        )
        .is_ok()
    );
}

#[test]
fn reads_and_writes_do_not_mix() {
    assert_eq!(
        decode(OpCode::Multi, vec![check(), get_data()]),
        Err(DecodeError::MultiOp(4))
    );
    assert_eq!(
        decode(OpCode::MultiRead, vec![get_data(), check()]),
        Err(DecodeError::MultiOp(13))
    );
}

#[test]
fn a_multi_is_no_part_of_a_multi() {
    let inner = Request::Multi(MultiRequest { ops: vec![check()] });
    assert_eq!(
        decode(OpCode::Multi, vec![inner]),
        Err(DecodeError::MultiOp(14))
    );
    let get_acl = Request::GetAcl(PathRequest { path: "/a".into() });
    assert_eq!(
        decode(OpCode::MultiRead, vec![get_acl]),
        Err(DecodeError::MultiOp(6))
    );
}

#[test]
fn an_empty_multi_is_legal() {
    assert_eq!(
        decode(OpCode::Multi, vec![]),
        Ok(Request::Multi(MultiRequest { ops: vec![] }))
    );
    assert_eq!(
        decode(OpCode::MultiRead, vec![]),
        Ok(Request::MultiRead(MultiRequest { ops: vec![] }))
    );
}

#[test]
fn the_end_must_be_there() {
    assert_eq!(
        Request::decode(OpCode::Multi, &Bytes::new()),
        Err(DecodeError::Truncated)
    );
    let mut end = BytesMut::new();
    MultiHeader::END.encode(&mut end);
    assert_eq!(end[..], [0xFF, 0xFF, 0xFF, 0xFF, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn an_unknown_operation_spoils_the_whole() {
    let mut body = BytesMut::new();
    MultiHeader {
        op: 500,
        done: false,
        err: -1,
    }
    .encode(&mut body);
    MultiHeader::END.encode(&mut body);
    assert_eq!(
        Request::decode(OpCode::Multi, &body.freeze()),
        Err(DecodeError::MultiOp(500))
    );
}
