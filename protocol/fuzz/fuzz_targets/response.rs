//! Any bytes as the body of every kind of reply; what is understood is written the same way.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use treekeeper_protocol::response::{
    Create2Response, CreateResponse, ErrorResponse, GetAclResponse, GetAllChildrenNumberResponse,
    GetChildren2Response, GetChildrenResponse, GetDataResponse, GetEphemeralsResponse,
    SaslResponse, StatResponse, SyncResponse, WhoAmIResponse,
};
use treekeeper_protocol::{ReplyHeader, WatcherEvent};

macro_rules! decode_each {
    ($body:expr, $($type:ident)*) => {
        $(if let Ok(record) = $type::decode($body) {
            let mut out = BytesMut::new();
            record.encode(&mut out);
            assert_eq!($type::decode(&out.freeze()), Ok(record));
        })*
    };
}

fuzz_target!(|bytes: &[u8]| {
    let Ok((_, body)) = ReplyHeader::decode(&Bytes::copy_from_slice(bytes)) else {
        return;
    };
    decode_each!(
        &body,
        Create2Response CreateResponse ErrorResponse GetAclResponse GetAllChildrenNumberResponse GetChildren2Response
        GetChildrenResponse GetDataResponse GetEphemeralsResponse SaslResponse StatResponse SyncResponse WatcherEvent
        WhoAmIResponse
    );
});
