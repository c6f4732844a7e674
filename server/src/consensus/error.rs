//! What can go wrong, cut by what the caller does about it.

use std::sync::Arc;

use bytes::Bytes;
use openraft::ConfigError;
use openraft::errors::{Fatal, LinearizableReadError, RaftError};
use thiserror::Error;

use super::types::Types;
use crate::log::{LogError, LogFailure};

/// Why a member did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The log is in use, damaged, or of a later release.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log could be opened but not written.
    #[error(transparent)]
    Write(#[from] LogFailure),
    /// The tree holds entries that no log explains: the log's folder was removed or exchanged.
    #[error("the tree has applied the log up to index {applied}, but {}", reason)]
    NotThisLog {
        /// The index that the state machine says it has applied.
        applied: u64,
        /// What the log holds instead.
        reason: String,
    },
    /// The log's members do not include this node.
    #[error("node {node_id:016x} is not a voter of the ensemble in its log")]
    NotAVoter {
        /// This node's id.
        node_id: u64,
    },
    /// The members do not belong together, or the others do not let this one in.
    #[error("cannot join the ensemble: {0}")]
    Ensemble(String),
    /// Timeouts that contradict each other.
    #[error("the election settings are wrong: {0}")]
    Settings(String),
    /// It failed while it started.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> StartError {
        StartError::Settings(error.to_string())
    }
}

impl From<Fatal<Types>> for StartError {
    fn from(fatal: Fatal<Types>) -> StartError {
        StartError::Failed(Failure::from(fatal))
    }
}

/// Why a running member cannot go on. The process should end with this message.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// The log's disk failed.
    #[error(transparent)]
    Log(#[from] LogFailure),
    /// The log could not be read, the state machine panicked, or consensus found its own rules broken.
    #[error("consensus stopped: {0}")]
    Stopped(Arc<str>),
}

impl From<Fatal<Types>> for Failure {
    fn from(fatal: Fatal<Types>) -> Failure {
        Failure::Stopped(fatal.to_string().into())
    }
}

/// The member was shut down or has failed; nothing more is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this member has stopped")]
pub struct Stopped;

/// Why a command was not proposed at once.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TryProposeError {
    /// Too much is in flight; the command is given back.
    #[error("too much is in flight")]
    Full(Bytes),
    /// The member was shut down or has failed.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a read index cannot be had here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinearizeError {
    /// Another node leads, or none.
    #[error("this member does not lead")]
    NotLeader {
        /// The node that leads, as far as known.
        leader: Option<u64>,
    },
    /// This node leads, but a majority did not answer in time.
    #[error("a majority did not confirm the leader")]
    NoQuorum,
    /// The member was shut down or has failed.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<RaftError<Types, LinearizableReadError<Types>>> for LinearizeError {
    fn from(error: RaftError<Types, LinearizableReadError<Types>>) -> LinearizeError {
        match error {
            RaftError::Fatal(_) => LinearizeError::Stopped(Stopped),
            RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => {
                LinearizeError::NotLeader {
                    leader: forward.leader_id,
                }
            }
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => {
                LinearizeError::NoQuorum
            }
        }
    }
}
