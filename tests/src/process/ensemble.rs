//! Several treekeepers on one machine as one ensemble: started, killed, paused, asked who leads.
//!
//! In: how many members. Out: processes numbered from 1, as their `myid`s, and their roles as `srvr` tells them. They
//! are configured as ZooKeeper's are, with a zoo.cfg and a `myid` each and nothing on the command line.
//! Dropping an [`Ensemble`] kills them all.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::server::{Ended, PATIENCE, Server, ServerOptions};
use crate::compat::ports::free_port;

/// The members' `tickTime`. The shortest session lasts two of them.
pub const TICK: Duration = Duration::from_millis(500);
/// What every zoo.cfg says besides [`TICK`], the data folder and the members.
const CONFIG: &str =
    "initLimit=20\nsyncLimit=5\nmaxSessionTimeout=60000\nadmin.enableServer=false\n";
/// How long a member may take to answer a four-letter word before it counts as one that does not.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// The pause between two looks at the members.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a member says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It orders the writes.
    Leader,
    /// It votes, and follows a leader.
    Follower,
    /// It follows a leader and has no vote.
    Observer,
}

impl Mode {
    /// The mode in an answer to `srvr`.
    fn of_srvr(text: &str) -> Option<Self> {
        match text.lines().find_map(|line| line.strip_prefix("Mode: "))? {
            "leader" => Some(Self::Leader),
            "follower" => Some(Self::Follower),
            "observer" => Some(Self::Observer),
            _ => None,
        }
    }
}

/// An ensemble; dropping it kills its members.
#[derive(Debug)]
pub struct Ensemble {
    // Killed before their folder goes.
    members: Vec<Member>,
    /// The `server.N` lines.
    lines: String,
    folder: TempDir,
}

#[derive(Debug)]
struct Member {
    options: ServerOptions<'static>,
    port: u16,
    server: Option<Server>,
    is_paused: bool,
}

impl Ensemble {
    /// A new ensemble of `voters`, which has its leader.
    ///
    /// # Panics
    /// When it does not form.
    #[must_use]
    #[track_caller]
    pub fn start(voters: usize) -> Self {
        Self::formed(voters, 0)
    }

    /// A new ensemble of `voters` and an observer, which is the last member.
    ///
    /// # Panics
    /// When it does not form.
    #[must_use]
    #[track_caller]
    pub fn start_with_observer(voters: usize) -> Self {
        Self::formed(voters, 1)
    }

    #[track_caller]
    fn formed(voters: usize, observers: usize) -> Self {
        let mut ensemble = Self::prepare(voters, observers);
        ensemble.start_all();
        ensemble
    }

    /// A new ensemble of `voters` with further lines in each zoo.cfg, which has its leader.
    ///
    /// # Panics
    /// When it does not form.
    #[must_use]
    #[track_caller]
    pub fn start_with_setting(voters: usize, setting: &str) -> Self {
        let mut ensemble = Self::prepare(voters, 0);
        let lines = format!("{setting}\n{}", ensemble.lines);
        for id in ensemble.ids() {
            ensemble.write_config(id, &lines);
        }
        ensemble.start_all();
        ensemble
    }

    #[track_caller]
    fn start_all(&mut self) {
        for id in self.ids() {
            self.start_member(id);
        }
        self.settle();
    }

    /// The folders of a new ensemble whose members do not run yet.
    ///
    /// # Panics
    /// When they cannot be made, or too few ports are free.
    #[must_use]
    #[track_caller]
    pub fn prepare(voters: usize, observers: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let free = || free_port().expect("some port is free");
        let mut lines = String::new();
        let mut members = Vec::new();
        for id in 1..=voters + observers {
            let port = free();
            let role = if id > voters { ":observer" } else { "" };
            let (quorum, election) = (free(), free());
            writeln!(
                lines,
                "server.{id}=127.0.0.1:{quorum}:{election}{role};{port}"
            )
            .expect("a string takes it");
            let options = ServerOptions::new(folder.path().join(format!("member{id}"))).port(port);
            members.push(Member {
                options: options.config_alone(folder.path().join(format!("member{id}.cfg"))),
                port,
                server: None,
                is_paused: false,
            });
        }
        let ensemble = Self {
            members,
            lines,
            folder,
        };
        for id in ensemble.ids() {
            ensemble.write_config(id, &ensemble.lines);
            ensemble.write_myid(id, id);
        }
        ensemble
    }

    /// Servers without a config, of which all but the first are to join it (`--join`). None runs yet.
    ///
    /// # Panics
    /// When too few ports are free.
    #[must_use]
    #[track_caller]
    pub fn joining(count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let free = || free_port().expect("some port is free");
        let first = free();
        let members = (1..=count).map(|id| {
            let port = if id == 1 { first } else { free() };
            let options = ServerOptions::new(folder.path().join(format!("member{id}")))
                .port(port)
                .set("tickTime", TICK.as_millis())
                .set("maxSessionTimeout", 60_000)
                .flag("--peer-address", format!("127.0.0.1:{}", free()));
            Member {
                options: match id {
                    1 => options,
                    _ => options.flag("--join", format!("127.0.0.1:{first}")),
                },
                port,
                server: None,
                is_paused: false,
            }
        });
        Self {
            members: members.collect(),
            lines: String::new(),
            folder,
        }
    }

    /// Changes how a member is started the next time.
    pub fn change_options(
        &mut self,
        id: usize,
        change: impl FnOnce(ServerOptions<'static>) -> ServerOptions<'static>,
    ) {
        let member = self.member_mut(id);
        member.options = change(member.options.clone());
    }

    /// The `server.N` lines of all members.
    #[must_use]
    pub fn lines(&self) -> &str {
        &self.lines
    }

    /// Gives a member a zoo.cfg with these `server.N` lines.
    ///
    /// # Panics
    /// When it cannot be written.
    #[track_caller]
    pub fn write_config(&self, id: usize, lines: &str) {
        let data_dir = self.data_dir(id).display();
        let tick_ms = TICK.as_millis();
        let text = format!("tickTime={tick_ms}\ndataDir={data_dir}\n{CONFIG}{lines}");
        std::fs::write(self.config(id), text).expect("a file can be written");
    }

    /// Writes a member's `myid`, in a data folder that is made if there is none.
    ///
    /// # Panics
    /// When it cannot be written.
    #[track_caller]
    pub fn write_myid(&self, id: usize, myid: usize) {
        let data_dir = self.data_dir(id);
        std::fs::create_dir_all(data_dir).expect("a folder can be made");
        std::fs::write(data_dir.join("myid"), format!("{myid}\n")).expect("a file can be written");
    }

    /// A member's data folder.
    #[must_use]
    pub fn data_dir(&self, id: usize) -> &Path {
        self.member(id).options.data_dir()
    }

    /// A member's zoo.cfg.
    #[must_use]
    pub fn config(&self, id: usize) -> PathBuf {
        self.folder.path().join(format!("member{id}.cfg"))
    }

    /// How a member is started.
    #[must_use]
    pub fn options(&self, id: usize) -> &ServerOptions<'static> {
        &self.member(id).options
    }

    /// A member that runs.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    #[track_caller]
    pub fn server(&self, id: usize) -> &Server {
        let server = self.member(id).server.as_ref();
        server.unwrap_or_else(|| panic!("member {id} runs"))
    }

    /// The numbers of all members.
    #[must_use]
    pub fn ids(&self) -> Vec<usize> {
        (1..=self.members.len()).collect()
    }

    /// The members that run and are not paused.
    #[must_use]
    pub fn running(&self) -> Vec<usize> {
        let runs = |id: &usize| self.member(*id).server.is_some() && !self.member(*id).is_paused;
        self.ids().into_iter().filter(runs).collect()
    }

    /// The members that run, are not paused and are not this one.
    #[must_use]
    pub fn others(&self, id: usize) -> Vec<usize> {
        let mut others = self.running();
        others.retain(|other| *other != id);
        others
    }

    /// Where a member's clients connect.
    #[must_use]
    pub fn address(&self, id: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.member(id).port).into()
    }

    /// All members, for a client.
    #[must_use]
    pub fn connect_string(&self) -> String {
        self.connect_string_of(&self.ids())
    }

    /// Some members, for a client.
    #[must_use]
    pub fn connect_string_of(&self, ids: &[usize]) -> String {
        let addresses: Vec<_> = ids.iter().map(|id| self.address(*id).to_string()).collect();
        addresses.join(",")
    }

    /// Starts a member that does not run, and does not wait for it.
    ///
    /// # Panics
    /// When it runs.
    #[track_caller]
    pub fn start_member(&mut self, id: usize) {
        let member = self.member_mut(id);
        assert!(member.server.is_none(), "member {id} runs already");
        member.server = Some(member.options.spawn());
    }

    /// Ends a member with SIGKILL; gives back all that it said.
    ///
    /// # Panics
    /// When it had ended before.
    #[track_caller]
    pub fn kill(&mut self, id: usize) -> String {
        self.take(id).kill()
    }

    /// Ends a member with SIGKILL, if it has not ended by itself.
    ///
    /// # Panics
    /// When it was not started.
    #[track_caller]
    pub fn discard(&mut self, id: usize) {
        drop(self.take(id));
    }

    /// Ends all members that run and are not paused with SIGKILL at once; gives back all that they said.
    ///
    /// # Panics
    /// When one had ended before.
    #[track_caller]
    pub fn kill_all(&mut self) -> String {
        let ids = self.running();
        let running: Vec<_> = ids.into_iter().map(|id| self.take(id)).collect();
        for server in &running {
            server.signal(Signal::KILL);
        }
        let mut said = String::new();
        for server in running {
            let ended = server.wait_for_end();
            assert_eq!(
                ended.status.signal(),
                Some(Signal::KILL.as_raw()),
                "a member ended by itself, {}:\n{}",
                ended.status,
                ended.stderr
            );
            said += &ended.stderr;
        }
        said
    }

    /// Ends a member with SIGTERM.
    ///
    /// # Panics
    /// When it does not end, or not with exit code 0.
    #[track_caller]
    pub fn stop(&mut self, id: usize) -> Ended {
        self.take(id).stop()
    }

    /// Holds a member with SIGSTOP.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn pause(&mut self, id: usize) {
        self.server(id).signal(Signal::STOP);
        self.member_mut(id).is_paused = true;
    }

    /// Lets a member that was held go on.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn resume(&mut self, id: usize) {
        self.server(id).signal(Signal::CONT);
        self.member_mut(id).is_paused = false;
    }

    /// What a member says that it is; `None` while it has no leader, or does not answer.
    #[must_use]
    pub fn mode(&self, id: usize) -> Option<Mode> {
        Mode::of_srvr(&self.word(id, "srvr").ok()?)
    }

    /// A member's answer to a four-letter word.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn word(&self, id: usize, word: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(id), ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.write_all(word.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// What a member shows of a key in its answer to `mntr`, which its zoo.cfg must allow; none if it does not answer, or
    /// does not show it.
    #[must_use]
    pub fn monitored(&self, id: usize, key: &str) -> Option<String> {
        let text = self.word(id, "mntr").ok()?;
        let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('\t')?.to_owned());
        text.lines().find_map(value)
    }

    /// The leader, as soon as exactly one running member says that it is.
    ///
    /// # Panics
    /// When that takes too long.
    #[must_use]
    #[track_caller]
    pub fn leader(&self) -> usize {
        self.until("one leader", only_leader)
    }

    /// Waits until a running member other than this one leads.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn wait_for_another_leader(&self, than: usize) {
        self.until("another leader", |modes| {
            let leads =
                |(id, mode): &(usize, Option<Mode>)| *id != than && *mode == Some(Mode::Leader);
            modes.iter().any(leads).then_some(())
        });
    }

    /// Waits until one running member leads and all others follow; gives back the leader.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn settle(&self) -> usize {
        self.until("one leader, and all others with it", |modes| {
            let all = modes.iter().all(|(_, mode)| mode.is_some());
            only_leader(modes).filter(|_| all)
        })
    }

    /// Waits until a member has no leader.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn wait_until_leaderless(&self, id: usize) {
        self.until("a member without a leader", |modes| {
            modes.contains(&(id, None)).then_some(())
        });
    }

    #[track_caller]
    fn until<T>(&self, what: &str, look: impl Fn(&[(usize, Option<Mode>)]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = self.running().into_iter();
            let modes: Vec<_> = running.map(|id| (id, self.mode(id))).collect();
            if let Some(found) = look(&modes) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "expected {what}, found {modes:?}; they said:\n{}",
                self.said()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// All that the present processes have said.
    fn said(&self) -> String {
        let mut said = String::new();
        for id in self.running() {
            writeln!(said, "member {id}:\n{}", self.server(id).stderr())
                .expect("a string takes it");
        }
        said
    }

    fn take(&mut self, id: usize) -> Server {
        let member = self.member_mut(id);
        member.is_paused = false;
        member
            .server
            .take()
            .unwrap_or_else(|| panic!("member {id} runs"))
    }

    fn member(&self, id: usize) -> &Member {
        &self.members[id - 1]
    }

    fn member_mut(&mut self, id: usize) -> &mut Member {
        &mut self.members[id - 1]
    }
}

fn only_leader(modes: &[(usize, Option<Mode>)]) -> Option<usize> {
    let mut leaders = modes
        .iter()
        .filter(|(_, mode)| *mode == Some(Mode::Leader))
        .map(|(id, _)| *id);
    leaders.next().filter(|_| leaders.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_one_that_nobody_contradicts() {
        let (leader, follower) = (Some(Mode::Leader), Some(Mode::Follower));
        assert_eq!(
            only_leader(&[(1, follower), (2, leader), (3, None)]),
            Some(2)
        );
        assert_eq!(only_leader(&[(1, leader), (2, leader)]), None);
        assert_eq!(only_leader(&[(1, follower), (2, None)]), None);
    }

    #[test]
    fn the_mode_is_a_line_of_srvr() {
        let text = "Zxid: 0x100000002\nMode: follower\nNode count: 5\n";
        assert_eq!(Mode::of_srvr(text), Some(Mode::Follower));
        let without_leader = "This ZooKeeper instance is not currently serving requests\n";
        assert_eq!(Mode::of_srvr(without_leader), None);
    }
}
