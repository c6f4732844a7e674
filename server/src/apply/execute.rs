//! One command after another: which operation it is, which zxid it takes, whether its session may still do it.

use treekeeper_protocol::{CreateKind, ErrorCode, Request};

use super::create::Created;
use super::state::Refusal;
use super::{
    Command, Context, Outcome, Reply, Session, State, close_session, create, delete,
    members_changed, multi, password_of, remove_expired, rules, set_acl, set_data,
};
use crate::auth::Identities;
use crate::tree::StoreError;

/// Applies one command in `term`. The changes it made stand in the state until [`State::take_changes`].
///
/// # Errors
/// [`StoreError`] stops the process: this member can no longer be equal to the others.
pub fn execute(
    state: &mut State,
    term: u64,
    time_ms: i64,
    command: &Command,
) -> Result<Option<Outcome>, StoreError> {
    state.meta.time_ms = state.meta.time_ms.max(time_ms);
    let time_ms = state.meta.time_ms;
    match command {
        Command::Form { cluster_id, secret } => {
            if state.meta.cluster_id == 0 {
                state.meta.cluster_id = *cluster_id;
                state.meta.secret = *secret;
                state.meta.next_session_id = first_session_id(time_ms);
            }
            Ok(None)
        }
        Command::Settings(settings) => {
            state.meta.settings = *settings;
            Ok(None)
        }
        Command::RaiseRules { rules: to } => {
            rules::raise(state, *to);
            Ok(None)
        }
        Command::ShowMembers => {
            members_changed::show_members(state, term)?;
            Ok(None)
        }
        Command::Client {
            session,
            generation,
            identities,
            request,
        } => {
            if state
                .sessions
                .get(session)
                .is_none_or(|open| open.generation != *generation)
            {
                return Ok(None);
            }
            write(state, term, *session, identities, request).map(Some)
        }
        // Whether the session lives is for its own member to know. It owns nothing, so there is nothing to guard.
        Command::LocalClient {
            session,
            identities,
            request,
        } => write(state, term, *session, identities, request).map(Some),
        Command::UpgradeSession {
            session,
            timeout_ms,
        } => {
            let zxid = next_zxid(state, term);
            if state.sessions.contains_key(session) {
                let result = Err(ErrorCode::SessionExpired);
                return Ok(Some(Outcome { zxid, result }));
            }
            open(state, *session, *timeout_ms);
            let result = Ok(Reply::SessionUpgraded {
                id: *session,
                timeout_ms: *timeout_ms,
            });
            Ok(Some(Outcome { zxid, result }))
        }
        Command::OpenSession { timeout_ms } => {
            let zxid = next_zxid(state, term);
            let id = state.meta.next_session_id;
            state.meta.next_session_id = id + 1;
            open(state, id, *timeout_ms);
            Ok(Some(Outcome {
                zxid,
                result: Ok(session_reply(state, id, *timeout_ms)),
            }))
        }
        Command::ReopenSession {
            session,
            timeout_ms,
        } => {
            let zxid = state.meta.zxid;
            let Some(open) = state.sessions.get_mut(session) else {
                return Ok(Some(Outcome {
                    zxid,
                    result: Err(ErrorCode::SessionExpired),
                }));
            };
            open.generation = open.generation.wrapping_add(1);
            state.store_session(*session);
            Ok(Some(Outcome {
                zxid,
                result: Ok(session_reply(state, *session, *timeout_ms)),
            }))
        }
        Command::CloseSession {
            session,
            generation,
            term: decided,
        } => {
            if *decided != term
                || state
                    .sessions
                    .get(session)
                    .is_none_or(|open| open.generation != *generation)
            {
                return Ok(None);
            }
            let zxid = next_zxid(state, term);
            close_session::close(state, zxid, *session)?;
            Ok(Some(Outcome {
                zxid,
                result: Ok(Reply::SessionClosed { id: *session }),
            }))
        }
        Command::RemoveExpired { path, czxid, mzxid } => {
            let zxid = next_zxid(state, term);
            remove_expired::remove_expired(state, zxid, path, *czxid, *mzxid)?;
            Ok(Some(Outcome {
                zxid,
                result: Ok(Reply::Empty),
            }))
        }
    }
}

fn open(state: &mut State, id: i64, timeout_ms: i32) {
    let session = Session {
        timeout_ms,
        ..Session::default()
    };
    state.sessions.insert(id, session);
    state.store_session(id);
}

fn write(
    state: &mut State,
    term: u64,
    session: i64,
    identities: &Identities,
    request: &Request,
) -> Result<Outcome, StoreError> {
    let zxid = next_zxid(state, term);
    let cx = Context {
        zxid,
        time_ms: state.meta.time_ms,
        session,
        identities,
    };
    let result = match client(state, cx, request) {
        Ok(reply) => Ok(reply),
        Err(Refusal::Code(code)) => Err(code),
        Err(Refusal::Store(error)) => return Err(error),
    };
    Ok(Outcome { zxid, result })
}

fn client(state: &mut State, cx: Context<'_>, request: &Request) -> Result<Reply, Refusal> {
    Ok(match request {
        Request::Create(request) => {
            let Created { path, stat } = create::create(state, cx, request)?;
            match request.kind {
                CreateKind::Create => Reply::Created { path },
                CreateKind::Create2 | CreateKind::Container | CreateKind::Ttl => {
                    Reply::CreatedWithStat { path, stat }
                }
            }
        }
        Request::Delete(request) => {
            delete::delete(state, cx, request)?;
            Reply::Empty
        }
        Request::SetData(request) => Reply::Stat(set_data::set_data(state, cx, request)?),
        Request::SetAcl(request) => Reply::Stat(set_acl::set_acl(state, cx, request)?),
        Request::Multi(request) => Reply::Multi(multi::multi(state, cx, request)?),
        Request::CloseSession => {
            close_session::close(state, cx.zxid, cx.session)?;
            Reply::SessionClosed { id: cx.session }
        }
        // A single server is what it is: ZooKeeper's answer on a standalone server without `reconfigEnabled`.
        Request::Reconfig(_) => return Err(ErrorCode::ReconfigDisabled.into()),
        Request::Exists(_)
        | Request::GetData(_)
        | Request::GetAcl(_)
        | Request::GetChildren(_)
        | Request::GetChildren2(_)
        | Request::Sync(_)
        | Request::Ping
        | Request::CheckVersion(_)
        | Request::MultiRead(_)
        | Request::CheckWatches(_)
        | Request::RemoveWatches(_)
        | Request::Auth(_)
        | Request::SetWatches(_)
        | Request::Sasl(_)
        | Request::GetEphemerals(_)
        | Request::GetAllChildrenNumber(_)
        | Request::AddWatch(_)
        | Request::WhoAmI => return Err(ErrorCode::Unimplemented.into()),
    })
}

/// The znodes that a write will look at, its parents and the targets of a multi among them.
#[must_use]
pub fn paths_of(request: &Request) -> Vec<&str> {
    let with_parent = |path| {
        [Some(path), treekeeper_protocol::path::parent(path)]
            .into_iter()
            .flatten()
    };
    match request {
        Request::Create(request) => with_parent(request.path.as_str()).collect(),
        Request::Delete(request) => with_parent(request.path.as_str()).collect(),
        Request::SetData(request) => vec![&request.path],
        Request::SetAcl(request) => vec![&request.path],
        Request::CheckVersion(request) => vec![&request.path],
        Request::Multi(request) => request.ops.iter().flat_map(paths_of).collect(),
        _ => Vec::new(),
    }
}

fn session_reply(state: &State, id: i64, timeout_ms: i32) -> Reply {
    let generation = state
        .sessions
        .get(&id)
        .map_or(0, |session| session.generation);
    Reply::Session {
        id,
        generation,
        timeout_ms,
        password: password_of(&state.meta.secret, id),
    }
}

/// The next place in the order of changes. The first command of a new term begins a new epoch (the high 32 bits).
pub(super) fn next_zxid(state: &mut State, term: u64) -> i64 {
    let meta = &mut state.meta;
    meta.zxid = if term > meta.zxid_term {
        meta.zxid_term = term;
        ((meta.zxid >> 32) + 1) << 32 | 1
    } else {
        meta.zxid + 1
    };
    meta.zxid
}

/// Where session ids begin (`SessionTrackerImpl.initializeNextSessionId`): the time in the middle bytes, so that an
/// ensemble formed anew gives out other ids. The top byte is 1 and stays far from 0xFF, which marks TTL znodes.
fn first_session_id(time_ms: i64) -> i64 {
    ((time_ms << 24).cast_unsigned() >> 8).cast_signed() | 1 << 56
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn session_ids_are_positive_and_hold_the_time() {
        let id = first_session_id(0x0000_0193_1234_5678);
        assert_eq!(
            id,
            0x0193_1234_5678_0000_i64 & 0x00ff_ffff_ffff_ffff | 1 << 56
        );
        assert!(id > 0);
    }
}
