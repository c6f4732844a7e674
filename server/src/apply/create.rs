//! `create`, `create2`, `createContainer`, `createTTL` (`PrepRequestProcessor.pRequest2TxnCreate`).

use treekeeper_protocol::{
    CreateKind, CreateMode, CreateRequest, ErrorCode, EventType, Request, Stat, TTL_MS_MAX, path,
    perms,
};

use super::state::Refusal;
use super::{Context, State, quota};
use crate::auth;
use crate::tree::{Owner, Znode};

/// What was created.
pub(super) struct Created {
    pub(super) path: String,
    pub(super) stat: Stat,
}

/// How a znode is to live and be named.
struct Shape {
    owner: Owner,
    sequential: bool,
}

/// Creates a znode. Checks in the order of a stock server: flags and TTL, path, ACL, parent, permission, final path,
/// existence, ephemeral parent, quota.
pub(super) fn create(
    state: &mut State,
    cx: Context<'_>,
    request: &CreateRequest,
) -> Result<Created, Refusal> {
    let shape = shape(state, cx, request)?;
    let Some((parent_path, _)) = request.path.rsplit_once('/') else {
        return Err(ErrorCode::BadArguments.into());
    };
    if request.path.contains('\0') {
        return Err(ErrorCode::BadArguments.into());
    }
    let digest_scheme = state.meta.settings.digest_scheme;
    let acl = auth::normalise(request.acl.as_deref(), cx.identities, digest_scheme)?;
    let parent = state.znode(parent_path)?.ok_or(ErrorCode::NoNode)?;
    state.check(&parent, perms::CREATE, cx.identities)?;
    let mut path = request.path.clone();
    if shape.sequential {
        path.push_str(&format!("{:010}", parent.child_creations));
    }
    path::validate(&path).map_err(|_| ErrorCode::BadArguments)?;
    if state.znode(&path)?.is_some() {
        return Err(ErrorCode::NodeExists.into());
    }
    if matches!(parent.owner, Owner::Session(_)) {
        return Err(ErrorCode::NoChildrenForEphemerals.into());
    }
    let bytes = request.data.as_ref().map_or(0, bytes::Bytes::len);
    quota::check(state, &path, quota::Delta::created(bytes))?;

    // The data is copied out of its frame: a slice would keep the whole log entry in memory.
    let data = request.data.as_deref().map(bytes::Bytes::copy_from_slice);
    let znode = Znode {
        data,
        acl,
        ..Znode::born(cx.zxid, cx.time_ms, shape.owner)
    };
    let (stat, acl) = (znode.stat(), znode.acl.clone());
    state.put_over(&path, None, &znode);
    let parent_path = path::parent(&path).expect("the root exists, so it was not created");
    let mut new_parent = parent.as_ref().clone();
    new_parent.child_creations = new_parent.child_creations.wrapping_add(1);
    new_parent.num_children += 1;
    new_parent.pzxid = cx.zxid;
    state.put_over(parent_path, Some(&parent), &new_parent);
    quota::count(state, &path, quota::Delta::created(bytes))?;
    state.changed(EventType::NodeCreated, &path, acl.as_ref());
    state.changed(
        EventType::NodeChildrenChanged,
        parent_path,
        parent.acl.as_ref(),
    );
    Ok(Created { path, stat })
}

/// Does a request create an ephemeral znode, by itself or as a part of a multi? Only a session that all members know can
/// own one (`QuorumZooKeeperServer.checkUpgradeSession`).
#[must_use]
pub fn creates_ephemeral(request: &Request) -> bool {
    match request {
        Request::Create(CreateRequest { kind, flags, .. }) => {
            matches!(kind, CreateKind::Create | CreateKind::Create2)
                && CreateMode::from_flags(*flags).is_some_and(CreateMode::is_ephemeral)
        }
        Request::Multi(multi) => multi.ops.iter().any(creates_ephemeral),
        _ => false,
    }
}

/// What operation and flags ask for together; odd combinations do what a stock server does with them.
fn shape(state: &State, cx: Context<'_>, request: &CreateRequest) -> Result<Shape, ErrorCode> {
    let mode = CreateMode::from_flags(request.flags).ok_or(ErrorCode::BadArguments)?;
    if mode.is_ttl() || request.kind == CreateKind::Ttl {
        return ttl_shape(state, request, mode);
    }
    let owner = match request.kind {
        CreateKind::Container => Owner::Container,
        // Every session that may own something is known here; a local one is not.
        _ if mode.is_ephemeral() && !state.sessions.contains_key(&cx.session) => {
            return Err(ErrorCode::EphemeralOnLocalSession);
        }
        _ if mode.is_ephemeral() => Owner::Session(cx.session),
        _ => Owner::Persistent,
    };
    Ok(Shape {
        owner,
        sequential: mode.is_sequential(),
    })
}

fn ttl_shape(state: &State, request: &CreateRequest, mode: CreateMode) -> Result<Shape, ErrorCode> {
    if !state.meta.settings.extended_types {
        return Err(ErrorCode::Unimplemented);
    }
    if !mode.is_ttl() || request.kind != CreateKind::Ttl || !(1..=TTL_MS_MAX).contains(&request.ttl)
    {
        return Err(ErrorCode::BadArguments);
    }
    Ok(Shape {
        owner: Owner::Ttl(request.ttl),
        sequential: mode.is_sequential(),
    })
}
