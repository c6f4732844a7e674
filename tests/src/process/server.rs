//! One server process and all that it says.
//!
//! A thread reads its stderr line by line, so that a test can wait for a line, and knows from the end of stderr that
//! the process is gone. Dropping a [`Server`] kills the process.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::binary;
use super::namespace::Namespace;
use crate::compat::ports::free_port;

/// How long anything may take that a test waits for, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a server says once clients may come.
pub const LISTENING: &str = "listening for clients";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerOptions<'a> {
    binary: Option<PathBuf>,
    data_dir: PathBuf,
    port: u16,
    settings: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    flags: Vec<(&'static str, String)>,
    config: Option<PathBuf>,
    namespace: Option<&'a Namespace>,
    plain: bool,
    config_alone: bool,
}

impl<'a> ServerOptions<'a> {
    /// A server on this data folder and a free port, without HTTP.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            binary: None,
            data_dir: data_dir.into(),
            port: free_port().expect("some port is free"),
            settings: vec!["admin.enableServer=false".to_owned()],
            environment: Vec::new(),
            flags: Vec::new(),
            config: None,
            namespace: None,
            plain: true,
            config_alone: false,
        }
    }

    /// Of another build than [`binary::treekeeper`].
    #[must_use]
    pub fn binary(self, binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: Some(binary.into()),
            ..self
        }
    }

    /// With one more `--set`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.settings.push(format!("{key}={value}"));
        self
    }

    /// With a flag and its value, in place of what it was given before.
    #[must_use]
    pub fn flag(self, flag: &'static str, value: impl fmt::Display) -> Self {
        let mut without = self.without_flag(flag);
        without.flags.push((flag, value.to_string()));
        without
    }

    /// Without a flag.
    #[must_use]
    pub fn without_flag(mut self, flag: &str) -> Self {
        self.flags.retain(|(known, _)| *known != flag);
        self
    }

    /// With another client port.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// With a zoo.cfg.
    #[must_use]
    pub fn config(self, config: impl Into<PathBuf>) -> Self {
        Self {
            config: Some(config.into()),
            ..self
        }
    }

    /// With a zoo.cfg that says everything, this data folder and this port too: nothing but `--set`s from now on is
    /// put on the command line.
    #[must_use]
    pub fn config_alone(self, config: impl Into<PathBuf>) -> Self {
        Self {
            settings: Vec::new(),
            config_alone: true,
            ..self.config(config)
        }
    }

    /// With more in its environment.
    #[must_use]
    pub fn environment(mut self, more: impl IntoIterator<Item = (&'static str, PathBuf)>) -> Self {
        self.environment.extend(more);
        self
    }

    /// In a mount namespace of its own.
    #[must_use]
    pub fn inside(self, namespace: &'a Namespace) -> Self {
        Self {
            namespace: Some(namespace),
            ..self
        }
    }

    /// With colours in its log, if it thinks that a person reads it. Without this it is asked for none.
    #[must_use]
    pub fn with_colours_if_a_terminal(self) -> Self {
        Self {
            plain: false,
            ..self
        }
    }

    /// The server's data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn command(&self) -> Command {
        let binary = self.binary.clone().unwrap_or_else(binary::treekeeper);
        let mut command = match self.namespace {
            None => binary::command_of(&binary),
            Some(namespace) => namespace.command(&binary),
        };
        command.env_remove("TREEKEEPER_LOG").env_remove("NO_COLOR");
        if self.plain {
            command.env("NO_COLOR", "1");
        }
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.arg("serve");
        if !self.config_alone {
            command.arg("--data-dir").arg(&self.data_dir);
            command.args(["--client-port", &self.port.to_string()]);
        }
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        for (flag, value) in &self.flags {
            command.arg(flag).arg(value);
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }

    /// Starts the process and does not wait for it.
    ///
    /// # Panics
    /// When there is no binary, or it cannot be run.
    #[must_use]
    pub fn spawn(&self) -> Server {
        Server::spawn(self.command(), self.port)
    }

    /// Starts the process and waits until clients may come.
    ///
    /// # Panics
    /// When it ends before that, or takes too long.
    #[must_use]
    #[track_caller]
    pub fn start(&self) -> Server {
        let server = self.spawn();
        server.wait_for_line(LISTENING);
        server
    }

    /// Starts the process, which is to end by itself, and gives back how it did.
    ///
    /// # Panics
    /// When it goes on.
    #[must_use]
    #[track_caller]
    pub fn run_to_end(&self) -> Ended {
        self.spawn().wait_for_end()
    }
}

/// A running server; dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    said: Arc<Said>,
}

/// How a server ended, and all that it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Its stderr.
    pub stderr: String,
}

impl Ended {
    /// Checks that the server refused or gave up with a message that holds all of these, and no panic.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_failed_with(&self, parts: &[&str]) {
        assert_eq!(
            self.status.code(),
            Some(1),
            "exit code; it said:\n{}",
            self.stderr
        );
        for part in parts {
            assert!(
                self.message().contains(part),
                "expected {part:?} in its last words:\n{}",
                self.stderr
            );
        }
        assert!(
            !self.stderr.contains("panicked"),
            "it panicked:\n{}",
            self.stderr
        );
    }

    /// Its last words: the line that says why it ended.
    #[must_use]
    pub fn message(&self) -> &str {
        let is_message = |line: &&str| line.starts_with("treekeeper: ");
        self.stderr.lines().rfind(is_message).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Said {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Said {
    fn hear(&self, line: Option<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            Some(line) => lines.lines.push(line),
            None => lines.ended = true,
        }
        self.more.notify_all();
    }

    /// Waits until `find` finds something, stderr has ended, or the time is over.
    fn wait<T>(&self, limit: Duration, find: impl Fn(&Lines) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = find(&lines);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || lines.ended || left.is_zero() {
                return found;
            }
            let woken = self.more.wait_timeout(lines, left);
            lines = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.lines.join("\n")
    }
}

impl Server {
    fn spawn(mut command: Command, port: u16) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let said = Arc::new(Said::default());
        let listener = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n') {
                let Ok(line) = line else { break };
                listener.hear(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            listener.hear(None);
        });
        Self { child, port, said }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said until now.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.said.text()
    }

    /// The line with this text, as soon as it is said.
    ///
    /// # Panics
    /// When the process ends without it, or takes too long.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str) -> String {
        self.line_within(text, PATIENCE)
            .unwrap_or_else(|| panic!("expected a line with {text:?}, it said:\n{}", self.stderr()))
    }

    /// The line with this text, unless the time is over or the process ends before.
    #[must_use]
    pub fn line_within(&self, text: &str, limit: Duration) -> Option<String> {
        self.line_where(limit, |line| line.contains(text))
    }

    /// The first line that is as `wanted`, unless the time is over or the process ends before.
    #[must_use]
    pub fn line_where(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let found = |lines: &Lines| lines.lines.iter().find(|line| wanted(line)).cloned();
        self.said.wait(limit, found)
    }

    /// The number behind `name=` in the line that says `text`.
    ///
    /// # Panics
    /// When there is no such number.
    #[track_caller]
    pub fn number(&self, text: &str, name: &str) -> u64 {
        let line = self.wait_for_line(text);
        let digits = line.split(&format!(" {name}=")).nth(1).map(|rest| {
            let rest = rest.trim_start_matches("Some(");
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse()
        });
        match digits {
            Some(Ok(number)) => number,
            _ => panic!("expected {name}=NUMBER in {line:?}"),
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id is positive"), signal).expect("the process is there");
    }

    /// Ends the process with SIGKILL and reaps it; gives back all that it said.
    ///
    /// # Panics
    /// When it had ended before.
    #[track_caller]
    pub fn kill(mut self) -> String {
        let early = self.child.try_wait().expect("a child can be asked for");
        assert!(
            early.is_none(),
            "the server ended by itself, {early:?}:\n{}",
            self.stderr()
        );
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        self.said.wait(PATIENCE, |lines| lines.ended.then_some(()));
        self.stderr()
    }

    /// Ends the process with SIGTERM.
    ///
    /// # Panics
    /// When it does not end, or not with exit code 0.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.wait_for_end();
        assert!(
            ended.status.success(),
            "{}; it said:\n{}",
            ended.status,
            ended.stderr
        );
        ended
    }

    /// Waits until the process has ended.
    ///
    /// # Panics
    /// When it goes on for too long.
    #[track_caller]
    pub fn wait_for_end(mut self) -> Ended {
        let ended = self.said.wait(PATIENCE, |lines| lines.ended.then_some(()));
        assert!(
            ended.is_some(),
            "the process goes on; it said:\n{}",
            self.stderr()
        );
        let status = self.child.wait().expect("a child can be waited for");
        Ended {
            status,
            stderr: self.stderr(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors say that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
