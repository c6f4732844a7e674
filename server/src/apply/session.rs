//! Sessions as they are replicated: who is one, with which time-out, owning what. Deadlines are not here
//! (`crate::session`): they live in the leader's memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use treekeeper_protocol::PASSWORD_LEN;

/// One open session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Negotiated time-out, in ms.
    pub timeout_ms: i32,
    /// How often it moved to another connection; a command of an older generation is dropped.
    pub generation: u32,
    /// Paths of its ephemeral znodes.
    pub ephemerals: BTreeSet<Arc<str>>,
}

impl Session {
    /// The stored form: `i32` time-out, `u32` generation. Ephemerals have keys of their own.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8);
        out.extend_from_slice(&self.timeout_ms.to_be_bytes());
        out.extend_from_slice(&self.generation.to_be_bytes());
        out
    }

    /// Reads the stored form. None when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (timeout, rest) = bytes.split_first_chunk()?;
        let generation = rest.try_into().ok()?;
        Some(Self {
            timeout_ms: i32::from_be_bytes(*timeout),
            generation: u32::from_be_bytes(generation),
            ephemerals: BTreeSet::new(),
        })
    }
}

/// The password of a session: a keyed hash, so that nobody derives it from an id seen in an `ephemeralOwner`.
#[must_use]
pub fn password_of(secret: &[u8; 32], session: i64) -> [u8; PASSWORD_LEN] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC takes a key of any length");
    mac.update(b"session password");
    mac.update(&session.to_be_bytes());
    let code = mac.finalize().into_bytes();
    std::array::from_fn(|at| code[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_by_session_and_secret() {
        let one = password_of(&[1; 32], 7);
        assert_eq!(one, password_of(&[1; 32], 7));
        assert_ne!(one, password_of(&[1; 32], 8));
        assert_ne!(one, password_of(&[2; 32], 7));
    }

    #[test]
    fn stored_form_survives() {
        let session = Session {
            timeout_ms: 4000,
            generation: 3,
            ephemerals: BTreeSet::new(),
        };
        assert_eq!(Session::decode(&session.encode()), Some(session));
        assert_eq!(Session::decode(b"short"), None);
    }
}
