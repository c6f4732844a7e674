//! `multi`: all of its operations, or none.

use treekeeper_protocol::{
    CreateKind, CreateMode, CreateRequest, ErrorCode, MultiRequest, OpResult, Request,
};

use super::create::Created;
use super::state::Refusal;
use super::{Context, State, check, create, delete, set_data};
use crate::tree::StoreError;

/// Runs the operations in order, each on what the earlier ones left. When one fails nothing is done, and every result
/// is an error: 0 before the culprit, its code, −2 after it.
pub(super) fn multi(
    state: &mut State,
    cx: Context<'_>,
    request: &MultiRequest,
) -> Result<Vec<OpResult>, StoreError> {
    state.begin();
    let mut results = Vec::with_capacity(request.ops.len());
    for op in &request.ops {
        match run(state, cx, op) {
            Ok(result) => results.push(result),
            Err(Refusal::Store(error)) => return Err(error),
            Err(Refusal::Code(code)) => {
                state.roll_back()?;
                return Ok(failed(results.len(), code, request.ops.len()));
            }
        }
    }
    state.commit();
    Ok(results)
}

fn failed(culprit: usize, code: ErrorCode, count: usize) -> Vec<OpResult> {
    let error_at = |at: usize| match at.cmp(&culprit) {
        std::cmp::Ordering::Less => ErrorCode::Ok,
        std::cmp::Ordering::Equal => code,
        std::cmp::Ordering::Greater => ErrorCode::RuntimeInconsistency,
    };
    (0..count).map(|at| OpResult::Error(error_at(at))).collect()
}

fn run(state: &mut State, cx: Context<'_>, op: &Request) -> Result<OpResult, Refusal> {
    Ok(match op {
        Request::Create(request) => {
            let request = as_inside_multi(request);
            let Created { path, stat } = create::create(state, cx, &request)?;
            match request.kind {
                CreateKind::Create => OpResult::Create { path },
                CreateKind::Create2 | CreateKind::Container | CreateKind::Ttl => {
                    OpResult::Create2 { path, stat }
                }
            }
        }
        Request::Delete(request) => {
            delete::delete(state, cx, request)?;
            OpResult::Delete
        }
        Request::SetData(request) => OpResult::SetData(set_data::set_data(state, cx, request)?),
        Request::CheckVersion(request) => {
            check::check(state, cx, request)?;
            OpResult::Check
        }
        _ => return Err(ErrorCode::Unimplemented.into()),
    })
}

/// Inside a multi the flags say what is made, not the operation: create with flag 4 makes a container.
fn as_inside_multi(request: &CreateRequest) -> CreateRequest {
    let mut request = request.clone();
    if request.kind == CreateKind::Create && request.flags == CreateMode::Container.flags() {
        request.kind = CreateKind::Container;
    }
    request
}
