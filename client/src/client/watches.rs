//! Persistent watches, and the removal of any.

use super::Client;
use crate::Error;
use crate::session::{OnReply, Subscription};
use crate::watch::{PersistentWatcher, Registration};
use treekeeper_protocol::{
    AddWatchMode, AddWatchRequest, ErrorCode, Request, WatchKind, WatchTypeRequest,
};

impl Client {
    /// Watches a znode, or a znode and everything below it, until the watch is removed.
    ///
    /// # Errors
    /// If the path is invalid, or no reply comes.
    pub async fn add_watch(
        &self,
        path: &str,
        mode: AddWatchMode,
    ) -> Result<PersistentWatcher, Error> {
        let absolute = self.absolute(path)?;
        let (sender, watcher) = PersistentWatcher::new(path, mode);
        let subscription =
            Subscription::new(absolute.clone(), Registration::Persistent(mode, sender));
        let request = Request::AddWatch(AddWatchRequest {
            path: absolute,
            mode: mode.as_i32(),
        });
        self.call_and_then(&request, OnReply::Watch(subscription))
            .await?;
        Ok(watcher)
    }

    /// Removes all watches of one kind that this client has on a znode; their holders get an event that says so.
    ///
    /// # Errors
    /// If the path is invalid, there is no such watch ([`ErrorCode::NoWatcher`]), or no reply comes.
    pub async fn remove_watches(&self, path: &str, kind: WatchKind) -> Result<(), Error> {
        let path = self.absolute(path)?;
        let request = Request::RemoveWatches(WatchTypeRequest {
            path: path.clone(),
            kind: kind.as_i32(),
        });
        self.call_and_then(&request, OnReply::Unwatch { path, kind })
            .await
            .map(drop)
    }

    /// Whether the server has a watch of this kind on a znode for this client.
    ///
    /// # Errors
    /// If the path is invalid, or no reply comes.
    pub async fn check_watches(&self, path: &str, kind: WatchKind) -> Result<bool, Error> {
        let request = WatchTypeRequest {
            path: self.absolute(path)?,
            kind: kind.as_i32(),
        };
        match self.call(&Request::CheckWatches(request)).await {
            Ok(_) => Ok(true),
            Err(Error::Api(ErrorCode::NoWatcher)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
