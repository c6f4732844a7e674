//! Connect strings: `host[:port],…[/chroot]`.
//!
//! In: text. Out: servers and the chroot.
//! Not here: name resolution.

use crate::chroot::Chroot;
use treekeeper_protocol::{PathError, path};

/// The port of a server that is named without one.
const PORT_DEFAULT: u16 = 2181;

/// Where the servers are, and which part of their tree is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectString {
    /// Host and port of each server; at least one.
    pub(crate) servers: Vec<(String, u16)>,
    /// What all paths are below.
    pub(crate) chroot: Chroot,
}

/// Why a text is no connect string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectStringError {
    /// It names no server, or an empty one.
    #[error("a server is missing")]
    NoServer,
    /// A port is no number from 1 to 65535.
    #[error("{0:?} is not a port")]
    Port(String),
    /// The chroot is not a valid path.
    #[error("invalid chroot: {0}")]
    Chroot(#[from] PathError),
}

impl ConnectString {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectStringError> {
        let (servers, chroot) = match text.find('/') {
            Some(slash) => text.split_at(slash),
            None => (text, path::ROOT),
        };
        path::validate(chroot)?;
        Ok(Self {
            servers: parse_servers(servers)?,
            chroot: Chroot::new(chroot),
        })
    }
}

/// The hosts and ports of `host[:port],…`, a connect string without its chroot. An IPv6 address has no brackets here.
///
/// # Errors
/// [`ConnectStringError`] if a server is missing or a port is none.
pub fn parse_servers(servers: &str) -> Result<Vec<(String, u16)>, ConnectStringError> {
    servers
        .split(',')
        .map(|server| parse_server(server.trim()))
        .collect()
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, or a bare IPv6 address.
fn parse_server(server: &str) -> Result<(String, u16), ConnectStringError> {
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
        Some(port) => match port.parse() {
            Ok(number) if number != 0 => number,
            _ => return Err(ConnectStringError::Port(port.to_owned())),
        },
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<(String, u16)> {
        ConnectString::parse(text).expect("valid").servers
    }

    #[test]
    fn servers_have_a_port_or_the_usual_one() {
        assert_eq!(
            servers("a:1,b"),
            [("a".to_owned(), 1), ("b".to_owned(), 2181)]
        );
        assert_eq!(
            servers("[::1]:9,::1,[::2]"),
            [
                ("::1".to_owned(), 9),
                ("::1".to_owned(), 2181),
                ("::2".to_owned(), 2181)
            ]
        );
    }

    #[test]
    fn the_chroot_begins_at_the_first_slash() {
        assert_eq!(
            ConnectString::parse("a,b:1/x/y").expect("valid").chroot,
            Chroot::new("/x/y")
        );
        assert_eq!(
            ConnectString::parse("a/").expect("valid").chroot,
            Chroot::new("/")
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(ConnectString::parse(""), Err(ConnectStringError::NoServer));
        assert_eq!(
            ConnectString::parse("a,,b"),
            Err(ConnectStringError::NoServer)
        );
        assert_eq!(
            ConnectString::parse(":1"),
            Err(ConnectStringError::NoServer)
        );
        for port in ["x", "0", "65536", ""] {
            assert_eq!(
                ConnectString::parse(&format!("a:{port}")),
                Err(ConnectStringError::Port(port.to_owned()))
            );
        }
        assert_eq!(
            ConnectString::parse("a/x/"),
            Err(ConnectStringError::Chroot(PathError::TrailingSlash))
        );
    }
}
