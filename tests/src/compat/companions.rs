//! The voters of an ensemble that a suite meets an observer of.
//!
//! In: the config of the member that the suite meets. Out: the same with `server.N` lines, three more processes, and no
//! peace: the leader among them is killed every few seconds and started again. The suite's own member follows, and its
//! clients should notice nothing. It has no vote, as it may not be killed: once it led, nobody would be.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ports::free_port;
use super::server::{Program, answers, leads};
use super::settings::{CONTAINER_CHECK_INTERVAL_MS, Ports, zoo_cfg};

/// How long an ensemble is left alone after each kill: a new leader gives every session its whole time-out again, so the
/// longest one that a suite sees expire, of 4 s and up to two ticks, has to fit in.
const PEACE: Duration = Duration::from_millis(5_500);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The `myid`s of those that vote.
const IDS: [usize; 3] = [1, 2, 3];
const OWN_ID: usize = 4;

/// Why a case cannot hold for a member of an ensemble whose leader is killed every few seconds; none if it must.
pub(super) fn exempts(suite: &str, case: &str) -> Option<&'static str> {
    const ALONE: &str = "asks what a server that stands alone answers";
    const GOES_ON: &str = "sessions run on while a member is away, as only a leader's end gives them their time-out again";
    const EXEMPT: [(&str, &str, &str); 5] = [
        (
            "java",
            "pause-and-resume",
            "a member that was paused closes its clients, as others may have been told otherwise meanwhile",
        ),
        (
            "wire",
            "admin/leader-of-a-standalone-server-is-an-error",
            ALONE,
        ),
        ("wire", "standalone/config-is-empty-and-readable", ALONE),
        (
            "wire",
            "restart/kill-gives-sessions-their-whole-timeout-again-and-then-expires-them",
            GOES_ON,
        ),
        (
            "wire",
            "restart/stop-gives-sessions-their-whole-timeout-again-and-then-expires-them",
            GOES_ON,
        ),
    ];
    EXEMPT
        .iter()
        .find(|(of, name, _)| (*of, *name) == (suite, case))
        .map(|(_, _, why)| *why)
}

/// The voters, and who disturbs them. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Companions {
    members: Option<Vec<Member>>,
    disturber: Option<Disturber>,
}

#[derive(Debug)]
struct Disturber {
    task: JoinHandle<()>,
    began: Instant,
    kills: Arc<AtomicU32>,
}

#[derive(Debug)]
struct Member {
    program: Program,
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Companions {
    /// Starts them, and adds what the suite's own member needs to its config.
    pub(super) fn start(
        program: &Program,
        folder: &Path,
        settings: &str,
        own_config: &mut String,
    ) -> io::Result<Companions> {
        let mut lines = String::from("initLimit=20\nsyncLimit=10\n");
        let voters = IDS.map(|id| (id, "participant"));
        for (id, role) in voters.into_iter().chain([(OWN_ID, "observer")]) {
            let (quorum, election) = (free_port()?, free_port()?);
            lines.push_str(&format!(
                "server.{id}=127.0.0.1:{quorum}:{election}:{role}\n"
            ));
        }
        own_config.push_str(&lines);
        std::fs::write(folder.join("data/myid"), OWN_ID.to_string())?;
        let mut members = Vec::new();
        for id in IDS {
            let folder = folder.join(format!("member{id}"));
            let data = folder.join("data");
            std::fs::create_dir_all(&data)?;
            std::fs::write(data.join("myid"), id.to_string())?;
            let ports = Ports {
                client: free_port()?,
                admin: free_port()?,
            };
            let config = zoo_cfg(&data, ports, settings);
            let interval =
                format!("znode.container.checkIntervalMs={CONTAINER_CHECK_INTERVAL_MS}\n");
            std::fs::write(folder.join("zoo.cfg"), format!("{config}{interval}{lines}"))?;
            let child = spawn(program, &folder)?;
            members.push(Member {
                program: program.clone(),
                folder,
                port: ports.client,
                child,
            });
        }
        Ok(Companions {
            members: Some(members),
            disturber: None,
        })
    }

    /// From now on there is no peace.
    pub(super) fn disturb(&mut self) {
        if let Some(members) = self.members.take() {
            let kills = Arc::new(AtomicU32::new(0));
            self.disturber = Some(Disturber {
                task: tokio::spawn(kill_leaders(members, Arc::clone(&kills))),
                began: Instant::now(),
                kills,
            });
        }
    }

    /// Whether there was more peace than there should have been, so that what passed says little.
    pub(super) fn had_peace(&self) -> Option<String> {
        let disturber = self.disturber.as_ref()?;
        let kills = disturber.kills.load(Ordering::Relaxed);
        let time = disturber.began.elapsed();
        (time > PEACE * 3 * (kills + 1))
            .then(|| format!("only {kills} leaders were killed in {} s", time.as_secs()))
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        if let Some(disturber) = &self.disturber {
            disturber.task.abort();
        }
    }
}

fn spawn(program: &Program, folder: &Path) -> io::Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("server.log"))?;
    program
        .command(&folder.join("zoo.cfg"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn kill_leaders(mut members: Vec<Member>, kills: Arc<AtomicU32>) {
    loop {
        sleep(PEACE).await;
        let Some(leader) = leader_of(&members).await else {
            continue;
        };
        let killed = members[leader].child.kill().await;
        kills.fetch_add(1, Ordering::Relaxed);
        // Nobody starts a server again in the same millisecond: the others are to see that it is gone.
        while leader_of(&members).await.is_none() {
            sleep(LOOK_INTERVAL).await;
        }
        let member = &mut members[leader];
        match killed.and_then(|()| spawn(&member.program, &member.folder)) {
            Ok(child) => member.child = child,
            Err(error) => {
                // The suite goes on with what is left, which the log tells.
                eprintln!("compat: a member cannot be started again: {error}");
                return;
            }
        }
        // All must be there before the next goes.
        while !answers(member.port).await {
            sleep(LOOK_INTERVAL).await;
        }
    }
}

async fn leader_of(members: &[Member]) -> Option<usize> {
    for (index, member) in members.iter().enumerate() {
        if leads(member.port).await {
            return Some(index);
        }
    }
    None
}
