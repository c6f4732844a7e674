//! The network between the members: one of their own (`namespaces`), or proxies between processes of one (`proxy`).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::namespaces::Namespaces;
use super::proxy::Proxies;

/// What happens to bytes that one member sends to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They arrive.
    Open,
    /// They do not arrive before this ends.
    Dropped,
    /// Their connection is reset.
    Reset,
    /// They arrive late.
    Delayed(Duration),
}

/// Which network a run is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Wanted {
    /// Namespaces where we may make them, proxies elsewhere.
    #[default]
    Auto,
    /// Every member in a network namespace of its own; needs root.
    Namespaces,
    /// A proxy for each way between two members.
    Proxies,
}

/// The network between the members.
#[derive(Debug)]
pub enum Network {
    /// Every member in a network namespace of its own.
    Namespaces(Namespaces),
    /// A proxy for each way between two members.
    Proxies(Proxies),
}

impl Network {
    /// A network for so many members, as far as it is there before they have ports.
    ///
    /// # Errors
    /// When the wanted one cannot be had.
    pub fn prepare(wanted: Wanted, members: usize) -> Result<Self, String> {
        if wanted == Wanted::Proxies {
            return Ok(Self::Proxies(Proxies::default()));
        }
        match Namespaces::create(members) {
            Ok(namespaces) => Ok(Self::Namespaces(namespaces)),
            Err(error) if wanted == Wanted::Namespaces => Err(error),
            Err(error) => {
                println!("no network namespaces, so the members talk through proxies: {error}");
                Ok(Self::Proxies(Proxies::default()))
            }
        }
    }

    /// Where a member listens.
    #[must_use]
    pub fn host(&self, id: usize) -> IpAddr {
        match self {
            Self::Namespaces(namespaces) => namespaces.host(id).into(),
            Self::Proxies(_) => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The command, if any, that runs another one where a member is.
    #[must_use]
    pub fn enter(&self, id: usize) -> Vec<String> {
        match self {
            Self::Namespaces(namespaces) => namespaces.enter(id),
            Self::Proxies(_) => Vec::new(),
        }
    }

    /// Can a member be taken off the network, and be reached under the same address by everybody?
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    /// What can be done instead of this.
    #[must_use]
    pub fn nearest(&self, flow: Flow) -> Flow {
        match (self, flow) {
            (Self::Namespaces(namespaces), Flow::Delayed(_)) if !namespaces.can_delay() => {
                Flow::Dropped
            }
            _ => flow,
        }
    }

    /// Changes what happens to what the first member sends to the second.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set(&self, from: usize, to: usize, flow: Flow) -> io::Result<()> {
        match self {
            Self::Namespaces(namespaces) => namespaces.set(from, to, flow),
            Self::Proxies(proxies) => {
                proxies.set(from, to, flow);
                Ok(())
            }
        }
    }

    /// Takes a member off the network, from its clients too.
    ///
    /// # Errors
    /// When the system refuses, or the members share a network.
    pub fn unplug(&self, id: usize) -> io::Result<()> {
        match self {
            Self::Namespaces(namespaces) => namespaces.unplug(id),
            Self::Proxies(_) => Err(io::Error::other("the members have no network of their own")),
        }
    }

    /// Everything arrives again.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn heal(&self) -> io::Result<()> {
        match self {
            Self::Namespaces(namespaces) => namespaces.heal(),
            Self::Proxies(proxies) => {
                proxies.heal();
                Ok(())
            }
        }
    }

    /// Puts proxies between members with these quorum ports, if it is one of proxies.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn connect(&mut self, quorum_ports: &BTreeMap<usize, u16>) -> io::Result<()> {
        if let Self::Proxies(proxies) = self {
            *proxies = Proxies::start(quorum_ports).await?;
        }
        Ok(())
    }

    /// The port at which the first member reaches the second, if that is not the second's own.
    #[must_use]
    pub fn port(&self, from: usize, to: usize) -> Option<u16> {
        match self {
            Self::Namespaces(_) => None,
            Self::Proxies(proxies) => proxies.port(from, to),
        }
    }
}
