//! `setACL`: no event, no new mzxid, only the version of the ACL.

use treekeeper_protocol::{ErrorCode, SetAclRequest, Stat, path, perms};

use super::delete::{check_version, next_version};
use super::state::Refusal;
use super::{Context, State};
use crate::auth;
use crate::tree::Znode;

/// Replaces the ACL of a znode. Checks in the order of a stock server: path, ACL, existence, permission, version.
pub(super) fn set_acl(
    state: &mut State,
    cx: Context<'_>,
    request: &SetAclRequest,
) -> Result<Stat, Refusal> {
    path::validate(&request.path).map_err(|_| ErrorCode::BadArguments)?;
    let digest_scheme = state.meta.settings.digest_scheme;
    let acl = auth::normalise(request.acl.as_deref(), cx.identities, digest_scheme)?;
    let old = state.znode(&request.path)?.ok_or(ErrorCode::NoNode)?;
    state.check(&old, perms::ADMIN, cx.identities)?;
    check_version(request.version, old.aversion)?;
    let new = Znode {
        acl,
        aversion: next_version(old.aversion),
        ..old.as_ref().clone()
    };
    let stat = new.stat();
    state.put_over(&request.path, Some(&old), &new);
    Ok(stat)
}
