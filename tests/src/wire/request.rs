//! Requests as an op code and a body, one function per operation.

use super::bytes::Body;
use super::reply::Acl;

/// Anyone may do anything.
pub(crate) fn open_acl() -> Vec<Acl> {
    vec![Acl::world(31)]
}

/// An operation and its record, without the header.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) op: i32,
    pub(crate) body: Body,
}

impl Request {
    /// Any op with any body.
    pub(crate) fn new(op: i32, body: Body) -> Self {
        Self { op, body }
    }

    /// The whole frame, length and header included.
    pub(crate) fn framed(&self, xid: i32) -> Vec<u8> {
        Body::new().i32(xid).i32(self.op).raw(&self.body.0).framed()
    }
}

/// A create of any kind: op 1, 15 or 19.
pub(crate) fn create_as(
    op: i32,
    path: &str,
    data: Option<&[u8]>,
    acl: &[Acl],
    flags: i32,
) -> Request {
    Request::new(op, Body::new().str(path).buf(data).acls(acl).i32(flags))
}

/// `create` with an open ACL.
pub(crate) fn create(path: &str, data: &[u8], flags: i32) -> Request {
    create_as(1, path, Some(data), &open_acl(), flags)
}

/// `create` of a persistent znode with this ACL.
pub(crate) fn create_with_acl(path: &str, acl: &[Acl]) -> Request {
    create_as(1, path, Some(b""), acl, 0)
}

/// `create2` with an open ACL.
pub(crate) fn create2(path: &str, data: &[u8], flags: i32) -> Request {
    create_as(15, path, Some(data), &open_acl(), flags)
}

/// `createContainer` as clients send it.
pub(crate) fn create_container(path: &str) -> Request {
    create_as(19, path, Some(b""), &open_acl(), 4)
}

/// `createTTL`.
pub(crate) fn create_ttl(path: &str, flags: i32, ttl: i64) -> Request {
    Request::new(
        21,
        Body::new()
            .str(path)
            .buf(Some(b""))
            .acls(&open_acl())
            .i32(flags)
            .i64(ttl),
    )
}

/// `delete`.
pub(crate) fn delete(path: &str, version: i32) -> Request {
    Request::new(2, Body::new().str(path).i32(version))
}

/// A read with a watch flag: op 3, 4, 8 or 12.
pub(crate) fn read(op: i32, path: &str, watch: bool) -> Request {
    Request::new(op, Body::new().str(path).bool(watch))
}

/// `exists`.
pub(crate) fn exists(path: &str, watch: bool) -> Request {
    read(3, path, watch)
}

/// `getData`.
pub(crate) fn get_data(path: &str, watch: bool) -> Request {
    read(4, path, watch)
}

/// `getChildren`.
pub(crate) fn get_children(path: &str, watch: bool) -> Request {
    read(8, path, watch)
}

/// `getChildren2`.
pub(crate) fn get_children2(path: &str, watch: bool) -> Request {
    read(12, path, watch)
}

/// `setData`.
pub(crate) fn set_data(path: &str, data: &[u8], version: i32) -> Request {
    Request::new(5, Body::new().str(path).buf(Some(data)).i32(version))
}

/// `getACL`.
pub(crate) fn get_acl(path: &str) -> Request {
    Request::new(6, Body::new().str(path))
}

/// `setACL`.
pub(crate) fn set_acl(path: &str, acl: &[Acl], version: i32) -> Request {
    Request::new(7, Body::new().str(path).acls(acl).i32(version))
}

/// `sync`.
pub(crate) fn sync(path: &str) -> Request {
    Request::new(9, Body::new().str(path))
}

/// `ping`.
pub(crate) fn ping() -> Request {
    Request::new(11, Body::new())
}

/// `check`, which lives inside a multi only.
pub(crate) fn check(path: &str, version: i32) -> Request {
    Request::new(13, Body::new().str(path).i32(version))
}

/// The operations of a multi, with their headers and the end header.
pub(crate) fn multi_body(ops: &[Request]) -> Body {
    let body = ops.iter().fold(Body::new(), |body, op| {
        body.i32(op.op).bool(false).i32(-1).raw(&op.body.0)
    });
    body.i32(-1).bool(true).i32(-1)
}

/// `multi`.
pub(crate) fn multi(ops: &[Request]) -> Request {
    Request::new(14, multi_body(ops))
}

/// `multiRead`.
pub(crate) fn multi_read(ops: &[Request]) -> Request {
    Request::new(22, multi_body(ops))
}

/// `checkWatches` (17) or `removeWatches` (18).
pub(crate) fn watches(op: i32, path: &str, kind: i32) -> Request {
    Request::new(op, Body::new().str(path).i32(kind))
}

/// `addWatch`.
pub(crate) fn add_watch(path: &str, mode: i32) -> Request {
    Request::new(106, Body::new().str(path).i32(mode))
}

/// `setWatches`.
pub(crate) fn set_watches(rel: i64, data: &[&str], exist: &[&str], child: &[&str]) -> Request {
    Request::new(
        101,
        Body::new()
            .i64(rel)
            .strings(data)
            .strings(exist)
            .strings(child),
    )
}

/// `auth`.
pub(crate) fn auth(scheme: &str, auth: &[u8]) -> Request {
    Request::new(100, Body::new().i32(0).str(scheme).buf(Some(auth)))
}

/// `whoAmI`.
pub(crate) fn who_am_i() -> Request {
    Request::new(107, Body::new())
}

/// `getEphemerals`.
pub(crate) fn get_ephemerals(prefix: &str) -> Request {
    Request::new(103, Body::new().str(prefix))
}

/// `getAllChildrenNumber`.
pub(crate) fn get_all_children_number(path: &str) -> Request {
    Request::new(104, Body::new().str(path))
}

/// `closeSession`.
pub(crate) fn close_session() -> Request {
    Request::new(-11, Body::new())
}
