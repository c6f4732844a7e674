//! How a znode is created.

use crate::Error;
use bytes::Bytes;
use std::time::Duration;
use treekeeper_protocol::{Acl, CreateKind, CreateMode, CreateRequest, TTL_MS_MAX};

/// How a znode is created: its mode, its access control list, its time to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOptions {
    mode: CreateMode,
    acl: Vec<Acl>,
    ttl: Option<Duration>,
}

impl CreateOptions {
    /// A mode, and an access control list that lets everybody do everything.
    #[must_use]
    pub fn new(mode: CreateMode) -> Self {
        Self {
            mode,
            acl: Acl::world_anyone_all(),
            ttl: None,
        }
    }

    /// Another access control list.
    #[must_use]
    pub fn acl(self, acl: Vec<Acl>) -> Self {
        Self { acl, ..self }
    }

    /// The time to live, which [`CreateMode::PersistentTtl`] and its sequential sibling need.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self {
            ttl: Some(ttl),
            ..self
        }
    }

    /// True if the server appends a number to the path.
    pub(crate) const fn is_sequential(&self) -> bool {
        self.mode.is_sequential()
    }

    pub(crate) fn request(&self, path: String, data: Bytes) -> Result<CreateRequest, Error> {
        let ttl = match (self.mode.is_ttl(), self.ttl) {
            (false, None) => 0,
            (true, Some(ttl)) => i64::try_from(ttl.as_millis())
                .ok()
                .filter(|ttl_ms| (1..=TTL_MS_MAX).contains(ttl_ms))
                .ok_or(Error::InvalidTtl)?,
            (false, Some(_)) | (true, None) => return Err(Error::InvalidTtl),
        };
        let kind = if self.mode.is_ttl() {
            CreateKind::Ttl
        } else if self.mode.is_container() {
            CreateKind::Container
        } else {
            CreateKind::Create2
        };
        Ok(CreateRequest {
            kind,
            path,
            data: Some(data),
            acl: Some(self.acl.clone()),
            flags: self.mode.flags(),
            ttl,
        })
    }
}

impl Default for CreateOptions {
    /// A persistent znode that is open to everybody.
    fn default() -> Self {
        Self::new(CreateMode::Persistent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_and_ttl(options: &CreateOptions) -> Result<(CreateKind, i64), Error> {
        options
            .request("/a".into(), Bytes::new())
            .map(|request| (request.kind, request.ttl))
    }

    #[test]
    fn the_mode_decides_the_operation() {
        let hour = Duration::from_secs(3600);
        assert_eq!(
            kind_and_ttl(&CreateOptions::default()),
            Ok((CreateKind::Create2, 0))
        );
        assert_eq!(
            kind_and_ttl(&CreateOptions::new(CreateMode::Container)),
            Ok((CreateKind::Container, 0))
        );
        assert_eq!(
            kind_and_ttl(&CreateOptions::new(CreateMode::PersistentTtl).ttl(hour)),
            Ok((CreateKind::Ttl, 3_600_000))
        );
    }

    #[test]
    fn a_time_to_live_goes_with_its_modes_only() {
        let ttl = |mode, duration| kind_and_ttl(&CreateOptions::new(mode).ttl(duration));
        assert_eq!(
            kind_and_ttl(&CreateOptions::new(CreateMode::PersistentTtl)),
            Err(Error::InvalidTtl)
        );
        assert_eq!(
            ttl(CreateMode::Persistent, Duration::from_secs(1)),
            Err(Error::InvalidTtl)
        );
        assert_eq!(
            ttl(CreateMode::PersistentTtl, Duration::ZERO),
            Err(Error::InvalidTtl)
        );
        assert_eq!(
            ttl(CreateMode::PersistentTtl, Duration::MAX),
            Err(Error::InvalidTtl)
        );
    }
}
