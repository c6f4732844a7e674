//! Settings that change what a command does to the tree, so that all members must agree on them.

use super::error::ConfigError;
use super::notice::Notice;
use super::settings::Settings;
use serde::{Deserialize, Serialize};

/// What must be the same on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicatedSettings {
    /// `skipACL`: nobody's permissions are checked.
    pub skip_acl: bool,
    /// `enforceQuota`: a hard quota refuses the write that exceeds it; otherwise that is only logged.
    pub enforce_quota: bool,
    /// `extendedTypesEnabled`: znodes may have a time to live.
    pub extended_types: bool,
    /// `DigestAuthenticationProvider.enabled`: the ACL scheme `digest` exists.
    pub digest_scheme: bool,
}

impl Default for ReplicatedSettings {
    /// As a stock ZooKeeper, but for TTL znodes, which are on.
    fn default() -> Self {
        Self {
            skip_acl: false,
            enforce_quota: false,
            extended_types: true,
            digest_scheme: true,
        }
    }
}

impl ReplicatedSettings {
    pub(super) fn read(
        settings: &Settings,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let skip_acl = settings.yes_or_no("skipACL", false)?;
        if let (true, Some(setting)) = (skip_acl, settings.get("skipACL")) {
            let text = "skipACL=yes lets every client read and change every znode".to_owned();
            notices.push(Notice::warning(&setting.origin, text));
        }
        Ok(Self {
            skip_acl,
            enforce_quota: settings.flag("enforceQuota", false)?,
            extended_types: settings.flag("extendedTypesEnabled", true)?,
            digest_scheme: settings.flag("DigestAuthenticationProvider.enabled", true)?,
        })
    }
}
