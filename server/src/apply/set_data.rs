//! `setData`.

use treekeeper_protocol::{ErrorCode, EventType, SetDataRequest, Stat, path, perms};

use super::delete::{check_version, next_version};
use super::state::Refusal;
use super::{Context, State, quota};
use crate::tree::Znode;

/// Replaces the data of a znode. Checks in the order of a stock server: path, existence, permission, quota, version.
pub(super) fn set_data(
    state: &mut State,
    cx: Context<'_>,
    request: &SetDataRequest,
) -> Result<Stat, Refusal> {
    path::validate(&request.path).map_err(|_| ErrorCode::BadArguments)?;
    let old = state.znode(&request.path)?.ok_or(ErrorCode::NoNode)?;
    state.check(&old, perms::WRITE, cx.identities)?;
    let bytes = request.data.as_ref().map_or(0, bytes::Bytes::len);
    let delta = quota::Delta::replaced(old.data_len(), bytes);
    quota::check(state, &request.path, delta)?;
    check_version(request.version, old.version)?;
    let new = Znode {
        // Copied out of its frame: a slice would keep the whole log entry in memory.
        data: request.data.as_deref().map(bytes::Bytes::copy_from_slice),
        version: next_version(old.version),
        mzxid: cx.zxid,
        mtime: cx.time_ms,
        ..old.without_data()
    };
    let stat = new.stat();
    state.put_over(&request.path, Some(&old), &new);
    quota::count(state, &request.path, delta)?;
    state.changed(EventType::NodeDataChanged, &request.path, old.acl.as_ref());
    Ok(stat)
}
