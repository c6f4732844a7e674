//! A network of the kernel's: every member in a network namespace of its own, joined by a bridge that we are at as well.
//!
//! Needs root and iproute2. Bytes of one way are dropped without a word: the sender gets a neighbour entry for the
//! receiver that nobody at the bridge answers to. A member is unplugged by taking down its end at the bridge.
//!
//! All names begin with [`PREFIX`] and our process id, so that what a dead run has left is found, and removed, by the
//! next one. Dropping [`Namespaces`] removes ours.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::network::Flow;

/// What all names begin with; the process id follows.
const PREFIX: &str = "tkf";
/// Networks of which one is taken: `10.N.M.0/24`.
const SECOND_BYTES: std::ops::Range<u32> = 200..250;
/// Our own end of the bridge.
const OWN_LAST_BYTE: u8 = 254;
/// A hardware address that nobody has.
const NOBODY: &str = "02:fa:00:00:00:ff";
/// Where namespaces that have names are.
const NAMED: &str = "/run/netns";

/// The namespaces of a run.
#[derive(Debug)]
pub struct Namespaces {
    names: Names,
    network: [u8; 3],
    members: Vec<usize>,
    can_delay: bool,
}

/// The names of one run's pieces.
#[derive(Clone, Copy, Debug)]
struct Names {
    pid: u32,
}

impl Names {
    fn bridge(self) -> String {
        format!("{PREFIX}{}b", self.pid)
    }

    /// A member's namespace, and the bridge's end of its cable.
    fn member(self, id: usize) -> String {
        format!("{PREFIX}{}m{id}", self.pid)
    }

    /// Whose a name is; none if it is not one of ours.
    fn owner(name: &str) -> Option<u32> {
        let rest = name.strip_prefix(PREFIX)?;
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..end].parse().ok()
    }
}

fn mac(id: usize) -> String {
    format!("02:fa:00:00:00:{id:02x}")
}

/// Runs `ip` on these lines of commands, in a namespace if one is named.
fn ip(namespace: Option<&str>, lines: &[String]) -> io::Result<()> {
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::other(format!("ip: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.join("\n").as_bytes())?;
        input.write_all(b"\n")?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip: {}", said.trim())))
}

/// Runs another program in a namespace.
fn run_in(namespace: &str, program: &[&str]) -> io::Result<()> {
    let output = Command::new("ip")
        .args(["netns", "exec", namespace])
        .args(program)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{}: {}", program[0], said.trim())))
}

impl Namespaces {
    /// Makes them for members 1 to `count`, and removes those of dead runs.
    ///
    /// # Errors
    /// When we may not, or iproute2 is not there.
    pub fn create(count: usize) -> Result<Self, String> {
        remove_stale();
        let pid = std::process::id();
        let mut namespaces = Self {
            names: Names { pid },
            network: free_network(pid).map_err(|error| error.to_string())?,
            members: (1..=count).collect(),
            can_delay: false,
        };
        // What was made before an error goes with the value.
        namespaces.make().map_err(|error| error.to_string())?;
        Ok(namespaces)
    }

    fn make(&mut self) -> io::Result<()> {
        let bridge = self.names.bridge();
        let mut lines = vec![
            format!("link add {bridge} type bridge"),
            format!("addr add {}/24 dev {bridge}", self.address(OWN_LAST_BYTE)),
            format!("link set {bridge} up"),
        ];
        for id in &self.members {
            let name = self.names.member(*id);
            lines.extend([
                format!("netns add {name}"),
                format!(
                    "link add {name} type veth peer name eth0 address {} netns {name}",
                    mac(*id)
                ),
                format!("link set {name} master {bridge} up"),
            ]);
        }
        ip(None, &lines)?;
        for id in &self.members {
            let lines = [
                "link set lo up".to_owned(),
                format!("addr add {}/24 dev eth0", self.host(*id)),
                "link set eth0 up".to_owned(),
            ];
            ip(Some(&self.names.member(*id)), &lines)?;
        }
        self.heal()?;
        // A kernel may lack it, as it is a module.
        self.can_delay = self.members.first().is_some_and(|id| {
            let add = [
                "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "1ms",
            ];
            let name = self.names.member(*id);
            run_in(&name, &add).is_ok() && run_in(&name, &UNDELAY).is_ok()
        });
        Ok(())
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [first, second, third] = self.network;
        Ipv4Addr::new(first, second, third, last)
    }

    /// A member's address.
    #[must_use]
    pub fn host(&self, id: usize) -> Ipv4Addr {
        self.address(u8::try_from(id).unwrap_or(OWN_LAST_BYTE - 1))
    }

    /// The command that runs another one in a member's namespace.
    #[must_use]
    pub fn enter(&self, id: usize) -> Vec<String> {
        let words = ["ip", "netns", "exec"].map(str::to_owned);
        [words.to_vec(), vec![self.names.member(id)]].concat()
    }

    /// Can bytes be made late?
    #[must_use]
    pub fn can_delay(&self) -> bool {
        self.can_delay
    }

    /// Changes what happens to what the first member sends to the second; a delay concerns all that the first sends.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set(&self, from: usize, to: usize, flow: Flow) -> io::Result<()> {
        let name = self.names.member(from);
        match flow {
            Flow::Open => ip(Some(&name), &[self.neighbour(to, &mac(to))]),
            Flow::Dropped => ip(Some(&name), &[self.neighbour(to, NOBODY)]),
            Flow::Reset => {
                let host = self.host(to).to_string();
                // It complains of sockets that are closed already.
                run_in(&name, &["ss", "-K", "dst", &host]).or(Ok(()))
            }
            Flow::Delayed(delay) => {
                let delay = format!("{}ms", delay.as_millis());
                let dev = ["tc", "qdisc", "replace", "dev", "eth0", "root"];
                run_in(
                    &name,
                    &[dev.as_slice(), &["netem", "delay", &delay]].concat(),
                )
            }
        }
    }

    fn neighbour(&self, id: usize, mac: &str) -> String {
        format!(
            "neigh replace {} lladdr {mac} dev eth0 nud permanent",
            self.host(id)
        )
    }

    /// Takes a member off the network.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn unplug(&self, id: usize) -> io::Result<()> {
        ip(None, &[format!("link set {} down", self.names.member(id))])
    }

    /// Everything arrives again.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn heal(&self) -> io::Result<()> {
        let all = self.members.iter();
        let cables: Vec<_> = all
            .map(|id| format!("link set {} up", self.names.member(*id)))
            .collect();
        ip(None, &cables)?;
        for id in &self.members {
            let name = self.names.member(*id);
            let others = self.members.iter().filter(|other| *other != id);
            let lines: Vec<_> = others
                .map(|other| self.neighbour(*other, &mac(*other)))
                .collect();
            ip(Some(&name), &lines)?;
            if self.can_delay {
                // An error says that nothing was late.
                let _ = run_in(&name, &UNDELAY);
            }
        }
        Ok(())
    }
}

const UNDELAY: [&str; 6] = ["tc", "qdisc", "del", "dev", "eth0", "root"];

impl Drop for Namespaces {
    fn drop(&mut self) {
        remove(self.names.pid);
    }
}

/// A network on which this machine has no address.
fn free_network(pid: u32) -> io::Result<[u8; 3]> {
    let output = Command::new("ip").args(["-o", "-4", "addr"]).output()?;
    let taken = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = SECOND_BYTES.end - SECOND_BYTES.start;
    (0..count * 256)
        .map(|step| pid.wrapping_mul(97).wrapping_add(step))
        .filter_map(|at| {
            let second = u8::try_from(SECOND_BYTES.start + at / 256 % count).ok()?;
            Some([10, second, u8::try_from(at % 256).ok()?])
        })
        .find(|[first, second, third]| !taken.contains(&format!(" {first}.{second}.{third}.")))
        .ok_or_else(|| io::Error::other("no free network between 10.200.0.0 and 10.249.255.0"))
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// A process that has ended has no program any more, though it may not have been waited for.
fn is_alive(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

/// Removes what runs have left whose processes are gone.
fn remove_stale() {
    let names = [names_in(NAMED), names_in("/sys/class/net")].concat();
    let owners = names.iter().filter_map(|name| Names::owner(name));
    let dead: std::collections::BTreeSet<_> = owners.filter(|pid| !is_alive(*pid)).collect();
    for pid in dead {
        println!("removing the network namespaces of a run that has died, {pid}");
        remove(pid);
    }
}

/// Ends what runs in a run's namespaces, and removes them with their cables and their bridge.
fn remove(owner: u32) {
    let is_its = |name: &String| Names::owner(name) == Some(owner);
    for name in names_in(NAMED).into_iter().filter(is_its) {
        let pids = Command::new("ip").args(["netns", "pids", &name]).output();
        let pids = pids.map(|output| output.stdout).unwrap_or_default();
        for pid in String::from_utf8_lossy(&pids).split_whitespace() {
            // An error says that it has ended.
            let pid = pid.parse().ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        // What cannot be removed now is removed by the next run.
        let _ = ip(None, &[format!("netns del {name}")]);
    }
    for name in names_in("/sys/class/net").into_iter().filter(is_its) {
        let _ = ip(None, &[format!("link del {name}")]);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_a_name_says() {
        let names = Names { pid: 123 };
        assert_eq!(Names::owner(&names.bridge()), Some(123));
        assert_eq!(Names::owner(&names.member(5)), Some(123));
        assert_eq!(Names::owner("tkfoo"), None);
        assert_eq!(Names::owner("eth0"), None);
        assert!(
            Names { pid: 4_194_304 }.member(5).len() < 16,
            "the kernel's limit"
        );
    }

    #[test]
    fn bytes_of_one_way_are_dropped() {
        let Ok(namespaces) = Namespaces::create(2) else {
            // Not root: the runs use proxies, which have a test of their own.
            return;
        };
        let output = |id: usize, program: &[&str]| {
            let enter = namespaces.enter(id);
            let mut command = Command::new(&enter[0]);
            let output = command.args(&enter[1..]).args(program).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        // Datagrams that came to a port at which nobody listens: so no answer is needed.
        let came = |id: usize| -> u64 {
            let text = output(id, &["cat", "/proc/net/snmp"]);
            let numbers = text.lines().filter(|line| line.starts_with("Udp:")).nth(1);
            let number = numbers.unwrap().split_whitespace().nth(2);
            number.unwrap().parse().unwrap()
        };
        let arrives = |from: usize, to: usize| {
            let before = came(to);
            let send = format!("echo > /dev/udp/{}/7", namespaces.host(to));
            output(from, &["bash", "-c", &send]);
            let deadline = Instant::now() + Duration::from_millis(500);
            while Instant::now() < deadline {
                if came(to) > before {
                    return true;
                }
            }
            false
        };
        assert!(arrives(1, 2) && arrives(2, 1));
        namespaces.set(1, 2, Flow::Dropped).unwrap();
        assert!(!arrives(1, 2) && arrives(2, 1));
        namespaces.heal().unwrap();
        assert!(arrives(1, 2));
        namespaces.unplug(2).unwrap();
        assert!(!arrives(1, 2));
        namespaces.heal().unwrap();
        assert!(arrives(1, 2));
        let name = namespaces.names.member(1);
        drop(namespaces);
        assert!(!Path::new(NAMED).join(name).exists());
    }
}
