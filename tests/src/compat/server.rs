//! The server under test: a process that can be killed, paused and started again on the same data.
//!
//! In: which server, a folder for its data and its log, its ports. Out: a running server, or why it does not run.
//! Not here: who asks for the kill (`control`).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::companions::Companions;
use super::settings::{CONTAINER_CHECK_INTERVAL_MS, Ports, zoo_cfg};

/// How long a server may take from its start to its first answer, on a busy machine with a cold cache.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a server may take to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two questions whether the server answers yet.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// How long one such question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Which server is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerKind {
    /// Apache ZooKeeper: the reference.
    Zookeeper,
    /// Ours.
    Treekeeper,
    /// Ours, an observer and three that vote: the suites meet the observer, and the leader is killed every few seconds.
    Ensemble,
}

impl ServerKind {
    /// The name by which a suite knows what to expect of it.
    #[must_use]
    pub fn behaves_as(self) -> ServerKind {
        match self {
            ServerKind::Ensemble => ServerKind::Treekeeper,
            alone => alone,
        }
    }

    /// What `srvr` tells of the server's part.
    #[must_use]
    pub fn mode(self) -> &'static str {
        match self {
            ServerKind::Ensemble => "observer",
            ServerKind::Zookeeper | ServerKind::Treekeeper => "standalone",
        }
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ServerKind::Zookeeper => "zookeeper",
            ServerKind::Treekeeper => "treekeeper",
            ServerKind::Ensemble => "ensemble",
        })
    }
}

/// How a server's process is made.
#[derive(Clone, Debug)]
pub enum Program {
    /// Apache ZooKeeper with the class path that `tests/compat/zookeeper/fetch` printed.
    Zookeeper {
        /// The value of `java -cp`.
        class_path: String,
    },
    /// treekeeper's binary.
    Treekeeper {
        /// The executable.
        binary: PathBuf,
    },
    /// The same, as the observer of an ensemble.
    Ensemble {
        /// The executable.
        binary: PathBuf,
    },
}

impl Program {
    /// Which server this program is.
    pub fn kind(&self) -> ServerKind {
        match self {
            Program::Zookeeper { .. } => ServerKind::Zookeeper,
            Program::Treekeeper { .. } => ServerKind::Treekeeper,
            Program::Ensemble { .. } => ServerKind::Ensemble,
        }
    }

    pub(super) fn command(&self, config: &Path) -> Command {
        match self {
            Program::Zookeeper { class_path } => {
                let mut command = Command::new("java");
                command
                    .arg("-Xmx512m")
                    .arg("-Dzookeeper.jmx.log4j.disable=true")
                    // Upstream reads this one from a system property alone.
                    .arg(format!(
                        "-Dznode.container.checkIntervalMs={CONTAINER_CHECK_INTERVAL_MS}"
                    ))
                    .args(["-cp", class_path])
                    .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
                    .arg(config);
                command
            }
            Program::Treekeeper { binary } | Program::Ensemble { binary } => {
                let mut command = Command::new(binary);
                command.args(["serve", "--config"]).arg(config);
                command
            }
        }
    }
}

/// Why a server could not be started, stopped or signalled.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The process ended before it served.
    #[error("the server ended before it served: {0}")]
    EndedAtStart(ExitStatus),
    /// The process runs but answers nobody.
    #[error("the server does not answer within {} s", START_TIMEOUT.as_secs())]
    NotServing,
    /// The process ignores SIGTERM.
    #[error("the server does not end within {} s of SIGTERM", STOP_TIMEOUT.as_secs())]
    NotStopping,
    /// A signal for a process that is not there.
    #[error("the server does not run")]
    NotRunning,
    /// A second start.
    #[error("the server runs already")]
    RunsAlready,
    /// The process ended although nobody asked it to.
    #[error("the server ended by itself: {0}")]
    Died(ExitStatus),
    /// SIGTERM ended the process in a way that speaks of a failure.
    #[error("the server did not end cleanly after SIGTERM: {0}")]
    UncleanStop(ExitStatus),
}

/// A server with its data; dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    program: Program,
    folder: PathBuf,
    ports: Ports,
    /// Absent between a kill or stop and the next start.
    child: Option<Child>,
    /// The other members of an ensemble.
    companions: Option<Companions>,
}

impl Server {
    /// Writes the configuration, with `settings` added, below `folder` and starts the server on an empty data folder.
    ///
    /// # Errors
    /// When the process does not come to serve.
    pub async fn start_fresh(
        program: Program,
        folder: &Path,
        ports: Ports,
        settings: &str,
    ) -> Result<Server, ServerError> {
        let data = folder.join("data");
        std::fs::create_dir_all(&data).map_err(|e| io_error("creating the data folder", e))?;
        let mut config = zoo_cfg(&data, ports, settings);
        if program.kind() != ServerKind::Zookeeper {
            config.push_str(&format!(
                "znode.container.checkIntervalMs={CONTAINER_CHECK_INTERVAL_MS}\n"
            ));
        }
        let companions = match program.kind() {
            ServerKind::Ensemble => {
                let began = Companions::start(&program, folder, settings, &mut config);
                Some(began.map_err(|e| io_error("starting the other members", e))?)
            }
            ServerKind::Zookeeper | ServerKind::Treekeeper => None,
        };
        std::fs::write(folder.join("zoo.cfg"), config)
            .map_err(|e| io_error("writing zoo.cfg", e))?;

        let mut server = Server {
            program,
            folder: folder.to_owned(),
            ports,
            child: None,
            companions,
        };
        server.start().await?;
        if let Some(companions) = &mut server.companions {
            companions.disturb();
        }
        Ok(server)
    }

    /// What an ensemble was spared, if it was spared too much.
    pub fn had_peace(&self) -> Option<String> {
        self.companions.as_ref().and_then(Companions::had_peace)
    }

    /// The file that takes what the process prints, over all its starts.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Starts the process again on the same ports and data; returns once it serves.
    ///
    /// # Errors
    /// When it runs already, or does not come to serve.
    pub async fn start(&mut self) -> Result<(), ServerError> {
        if self.child.is_some() {
            return Err(ServerError::RunsAlready);
        }
        let log = open_log(&self.log_path())?;
        let log_too = log
            .try_clone()
            .map_err(|e| io_error("opening the server's log", e))?;
        let child = self
            .program
            .command(&self.folder.join("zoo.cfg"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            // Ctrl-C is for the runner, which then ends the server in its own way.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| io_error("starting the server's program", e))?;
        let child = self.child.insert(child);

        let serving = async {
            while !answers(self.ports.client).await {
                if let Some(status) = child
                    .try_wait()
                    .map_err(|e| io_error("asking for the server's state", e))?
                {
                    return Err(ServerError::EndedAtStart(status));
                }
                sleep(PROBE_INTERVAL).await;
            }
            Ok(())
        };
        match timeout(START_TIMEOUT, serving).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.child = None;
                Err(error)
            }
            Err(_) => Err(ServerError::NotServing),
        }
    }

    /// Ends the process with SIGKILL, as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<(), ServerError> {
        self.check_alive()?;
        let mut child = self.child.take().ok_or(ServerError::NotRunning)?;
        child
            .kill()
            .await
            .map_err(|e| io_error("killing the server", e))
    }

    /// Ends the process with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not run, ignores the signal, or ends with an error of its own.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().ok_or(ServerError::NotRunning)?;
        let status = timeout(STOP_TIMEOUT, child.wait())
            .await
            .map_err(|_| ServerError::NotStopping)?
            .map_err(|e| io_error("waiting for the server's end", e))?;
        let clean = match self.program.kind() {
            // A JVM that ends by SIGTERM says so: 128 + 15.
            ServerKind::Zookeeper => {
                status.code() == Some(143) || status.signal() == Some(Signal::TERM.as_raw())
            }
            ServerKind::Treekeeper | ServerKind::Ensemble => status.success(),
        };
        if clean {
            Ok(())
        } else {
            Err(ServerError::Died(status))
        }
    }

    /// Freezes the process with SIGSTOP.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<(), ServerError> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on with SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<(), ServerError> {
        self.signal(Signal::CONT)
    }

    /// Ends the process at the end of a suite, in whatever state the suite has left it.
    ///
    /// # Errors
    /// When it has died, or does not stop cleanly.
    pub async fn finish(&mut self) -> Result<(), ServerError> {
        self.check_alive()?;
        if self.child.is_none() {
            return Ok(());
        }
        // A frozen process would not hear the other signal.
        self.resume()?;
        self.stop().await
    }

    /// Says whether the process has ended without being asked.
    ///
    /// # Errors
    /// [`ServerError::Died`] when it has.
    pub fn check_alive(&mut self) -> Result<(), ServerError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match child
            .try_wait()
            .map_err(|e| io_error("asking for the server's state", e))?
        {
            Some(status) => Err(ServerError::Died(status)),
            None => Ok(()),
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ServerError> {
        self.check_alive()?;
        let id = self
            .child
            .as_ref()
            .and_then(Child::id)
            .ok_or(ServerError::NotRunning)?;
        let pid = i32::try_from(id)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(ServerError::NotRunning)?;
        kill_process(pid, signal).map_err(|e| io_error("signalling the server", e.into()))
    }
}

fn io_error(what: &'static str, source: io::Error) -> ServerError {
    ServerError::Io { what, source }
}

fn open_log(path: &Path) -> Result<File, ServerError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|e| io_error("opening the server's log", e))
}

/// Asks `srvr` whether it leads.
pub(super) async fn leads(port: u16) -> bool {
    ask(port)
        .await
        .is_some_and(|answer| answer.contains("Mode: leader"))
}

/// Asks `srvr`: unlike `ruok` it is answered with a version only by a server that serves clients.
pub(super) async fn answers(port: u16) -> bool {
    ask(port)
        .await
        .is_some_and(|answer| answer.starts_with("Zookeeper version:"))
}

async fn ask(port: u16) -> Option<String> {
    let question = async {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        stream.write_all(b"srvr").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    timeout(PROBE_TIMEOUT, question).await.ok()?.ok()
}
