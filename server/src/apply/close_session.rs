//! The end of a session: its ephemerals go in the same step, under one zxid.

use super::State;
use super::delete::remove;
use crate::tree::StoreError;

/// Closes a session if it is open; its ephemerals are removed in the order of their paths.
///
/// An ephemeral never has children, so each can go by itself.
pub(super) fn close(state: &mut State, zxid: i64, id: i64) -> Result<bool, StoreError> {
    let Some(session) = state.sessions.get(&id) else {
        return Ok(false);
    };
    for path in session.ephemerals.clone() {
        let znode = state.znode(&path)?.expect("a listed ephemeral exists");
        remove(state, zxid, &path, &znode)?;
    }
    state.sessions.remove(&id);
    state.store_session(id);
    Ok(true)
}
