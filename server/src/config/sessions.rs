//! Sessions that only this server knows. Local to this server.

use super::error::ConfigError;
use super::notice::Notice;
use super::settings::Settings;

/// Which sessions stay out of the log. None does on a server alone, which is always in contact with itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// `localSessionsEnabled`: sessions begin as local ones, which no other member knows.
    pub local: bool,
    /// `localSessionsUpgradingEnabled`: a local session becomes global when it creates its first ephemeral znode;
    /// otherwise it cannot create any.
    pub upgrading: bool,
    /// `readonlymode.enabled`: without a quorum, clients that make do with reading are served.
    pub read_only_mode: bool,
}

impl SessionSettings {
    /// `several`: is this server a member of an ensemble of several?
    pub(super) fn read(
        settings: &Settings,
        several: bool,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let local = settings.flag("localSessionsEnabled", false)?;
        let upgrading = settings.flag("localSessionsUpgradingEnabled", false)?;
        let read_only_mode = settings.flag("readonlymode.enabled", false)?;
        if !several {
            return Ok(Self::default());
        }
        if let (true, false, Some(setting)) = (
            upgrading,
            local,
            settings.get("localSessionsUpgradingEnabled"),
        ) {
            let text = "localSessionsUpgradingEnabled=true means nothing without localSessionsEnabled=true";
            notices.push(Notice::warning(&setting.origin, text.to_owned()));
        }
        Ok(Self {
            local,
            upgrading: local && upgrading,
            read_only_mode,
        })
    }
}
