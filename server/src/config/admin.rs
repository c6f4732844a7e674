//! The HTTP commands' listener.

use super::error::ConfigError;
use super::listen::ListenAddress;
use super::settings::{Base, Settings};
use std::time::Duration;

/// How the HTTP commands are served.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// `admin.enableServer`: whether they are served at all.
    pub enabled: bool,
    /// `admin.serverAddress` and `admin.serverPort`: where.
    pub address: ListenAddress,
    /// `admin.commandURL`: the path before the commands' names, without a slash at its end.
    pub command_url: String,
    /// `admin.idleTimeout`: how long a connection may be silent; none for no limit.
    pub idle_timeout: Option<Duration>,
}

impl AdminSettings {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let port = settings.port("admin.serverPort")?.unwrap_or(8080);
        let default = match settings.base {
            Base::Embedded => ListenAddress::loopback(port),
            Base::ZooKeeper => ListenAddress::Any { port },
        };
        let command_url = settings.parsed(
            "admin.commandURL",
            "a path that begins with / and has no braces",
            |url| {
                let path = url.trim_end_matches('/');
                (url.starts_with('/') && !path.is_empty() && !path.contains(['{', '}']))
                    .then(|| path.to_owned())
            },
        )?;
        Ok(Self {
            enabled: settings.flag("admin.enableServer", true)?,
            address: ListenAddress::read(settings, "admin.serverAddress", port, default)?,
            command_url: command_url.unwrap_or_else(|| "/commands".to_owned()),
            idle_timeout: Some(
                settings
                    .millis("admin.idleTimeout", -1)?
                    .unwrap_or(Duration::from_secs(30)),
            )
            .filter(|timeout| !timeout.is_zero()),
        })
    }
}
