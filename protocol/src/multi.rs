//! Requests of several operations, and their results.
//!
//! Wire form, both ways: any number of `MultiHeader{i32 type, bool done=false, i32 err}` with a record each,
//! then `MultiHeader{-1, true, -1}`.
//! In: such bytes. Out: the parts. A part that must not be there spoils the whole.

use crate::decode::{self, DecodeError, Parsed};
use crate::encode::{put_bool, put_opt_buffer, put_stat, put_string, put_strings};
use crate::{CreateMode, ErrorCode, OpCode, Request, Stat};
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::be_i32;

/// In front of each part of a multi, and at its end. 9 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MultiHeader {
    /// The operation of a request's part, the kind of a result, −1 for an error and at the end.
    pub op: i32,
    /// True only at the end.
    pub done: bool,
    /// −1 in requests and at the end; in results 0 or the error.
    pub err: i32,
}

impl MultiHeader {
    /// The header at the end.
    pub const END: Self = Self {
        op: -1,
        done: true,
        err: -1,
    };

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (be_i32, decode::boolean, be_i32)
            .map(|(op, done, err)| Self { op, done, err })
            .parse(input)
    }

    /// Writes the header.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.op);
        put_bool(out, self.done);
        out.put_i32(self.err);
    }
}

/// The parts of a multi (14).
pub(crate) fn write_parts<'a>(body: &'a Bytes) -> impl Fn(&'a [u8]) -> Parsed<'a, Vec<Request>> {
    parts(body, |op| {
        matches!(
            op,
            OpCode::Create
                | OpCode::Delete
                | OpCode::SetData
                | OpCode::Check
                | OpCode::Create2
                | OpCode::CreateContainer
                | OpCode::CreateTtl
        )
    })
}

/// The parts of a multi read (22).
pub(crate) fn read_parts<'a>(body: &'a Bytes) -> impl Fn(&'a [u8]) -> Parsed<'a, Vec<Request>> {
    parts(body, |op| {
        matches!(op, OpCode::GetData | OpCode::GetChildren)
    })
}

fn parts<'a>(
    body: &'a Bytes,
    is_allowed: fn(OpCode) -> bool,
) -> impl Fn(&'a [u8]) -> Parsed<'a, Vec<Request>> {
    move |mut input| {
        let mut ops = Vec::new();
        loop {
            let (rest, header) = MultiHeader::parse(input)?;
            if header.done {
                return Ok((rest, ops));
            }
            let Some(op) = OpCode::from_i32(header.op).filter(|&op| is_allowed(op)) else {
                return decode::fail(DecodeError::MultiOp(header.op));
            };
            let (rest, request) = Request::parse(op, body, rest)?;
            check_flags(&request).map_err(nom::Err::Failure)?;
            ops.push(request);
            input = rest;
        }
    }
}

/// A stock server reads the flags of creates while it decodes a multi, and gives up on the whole of it.
fn check_flags(request: &Request) -> Result<(), DecodeError> {
    let Request::Create(create) = request else {
        return Ok(());
    };
    match CreateMode::from_flags(create.flags) {
        Some(mode) if !mode.is_ttl() || create.kind.op() == OpCode::CreateTtl => Ok(()),
        _ => Err(DecodeError::MultiCreateFlags(create.flags)),
    }
}

pub(crate) fn encode_parts(ops: &[Request], out: &mut BytesMut) {
    for request in ops {
        MultiHeader {
            op: request.op().as_i32(),
            done: false,
            err: -1,
        }
        .encode(out);
        request.encode(out);
    }
    MultiHeader::END.encode(out);
}

/// The result of one part of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// A znode was created by operation 1.
    Create {
        /// Its path, with the sequence number if any.
        path: String,
    },
    /// A znode was created by one of the other operations.
    Create2 {
        /// Its path, with the sequence number if any.
        path: String,
        /// Its stat.
        stat: Stat,
    },
    /// A znode was deleted.
    Delete,
    /// Data was replaced; the new stat.
    SetData(Stat),
    /// The version was as expected.
    Check,
    /// Data was read.
    GetData {
        /// The data.
        data: Option<Bytes>,
        /// The stat.
        stat: Stat,
    },
    /// Names of children were read.
    GetChildren(Vec<String>),
    /// The part failed, or was not done because another one failed.
    Error(ErrorCode),
}

impl OpResult {
    fn header(&self) -> MultiHeader {
        let op = match self {
            Self::Create { .. } => OpCode::Create,
            Self::Create2 { .. } => OpCode::Create2,
            Self::Delete => OpCode::Delete,
            Self::SetData(_) => OpCode::SetData,
            Self::Check => OpCode::Check,
            Self::GetData { .. } => OpCode::GetData,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::Error(_) => OpCode::Error,
        };
        let err = if let Self::Error(code) = self {
            code.as_i32()
        } else {
            0
        };
        MultiHeader {
            op: op.as_i32(),
            done: false,
            err,
        }
    }

    /// Writes the header and the record of this result.
    ///
    /// # Panics
    /// If a string, buffer or list is longer than an `i32` can tell.
    pub fn encode(&self, out: &mut BytesMut) {
        self.header().encode(out);
        match self {
            Self::Create { path } => put_string(out, path),
            Self::Create2 { path, stat } => {
                put_string(out, path);
                put_stat(out, stat);
            }
            Self::SetData(stat) => put_stat(out, stat),
            Self::GetData { data, stat } => {
                put_opt_buffer(out, data.as_deref());
                put_stat(out, stat);
            }
            Self::GetChildren(children) => put_strings(out, children),
            Self::Error(code) => out.put_i32(code.as_i32()),
            Self::Delete | Self::Check => {}
        }
    }

    /// Writes the results of a multi, with the header at their end.
    ///
    /// # Panics
    /// If a string, buffer or list is longer than an `i32` can tell.
    pub fn encode_results(results: &[Self], out: &mut BytesMut) {
        for result in results {
            result.encode(out);
        }
        MultiHeader::END.encode(out);
    }

    /// Reads the results of a multi.
    ///
    /// # Errors
    /// If `body` is truncated or holds a result of an unknown kind.
    pub fn decode_results(body: &Bytes) -> Result<Vec<Self>, DecodeError> {
        let mut input: &[u8] = body;
        let mut results = Vec::new();
        loop {
            let (rest, header) = split(MultiHeader::parse(input))?;
            if header.done {
                return Ok(results);
            }
            let (rest, result) = split(Self::parse(header, body, rest))?;
            results.push(result);
            input = rest;
        }
    }

    fn parse<'a>(header: MultiHeader, body: &'a Bytes, input: &'a [u8]) -> Parsed<'a, Self> {
        match OpCode::from_i32(header.op) {
            Some(OpCode::Create) => decode::string
                .map(|path| Self::Create { path })
                .parse(input),
            Some(OpCode::Create2) => (decode::string, Stat::parse)
                .map(|(path, stat)| Self::Create2 { path, stat })
                .parse(input),
            Some(OpCode::Delete) => Ok((input, Self::Delete)),
            Some(OpCode::SetData) => Stat::parse.map(Self::SetData).parse(input),
            Some(OpCode::Check) => Ok((input, Self::Check)),
            Some(OpCode::GetData) => (decode::buffer(body), Stat::parse)
                .map(|(data, stat)| Self::GetData { data, stat })
                .parse(input),
            Some(OpCode::GetChildren) => decode::strings.map(Self::GetChildren).parse(input),
            Some(OpCode::Error) => {
                let (input, number) = be_i32(input)?;
                match ErrorCode::from_i32(number) {
                    Some(code) => Ok((input, Self::Error(code))),
                    None => decode::fail(DecodeError::UnknownNumber {
                        what: "error code",
                        number,
                    }),
                }
            }
            _ => decode::fail(DecodeError::MultiOp(header.op)),
        }
    }
}

fn split<'a, T>(parsed: Parsed<'a, T>) -> Result<(&'a [u8], T), DecodeError> {
    match parsed {
        Ok(parts) => Ok(parts),
        Err(error) => decode::finish(Err(error)),
    }
}
