//! The members as processes, with the proxies between them and a log file each.
//!
//! A new ensemble asks for the same `server.N` lines on all members, and a member listens where its own line says. So
//! the ensemble is formed with lines that name the members themselves; after that every member takes the others'
//! addresses from its own zoo.cfg, and gets one that names the proxies.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::proxy::Network;
use crate::compat::ports::free_port;
use crate::process::Mode;

const CONFIG: &str =
    "tickTime=500\ninitLimit=20\nsyncLimit=5\nmaxSessionTimeout=60000\nadmin.enableServer=false\n";
/// How long a member may take to answer `srvr`.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long a member may take to end after SIGTERM, and the ensemble to be whole.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The members; dropping it kills them.
#[derive(Debug)]
pub struct Cluster {
    binary: PathBuf,
    folder: PathBuf,
    members: BTreeMap<usize, Member>,
}

#[derive(Debug)]
struct Member {
    quorum_port: u16,
    election_port: u16,
    client_port: u16,
    process: Option<Child>,
    is_paused: bool,
    is_stopping: bool,
}

impl Cluster {
    /// Forms an ensemble and puts the network between its members.
    ///
    /// # Errors
    /// When files, ports or processes cannot be had, or the ensemble does not form.
    pub async fn start(
        binary: PathBuf,
        folder: &Path,
        count: usize,
    ) -> Result<(Self, Network), String> {
        let io = |error: io::Error| format!("{}: {error}", folder.display());
        let mut members = BTreeMap::new();
        for id in 1..=count {
            let member = Member {
                quorum_port: free_port().map_err(io)?,
                election_port: free_port().map_err(io)?,
                client_port: free_port().map_err(io)?,
                process: None,
                is_paused: false,
                is_stopping: false,
            };
            members.insert(id, member);
        }
        let mut cluster = Self {
            binary,
            folder: folder.to_owned(),
            members,
        };
        for id in cluster.ids() {
            let data = cluster.data_dir(id);
            fs::create_dir_all(&data).map_err(io)?;
            fs::write(data.join("myid"), format!("{id}\n")).map_err(io)?;
            cluster.write_config(id, None).map_err(io)?;
            cluster.start_member(id)?;
        }
        cluster.whole().await?;
        let members = cluster.members.iter();
        let ports: BTreeMap<_, _> = members
            .map(|(id, member)| (*id, member.quorum_port))
            .collect();
        let network = Network::start(&ports).await.map_err(io)?;
        for id in cluster.ids() {
            cluster.begin_stop(id);
        }
        for id in cluster.ids() {
            cluster.end_stop(id).await?;
            cluster.write_config(id, Some(&network)).map_err(io)?;
        }
        for id in cluster.ids() {
            cluster.start_member(id)?;
        }
        cluster.whole().await?;
        Ok((cluster, network))
    }

    /// The numbers of all members.
    #[must_use]
    pub fn ids(&self) -> Vec<usize> {
        self.members.keys().copied().collect()
    }

    /// Where a member's clients connect.
    #[must_use]
    pub fn address(&self, id: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.members[&id].client_port).into()
    }

    /// All members, for a client.
    #[must_use]
    pub fn hosts(&self) -> String {
        let hosts: Vec<_> = self
            .ids()
            .into_iter()
            .map(|id| self.address(id).to_string())
            .collect();
        hosts.join(",")
    }

    fn data_dir(&self, id: usize) -> PathBuf {
        self.folder.join(format!("member{id}"))
    }

    fn config(&self, id: usize) -> PathBuf {
        self.folder.join(format!("member{id}.cfg"))
    }

    fn log(&self, id: usize) -> PathBuf {
        self.folder.join(format!("member{id}.log"))
    }

    fn write_config(&self, id: usize, network: Option<&Network>) -> io::Result<()> {
        let mut text = format!("{CONFIG}dataDir={}\n", self.data_dir(id).display());
        for (other, member) in &self.members {
            let quorum = match network {
                Some(network) if *other != id => network.port(id, *other),
                _ => member.quorum_port,
            };
            let (election, client) = (member.election_port, member.client_port);
            writeln!(
                text,
                "server.{other}=127.0.0.1:{quorum}:{election};{client}"
            )
            .map_err(io::Error::other)?;
        }
        fs::write(self.config(id), text)
    }

    /// Starts a member that does not run, and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start_member(&mut self, id: usize) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot run member {id}: {error}");
        let open = || -> io::Result<File> {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log(id))
        };
        let log = open().map_err(failed)?;
        let process = Command::new(&self.binary)
            .env_remove("TREEKEEPER_LOG")
            .env_remove("TREEKEEPER_SERVER")
            .env("NO_COLOR", "1")
            .args(["serve", "--config"])
            .arg(self.config(id))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let member = self.member(id);
        member.process = Some(process);
        member.is_paused = false;
        member.is_stopping = false;
        Ok(())
    }

    fn member(&mut self, id: usize) -> &mut Member {
        self.members
            .get_mut(&id)
            .expect("a member of this ensemble")
    }

    fn signal(&mut self, id: usize, signal: Signal) {
        let Some(process) = &self.member(id).process else {
            return;
        };
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        // An error says that it has ended, which is found later.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// Ends a member with SIGKILL.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(&mut self, id: usize) -> Result<(), String> {
        self.signal(id, Signal::KILL);
        let Some(mut process) = self.member(id).process.take() else {
            return Ok(());
        };
        let status = process.wait().map_err(|error| error.to_string())?;
        let is_ours = status.signal() == Some(Signal::KILL.as_raw());
        asked(id, status, is_ours)
    }

    /// Asks a member to end.
    pub fn begin_stop(&mut self, id: usize) {
        self.signal(id, Signal::TERM);
        self.member(id).is_stopping = true;
    }

    /// Waits until a member that was asked to has ended.
    ///
    /// # Errors
    /// When it does not, or not with exit code 0.
    pub async fn end_stop(&mut self, id: usize) -> Result<(), String> {
        let Some(mut process) = self.member(id).process.take() else {
            return Ok(());
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().map_err(|error| error.to_string())? {
                // It may not have been ready to hear a SIGTERM yet.
                let is_ours = status.success() || status.signal() == Some(Signal::TERM.as_raw());
                return asked(id, status, is_ours);
            }
            if Instant::now() > deadline {
                // Errors say that it has ended at last.
                let _ = (process.kill(), process.wait());
                return Err(format!("member {id} does not end after SIGTERM"));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Holds a member with SIGSTOP.
    pub fn pause(&mut self, id: usize) {
        self.signal(id, Signal::STOP);
        self.member(id).is_paused = true;
    }

    /// Lets a member go on.
    pub fn resume(&mut self, id: usize) {
        self.signal(id, Signal::CONT);
        self.member(id).is_paused = false;
    }

    /// The members that ended though nobody asked them to.
    pub fn unasked_ends(&mut self) -> Vec<String> {
        let mut ends = Vec::new();
        for (id, member) in &mut self.members {
            let Some(process) = member.process.as_mut().filter(|_| !member.is_stopping) else {
                continue;
            };
            if let Ok(Some(status)) = process.try_wait() {
                member.process = None;
                ends.push(format!("member {id} ended by itself, {status}"));
            }
        }
        ends
    }

    /// The lines of the members' logs that hold a text.
    #[must_use]
    pub fn said(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for id in self.ids() {
            let said = fs::read(self.log(id)).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let lines = said.lines().filter(|line| line.contains(text));
            found.extend(lines.map(|line| format!("member {id} said: {line}")));
        }
        found
    }

    /// What a member says that it is; `None` while it has no leader, does not run or does not answer.
    pub async fn mode(&self, id: usize) -> Option<Mode> {
        let member = &self.members[&id];
        if member.is_paused || member.process.is_none() {
            return None;
        }
        let answer = timeout(ANSWER_MAX, srvr(self.address(id))).await;
        let text = answer.ok()?.ok()?;
        match text.lines().find_map(|line| line.strip_prefix("Mode: "))? {
            "leader" => Some(Mode::Leader),
            "follower" => Some(Mode::Follower),
            _ => None,
        }
    }

    /// One of those who say that they lead.
    pub async fn leader(&self) -> Option<usize> {
        for id in self.ids() {
            if self.mode(id).await == Some(Mode::Leader) {
                return Some(id);
            }
        }
        None
    }

    /// Waits until one member leads and all others follow.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn whole(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut modes = Vec::new();
            for id in self.ids() {
                modes.push(self.mode(id).await);
            }
            let leaders = modes.iter().filter(|mode| **mode == Some(Mode::Leader));
            if leaders.count() == 1 && modes.iter().all(Option::is_some) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the ensemble is not whole in time: {modes:?}"));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

fn asked(id: usize, status: ExitStatus, is_ours: bool) -> Result<(), String> {
    if is_ours {
        return Ok(());
    }
    Err(format!("member {id} ended otherwise than asked, {status}"))
}

async fn srvr(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"srvr").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.members.values_mut().filter_map(|m| m.process.as_mut()) {
            // Errors say that it is gone already.
            let _ = (process.kill(), process.wait());
        }
    }
}
