//! Writes: what goes through the ensemble. A `version` of `None` means any.

use super::{Client, version};
use crate::{CreateOptions, Error, Op, multi};
use bytes::Bytes;
use treekeeper_protocol::response::{
    Create2Response, GetDataResponse, MultiResponse, StatResponse,
};
use treekeeper_protocol::{
    Acl, DeleteRequest, MultiRequest, OpResult, ReconfigRequest, Request, SetAclRequest,
    SetDataRequest, Stat,
};

impl Client {
    /// Creates a znode, and returns its path, with its number if it has one, and its stat.
    ///
    /// # Errors
    /// If the path or the time to live is invalid, the server refuses, or no reply comes.
    pub async fn create(
        &self,
        path: &str,
        data: impl Into<Bytes>,
        options: &CreateOptions,
    ) -> Result<(String, Stat), Error> {
        let request = options.request(self.path_to_create(path, options)?, data.into())?;
        let Create2Response { path, stat } =
            Create2Response::decode(&self.call(&Request::Create(request)).await?)?;
        Ok((self.relative(path), stat))
    }

    /// Deletes a znode without children.
    ///
    /// # Errors
    /// If the path is invalid, the server refuses, or no reply comes.
    pub async fn delete(&self, path: &str, expected: Option<i32>) -> Result<(), Error> {
        let request = DeleteRequest {
            path: self.absolute(path)?,
            version: version(expected),
        };
        self.call(&Request::Delete(request)).await.map(drop)
    }

    /// Replaces the data of a znode.
    ///
    /// # Errors
    /// If the path is invalid, the server refuses, or no reply comes.
    pub async fn set_data(
        &self,
        path: &str,
        data: impl Into<Bytes>,
        expected: Option<i32>,
    ) -> Result<Stat, Error> {
        let request = SetDataRequest {
            path: self.absolute(path)?,
            data: Some(data.into()),
            version: version(expected),
        };
        Ok(StatResponse::decode(&self.call(&Request::SetData(request)).await?)?.stat)
    }

    /// Replaces the access control list of a znode; `expected` is its `aversion`.
    ///
    /// # Errors
    /// If the path is invalid, the server refuses, or no reply comes.
    pub async fn set_acl(
        &self,
        path: &str,
        acl: Vec<Acl>,
        expected: Option<i32>,
    ) -> Result<Stat, Error> {
        let request = SetAclRequest {
            path: self.absolute(path)?,
            acl: Some(acl),
            version: version(expected),
        };
        Ok(StatResponse::decode(&self.call(&Request::SetAcl(request)).await?)?.stat)
    }

    /// Does all of the operations, or none.
    ///
    /// # Errors
    /// [`Error::Multi`] names the operation that could not be done. Otherwise a path or a time to live is invalid,
    /// or no reply comes.
    pub async fn multi(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, Error> {
        let ops = ops
            .into_iter()
            .map(|op| op.into_request(self))
            .collect::<Result<_, _>>()?;
        let body = self.call(&Request::Multi(MultiRequest { ops })).await?;
        let results = multi::all_or_nothing(MultiResponse::decode(&body)?.results)?;
        Ok(results
            .into_iter()
            .map(|result| self.relative_result(result))
            .collect())
    }

    fn relative_result(&self, result: OpResult) -> OpResult {
        match result {
            OpResult::Create { path } => OpResult::Create {
                path: self.relative(path),
            },
            OpResult::Create2 { path, stat } => OpResult::Create2 {
                path: self.relative(path),
                stat,
            },
            other => other,
        }
    }

    /// Changes the members of the ensemble by those that join and leave, and returns the new configuration.
    /// `config_id` is the version that the present one must have.
    ///
    /// # Errors
    /// If the server refuses, or no reply comes.
    pub async fn reconfig(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
        config_id: Option<i64>,
    ) -> Result<(Option<Bytes>, Stat), Error> {
        self.reconfig_request(joining, leaving, None, config_id)
            .await
    }

    /// Sets all members of the ensemble, and returns the new configuration.
    ///
    /// # Errors
    /// If the server refuses, or no reply comes.
    pub async fn reconfig_members(
        &self,
        members: &str,
        config_id: Option<i64>,
    ) -> Result<(Option<Bytes>, Stat), Error> {
        self.reconfig_request(None, None, Some(members), config_id)
            .await
    }

    async fn reconfig_request(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
        new_members: Option<&str>,
        config_id: Option<i64>,
    ) -> Result<(Option<Bytes>, Stat), Error> {
        let request = ReconfigRequest {
            joining: joining.map(str::to_owned),
            leaving: leaving.map(str::to_owned),
            new_members: new_members.map(str::to_owned),
            cur_config_id: config_id.unwrap_or(-1),
        };
        let GetDataResponse { data, stat } =
            GetDataResponse::decode(&self.call(&Request::Reconfig(request)).await?)?;
        Ok((data, stat))
    }
}
