//! Where a listener binds.

use super::error::ConfigError;
use super::settings::Settings;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Every address of the machine: IPv6 and IPv4 with one socket, IPv4 alone where there is no IPv6.
    Any {
        /// The port; 0 lets the system choose one.
        port: u16,
    },
    /// One address.
    At(SocketAddr),
}

impl ListenAddress {
    /// The port; 0 lets the system choose one.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Any { port } => *port,
            Self::At(address) => address.port(),
        }
    }

    /// The addresses to try in turn: the first that can be bound is the one.
    #[must_use]
    pub fn candidates(&self) -> Vec<SocketAddr> {
        match self {
            Self::Any { port } => {
                vec![
                    (Ipv6Addr::UNSPECIFIED, *port).into(),
                    (Ipv4Addr::UNSPECIFIED, *port).into(),
                ]
            }
            Self::At(address) => vec![*address],
        }
    }

    /// The address at `port` that `key` names, a host name or an IP address; `default` if the key is not given.
    pub(super) fn read(
        settings: &Settings,
        key: &str,
        port: u16,
        default: Self,
    ) -> Result<Self, ConfigError> {
        let address = settings.parsed(
            key,
            "an IP address or the name of a host that resolves to one",
            |host| resolve(host, port),
        )?;
        Ok(address.map_or(default, Self::At))
    }

    pub(super) fn loopback(port: u16) -> Self {
        Self::At((Ipv4Addr::LOCALHOST, port).into())
    }
}

/// The address of a host; brackets around IPv6 are optional.
pub(super) fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, port)),
        Err(_) => (host, port).to_socket_addrs().ok()?.next(),
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { port } => write!(f, "*:{port}"),
            Self::At(address) => address.fmt(f),
        }
    }
}
