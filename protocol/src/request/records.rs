//! The records of the requests, in the order of their operation numbers.
//!
//! Fields stand in the order of the wire unless a type says otherwise.

use crate::acl::Acl;
use crate::decode::{self, Parsed};
use crate::encode::{put_acls, put_bool, put_opt_buffer, put_opt_string, put_string, put_strings};
use crate::{OpCode, Request};
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::{be_i32, be_i64};

/// Which operation of the create family it is; they differ in the answer and in what `flags` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateKind {
    /// Answers with the path alone.
    Create,
    /// Answers with path and stat, like all the others.
    Create2,
    /// Creates a container.
    Container,
    /// Creates a znode with a time to live.
    Ttl,
}

impl CreateKind {
    /// The operation for the request header.
    #[must_use]
    pub const fn op(self) -> OpCode {
        match self {
            Self::Create => OpCode::Create,
            Self::Create2 => OpCode::Create2,
            Self::Container => OpCode::CreateContainer,
            Self::Ttl => OpCode::CreateTtl,
        }
    }
}

/// Creates a znode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateRequest {
    /// The operation; not part of the record.
    pub kind: CreateKind,
    /// The path, to which the server appends a number if the flags say so.
    pub path: String,
    /// The data; null and empty are different.
    pub data: Option<Bytes>,
    /// The access control list.
    pub acl: Option<Vec<Acl>>,
    /// A [`CreateMode`](crate::CreateMode), unchecked.
    pub flags: i32,
    /// The time to live in milliseconds, unchecked; on the wire only with [`CreateKind::Ttl`], otherwise 0.
    pub ttl: i64,
}

impl CreateRequest {
    pub(super) fn parser<'a>(
        kind: CreateKind,
        body: &'a Bytes,
    ) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            let (input, (path, data, acl, flags)) = (
                decode::string,
                decode::buffer(body),
                Acl::parse_list,
                be_i32,
            )
                .parse(input)?;
            let (input, ttl) = if kind == CreateKind::Ttl {
                be_i64(input)?
            } else {
                (input, 0)
            };
            Ok((
                input,
                Self {
                    kind,
                    path,
                    data,
                    acl,
                    flags,
                    ttl,
                },
            ))
        }
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        put_opt_buffer(out, self.data.as_deref());
        put_acls(out, self.acl.as_deref());
        out.put_i32(self.flags);
        if self.kind == CreateKind::Ttl {
            out.put_i64(self.ttl);
        }
    }
}

/// Deletes a znode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeleteRequest {
    /// The znode.
    pub path: String,
    /// The version that it must have, −1 for any.
    pub version: i32,
}

impl DeleteRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string, be_i32)
            .map(|(path, version)| Self { path, version })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        out.put_i32(self.version);
    }
}

/// Reads something of a znode and perhaps leaves a one-shot watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadRequest {
    /// The znode.
    pub path: String,
    /// Whether to leave a watch.
    pub watch: bool,
}

impl ReadRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string, decode::boolean)
            .map(|(path, watch)| Self { path, watch })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        put_bool(out, self.watch);
    }
}

/// Replaces the data of a znode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetDataRequest {
    /// The znode.
    pub path: String,
    /// The data; null and empty are different.
    pub data: Option<Bytes>,
    /// The version that it must have, −1 for any.
    pub version: i32,
}

impl SetDataRequest {
    pub(super) fn parser<'a>(body: &'a Bytes) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            (decode::string, decode::buffer(body), be_i32)
                .map(|(path, data, version)| Self {
                    path,
                    data,
                    version,
                })
                .parse(input)
        }
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        put_opt_buffer(out, self.data.as_deref());
        out.put_i32(self.version);
    }
}

/// Names a znode, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathRequest {
    /// The znode.
    pub path: String,
}

impl PathRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        decode::string.map(|path| Self { path }).parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
    }
}

/// Replaces the access control list of a znode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetAclRequest {
    /// The znode.
    pub path: String,
    /// The access control list.
    pub acl: Option<Vec<Acl>>,
    /// The version that the present list must have (`aversion`), −1 for any.
    pub version: i32,
}

impl SetAclRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string, Acl::parse_list, be_i32)
            .map(|(path, acl, version)| Self { path, acl, version })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        put_acls(out, self.acl.as_deref());
        out.put_i32(self.version);
    }
}

/// Waits until the server has caught up with the leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncRequest {
    /// Any text or null; it comes back with the reply.
    pub path: Option<String>,
}

impl SyncRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        decode::opt_string.map(|path| Self { path }).parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_opt_string(out, self.path.as_deref());
    }
}

/// Compares the version of a znode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckRequest {
    /// The znode.
    pub path: String,
    /// The version that it must have, −1 for any.
    pub version: i32,
}

impl CheckRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string, be_i32)
            .map(|(path, version)| Self { path, version })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        out.put_i32(self.version);
    }
}

/// Several operations in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiRequest {
    /// The parts. Of a multi: create family, delete, set data, check version; of a multi read: get data, get
    /// children.
    pub ops: Vec<Request>,
}

/// Changes the members of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReconfigRequest {
    /// Members to add or change, separated by commas.
    pub joining: Option<String>,
    /// Ids of members to remove, separated by commas.
    pub leaving: Option<String>,
    /// All members; null for a change by `joining` and `leaving`.
    pub new_members: Option<String>,
    /// The version that the present configuration must have, −1 for any.
    pub cur_config_id: i64,
}

impl ReconfigRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (
            decode::opt_string,
            decode::opt_string,
            decode::opt_string,
            be_i64,
        )
            .map(|(joining, leaving, new_members, cur_config_id)| Self {
                joining,
                leaving,
                new_members,
                cur_config_id,
            })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_opt_string(out, self.joining.as_deref());
        put_opt_string(out, self.leaving.as_deref());
        put_opt_string(out, self.new_members.as_deref());
        out.put_i64(self.cur_config_id);
    }
}

/// Names watches of one kind on a znode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatchTypeRequest {
    /// The znode.
    pub path: String,
    /// A [`WatchKind`](crate::WatchKind), unchecked.
    pub kind: i32,
}

impl WatchTypeRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string, be_i32)
            .map(|(path, kind)| Self { path, kind })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        out.put_i32(self.kind);
    }
}

/// Adds an identity to the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthRequest {
    /// 0.
    pub auth_type: i32,
    /// The scheme, for example `digest`.
    pub scheme: Option<String>,
    /// The proof, in the terms of the scheme.
    pub auth: Option<Bytes>,
}

impl AuthRequest {
    pub(super) fn parser<'a>(body: &'a Bytes) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            (be_i32, decode::opt_string, decode::buffer(body))
                .map(|(auth_type, scheme, auth)| Self {
                    auth_type,
                    scheme,
                    auth,
                })
                .parse(input)
        }
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.auth_type);
        put_opt_string(out, self.scheme.as_deref());
        put_opt_buffer(out, self.auth.as_deref());
    }
}

/// Registers watches again after a reconnect, as operation 101 (the first three lists) or 105 (all five).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SetWatchesRequest {
    /// The last zxid that the client has seen; later changes fire at once.
    pub relative_zxid: i64,
    /// Znodes with a data watch.
    pub data: Vec<String>,
    /// Znodes that did not exist, with a watch for their creation.
    pub exist: Vec<String>,
    /// Znodes with a watch on their children.
    pub child: Vec<String>,
    /// Znodes with a persistent watch.
    pub persistent: Vec<String>,
    /// Znodes with a persistent watch on their subtree.
    pub persistent_recursive: Vec<String>,
}

impl SetWatchesRequest {
    /// The operation: the older one unless there are persistent watches.
    #[must_use]
    pub const fn op(&self) -> OpCode {
        if self.persistent.is_empty() && self.persistent_recursive.is_empty() {
            OpCode::SetWatches
        } else {
            OpCode::SetWatches2
        }
    }

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (be_i64, decode::strings, decode::strings, decode::strings)
            .map(|(relative_zxid, data, exist, child)| Self {
                relative_zxid,
                data,
                exist,
                child,
                ..Self::default()
            })
            .parse(input)
    }

    pub(super) fn parse2(input: &[u8]) -> Parsed<'_, Self> {
        (Self::parse, decode::strings, decode::strings)
            .map(|(one_shot, persistent, persistent_recursive)| Self {
                persistent,
                persistent_recursive,
                ..one_shot
            })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_i64(self.relative_zxid);
        put_strings(out, &self.data);
        put_strings(out, &self.exist);
        put_strings(out, &self.child);
        if self.op() == OpCode::SetWatches2 {
            put_strings(out, &self.persistent);
            put_strings(out, &self.persistent_recursive);
        }
    }
}

/// Registers a persistent watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddWatchRequest {
    /// The znode.
    pub path: String,
    /// An [`AddWatchMode`](crate::AddWatchMode), unchecked.
    pub mode: i32,
}

impl AddWatchRequest {
    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string, be_i32)
            .map(|(path, mode)| Self { path, mode })
            .parse(input)
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.path);
        out.put_i32(self.mode);
    }
}
