//! How often empty containers and expired TTL znodes are looked for.

use super::error::ConfigError;
use super::settings::Settings;
use std::time::Duration;

/// When containers and TTL znodes are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerSettings {
    /// `znode.container.checkIntervalMs`: time between two looks.
    pub check_interval: Duration,
    /// `znode.container.maxPerMinute`: removals a minute.
    pub max_per_minute: u32,
    /// `znode.container.maxNeverUsedIntervalMs`: age at which a container that never had a child is removed.
    pub max_never_used: Option<Duration>,
}

impl ContainerSettings {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let max_per_minute = settings.number("znode.container.maxPerMinute", 1, "")?;
        Ok(Self {
            check_interval: settings
                .millis("znode.container.checkIntervalMs", 1)?
                .unwrap_or(Duration::from_secs(60)),
            max_per_minute: max_per_minute.map_or(10_000, |number| {
                u32::try_from(number).expect("1 to i32::MAX")
            }),
            max_never_used: settings
                .millis("znode.container.maxNeverUsedIntervalMs", 0)?
                .filter(|interval| !interval.is_zero()),
        })
    }
}
