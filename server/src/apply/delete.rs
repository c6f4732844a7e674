//! `delete`, and the removal of a znode that every other way of disappearing shares.

use std::sync::Arc;

use treekeeper_protocol::{DeleteRequest, ErrorCode, EventType, path, perms};

use super::state::Refusal;
use super::{Context, State, quota};
use crate::tree::{StoreError, Znode};

/// Deletes a znode. Checks in the order of a stock server: path, parent, permission on the parent, existence,
/// version, children.
pub(super) fn delete(
    state: &mut State,
    cx: Context<'_>,
    request: &DeleteRequest,
) -> Result<(), Refusal> {
    let Some((parent_path, _)) = request.path.rsplit_once('/') else {
        return Err(ErrorCode::BadArguments.into());
    };
    if request.path.contains('\0') || path::is_special(&request.path) {
        return Err(ErrorCode::BadArguments.into());
    }
    let parent = state.znode(parent_path)?.ok_or(ErrorCode::NoNode)?;
    state.check(&parent, perms::DELETE, cx.identities)?;
    let znode = state.znode(&request.path)?.ok_or(ErrorCode::NoNode)?;
    check_version(request.version, znode.version)?;
    if znode.num_children > 0 {
        return Err(ErrorCode::NotEmpty.into());
    }
    remove(state, cx.zxid, &request.path, &znode)?;
    Ok(())
}

/// Removes a znode without children: its parent's counters, the quota and the watchers follow.
pub(super) fn remove(
    state: &mut State,
    zxid: i64,
    path: &str,
    znode: &Arc<Znode>,
) -> Result<(), StoreError> {
    state.remove(path, znode);
    let parent_path = path::parent(path).expect("the root is never removed");
    let parent = state
        .znode(parent_path)?
        .expect("every znode but the root has a parent");
    let mut new_parent = parent.as_ref().clone();
    new_parent.num_children -= 1;
    new_parent.pzxid = zxid;
    state.put_over(parent_path, Some(&parent), &new_parent);
    quota::count(state, path, quota::Delta::deleted(znode.data_len()))?;
    state.changed(EventType::NodeDeleted, path, znode.acl.as_ref());
    state.changed(
        EventType::NodeChildrenChanged,
        parent_path,
        parent.acl.as_ref(),
    );
    Ok(())
}

/// −1 asks for no version; any other must be the present one.
pub(super) fn check_version(asked: i32, present: i32) -> Result<(), ErrorCode> {
    if asked == -1 || asked == present {
        Ok(())
    } else {
        Err(ErrorCode::BadVersion)
    }
}

/// The version after `present`. It skips −1, which would mean "any" (ZOOKEEPER-4743).
pub(super) fn next_version(present: i32) -> i32 {
    match present.wrapping_add(1) {
        -1 => 0,
        next => next,
    }
}
