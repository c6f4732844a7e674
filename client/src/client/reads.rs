//! Reads: what a server answers from its own tree.

use super::Client;
use crate::session::{OnReply, Subscription};
use crate::watch::{OneshotKind, OneshotWatcher, Registration};
use crate::{Error, ReadOp};
use bytes::Bytes;
use treekeeper_protocol::response::{
    GetAclResponse, GetAllChildrenNumberResponse, GetChildren2Response, GetDataResponse,
    GetEphemeralsResponse, MultiResponse, StatResponse,
};
use treekeeper_protocol::{
    Acl, ErrorCode, MultiRequest, OpResult, PathRequest, ReadRequest, Request, Stat, SyncRequest,
};

impl Client {
    /// The stat of a znode, `None` if it does not exist.
    ///
    /// # Errors
    /// If the path is invalid, the znode may not be read, or no reply comes.
    pub async fn exists(&self, path: &str) -> Result<Option<Stat>, Error> {
        let request = ReadRequest {
            path: self.absolute(path)?,
            watch: false,
        };
        stat_if_any(self.call(&Request::Exists(request)).await)
    }

    /// The same, with a watch for the next creation, deletion or change of data.
    ///
    /// # Errors
    /// Like [`exists`](Self::exists); then there is no watch.
    pub async fn exists_and_watch(
        &self,
        path: &str,
    ) -> Result<(Option<Stat>, OneshotWatcher), Error> {
        let (sender, watcher) = OneshotWatcher::new();
        let path = self.absolute(path)?;
        let subscription = Subscription::new(
            path.clone(),
            Registration::Oneshot(OneshotKind::Data, sender),
        );
        let request = Request::Exists(ReadRequest { path, watch: true });
        let outcome = self
            .call_and_then(&request, OnReply::Watch(subscription.also_if_absent()))
            .await;
        Ok((stat_if_any(outcome)?, watcher))
    }

    /// Data and stat of a znode. Null data, which some clients write, is `None`.
    ///
    /// # Errors
    /// If the path is invalid, the znode does not exist or may not be read, or no reply comes.
    pub async fn get_data(&self, path: &str) -> Result<(Option<Bytes>, Stat), Error> {
        let request = ReadRequest {
            path: self.absolute(path)?,
            watch: false,
        };
        data_and_stat(&self.call(&Request::GetData(request)).await?)
    }

    /// The same, with a watch for the next change of data or the deletion.
    ///
    /// # Errors
    /// Like [`get_data`](Self::get_data); then there is no watch.
    pub async fn get_data_and_watch(
        &self,
        path: &str,
    ) -> Result<(Option<Bytes>, Stat, OneshotWatcher), Error> {
        let (on_reply, path, watcher) = self.watched(path, OneshotKind::Data)?;
        let body = self
            .call_and_then(
                &Request::GetData(ReadRequest { path, watch: true }),
                on_reply,
            )
            .await?;
        let (data, stat) = data_and_stat(&body)?;
        Ok((data, stat, watcher))
    }

    /// Names of the children of a znode, in any order, and its stat.
    ///
    /// # Errors
    /// If the path is invalid, the znode does not exist or may not be read, or no reply comes.
    pub async fn get_children(&self, path: &str) -> Result<(Vec<String>, Stat), Error> {
        let request = ReadRequest {
            path: self.absolute(path)?,
            watch: false,
        };
        let body = self.call(&Request::GetChildren2(request)).await?;
        let GetChildren2Response { children, stat } = GetChildren2Response::decode(&body)?;
        Ok((children, stat))
    }

    /// The same, with a watch for the next child that comes or goes, or the deletion of the znode.
    ///
    /// # Errors
    /// Like [`get_children`](Self::get_children); then there is no watch.
    pub async fn get_children_and_watch(
        &self,
        path: &str,
    ) -> Result<(Vec<String>, Stat, OneshotWatcher), Error> {
        let (on_reply, path, watcher) = self.watched(path, OneshotKind::Child)?;
        let body = self
            .call_and_then(
                &Request::GetChildren2(ReadRequest { path, watch: true }),
                on_reply,
            )
            .await?;
        let GetChildren2Response { children, stat } = GetChildren2Response::decode(&body)?;
        Ok((children, stat, watcher))
    }

    fn watched(
        &self,
        path: &str,
        kind: OneshotKind,
    ) -> Result<(OnReply, String, OneshotWatcher), Error> {
        let (sender, watcher) = OneshotWatcher::new();
        let path = self.absolute(path)?;
        let subscription = Subscription::new(path.clone(), Registration::Oneshot(kind, sender));
        Ok((OnReply::Watch(subscription), path, watcher))
    }

    /// The access control list of a znode, and its stat.
    ///
    /// # Errors
    /// If the path is invalid, the znode does not exist or the list may not be read, or no reply comes.
    pub async fn get_acl(&self, path: &str) -> Result<(Vec<Acl>, Stat), Error> {
        let request = PathRequest {
            path: self.absolute(path)?,
        };
        let GetAclResponse { acl, stat } =
            GetAclResponse::decode(&self.call(&Request::GetAcl(request)).await?)?;
        Ok((acl.unwrap_or_default(), stat))
    }

    /// Waits until the server has applied everything that the leader had committed.
    ///
    /// # Errors
    /// If the path, which changes nothing, is invalid, or no reply comes.
    pub async fn sync(&self, path: &str) -> Result<(), Error> {
        let request = SyncRequest {
            path: Some(self.absolute(path)?),
        };
        self.call(&Request::Sync(request)).await.map(drop)
    }

    /// Several reads in one request; each may fail on its own ([`OpResult::Error`]).
    ///
    /// # Errors
    /// If a path is invalid, or no reply comes.
    pub async fn multi_read(&self, ops: Vec<ReadOp>) -> Result<Vec<OpResult>, Error> {
        let ops = ops
            .into_iter()
            .map(|op| op.into_request(self))
            .collect::<Result<_, _>>()?;
        let body = self.call(&Request::MultiRead(MultiRequest { ops })).await?;
        Ok(MultiResponse::decode(&body)?.results)
    }

    /// Paths of the ephemeral znodes of this session that begin with `prefix`, in any order; `/` means all.
    ///
    /// # Errors
    /// If the prefix is not a valid path, or no reply comes.
    pub async fn get_ephemerals(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let request = Request::GetEphemerals(Some(self.absolute(prefix)?));
        let GetEphemeralsResponse { ephemerals } =
            GetEphemeralsResponse::decode(&self.call(&request).await?)?;
        let below_chroot = |path: &String| self.inner.chroot.relative(path).map(str::to_owned);
        Ok(ephemerals.iter().filter_map(below_chroot).collect())
    }

    /// The number of all descendants of a znode.
    ///
    /// # Errors
    /// If the path is invalid, the znode does not exist or may not be read, or no reply comes.
    pub async fn get_all_children_number(&self, path: &str) -> Result<i32, Error> {
        let request = PathRequest {
            path: self.absolute(path)?,
        };
        let body = self.call(&Request::GetAllChildrenNumber(request)).await?;
        Ok(GetAllChildrenNumberResponse::decode(&body)?.total)
    }
}

fn stat_if_any(outcome: Result<Bytes, Error>) -> Result<Option<Stat>, Error> {
    match outcome {
        Ok(body) => Ok(Some(StatResponse::decode(&body)?.stat)),
        Err(Error::Api(ErrorCode::NoNode)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The data are copied: a slice would keep the whole buffer of the socket alive.
fn data_and_stat(body: &Bytes) -> Result<(Option<Bytes>, Stat), Error> {
    let GetDataResponse { data, stat } = GetDataResponse::decode(body)?;
    Ok((data.map(|data| Bytes::copy_from_slice(&data)), stat))
}
