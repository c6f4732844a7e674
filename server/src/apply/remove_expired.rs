//! The end of containers and TTL znodes (`ContainerManager`).

use super::State;
use super::delete::remove;
use crate::tree::{Owner, StoreError};

/// Removes a container or TTL znode that is still what the leader saw, and empty.
pub(super) fn remove_expired(
    state: &mut State,
    zxid: i64,
    path: &str,
    czxid: i64,
    mzxid: i64,
) -> Result<(), StoreError> {
    let Some(znode) = state.znode(path)? else {
        return Ok(());
    };
    let expires = matches!(znode.owner, Owner::Container | Owner::Ttl(_));
    if expires && znode.num_children == 0 && (znode.czxid, znode.mzxid) == (czxid, mzxid) {
        remove(state, zxid, path, &znode)?;
    }
    Ok(())
}
