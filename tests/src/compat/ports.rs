//! Ports for servers that are killed and started again.
//!
//! In: nothing. Out: loopback ports that nobody listens on. Not here: who listens on them later.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that the kernel gives to outgoing connections (32768 and up on Linux).
///
/// A client that calls a killed server over and over would be given the server's own port sooner or later, and would
/// then hold it, connected to itself, when the server comes back.
const PORTS: Range<u16> = 15_000..32_000;

/// Where the next search begins; the first begins at a place that differs between processes.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Finds a port of 127.0.0.1 on which nobody listens and that no earlier call of this process has returned.
///
/// # Errors
/// When every port of the range is taken.
pub fn free_port() -> io::Result<u16> {
    let count = PORTS.end - PORTS.start;
    let spread = u16::try_from(std::process::id() * 97 % u32::from(count)).unwrap_or(0);
    let ports = (0..count).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % count;
        PORTS.start + (spread + step) % count
    });
    first_free(ports).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::AddrInUse,
            "no free port between 15000 and 32000",
        )
    })
}

/// The first of `ports` on which nobody listens.
fn first_free(mut ports: impl Iterator<Item = u16>) -> Option<u16> {
    ports.find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_taken_port_is_not_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the kernel has a port");
        let port = taken.local_addr().expect("it is bound").port();
        assert_eq!(first_free([port].into_iter()), None);
    }

    #[test]
    fn no_port_is_returned_twice() {
        let ports: BTreeSet<_> = (0..8).map(|_| free_port().expect("a free port")).collect();
        assert_eq!(ports.len(), 8);
    }
}
