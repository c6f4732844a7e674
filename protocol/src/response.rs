//! Bodies of replies: what follows a reply header whose error is 0.
//!
//! Delete, ping, auth, the watch operations but `addWatch`, and closing a session have no body.

use crate::acl::Acl;
use crate::decode::{self, DecodeError, Parsed};
use crate::encode::{
    put_acls, put_count, put_opt_buffer, put_opt_string, put_stat, put_string, put_strings,
};
use crate::{OpResult, Stat};
use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::be_i32;

/// The public pair of `decode` and `encode`; `$parse` turns the body into the record, `$encode` writes it.
macro_rules! body {
    ($name:ident, |$body:ident, $input:ident| $parse:expr, |$self:ident, $out:ident| $encode:block) => {
        impl $name {
            fn parse<'a>($body: &'a Bytes, $input: &'a [u8]) -> Parsed<'a, Self> {
                $parse
            }

            /// Reads the record from the beginning of `body`. Data are slices of it, not copies.
            ///
            /// # Errors
            /// If `body` is truncated or invalid.
            pub fn decode(body: &Bytes) -> Result<Self, DecodeError> {
                decode::finish(Self::parse(body, body))
            }

            /// Writes the record.
            ///
            /// # Panics
            /// If a string, buffer or list is longer than an `i32` can tell.
            pub fn encode(&self, $out: &mut BytesMut) {
                let $self = self;
                $encode
            }
        }
    };
}

/// To create (1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateResponse {
    /// The path, with the sequence number if any.
    pub path: String,
}

body!(
    CreateResponse,
    |_body, input| decode::string.map(|path| Self { path }).parse(input),
    |this, out| {
        put_string(out, &this.path);
    }
);

/// To create2 (15), createContainer (19) and createTTL (21).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Create2Response {
    /// The path, with the sequence number if any.
    pub path: String,
    /// The stat of the new znode.
    pub stat: Stat,
}

body!(
    Create2Response,
    |_body, input| (decode::string, Stat::parse)
        .map(|(path, stat)| Self { path, stat })
        .parse(input),
    |this, out| {
        put_string(out, &this.path);
        put_stat(out, &this.stat);
    }
);

/// To exists (3), setData (5) and setACL (7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatResponse {
    /// The stat of the znode.
    pub stat: Stat,
}

body!(
    StatResponse,
    |_body, input| Stat::parse.map(|stat| Self { stat }).parse(input),
    |this, out| {
        put_stat(out, &this.stat);
    }
);

/// To getData (4), and to reconfig (16) with the new configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetDataResponse {
    /// The data; null and empty are different.
    pub data: Option<Bytes>,
    /// The stat of the znode.
    pub stat: Stat,
}

body!(
    GetDataResponse,
    |body, input| (decode::buffer(body), Stat::parse)
        .map(|(data, stat)| Self { data, stat })
        .parse(input),
    |this, out| {
        put_opt_buffer(out, this.data.as_deref());
        put_stat(out, &this.stat);
    }
);

/// To getACL (6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetAclResponse {
    /// The access control list.
    pub acl: Option<Vec<Acl>>,
    /// The stat of the znode.
    pub stat: Stat,
}

body!(
    GetAclResponse,
    |_body, input| (Acl::parse_list, Stat::parse)
        .map(|(acl, stat)| Self { acl, stat })
        .parse(input),
    |this, out| {
        put_acls(out, this.acl.as_deref());
        put_stat(out, &this.stat);
    }
);

/// To getChildren (8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetChildrenResponse {
    /// Names without their parent's path, in any order.
    pub children: Vec<String>,
}

body!(
    GetChildrenResponse,
    |_body, input| decode::strings
        .map(|children| Self { children })
        .parse(input),
    |this, out| {
        put_strings(out, &this.children);
    }
);

/// To getChildren2 (12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetChildren2Response {
    /// Names without their parent's path, in any order.
    pub children: Vec<String>,
    /// The stat of the parent.
    pub stat: Stat,
}

body!(
    GetChildren2Response,
    |_body, input| (decode::strings, Stat::parse)
        .map(|(children, stat)| Self { children, stat })
        .parse(input),
    |this, out| {
        put_strings(out, &this.children);
        put_stat(out, &this.stat);
    }
);

/// To sync (9).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncResponse {
    /// The text of the request.
    pub path: Option<String>,
}

body!(
    SyncResponse,
    |_body, input| decode::opt_string.map(|path| Self { path }).parse(input),
    |this, out| {
        put_opt_string(out, this.path.as_deref());
    }
);

/// To sasl (102).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SaslResponse {
    /// The server's next token.
    pub token: Option<Bytes>,
}

body!(
    SaslResponse,
    |body, input| decode::buffer(body)
        .map(|token| Self { token })
        .parse(input),
    |this, out| {
        put_opt_buffer(out, this.token.as_deref());
    }
);

/// To getEphemerals (103).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetEphemeralsResponse {
    /// Whole paths, in any order.
    pub ephemerals: Vec<String>,
}

body!(
    GetEphemeralsResponse,
    |_body, input| decode::strings
        .map(|ephemerals| Self { ephemerals })
        .parse(input),
    |this, out| {
        put_strings(out, &this.ephemerals);
    }
);

/// To getAllChildrenNumber (104).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetAllChildrenNumberResponse {
    /// Number of descendants.
    pub total: i32,
}

body!(
    GetAllChildrenNumberResponse,
    |_body, input| be_i32.map(|total| Self { total }).parse(input),
    |this, out| {
        out.put_i32(this.total);
    }
);

/// To addWatch (106); clients insist on this body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorResponse {
    /// 0.
    pub err: i32,
}

body!(
    ErrorResponse,
    |_body, input| be_i32.map(|err| Self { err }).parse(input),
    |this, out| {
        out.put_i32(this.err);
    }
);

/// One identity of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientInfo {
    /// The scheme, for example `digest`.
    pub scheme: String,
    /// The user, without secrets.
    pub user: String,
}

impl ClientInfo {
    /// Bytes of an identity with empty strings.
    const LEN_MIN: usize = 8;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (decode::string_or_empty, decode::string_or_empty)
            .map(|(scheme, user)| Self { scheme, user })
            .parse(input)
    }
}

/// To whoAmI (107).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WhoAmIResponse {
    /// The identities of the connection.
    pub infos: Vec<ClientInfo>,
}

body!(
    WhoAmIResponse,
    |_body, input| decode::opt_list(ClientInfo::LEN_MIN, ClientInfo::parse)
        .map(|infos| Self {
            infos: infos.unwrap_or_default()
        })
        .parse(input),
    |this, out| {
        put_count(out, this.infos.len());
        for info in &this.infos {
            put_string(out, &info.scheme);
            put_string(out, &info.user);
        }
    }
);

/// To multi (14) and multiRead (22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiResponse {
    /// One result for each part of the request, in its order.
    pub results: Vec<OpResult>,
}

impl MultiResponse {
    /// Reads the results up to the header that ends them.
    ///
    /// # Errors
    /// If `body` is truncated or holds a result of an unknown kind.
    pub fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self {
            results: OpResult::decode_results(body)?,
        })
    }

    /// Writes the results and the header that ends them.
    ///
    /// # Panics
    /// If a string, buffer or list is longer than an `i32` can tell.
    pub fn encode(&self, out: &mut BytesMut) {
        OpResult::encode_results(&self.results, out);
    }
}
