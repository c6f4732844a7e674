//! The members as processes, with the network between them and a log file each.
//!
//! A new ensemble asks for the same `server.N` lines on all members, and a member listens where its own line says. So
//! where there are proxies the ensemble is formed with lines that name the members themselves; after that every member
//! takes the others' addresses from its own zoo.cfg, and gets one that names the proxies. Where every member has its own
//! address, all lines are the same for ever, and `reconfig` may change the members.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::network::Network;
use super::preload::{Control, Preload};
use crate::compat::ports::free_port;
use crate::process::Mode;

/// What every zoo.cfg says besides the data folder and the members.
const CONFIG: &str = "tickTime=500\ninitLimit=20\nsyncLimit=5\nmaxSessionTimeout=60000\nadmin.enableServer=false\n\
     4lw.commands.whitelist=srvr,mntr\n";
/// What it says where every member has its own address.
const OPEN: &str = "reconfigEnabled=true\nskipACL=yes\n";
/// The rules of apply that an older release knows.
const OLDER_RULES: u32 = 1;
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
    older: Option<PathBuf>,
    folder: PathBuf,
    /// Lines for every zoo.cfg.
    settings: String,
    preload: Option<Preload>,
    members: BTreeMap<usize, Member>,
}

/// What an ensemble is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// treekeeper's binary.
    pub binary: PathBuf,
    /// Where everything is kept.
    pub folder: PathBuf,
    /// How many members.
    pub members: usize,
    /// Further lines for every zoo.cfg.
    pub settings: String,
    /// Makes the clock and the disk go wrong, if we can.
    pub preload: Option<Preload>,
    /// The binary of an older release, if all members are to begin with it.
    pub older: Option<PathBuf>,
}

#[derive(Debug)]
struct Member {
    quorum_port: u16,
    election_port: u16,
    client_port: u16,
    /// Where clients connect.
    address: SocketAddr,
    /// Its clock and its disk.
    control: Control,
    /// Is it started as one of the older release?
    is_older: bool,
    process: Option<Child>,
    is_paused: bool,
    is_stopping: bool,
    /// Its disk goes wrong: it may end by itself, as it has to when it cannot keep what it acknowledges.
    may_end: bool,
}

impl Cluster {
    /// Forms an ensemble and puts the network between its members.
    ///
    /// # Errors
    /// When files, ports or processes cannot be had, or the ensemble does not form.
    pub async fn start(plan: Plan, network: &mut Network) -> Result<Self, String> {
        let folder = plan.folder.clone();
        let io = |error: io::Error| format!("{}: {error}", folder.display());
        let mut members = BTreeMap::new();
        for id in 1..=plan.members {
            let client_port = free_port().map_err(io)?;
            let control = folder.join(format!("member{id}.faults"));
            let member = Member {
                quorum_port: free_port().map_err(io)?,
                election_port: free_port().map_err(io)?,
                client_port,
                address: (network.host(id), client_port).into(),
                control: Control::create(&control).map_err(io)?,
                is_older: plan.older.is_some(),
                process: None,
                is_paused: false,
                is_stopping: false,
                may_end: false,
            };
            members.insert(id, member);
        }
        let own = if network.is_own() { OPEN } else { "" };
        let mut cluster = Self {
            binary: plan.binary,
            older: plan.older,
            folder: plan.folder,
            settings: format!("{own}{}", plan.settings),
            preload: plan.preload,
            members,
        };
        for id in cluster.ids() {
            cluster.prepare_folder(id).map_err(io)?;
            cluster.write_config(id, network).map_err(io)?;
            cluster.start_member(id, network)?;
        }
        cluster.whole().await?;
        if network.is_own() {
            return Ok(cluster);
        }
        let members = cluster.members.iter();
        let ports: BTreeMap<_, _> = members
            .map(|(id, member)| (*id, member.quorum_port))
            .collect();
        network.connect(&ports).await.map_err(io)?;
        for id in cluster.ids() {
            cluster.begin_stop(id);
        }
        for id in cluster.ids() {
            cluster.end_stop(id).await?;
            cluster.write_config(id, network).map_err(io)?;
        }
        for id in cluster.ids() {
            cluster.start_member(id, network)?;
        }
        cluster.whole().await?;
        Ok(cluster)
    }

    /// Gives a member a data folder with its number in it.
    fn prepare_folder(&self, id: usize) -> io::Result<()> {
        let data = self.data_dir(id);
        fs::create_dir_all(&data)?;
        fs::write(data.join("myid"), format!("{id}\n"))
    }

    /// Takes everything from a member that does not run.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn wipe(&self, id: usize) -> io::Result<()> {
        fs::remove_dir_all(self.data_dir(id))?;
        self.prepare_folder(id)
    }

    /// A member's line in a zoo.cfg and a `reconfig`.
    #[must_use]
    pub fn line(&self, id: usize, role: &str) -> String {
        let member = &self.members[&id];
        let (host, client) = (member.address.ip(), member.client_port);
        let (quorum, election) = (member.quorum_port, member.election_port);
        format!("server.{id}={host}:{quorum}:{election}:{role};{client}")
    }

    /// Makes a member one of the newer release from its next start on.
    pub fn upgrade(&mut self, id: usize) {
        self.member(id).is_older = false;
    }

    /// Are there members of an older release?
    #[must_use]
    pub fn has_older(&self) -> bool {
        self.members.values().any(|member| member.is_older)
    }

    /// Waits until all members use the rules of the newer release.
    ///
    /// # Errors
    /// When they do not.
    pub async fn upgraded(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut rules = Vec::new();
            for id in self.ids() {
                let said = timeout(ANSWER_MAX, word(self.address(id), "mntr")).await;
                let said = said.ok().and_then(Result::ok).unwrap_or_default();
                let mut lines = said.lines();
                let number = lines.find_map(|line| line.strip_prefix("zk_rules_version\t"));
                rules.push(number.and_then(|number| number.trim().parse::<u32>().ok()));
            }
            let is_new = |rules: &Option<u32>| rules.is_some_and(|rules| rules > OLDER_RULES);
            if rules.iter().all(|one| is_new(one) && *one == rules[0]) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "not all are upgraded: they use the rules {rules:?}"
                ));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// A member's clock and disk; none when they cannot go wrong.
    #[must_use]
    pub fn control(&self, id: usize) -> Option<&Control> {
        self.preload.as_ref().map(|_| &self.members[&id].control)
    }

    /// The numbers of all members.
    #[must_use]
    pub fn ids(&self) -> Vec<usize> {
        self.members.keys().copied().collect()
    }

    /// Where a member's clients connect.
    #[must_use]
    pub fn address(&self, id: usize) -> SocketAddr {
        self.members[&id].address
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

    fn write_config(&self, id: usize, network: &Network) -> io::Result<()> {
        let mut text = format!("{CONFIG}{}", self.settings);
        writeln!(text, "dataDir={}", self.data_dir(id).display()).map_err(io::Error::other)?;
        for (other, member) in &self.members {
            let quorum = network.port(id, *other).unwrap_or(member.quorum_port);
            let (host, election) = (member.address.ip(), member.election_port);
            let client = member.client_port;
            writeln!(text, "server.{other}={host}:{quorum}:{election};{client}")
                .map_err(io::Error::other)?;
        }
        fs::write(self.config(id), text)
    }

    /// Starts a member that does not run, and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start_member(&mut self, id: usize, network: &Network) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot run member {id}: {error}");
        let open = || -> io::Result<File> {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log(id))
        };
        let log = open().map_err(failed)?;
        let older = self.older.as_ref();
        let older = older.filter(|_| self.members[&id].is_older);
        let binary = older.unwrap_or(&self.binary);
        let mut words = network.enter(id);
        words.push(binary.to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        if let Some(preload) = &self.preload {
            let control = &self.members[&id].control;
            command.envs(preload.environment(control, &self.data_dir(id)));
        }
        let process = command
            .args(&words[1..])
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

    /// The members that ended though nobody asked them to, and nothing was wrong with their disks.
    pub fn unasked_ends(&mut self) -> Vec<String> {
        let mut ends = Vec::new();
        for (id, member) in &mut self.members {
            let is_expected = member.is_stopping || member.may_end;
            let Some(process) = member.process.as_mut().filter(|_| !is_expected) else {
                continue;
            };
            if let Ok(Some(status)) = process.try_wait() {
                member.process = None;
                ends.push(format!("member {id} ended by itself, {status}"));
            }
        }
        ends
    }

    /// A member's disk goes wrong: it may end by itself from now on. Gives the length of what it has said until now.
    pub fn expect_end(&mut self, id: usize) -> u64 {
        self.member(id).may_end = true;
        fs::metadata(self.log(id)).map_or(0, |file| file.len())
    }

    /// A member's disk is right again: waits a moment whether it ends by itself, or has. True if so.
    ///
    /// # Errors
    /// When it ended without one of these words in what it said after `from` bytes, or as if all were well.
    pub async fn ended_with(
        &mut self,
        id: usize,
        from: u64,
        words: &[&str],
        within: Duration,
    ) -> Result<bool, String> {
        let deadline = Instant::now() + within;
        let member = self.member(id);
        member.may_end = false;
        let Some(process) = &mut member.process else {
            return Ok(false);
        };
        let status = loop {
            if let Some(status) = process.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(LOOK_EVERY).await;
        };
        member.process = None;
        let said = fs::read(self.log(id)).unwrap_or_default();
        let from = usize::try_from(from).unwrap_or(0).min(said.len());
        let said = String::from_utf8_lossy(&said[from..]);
        let last: Vec<_> = said.lines().rev().take(10).collect();
        if status.code().is_none_or(|code| code == 0) {
            return Err(format!(
                "member {id} ended with {status}, though its disk failed"
            ));
        }
        if !words.iter().any(|word| said.contains(word)) {
            return Err(format!(
                "member {id} ended with {status} and did not say that its disk failed: {last:#?}"
            ));
        }
        Ok(true)
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
        let answer = timeout(ANSWER_MAX, word(self.address(id), "srvr")).await;
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

/// The answer to a four-letter word.
async fn word(address: SocketAddr, word: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(word.as_bytes()).await?;
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
