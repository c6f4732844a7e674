//! What a server says of itself, to the word `srvr`.
//!
//! In: an address. Out: its answer, and what of it is needed here.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The silence after which a server that is asked is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a member of an ensemble does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It decides on every write.
    Leader,
    /// It serves clients and asks the leader.
    Follower,
}

/// A member that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub role: Role,
    /// The last change that it has applied.
    pub zxid: u64,
}

impl Status {
    /// What the member at `address` says; `None` when it does not serve.
    pub fn of(address: SocketAddr) -> Option<Self> {
        Self::in_answer(&srvr(address).ok()?)
    }

    fn in_answer(answer: &str) -> Option<Self> {
        let field = |name| answer.lines().find_map(|line| line.strip_prefix(name));
        let role = match field("Mode: ")?.trim() {
            "leader" => Role::Leader,
            "follower" => Role::Follower,
            _ => return None,
        };
        let zxid = field("Zxid: 0x")?.trim();
        Some(Self {
            role,
            zxid: u64::from_str_radix(zxid, 16).ok()?,
        })
    }
}

/// The answer of the server at `address`.
///
/// # Errors
/// When nobody answers in time.
pub fn srvr(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(b"srvr")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_and_zxid_are_found_in_the_answer() {
        let answer = "Zookeeper version: 3.9.5\nOutstanding: 0\nZxid: 0x10000000a\nMode: leader\nNode count: 5\n";
        let status = Status::in_answer(answer).unwrap();
        assert_eq!((status.role, status.zxid), (Role::Leader, 0x1_0000_000a));
    }

    #[test]
    fn who_does_not_serve_has_no_status() {
        let answer = "This ZooKeeper instance is not currently serving requests\n";
        assert_eq!(Status::in_answer(answer), None);
        assert_eq!(Status::in_answer("Zxid: 0x1\nMode: standalone\n"), None);
    }
}
