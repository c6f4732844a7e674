//! The first frame each way: who is there, what it speaks, and whether the two belong together.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use super::tls::Tls;

/// What a connection begins with: "tkpl".
pub(super) const MAGIC: [u8; 4] = *b"tkpl";

/// The newest version of the links that this release speaks, and the oldest.
pub(super) const VERSION: u16 = 1;
pub(super) const VERSION_MIN: u16 = 1;

/// Bytes of a frame before the two know each other.
pub(super) const HELLO_BYTES_MAX: usize = 4096;

/// What a member supports that says nothing of rules.
const RULES_UNSAID: u16 = 1;

/// Who a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its N among the `server.N` lines.
    pub my_id: u8,
    /// Its node id: random, made with its data folder.
    pub node_id: u64,
    /// The ensemble that its data belongs to; 0 before it knows.
    pub cluster_id: u64,
    /// Is it part of an ensemble: does its log name members?
    pub formed: bool,
    /// A digest of the `server.N` lines that it was started with.
    pub lines: u64,
    /// The newest rules of apply that it supports.
    pub rules: u16,
}

/// This member, as it says of itself and proves it; what is not known at the start comes later.
#[derive(Debug)]
pub struct Local {
    identity: Mutex<Identity>,
    tls: Option<Arc<Tls>>,
}

impl Local {
    /// A member that says so of itself.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity: Mutex::new(identity),
            tls: None,
        }
    }

    /// A member whose links have TLS, if any is given.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    pub(super) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Who it is now.
    #[must_use]
    pub fn identity(&self) -> Identity {
        *self.identity.lock()
    }

    /// It has become part of an ensemble.
    pub fn formed(&self) {
        self.identity.lock().formed = true;
    }

    /// It has learned which ensemble its data belongs to.
    pub fn belongs_to(&self, cluster_id: u64) {
        self.identity.lock().cluster_id = cluster_id;
    }
}

/// What the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) versions: (u16, u16),
    pub(super) from: Identity,
    /// The node that it wants; 0 for whoever is there.
    pub(super) wanted: u64,
}

/// What is said in return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    /// The version that both speak; 0 with a refusal.
    pub(super) version: u16,
    pub(super) from: Identity,
    pub(super) refusal: Option<String>,
}

impl Hello {
    /// Does the caller belong here? The version that both speak, or why not.
    pub(super) fn check(&self, local: &Identity) -> Result<u16, String> {
        let (oldest, newest) = self.versions;
        let version = newest.min(VERSION);
        if version < oldest.max(VERSION_MIN) {
            return Err(format!(
                "this release speaks versions {VERSION_MIN} to {VERSION} of the peer protocol, server {} speaks {oldest} to {newest}: \
                 upgrade one release at a time",
                self.from.my_id
            ));
        }
        check_identities(local, &self.from)?;
        if self.wanted != 0 && self.wanted != local.node_id {
            return Err(format!(
                "server {} has another data folder than the ensemble knows it by (node {:016x}, not {:016x})",
                local.my_id, local.node_id, self.wanted
            ));
        }
        Ok(version)
    }
}

/// Can these two be members of one ensemble?
pub(super) fn check_identities(local: &Identity, other: &Identity) -> Result<(), String> {
    if local.cluster_id != 0 && other.cluster_id != 0 && local.cluster_id != other.cluster_id {
        return Err(format!(
            "server {} belongs to ensemble {:016x}, and server {} to ensemble {:016x}: one of them has the data folder or \
             the address of another ensemble. If one of the two was made a new ensemble (treekeeper recover), empty the data \
             folder of the other one, and start it again",
            local.my_id, local.cluster_id, other.my_id, other.cluster_id
        ));
    }
    if local.my_id == other.my_id && local.node_id != other.node_id {
        return Err(format!(
            "two members say that they are server {}: give one of them another myid",
            local.my_id
        ));
    }
    Ok(())
}

fn put_identity(out: &mut BytesMut, identity: &Identity) {
    out.put_u8(identity.my_id);
    out.put_u64(identity.node_id);
    out.put_u64(identity.cluster_id);
    out.put_u8(u8::from(identity.formed));
    out.put_u64(identity.lines);
}

/// All but the rules, which stand behind what the first release knew.
fn identity(body: &mut Bytes) -> Option<Identity> {
    Some(Identity {
        my_id: body.try_get_u8().ok()?,
        node_id: body.try_get_u64().ok()?,
        cluster_id: body.try_get_u64().ok()?,
        formed: body.try_get_u8().ok()? != 0,
        lines: body.try_get_u64().ok()?,
        rules: RULES_UNSAID,
    })
}

// A later release may say more at the end: what follows the known fields is left unread.
impl Hello {
    pub(super) fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u16(self.versions.0);
        out.put_u16(self.versions.1);
        put_identity(&mut out, &self.from);
        out.put_u64(self.wanted);
        out.put_u16(self.from.rules);
        out
    }

    pub(super) fn decode(mut body: Bytes) -> Option<Self> {
        let mut hello = Self {
            versions: (body.try_get_u16().ok()?, body.try_get_u16().ok()?),
            from: identity(&mut body)?,
            wanted: body.try_get_u64().ok()?,
        };
        hello.from.rules = body.try_get_u16().unwrap_or(RULES_UNSAID);
        Some(hello)
    }
}

impl Welcome {
    pub(super) fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u16(self.version);
        put_identity(&mut out, &self.from);
        let refusal = self.refusal.as_deref().unwrap_or_default();
        out.put_u16(u16::try_from(refusal.len()).expect("a reason is short"));
        out.put_slice(refusal.as_bytes());
        out.put_u16(self.from.rules);
        out
    }

    pub(super) fn decode(mut body: Bytes) -> Option<Self> {
        let version = body.try_get_u16().ok()?;
        let mut from = identity(&mut body)?;
        let len = usize::from(body.try_get_u16().ok()?);
        let refusal = String::from_utf8_lossy(body.get(..len)?).into_owned();
        body.advance(len);
        from.rules = body.try_get_u16().unwrap_or(RULES_UNSAID);
        Some(Self {
            version,
            from,
            refusal: (version == 0).then_some(refusal),
        })
    }
}
