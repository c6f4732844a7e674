//! Any bytes as a multi, a multi read, or their results; what is understood is written the same way.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use treekeeper_protocol::{OpCode, OpResult, Request};

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    for op in [OpCode::Multi, OpCode::MultiRead] {
        if let Ok(request) = Request::decode(op, &body) {
            let mut out = BytesMut::new();
            request.encode(&mut out);
            assert_eq!(Request::decode(op, &out.freeze()), Ok(request));
        }
    }
    if let Ok(results) = OpResult::decode_results(&body) {
        let mut out = BytesMut::new();
        OpResult::encode_results(&results, &mut out);
        assert_eq!(OpResult::decode_results(&out.freeze()), Ok(results));
    }
});
