//! What goes over the wire between a `ZooKeeper` client and a server.
//!
//! In: the bytes of a frame. Out: typed records; and back again, so that server, client and tests share
//! one description of each record. Everything on the wire is big-endian and positional; strings, buffers
//! and lists carry an `i32` length in front, `-1` meaning null.
//! Not here: sockets, clocks, tasks, and what a request *does*.

#![forbid(unsafe_code)]

mod acl;
mod connect;
mod create_mode;
mod decode;
pub mod encode;
mod ephemeral;
mod error_code;
mod event;
pub mod four_letter;
pub mod frame;
mod header;
mod multi;
mod op_code;
pub mod path;
mod request;
pub mod response;
mod stat;
mod watch;
mod wire_enum;

pub use acl::{Acl, perms};
pub use connect::{ConnectRequest, ConnectResponse, PASSWORD_LEN};
pub use create_mode::CreateMode;
pub use decode::DecodeError;
pub use ephemeral::{EphemeralKind, TTL_MS_MAX};
pub use error_code::ErrorCode;
pub use event::{EventType, KeeperState, WatcherEvent};
pub use four_letter::FourLetterWord;
pub use frame::FrameError;
pub use header::{ReplyHeader, RequestHeader, xid};
pub use multi::{MultiHeader, OpResult};
pub use op_code::OpCode;
pub use path::PathError;
pub use request::{
    AddWatchRequest, AuthRequest, CheckRequest, CreateKind, CreateRequest, DeleteRequest,
    MultiRequest, PathRequest, ReadRequest, ReconfigRequest, Request, SetAclRequest,
    SetDataRequest, SetWatchesRequest, SyncRequest, WatchTypeRequest,
};
pub use response::ClientInfo;
pub use stat::Stat;
pub use watch::{AddWatchMode, WatchKind};
