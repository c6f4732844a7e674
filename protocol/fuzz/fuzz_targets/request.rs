//! Any bytes as a request with its header; what is understood is written the same way.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use treekeeper_protocol::{OpCode, Request, RequestHeader};

fuzz_target!(|bytes: &[u8]| {
    let Ok((header, body)) = RequestHeader::decode(&Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let Some(op) = OpCode::from_i32(header.op) else {
        return;
    };
    if let Ok(request) = Request::decode(op, &body) {
        let mut out = BytesMut::new();
        request.encode(&mut out);
        assert_eq!(Request::decode(request.op(), &out.freeze()), Ok(request));
    }
});
