//! Any bytes as the first frame of either side; what is understood is written the same way.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use treekeeper_protocol::{ConnectRequest, ConnectResponse};

fuzz_target!(|bytes: &[u8]| {
    let payload = Bytes::copy_from_slice(bytes);
    if let Ok(request) = ConnectRequest::decode(&payload) {
        let mut out = BytesMut::new();
        request.encode(&mut out);
        assert_eq!(ConnectRequest::decode(&out.freeze()), Ok(request));
    }
    if let Ok(response) = ConnectResponse::decode(&payload) {
        let mut out = BytesMut::new();
        response.encode(&mut out);
        assert_eq!(ConnectResponse::decode(&out.freeze()), Ok(response));
    }
});
