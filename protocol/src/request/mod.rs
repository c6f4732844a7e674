//! Requests of clients.
//!
//! In: an operation and the bytes after the request header. Out: a [`Request`], parsed once and trusted after.
//! Not here: headers, and everything that depends on the tree or on the session.

mod records;

use crate::decode::{self, DecodeError, Parsed};
use crate::{OpCode, multi};
use bytes::{Bytes, BytesMut};
use nom::Parser;
pub use records::{
    AddWatchRequest, AuthRequest, CheckRequest, CreateKind, CreateRequest, DeleteRequest,
    MultiRequest, PathRequest, ReadRequest, ReconfigRequest, SetAclRequest, SetDataRequest,
    SetWatchesRequest, SyncRequest, WatchTypeRequest,
};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Creates a znode, in one of four ways.
    Create(CreateRequest),
    /// Deletes a znode.
    Delete(DeleteRequest),
    /// Asks for the stat of a znode.
    Exists(ReadRequest),
    /// Reads data and stat.
    GetData(ReadRequest),
    /// Replaces data.
    SetData(SetDataRequest),
    /// Reads the access control list.
    GetAcl(PathRequest),
    /// Replaces the access control list.
    SetAcl(SetAclRequest),
    /// Lists the names of children.
    GetChildren(ReadRequest),
    /// Lists the names of children, with the stat of the parent.
    GetChildren2(ReadRequest),
    /// Waits until the server has caught up with the leader.
    Sync(SyncRequest),
    /// Keeps the session alive.
    Ping,
    /// Compares a version; only as a part of a multi.
    CheckVersion(CheckRequest),
    /// Writes that happen together or not at all.
    Multi(MultiRequest),
    /// Reads in one request.
    MultiRead(MultiRequest),
    /// Changes the members of the ensemble.
    Reconfig(ReconfigRequest),
    /// Asks whether a watch is registered.
    CheckWatches(WatchTypeRequest),
    /// Removes watches.
    RemoveWatches(WatchTypeRequest),
    /// Adds an identity to the connection.
    Auth(AuthRequest),
    /// Registers watches again after a reconnect.
    SetWatches(SetWatchesRequest),
    /// One token of a SASL exchange.
    Sasl(Option<Bytes>),
    /// Lists the ephemerals of the session whose path begins with this text.
    GetEphemerals(Option<String>),
    /// Counts all descendants.
    GetAllChildrenNumber(PathRequest),
    /// Registers a persistent watch.
    AddWatch(AddWatchRequest),
    /// Lists the identities of the connection.
    WhoAmI,
    /// Closes the session.
    CloseSession,
}

impl Request {
    /// Reads the body of a request. Bytes after it are ignored; data are slices of `body`, not copies.
    ///
    /// # Errors
    /// If the body is truncated or invalid as such, which a server answers with
    /// [`DecodeError::error_code`]. Arguments that are merely wrong (paths, flags, versions) are no error here,
    /// except the flags inside a multi.
    pub fn decode(op: OpCode, body: &Bytes) -> Result<Self, DecodeError> {
        if !op.is_client_request() {
            return Err(DecodeError::NotAClientRequest(op));
        }
        decode::finish(Self::parse(op, body, body))
    }

    /// Parses the request of `op` that `input`, a part of `body`, begins with.
    pub(crate) fn parse<'a>(op: OpCode, body: &'a Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        match op {
            OpCode::Create => CreateRequest::parser(CreateKind::Create, body)
                .map(Self::Create)
                .parse(input),
            OpCode::Create2 => CreateRequest::parser(CreateKind::Create2, body)
                .map(Self::Create)
                .parse(input),
            OpCode::CreateContainer => CreateRequest::parser(CreateKind::Container, body)
                .map(Self::Create)
                .parse(input),
            OpCode::CreateTtl => CreateRequest::parser(CreateKind::Ttl, body)
                .map(Self::Create)
                .parse(input),
            OpCode::Delete => DeleteRequest::parse.map(Self::Delete).parse(input),
            OpCode::Exists => ReadRequest::parse.map(Self::Exists).parse(input),
            OpCode::GetData => ReadRequest::parse.map(Self::GetData).parse(input),
            OpCode::SetData => SetDataRequest::parser(body).map(Self::SetData).parse(input),
            OpCode::GetAcl => PathRequest::parse.map(Self::GetAcl).parse(input),
            OpCode::SetAcl => SetAclRequest::parse.map(Self::SetAcl).parse(input),
            OpCode::GetChildren => ReadRequest::parse.map(Self::GetChildren).parse(input),
            OpCode::GetChildren2 => ReadRequest::parse.map(Self::GetChildren2).parse(input),
            OpCode::Sync => SyncRequest::parse.map(Self::Sync).parse(input),
            OpCode::Ping => Ok((input, Self::Ping)),
            OpCode::Check => CheckRequest::parse.map(Self::CheckVersion).parse(input),
            OpCode::Multi => multi::write_parts(body)
                .map(|ops| Self::Multi(MultiRequest { ops }))
                .parse(input),
            OpCode::MultiRead => multi::read_parts(body)
                .map(|ops| Self::MultiRead(MultiRequest { ops }))
                .parse(input),
            OpCode::Reconfig => ReconfigRequest::parse.map(Self::Reconfig).parse(input),
            OpCode::CheckWatches => WatchTypeRequest::parse.map(Self::CheckWatches).parse(input),
            OpCode::RemoveWatches => WatchTypeRequest::parse
                .map(Self::RemoveWatches)
                .parse(input),
            OpCode::Auth => AuthRequest::parser(body).map(Self::Auth).parse(input),
            OpCode::SetWatches => SetWatchesRequest::parse.map(Self::SetWatches).parse(input),
            OpCode::SetWatches2 => SetWatchesRequest::parse2.map(Self::SetWatches).parse(input),
            OpCode::Sasl => decode::buffer(body).map(Self::Sasl).parse(input),
            OpCode::GetEphemerals => decode::opt_string.map(Self::GetEphemerals).parse(input),
            OpCode::GetAllChildrenNumber => PathRequest::parse
                .map(Self::GetAllChildrenNumber)
                .parse(input),
            OpCode::AddWatch => AddWatchRequest::parse.map(Self::AddWatch).parse(input),
            OpCode::WhoAmI => Ok((input, Self::WhoAmI)),
            OpCode::CloseSession => Ok((input, Self::CloseSession)),
            OpCode::Notification
            | OpCode::DeleteContainer
            | OpCode::CreateSession
            | OpCode::Error => decode::fail(DecodeError::NotAClientRequest(op)),
        }
    }

    /// The operation for the request header.
    #[must_use]
    pub const fn op(&self) -> OpCode {
        match self {
            Self::Create(request) => request.kind.op(),
            Self::Delete(_) => OpCode::Delete,
            Self::Exists(_) => OpCode::Exists,
            Self::GetData(_) => OpCode::GetData,
            Self::SetData(_) => OpCode::SetData,
            Self::GetAcl(_) => OpCode::GetAcl,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::GetChildren2(_) => OpCode::GetChildren2,
            Self::Sync(_) => OpCode::Sync,
            Self::Ping => OpCode::Ping,
            Self::CheckVersion(_) => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::CheckWatches(_) => OpCode::CheckWatches,
            Self::RemoveWatches(_) => OpCode::RemoveWatches,
            Self::Auth(_) => OpCode::Auth,
            Self::SetWatches(request) => request.op(),
            Self::Sasl(_) => OpCode::Sasl,
            Self::GetEphemerals(_) => OpCode::GetEphemerals,
            Self::GetAllChildrenNumber(_) => OpCode::GetAllChildrenNumber,
            Self::AddWatch(_) => OpCode::AddWatch,
            Self::WhoAmI => OpCode::WhoAmI,
            Self::CloseSession => OpCode::CloseSession,
        }
    }

    /// Writes the body that follows the request header.
    ///
    /// # Panics
    /// If a string, buffer or list is longer than an `i32` can tell.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Create(request) => request.encode(out),
            Self::Delete(request) => request.encode(out),
            Self::Exists(request) | Self::GetData(request) => request.encode(out),
            Self::GetChildren(request) | Self::GetChildren2(request) => request.encode(out),
            Self::SetData(request) => request.encode(out),
            Self::GetAcl(request) | Self::GetAllChildrenNumber(request) => request.encode(out),
            Self::SetAcl(request) => request.encode(out),
            Self::Sync(request) => request.encode(out),
            Self::CheckVersion(request) => request.encode(out),
            Self::Multi(request) | Self::MultiRead(request) => {
                multi::encode_parts(&request.ops, out);
            }
            Self::Reconfig(request) => request.encode(out),
            Self::CheckWatches(request) | Self::RemoveWatches(request) => request.encode(out),
            Self::Auth(request) => request.encode(out),
            Self::SetWatches(request) => request.encode(out),
            Self::Sasl(token) => crate::encode::put_opt_buffer(out, token.as_deref()),
            Self::GetEphemerals(prefix) => crate::encode::put_opt_string(out, prefix.as_deref()),
            Self::AddWatch(request) => request.encode(out),
            Self::Ping | Self::WhoAmI | Self::CloseSession => {}
        }
    }
}
