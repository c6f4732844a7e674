//! The znodes that the throughput scenarios read and write: made once on every fresh server.

use std::sync::Arc;

use bytes::Bytes;
use treekeeper_protocol::{MultiRequest, ReadRequest, Request, SetDataRequest};

use crate::load::client::Client;
use crate::load::frame::Frame;
use crate::load::requests::{Creates, create};
use crate::load::{LoadError, Target};

/// Znodes that are read and written, by each size of value.
const VALUES: u64 = 1000;
/// Changes in one multi.
const MULTI_OPS: u64 = 10;
/// Parents of created znodes, one per connection.
pub const CREATE_PARENTS: u64 = 50;
/// Below it each connection creates znodes under its own parent.
pub const CREATES: &str = "/creates";
/// Its 100 children are listed.
pub const LISTED: &str = "/listed";
/// Its 200 children are watched and listed.
pub const FAN_OUT: &str = "/fan-out";
/// As many connections with a child watch list this many.
const FAN_OUT_CHILDREN: u64 = 200;
const LISTED_CHILDREN: u64 = 100;

/// The two sizes of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// 100 bytes.
    Small,
    /// 1 KB.
    Large,
}

impl Value {
    /// The data of a znode.
    pub fn data(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Small => &[b'x'; 100],
            Self::Large => &[b'x'; 1024],
        })
    }

    fn root(self) -> &'static str {
        match self {
            Self::Small => "/small-values",
            Self::Large => "/large-values",
        }
    }

    fn path(self, number: u64) -> String {
        format!("{}/{number:04}", self.root())
    }

    /// Reads of every znode with such a value.
    pub fn gets(self) -> Arc<[Frame]> {
        let get = |number| {
            Request::GetData(ReadRequest {
                path: self.path(number),
                watch: false,
            })
        };
        (0..VALUES).map(|number| Frame::new(&get(number))).collect()
    }

    /// Writes of every znode with such a value.
    pub fn sets(self) -> Arc<[Frame]> {
        (0..VALUES)
            .map(|number| Frame::new(&self.set(number)))
            .collect()
    }

    /// Multis of ten writes each that together reach every znode.
    pub fn multis(self) -> Arc<[Frame]> {
        let multi = |first| {
            let ops = (first..first + MULTI_OPS)
                .map(|number| self.set(number))
                .collect();
            Request::Multi(MultiRequest { ops })
        };
        (0..VALUES / MULTI_OPS)
            .map(|number| Frame::new(&multi(number * MULTI_OPS)))
            .collect()
    }

    fn set(self, number: u64) -> Request {
        Request::SetData(SetDataRequest {
            path: self.path(number),
            data: Some(self.data()),
            version: -1,
        })
    }
}

/// The listing of 100 children.
pub fn lists() -> Arc<[Frame]> {
    Arc::from([Frame::new(&Request::GetChildren(ReadRequest {
        path: LISTED.to_owned(),
        watch: false,
    }))])
}

/// Makes the znodes.
///
/// # Errors
/// When the server refuses one.
pub fn make(target: Target) -> Result<(), LoadError> {
    let mut znodes = Vec::new();
    for value in [Value::Small, Value::Large] {
        znodes.push(create(value.root(), Bytes::new()));
        znodes.extend((0..VALUES).map(|number| create(&value.path(number), value.data())));
    }
    for (parent, children) in [(LISTED, LISTED_CHILDREN), (FAN_OUT, FAN_OUT_CHILDREN)] {
        znodes.push(create(parent, Bytes::new()));
        let path = |number| format!("{parent}/{}", Creates::name(number));
        znodes.extend((0..children).map(|number| create(&path(number), Value::Small.data())));
    }
    znodes.push(create(CREATES, Bytes::new()));
    let parents = (0..CREATE_PARENTS).map(|parent| Creates::parent(CREATES, parent));
    znodes.extend(parents.map(|path| create(&path, Bytes::new())));

    let mut client = Client::connect(target.address)?;
    client.call_all(&znodes)?;
    client.close()
}
