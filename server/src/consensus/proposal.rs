//! What becomes of a proposal that is not applied as such.

use std::fmt;
use std::sync::Arc;

use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use tokio::sync::OwnedSemaphorePermit;

use super::types::Types;

/// Receives refused proposals. Called on the consensus task, in the order of the refusals; must not block.
pub type OnRefused = Arc<dyn Fn(Refusal) + Send + Sync>;

/// A proposal that was not placed, or whose fate this node cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The proposer's own mark.
    pub token: u64,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a proposal came back.
///
/// Proposals made after a refused one may have been placed already, so who proposes numbers its commands and the
/// apply of a command checks the number: then sending all again from the refused one neither repeats nor reorders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// Not placed: this node does not lead, or cannot prove that it still does.
    NotLeader {
        /// The node that leads, as far as known.
        leader: Option<u64>,
    },
    /// Placed, and then displaced by another leader's log. It may have been committed there, or not.
    Unknown,
}

/// Goes with a proposal through the log; holds its share of the memory bound until it is applied or refused.
pub(crate) struct Outcome<T> {
    token: u64,
    on_refused: OnRefused,
    refusal: fn(T) -> Option<RefusalReason>,
    _room: OwnedSemaphorePermit,
}

impl Outcome<ClientWriteResult<Types>> {
    pub(crate) fn new(token: u64, on_refused: OnRefused, room: OwnedSemaphorePermit) -> Self {
        Outcome {
            token,
            on_refused,
            refusal,
            _room: room,
        }
    }
}

fn refusal(result: ClientWriteResult<Types>) -> Option<RefusalReason> {
    match result {
        Ok(_) => None,
        Err(ClientWriteError::ForwardToLeader(forward)) => Some(RefusalReason::NotLeader {
            leader: forward.leader_id,
        }),
        Err(ClientWriteError::LogEntryDiscarded(_)) => Some(RefusalReason::Unknown),
        Err(
            ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_),
        ) => Some(RefusalReason::NotLeader { leader: None }),
    }
}

impl<T: Send + 'static> Responder<Types, T> for Outcome<T> {
    fn on_complete(self, result: T) {
        if let Some(reason) = (self.refusal)(result) {
            (self.on_refused)(Refusal {
                token: self.token,
                reason,
            });
        }
    }
}

impl<T> fmt::Debug for Outcome<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Outcome")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use openraft::errors::ForwardToLeader;
    use parking_lot::Mutex;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_refused_proposal_comes_back_with_its_token_and_frees_its_room() {
        let elsewhere = ForwardToLeader {
            leader_id: Some(7),
            ..ForwardToLeader::empty()
        };
        let cases: [(ClientWriteResult<Types>, _); 3] = [
            (
                Err(ClientWriteError::ForwardToLeader(elsewhere)),
                RefusalReason::NotLeader { leader: Some(7) },
            ),
            (
                Err(ClientWriteError::ForwardToLeader(ForwardToLeader::empty())),
                RefusalReason::NotLeader { leader: None },
            ),
            (
                Err(ClientWriteError::LogEntryDiscarded(ForwardToLeader::empty())),
                RefusalReason::Unknown,
            ),
        ];
        let room = Arc::new(Semaphore::new(1));
        for (token, (result, reason)) in (0..).zip(cases) {
            let refusals = Arc::new(Mutex::new(Vec::new()));
            let on_refused: OnRefused = {
                let refusals = Arc::clone(&refusals);
                Arc::new(move |refusal| refusals.lock().push(refusal))
            };
            let permit = Arc::clone(&room).try_acquire_owned().unwrap();
            Outcome::new(token, on_refused, permit).on_complete(result);
            assert_eq!(*refusals.lock(), [Refusal { token, reason }]);
            assert_eq!(room.available_permits(), 1);
        }
    }
}
