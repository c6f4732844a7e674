//! The parts of a multi, in the words of a caller.
//!
//! In: paths below the chroot. Out: parts of a request, and results with the caller's paths.

use crate::client::{Client, version};
use crate::{CreateOptions, Error};
use bytes::Bytes;
use treekeeper_protocol::{
    CheckRequest, DeleteRequest, ErrorCode, OpResult, ReadRequest, Request, SetDataRequest,
};

/// One write of a multi. A `version` of `None` means any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Creates a znode.
    Create {
        /// Its path, without the sequence number if it is to get one.
        path: String,
        /// Its data.
        data: Bytes,
        /// Its mode, access control list and time to live.
        options: CreateOptions,
    },
    /// Deletes a znode.
    Delete {
        /// The znode.
        path: String,
        /// The version that it must have.
        version: Option<i32>,
    },
    /// Replaces data.
    SetData {
        /// The znode.
        path: String,
        /// The new data.
        data: Bytes,
        /// The version that it must have.
        version: Option<i32>,
    },
    /// Demands that a znode exists and has a version.
    Check {
        /// The znode.
        path: String,
        /// The version that it must have.
        version: Option<i32>,
    },
}

impl Op {
    pub(crate) fn into_request(self, client: &Client) -> Result<Request, Error> {
        Ok(match self {
            Self::Create {
                path,
                data,
                options,
            } => Request::Create(options.request(client.path_to_create(&path, &options)?, data)?),
            Self::Delete {
                path,
                version: expected,
            } => Request::Delete(DeleteRequest {
                path: client.absolute(&path)?,
                version: version(expected),
            }),
            Self::SetData {
                path,
                data,
                version: expected,
            } => Request::SetData(SetDataRequest {
                path: client.absolute(&path)?,
                data: Some(data),
                version: version(expected),
            }),
            Self::Check {
                path,
                version: expected,
            } => Request::CheckVersion(CheckRequest {
                path: client.absolute(&path)?,
                version: version(expected),
            }),
        })
    }
}

/// One read of a multi read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOp {
    /// Reads data and stat of the znode at this path.
    GetData(String),
    /// Lists the names of the children of the znode at this path.
    GetChildren(String),
}

impl ReadOp {
    pub(crate) fn into_request(self, client: &Client) -> Result<Request, Error> {
        let read = |path: &str| {
            Ok::<_, Error>(ReadRequest {
                path: client.absolute(path)?,
                watch: false,
            })
        };
        Ok(match self {
            Self::GetData(path) => Request::GetData(read(&path)?),
            Self::GetChildren(path) => Request::GetChildren(read(&path)?),
        })
    }
}

/// The results of a multi that was done, or the part that failed: the first error that is not the placeholder
/// of a part before or after it.
pub(crate) fn all_or_nothing(results: Vec<OpResult>) -> Result<Vec<OpResult>, Error> {
    let culprit = results
        .iter()
        .enumerate()
        .find_map(|(index, result)| match result {
            OpResult::Error(ErrorCode::Ok | ErrorCode::RuntimeInconsistency) => None,
            OpResult::Error(code) => Some(Error::Multi { index, code: *code }),
            _ => None,
        });
    culprit.map_or(Ok(results), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_culprit_is_found_among_placeholders() {
        let results = [
            ErrorCode::Ok,
            ErrorCode::NodeExists,
            ErrorCode::RuntimeInconsistency,
        ]
        .map(OpResult::Error);
        assert_eq!(
            all_or_nothing(results.into()),
            Err(Error::Multi {
                index: 1,
                code: ErrorCode::NodeExists
            })
        );
    }

    #[test]
    fn results_of_a_multi_that_was_done_stay() {
        let results = vec![OpResult::Check, OpResult::Delete];
        assert_eq!(all_or_nothing(results.clone()), Ok(results));
    }
}
