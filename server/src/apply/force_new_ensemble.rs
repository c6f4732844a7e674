//! A member goes on alone, as a new ensemble: what that changes in the state.

use bytes::Bytes;

use super::members_changed::show_members;
use super::{State, members_changed};
use crate::tree::StoreError;

/// Epochs (the high 32 bits of a zxid) that a forced new ensemble leaves out. What the lost members may still have
/// acknowledged, in elections that nobody here knows of, stays below.
const EPOCHS_LEFT_OUT: i64 = 1 << 16;

/// The new ensemble, in place of the next log entry.
#[derive(Clone, Debug)]
pub struct NewEnsemble {
    /// Index of the entry.
    pub index: u64,
    /// Its term, newer than all before.
    pub term: u64,
    /// Identity of the new ensemble.
    pub cluster_id: u64,
    /// Its members, as consensus keeps them.
    pub membership: Bytes,
    /// The same as lines for clients; none for a server without a line.
    pub lines: Option<Vec<String>>,
}

/// Makes the state that of a new ensemble. Znodes, sessions and the key of their passwords stay; every zxid from now on
/// is above all that the old ensemble can have given out.
///
/// # Errors
/// [`StoreError`] when the tree cannot be read.
///
/// # Panics
/// When no epochs are left, after more than thirty thousand such ensembles.
pub fn force_new_ensemble(state: &mut State, new: NewEnsemble) -> Result<(), StoreError> {
    assert!(
        new.index > state.meta.index && new.term > state.meta.zxid_term,
        "a new ensemble begins behind {} in term {}, not at {} in term {}",
        state.meta.index,
        state.meta.zxid_term,
        new.index,
        new.term
    );
    let epoch = (state.meta.zxid >> 32) + EPOCHS_LEFT_OUT;
    assert!(
        epoch <= i64::from(i32::MAX),
        "there are no epochs left, zxid {:#x}",
        state.meta.zxid
    );
    state.meta.zxid = epoch << 32;
    state.meta.zxid_term = new.term;
    state.meta.cluster_id = new.cluster_id;
    if let Some(lines) = &new.lines {
        members_changed(state, new.term, lines)?;
        show_members(state, new.term)?;
        // Nobody is connected who could watch.
        drop(state.take_changes());
    }
    state.meta.consensus = new.membership;
    state.meta.index = new.index;
    state.meta.term = new.term;
    Ok(())
}

#[cfg(test)]
mod unit_tests {
    use treekeeper_protocol::path;

    use super::*;
    use crate::apply::{Command, execute};

    #[test]
    fn a_new_ensemble_keeps_everything_but_its_name_and_begins_far_above() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), 1 << 20).unwrap();
        let form = Command::Form {
            cluster_id: 5,
            secret: [6; 32],
        };
        let open = Command::OpenSession { timeout_ms: 4000 };
        execute(&mut state, 3, 1, &form).unwrap();
        execute(&mut state, 3, 1, &open).unwrap();
        let before = state.meta.clone();
        let sessions = state.sessions.clone();
        let new = |index, term| NewEnsemble {
            index,
            term,
            cluster_id: 7,
            membership: Bytes::from_static(b"alone"),
            lines: Some(vec!["server.1=h:1:2:participant".to_owned()]),
        };
        force_new_ensemble(&mut state, new(9, 4)).unwrap();
        let meta = state.meta.clone();
        assert_eq!(meta.zxid >> 32, (before.zxid >> 32) + (1 << 16));
        assert_eq!((meta.cluster_id, meta.secret), (7, [6; 32]));
        assert_eq!((meta.index, meta.term, meta.zxid_term), (9, 4, 4));
        assert_eq!(state.sessions, sessions);
        let config = state.znode(path::CONFIG).unwrap().unwrap();
        assert_eq!(config.mzxid, meta.zxid);
        state.validate().unwrap();
        // The next leader has a newer term, and so the next epoch; a second loss goes up again.
        execute(&mut state, 5, 1, &open).unwrap();
        assert_eq!(state.meta.zxid >> 32, (meta.zxid >> 32) + 1);
        // Under later rules, too, clients find the new member at once.
        state.meta.rules = super::super::rules::MEMBERS_SHOWN_ONCE;
        let moved = NewEnsemble {
            lines: Some(vec!["server.1=moved:1:2:participant".to_owned()]),
            ..new(12, 6)
        };
        force_new_ensemble(&mut state, moved).unwrap();
        assert_eq!(state.meta.zxid >> 32, (meta.zxid >> 32) + 1 + (1 << 16));
        let config = state.znode(path::CONFIG).unwrap().unwrap();
        let data = config.data.as_deref().unwrap_or_default();
        assert!(data.starts_with(b"server.1=moved:"));
    }
}
