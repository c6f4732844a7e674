//! The other two members of an ensemble that a suite meets one member of.
//!
//! In: the config of the member that the suite meets. Out: the same with `server.N` lines, two more processes, and no
//! peace: the leader among them is killed every few seconds and started again. The suite's own member follows, and its
//! clients should notice nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ports::free_port;
use super::server::{Program, answers, leads};
use super::settings::{CONTAINER_CHECK_INTERVAL_MS, Ports, zoo_cfg};

/// How long an ensemble is left alone after each kill.
const PEACE: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Their `myid`s; the lowest forms the ensemble and leads first, so the suite's own has the highest.
const IDS: [usize; 2] = [1, 2];
const OWN_ID: usize = 3;

/// Why a case cannot hold for one of three whose leader is killed every few seconds; none if it must.
pub(super) fn exempts(suite: &str, case: &str) -> Option<&'static str> {
    const ROLE: &str = "expects a server that stands alone";
    const EXEMPT: [(&str, &str, &str); 9] = [
        ("java", "admin-server-monitor", ROLE),
        ("java", "admin-server-stats", ROLE),
        ("java", "four-letter-mntr", ROLE),
        ("java", "four-letter-srvr", ROLE),
        ("java", "four-letter-stat", ROLE),
        ("kazoo", "command-mntr", ROLE),
        ("kazoo", "command-srvr-and-stat", ROLE),
        (
            "java",
            "idle-session-lives-by-pings",
            "each new leader gives every session its full time-out again, and leaders do not live that long here",
        ),
        (
            "java",
            "pause-and-resume",
            "a member that was paused closes its clients, as others may have been told otherwise meanwhile",
        ),
    ];
    EXEMPT
        .iter()
        .find(|(of, name, _)| (*of, *name) == (suite, case))
        .map(|(_, _, why)| *why)
}

/// Two members, and who disturbs them. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Companions {
    members: Option<Vec<Member>>,
    disturber: Option<JoinHandle<()>>,
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
        for id in IDS.into_iter().chain([OWN_ID]) {
            let (quorum, election) = (free_port()?, free_port()?);
            lines.push_str(&format!("server.{id}=127.0.0.1:{quorum}:{election}\n"));
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
            self.disturber = Some(tokio::spawn(kill_leaders(members)));
        }
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        if let Some(disturber) = &self.disturber {
            disturber.abort();
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

async fn kill_leaders(mut members: Vec<Member>) {
    loop {
        sleep(PEACE).await;
        for member in &mut members {
            if !leads(member.port).await {
                continue;
            }
            let killed = member.child.kill().await;
            let again = killed.and_then(|()| spawn(&member.program, &member.folder));
            match again {
                Ok(child) => member.child = child,
                Err(error) => {
                    // The suite goes on with what is left, which the log tells.
                    eprintln!("compat: a member cannot be started again: {error}");
                    return;
                }
            }
            // Two must be there before the next goes.
            while !answers(member.port).await {
                sleep(LOOK_INTERVAL).await;
            }
        }
    }
}
