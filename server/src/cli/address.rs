//! The servers of a connect string, one by one.

use std::fmt;
use treekeeper_client::ConnectStringError;

/// The port of a server that is named without one.
const PORT_DEFAULT: u16 = 2181;

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
        servers
            .split(',')
            .map(|server| Self::parse(server.trim()))
            .collect()
    }

    /// `host`, `host:port`, `[v6]`, `[v6]:port`, or a bare IPv6 address.
    fn parse(server: &str) -> Result<Self, ConnectStringError> {
        let bracketed = server
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(rest))),
            None => match server.split_once(':') {
                Some((_, rest)) if rest.contains(':') => (server, None),
                Some((host, port)) => (host, Some(port)),
                None => (server, None),
            },
        };
        if host.is_empty() {
            return Err(ConnectStringError::NoServer);
        }
        let port = match port {
            None => PORT_DEFAULT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|number| *number != 0)
                .ok_or_else(|| ConnectStringError::Port(port.to_owned()))?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
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
