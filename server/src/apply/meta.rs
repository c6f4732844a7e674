//! The replicated facts that belong to no znode: one record, stored with every flush.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::ReplicatedSettings;

/// Where a member's numbered batches stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Which start of the member's process.
    pub incarnation: u64,
    /// Number of its last applied batch.
    pub last: u64,
}

/// What was applied, and the counters that go with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Log index of the last applied entry; 0 before the first.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// What consensus wants kept with the index, opaque here.
    pub consensus: Bytes,
    /// zxid of the last applied command.
    pub zxid: i64,
    /// Term of the last applied command: the next one of a higher term begins a new epoch of zxids.
    pub zxid_term: u64,
    /// Time of the last applied command, in ms since 1970. Never goes back.
    pub time_ms: i64,
    /// Id of the next session.
    pub next_session_id: i64,
    /// Identity of the ensemble; 0 until it is formed.
    pub cluster_id: u64,
    /// Key of the session passwords.
    pub secret: [u8; 32],
    /// What changes apply.
    pub settings: ReplicatedSettings,
    /// The rules of apply in use; 0 and 1 are the first ones ([`Meta::rules`]).
    #[serde(default)]
    pub rules: u16,
    /// Lines of the members since the last change, until clients may see it; empty if they do.
    #[serde(default)]
    pub members: Vec<String>,
    /// Members and where their batches stand.
    pub origins: BTreeMap<u64, Origin>,
    /// Znodes, `/` among them.
    pub znode_count: u64,
    /// Sum of the lengths of all paths and data, in bytes.
    pub data_size: u64,
    /// Running digest of the tree (ZooKeeper's `DigestCalculator`, version 2).
    pub digest: u64,
}

/// The stored record is not one that we write.
#[derive(Debug, thiserror::Error)]
#[error("the record of what was applied is damaged: {0}")]
pub struct MetaError(#[from] serde_json::Error);

impl Meta {
    /// The rules in use.
    #[must_use]
    pub fn rules(&self) -> u16 {
        self.rules.max(1)
    }

    /// Is this batch the next of its member? Number 0 registers a new start of the member's process. Anything else was
    /// applied already, or follows a gap and will be sent again.
    pub fn accept(&mut self, member: u64, incarnation: u64, number: u64) -> bool {
        let next = Origin {
            incarnation,
            last: number,
        };
        let known = self.origins.get(&member).copied();
        let accepted = match known {
            None => number == 0,
            Some(known) if incarnation > known.incarnation => number == 0,
            Some(known) => incarnation == known.incarnation && number == known.last + 1,
        };
        if accepted {
            self.origins.insert(member, next);
        }
        accepted
    }

    /// The incarnation of a member that starts now.
    #[must_use]
    pub fn next_incarnation(&self, member: u64) -> u64 {
        self.origins
            .get(&member)
            .map_or(1, |origin| origin.incarnation + 1)
    }

    /// The stored form: JSON, so that a person can read it with `ldb` and a newer release can add fields.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain fields always serialise")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`MetaError`] when the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, MetaError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_applied_once_and_never_after_a_gap() {
        let mut meta = Meta::default();
        assert!(!meta.accept(1, 1, 1), "it has not registered");
        assert!(meta.accept(1, 1, 0) && meta.accept(1, 1, 1));
        assert!(!meta.accept(1, 1, 1), "sent twice");
        assert!(!meta.accept(1, 1, 3), "after a gap");
        assert!(meta.accept(1, 1, 2));
        assert_eq!(meta.next_incarnation(1), 2);
        assert!(meta.accept(1, 2, 0));
        assert!(!meta.accept(1, 1, 3), "an earlier start of the process");
        assert!(meta.accept(1, 2, 1));
        assert!(meta.accept(2, 1, 0), "another member");
    }

    #[test]
    fn stored_form_survives() {
        let mut meta = Meta {
            index: 7,
            zxid: -1,
            secret: [9; 32],
            ..Meta::default()
        };
        meta.origins.insert(
            3,
            Origin {
                incarnation: 1,
                last: 2,
            },
        );
        meta.consensus = Bytes::from_static(b"\0opaque");
        meta.rules = 2;
        meta.members = vec!["server.1=h:1:2:participant;3".to_owned()];
        assert_eq!(Meta::decode(&meta.encode()).expect("is one"), meta);
        assert!(Meta::decode(b"{").is_err());
    }

    #[test]
    fn a_folder_from_before_there_were_versions_uses_the_first_rules() {
        let mut stored: serde_json::Value =
            serde_json::from_slice(&Meta::default().encode()).expect("JSON");
        let fields = stored.as_object_mut().expect("an object");
        assert!(fields.remove("rules").is_some() && fields.remove("members").is_some());
        let bytes = serde_json::to_vec(&stored).expect("JSON");
        assert_eq!(Meta::decode(&bytes).expect("is one").rules(), 1);
    }
}
