//! The servers of a connect string, one by one.

use std::fmt;
use treekeeper_client::{ConnectStringError, parse_servers};

/// Where a server's clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an IP address, the latter without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// The servers of `host[:port],…`.
    pub(super) fn parse_all(servers: &str) -> Result<Vec<Self>, ConnectStringError> {
        let servers = parse_servers(servers)?.into_iter();
        Ok(servers.map(|(host, port)| Self { host, port }).collect())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_with_and_without_a_port() {
        let all = Address::parse_all("a:1, b,[::1]:9,::1").expect("valid");
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["a:1", "b:2181", "[::1]:9", "[::1]:2181"]);
    }

    #[test]
    fn mistakes_are_named() {
        for servers in ["", "a,,b", ":1"] {
            assert_eq!(
                Address::parse_all(servers),
                Err(ConnectStringError::NoServer)
            );
        }
        for port in ["x", "0", "65536", ""] {
            assert_eq!(
                Address::parse_all(&format!("a:{port}")),
                Err(ConnectStringError::Port(port.to_owned()))
            );
        }
    }
}
