//! The members of the ensemble as clients read them: `/zookeeper/config` (facts of `DataTree.setData` for reconfig).
//!
//! One change of the members takes several entries of the log: a newcomer follows, then votes, somebody goes. Under the
//! first rules clients see every one of them. Later, an entry only notes the members, and a command of the leader at the
//! end of the change shows them: one change, one version, one event. Should the leader go before that, the next one
//! shows what has come of it.

use treekeeper_protocol::{EventType, path};

use super::State;
use super::execute::next_zxid;
use super::rules::MEMBERS_SHOWN_ONCE;
use crate::tree::{StoreError, Znode};

/// zxid of the first members: ZooKeeper's mark of a new leader of epoch 1.
const FIRST_VERSION: i64 = 1 << 32;

/// The members, by their lines, as an entry of `term` has made them.
///
/// # Errors
/// [`StoreError`] stops the process.
pub fn members_changed(state: &mut State, term: u64, lines: &[String]) -> Result<(), StoreError> {
    if state.rules() >= MEMBERS_SHOWN_ONCE {
        state.meta.members = lines.to_vec();
        return Ok(());
    }
    put(state, term, lines)
}

/// Lets clients see the members that the last entry has made.
///
/// # Errors
/// [`StoreError`] stops the process.
pub(super) fn show_members(state: &mut State, term: u64) -> Result<(), StoreError> {
    let lines = std::mem::take(&mut state.meta.members);
    if lines.is_empty() {
        return Ok(());
    }
    put(state, term, &lines)
}

/// Puts the members' lines into `/zookeeper/config`, if they differ. The version of the list is the zxid of the change.
fn put(state: &mut State, term: u64, lines: &[String]) -> Result<(), StoreError> {
    let Some(old) = state.znode(path::CONFIG)? else {
        return Ok(());
    };
    let known = old.data.as_deref().unwrap_or_default();
    let text = lines.join("\n");
    if known.starts_with(format!("{text}\nversion=").as_bytes()) {
        return Ok(());
    }
    let zxid = if state.meta.zxid == 0 {
        // An ensemble forms: its first command has the next zxid of this epoch.
        state.meta.zxid_term = state.meta.zxid_term.max(term).max(1);
        state.meta.zxid = FIRST_VERSION;
        FIRST_VERSION
    } else {
        next_zxid(state, term)
    };
    let new = Znode {
        data: Some(format!("{text}\nversion={zxid:x}").into()),
        mzxid: zxid,
        mtime: state.meta.time_ms,
        ..old.as_ref().clone()
    };
    let acl = new.acl.clone();
    state.put_over(path::CONFIG, Some(&old), &new);
    state.changed(EventType::NodeDataChanged, path::CONFIG, acl.as_ref());
    Ok(())
}
