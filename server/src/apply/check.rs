//! `check`, the guard inside a multi.

use treekeeper_protocol::{CheckRequest, ErrorCode, path, perms};

use super::delete::check_version;
use super::state::Refusal;
use super::{Context, State};

/// Is the znode there, readable, and of this version?
pub(super) fn check(state: &State, cx: Context<'_>, request: &CheckRequest) -> Result<(), Refusal> {
    path::validate(&request.path).map_err(|_| ErrorCode::BadArguments)?;
    let znode = state.znode(&request.path)?.ok_or(ErrorCode::NoNode)?;
    state.check(&znode, perms::READ, cx.identities)?;
    check_version(request.version, znode.version)?;
    Ok(())
}
