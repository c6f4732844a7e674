//! What a server sends: replies, events, and the records in them.

use super::bytes::Reader;
use super::outcome::{Outcome, expect, failed};

/// A znode's metadata, 68 bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    pub(crate) version: i32,
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
    pub(crate) ephemeral_owner: i64,
    pub(crate) data_length: i32,
    pub(crate) num_children: i32,
    pub(crate) pzxid: i64,
}

/// One entry of an access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl {
    pub(crate) perms: i32,
    pub(crate) scheme: String,
    pub(crate) id: String,
}

impl Acl {
    /// An entry.
    pub(crate) fn new(perms: i32, scheme: &str, id: &str) -> Self {
        Self {
            perms,
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }
    }

    /// `world:anyone` with `perms`.
    pub(crate) fn world(perms: i32) -> Self {
        Self::new(perms, "world", "anyone")
    }
}

/// A watch event with the zxid of its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) zxid: i64,
    pub(crate) kind: i32,
    pub(crate) state: i32,
    pub(crate) path: String,
}

impl Event {
    /// The event as `Kind path`, with `root` taken off the path.
    pub(crate) fn show(&self, root: &str) -> String {
        let kind = match self.kind {
            1 => "Created",
            2 => "Deleted",
            3 => "DataChanged",
            4 => "ChildrenChanged",
            _ => return format!("{self:?}"),
        };
        let path = self.path.strip_prefix(root).unwrap_or(&self.path);
        format!("{kind} {}", path.strip_prefix('/').unwrap_or(path))
    }
}

/// An answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) xid: i32,
    pub(crate) zxid: i64,
    pub(crate) err: i32,
    pub(crate) body: Vec<u8>,
}

/// A frame from a server after the handshake.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Reply(Reply),
    Event(Event),
}

impl Frame {
    /// Reads a frame: xid -1 with err 0 is an event, all else a reply.
    pub(crate) fn read(bytes: &[u8]) -> Outcome<Self> {
        let mut reader = Reader::new(bytes);
        let (xid, zxid, err) = (reader.i32()?, reader.i64()?, reader.i32()?);
        if xid != -1 || err != 0 {
            return Ok(Self::Reply(Reply {
                xid,
                zxid,
                err,
                body: reader.raw(reader.left())?.to_vec(),
            }));
        }
        let event = Event {
            zxid,
            kind: reader.i32()?,
            state: reader.i32()?,
            path: reader.str()?,
        };
        reader.end()?;
        Ok(Self::Event(event))
    }
}

impl Reply {
    /// Checks success and gives the body.
    #[track_caller]
    pub(crate) fn ok(&self) -> Outcome<Reader<'_>> {
        expect("reply err", self.err, 0)?;
        Ok(Reader::new(&self.body))
    }

    /// Reads a successful body to its very end.
    #[track_caller]
    fn whole<'a, T>(&'a self, read: impl FnOnce(&mut Reader<'a>) -> Outcome<T>) -> Outcome<T> {
        let mut reader = self.ok()?;
        let value = read(&mut reader).map_err(|stop| failed(stop.to_string()))?;
        reader.end()?;
        Ok(value)
    }

    /// Checks the refusal `err`, with a header and nothing else.
    #[track_caller]
    pub(crate) fn refused(&self, err: i32) -> Outcome {
        expect("reply err", self.err, err)?;
        expect("body of a refusal", self.body.len(), 0)
    }

    /// Checks success, with a header and nothing else.
    #[track_caller]
    pub(crate) fn bare(&self) -> Outcome {
        self.refused(0)
    }

    /// The body as one string.
    #[track_caller]
    pub(crate) fn path(&self) -> Outcome<String> {
        self.whole(Reader::str)
    }

    /// The body as one Stat.
    #[track_caller]
    pub(crate) fn stat(&self) -> Outcome<Stat> {
        self.whole(Reader::stat)
    }

    /// The body as a path and a Stat.
    #[track_caller]
    pub(crate) fn path_and_stat(&self) -> Outcome<(String, Stat)> {
        self.whole(|reader| Ok((reader.str()?, reader.stat()?)))
    }

    /// The body as data and a Stat.
    #[track_caller]
    pub(crate) fn data_and_stat(&self) -> Outcome<(Option<Vec<u8>>, Stat)> {
        self.whole(|reader| Ok((reader.buf()?, reader.stat()?)))
    }

    /// The body as names, sorted, for their order is the server's affair.
    #[track_caller]
    pub(crate) fn children(&self) -> Outcome<Vec<String>> {
        let mut names = self.whole(Reader::strings)?;
        names.sort();
        Ok(names)
    }

    /// The body as names, sorted, and a Stat.
    #[track_caller]
    pub(crate) fn children_and_stat(&self) -> Outcome<(Vec<String>, Stat)> {
        let (mut names, stat) = self.whole(|reader| Ok((reader.strings()?, reader.stat()?)))?;
        names.sort();
        Ok((names, stat))
    }

    /// The body as an ACL and a Stat.
    #[track_caller]
    pub(crate) fn acl_and_stat(&self) -> Outcome<(Vec<Acl>, Stat)> {
        self.whole(|reader| Ok((reader.acls()?, reader.stat()?)))
    }

    /// The body as one i32.
    #[track_caller]
    pub(crate) fn number(&self) -> Outcome<i32> {
        self.whole(Reader::i32)
    }

    /// The body as `whoAmI` gives it, `scheme:user` each.
    #[track_caller]
    pub(crate) fn identities(&self) -> Outcome<Vec<String>> {
        self.whole(|reader| {
            let mut identities = Vec::new();
            for _ in 0..reader.count()? {
                identities.push(format!("{}:{}", reader.str()?, reader.str()?));
            }
            identities.sort();
            Ok(identities)
        })
    }

    /// The body as results of a multi or multiRead.
    #[track_caller]
    pub(crate) fn results(&self) -> Outcome<Vec<OpResult>> {
        self.whole(OpResult::read_all)
    }
}

/// One result inside a multi's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpResult {
    Create(String),
    CreateStat(String, Stat),
    Delete,
    Stat(Stat),
    Check,
    Data(Option<Vec<u8>>, Stat),
    Children(Vec<String>),
    Error(i32),
}

impl OpResult {
    /// Reads results up to the end header, which is checked byte by byte.
    fn read_all(reader: &mut Reader<'_>) -> Outcome<Vec<Self>> {
        let mut results = Vec::new();
        loop {
            let (op, done, err) = (reader.i32()?, reader.bool()?, reader.i32()?);
            if done {
                expect("end header", (op, err), (-1, -1))?;
                return Ok(results);
            }
            let result = match op {
                1 => Self::Create(reader.str()?),
                15 => Self::CreateStat(reader.str()?, reader.stat()?),
                2 => Self::Delete,
                5 => Self::Stat(reader.stat()?),
                13 => Self::Check,
                4 => Self::Data(reader.buf()?, reader.stat()?),
                8 => {
                    let mut names = reader.strings()?;
                    names.sort();
                    Self::Children(names)
                }
                -1 => Self::Error(reader.i32()?),
                _ => return Err(failed(format!("expected a result type, got {op}"))),
            };
            match result {
                Self::Error(code) => expect("err of an error result's header", err, code)?,
                _ => expect("err of a result's header", err, 0)?,
            }
            results.push(result);
        }
    }

    /// The Stat of a result that has one.
    #[track_caller]
    pub(crate) fn stat(&self) -> Outcome<Stat> {
        match self {
            Self::CreateStat(_, stat) | Self::Stat(stat) | Self::Data(_, stat) => Ok(*stat),
            other => Err(failed(format!(
                "expected a result with a Stat, got {other:?}"
            ))),
        }
    }
}
