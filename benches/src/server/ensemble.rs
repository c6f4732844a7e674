//! Three servers of one product that serve together, all on this machine.
//!
//! In: a product and a folder. Out: three [`Server`]s, each with a configuration and a folder of its own, one of which
//! leads.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use crate::load::Target;
use crate::server::products::Product;
use crate::server::status::{Role, Status};
use crate::server::{START_WITHIN, Server, ServerError};

/// How many there are.
pub const MEMBERS: usize = 3;
/// Of each: for clients, for the others, for elections.
const PORTS_EACH: usize = 3;
/// Ports are looked for from here on, below those that the system gives to connections: one of these could take the port
/// of a server that is down.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;
/// How long to wait before asking again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The servers with their data folders; all are gone when this is dropped.
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Server>,
    folder: PathBuf,
}

impl Ensemble {
    /// Starts three servers of `product` in folders below `folder`. Returns when all of them serve.
    ///
    /// # Errors
    /// When one cannot be started, ends, or does not serve within ten minutes.
    pub fn start(product: &Product, folder: &Path) -> Result<Self, ServerError> {
        let mut ensemble = Self::launch(product, folder).map_err(|source| ServerError::Io {
            product: product.name().to_owned(),
            source,
        })?;
        ensemble.wait_until_formed()?;
        Ok(ensemble)
    }

    fn launch(product: &Product, folder: &Path) -> io::Result<Self> {
        let ports = free_ports()?;
        let ports: Vec<&[u16]> = ports.chunks(PORTS_EACH).collect();
        let mut servers = String::new();
        for (id, ports) in (1..).zip(&ports) {
            writeln!(
                servers,
                "server.{id}=127.0.0.1:{}:{};{}",
                ports[1], ports[2], ports[0]
            )
            .expect("a string takes any text");
        }
        let mut members = Vec::new();
        for (id, ports) in (1_usize..).zip(&ports) {
            let own = folder.join(id.to_string());
            let zoo_cfg = product.member_zoo_cfg(&own.join("data"), &servers);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
            members.push(Server::launch(product, &own, address, &zoo_cfg, Some(id))?);
        }
        Ok(Self {
            members,
            folder: folder.to_owned(),
        })
    }

    /// A member, by its place.
    pub fn member(&mut self, place: usize) -> &mut Server {
        &mut self.members[place]
    }

    /// Where each member listens, by its place.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |member: &Server| member.target().address;
        self.members.iter().map(address).collect()
    }

    /// The members, the leader last: who has one connection alone has it to a follower, as most clients do.
    ///
    /// # Errors
    /// When there is no leader within ten minutes.
    pub fn targets(&mut self) -> Result<Vec<Target>, ServerError> {
        let leader = self.leader()?;
        let after = |step: usize| self.members[(leader + step) % MEMBERS].target();
        Ok((1..=MEMBERS).map(after).collect())
    }

    /// The place of the leader, as soon as all members serve.
    ///
    /// # Errors
    /// When there is none within ten minutes.
    pub fn leader(&mut self) -> Result<usize, ServerError> {
        let statuses = self.wait_until_formed()?;
        let leads = |status: &Status| status.role == Role::Leader;
        Ok(statuses.iter().position(leads).expect("one leads"))
    }

    /// Waits until every member serves, one of them as the leader.
    ///
    /// # Errors
    /// When a process ends, or after ten minutes.
    pub fn wait_until_formed(&mut self) -> Result<Vec<Status>, ServerError> {
        self.wait_until(|statuses| {
            let leads = |status: &&Status| status.role == Role::Leader;
            statuses.iter().filter(leads).count() == 1
        })
    }

    /// Waits until every member has applied the same changes: nobody may write meanwhile.
    ///
    /// # Errors
    /// When a process ends, or after ten minutes.
    pub fn wait_until_equal(&mut self) -> Result<(), ServerError> {
        self.wait_until(|statuses| statuses.windows(2).all(|two| two[0].zxid == two[1].zxid))?;
        Ok(())
    }

    /// Waits until the member at `place`, which was started again, has applied what the one at `leader` has.
    ///
    /// # Errors
    /// When one of them ends, or after ten minutes.
    pub fn wait_until_caught_up(&mut self, place: usize, leader: usize) -> Result<(), ServerError> {
        let give_up = Instant::now() + START_WITHIN;
        let (own, its) = (self.address(place), self.address(leader));
        loop {
            // The leader first: meanwhile it goes on.
            if let Some(ahead) = Status::of(its)
                && Status::of(own).is_some_and(|status| status.zxid >= ahead.zxid)
            {
                return Ok(());
            }
            for member in [place, leader] {
                self.members[member].expect_running(give_up)?;
            }
            thread::sleep(ASK_AGAIN_AFTER);
        }
    }

    fn address(&self, place: usize) -> SocketAddr {
        self.members[place].target().address
    }

    fn wait_until(&mut self, done: impl Fn(&[Status]) -> bool) -> Result<Vec<Status>, ServerError> {
        let give_up = Instant::now() + START_WITHIN;
        loop {
            let statuses: Vec<Status> =
                self.addresses().into_iter().map_while(Status::of).collect();
            if statuses.len() == MEMBERS && done(&statuses) {
                return Ok(statuses);
            }
            for member in &mut self.members {
                member.expect_running(give_up)?;
            }
            thread::sleep(ASK_AGAIN_AFTER);
        }
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        self.members.clear();
        // A folder left behind is emptied at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ports for all members that nobody listens on.
fn free_ports() -> io::Result<Vec<u16>> {
    // Two benches at once begin at different ones.
    let first = process::id() % u32::from(PORTS);
    let candidates = (0..u32::from(PORTS)).filter_map(|step| {
        let offset = (first + step) % u32::from(PORTS);
        u16::try_from(offset).ok().map(|offset| FIRST_PORT + offset)
    });
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    let ports: Vec<u16> = candidates
        .filter(is_free)
        .take(MEMBERS * PORTS_EACH)
        .collect();
    if ports.len() < MEMBERS * PORTS_EACH {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() {
        let mut ports = free_ports().unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), MEMBERS * PORTS_EACH);
    }
}
