//! The members of the ensemble as clients read them: `/zookeeper/config` (facts of `DataTree.setData` for reconfig).

use treekeeper_protocol::{EventType, path};

use super::State;
use super::execute::next_zxid;
use crate::tree::{StoreError, Znode};

/// zxid of the first members: ZooKeeper's mark of a new leader of epoch 1.
const FIRST_VERSION: i64 = 1 << 32;

/// Puts the members' lines into `/zookeeper/config`, when an entry of `term` has changed them. The version of the list
/// is the zxid of the change.
///
/// # Errors
/// [`StoreError`] stops the process.
pub fn members_changed(state: &mut State, term: u64, lines: &[String]) -> Result<(), StoreError> {
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
