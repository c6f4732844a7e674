//! One suite against one server.
//!
//! In: a suite and a program. Out: a [`Report`]: every case, and what else went wrong. Not here: the table (`matrix`).

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::case::{self, Outcome};
use super::companions;
use super::control::{self, explain};
use super::ports::free_port;
use super::server::{Program, Server, ServerKind};
use super::settings::Ports;
use super::suite::Suite;

/// How long a suite may take, with the building of what it needs.
pub const SUITE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Lines of a log that are printed when something failed.
const LOG_TAIL_LINES: usize = 30;

/// What a suite found about a server.
#[derive(Debug)]
pub struct Report {
    /// The suite's name.
    pub suite: String,
    /// The server.
    pub server: ServerKind,
    /// The cases in the order in which they were reported.
    pub cases: Vec<(String, Outcome)>,
    /// What makes the suite red beside its cases: it crashed, hung, had no case, or the server died.
    pub troubles: Vec<String>,
    /// From the server's start to the suite's end.
    pub duration: Duration,
}

impl Report {
    /// A report without a word yet.
    pub fn new(suite: &str, server: ServerKind) -> Report {
        Report {
            suite: suite.to_owned(),
            server,
            cases: Vec::new(),
            troubles: Vec::new(),
            duration: Duration::ZERO,
        }
    }

    /// Whether nothing at all is wrong.
    pub fn is_green(&self) -> bool {
        self.troubles.is_empty()
            && !self
                .cases
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }
}

/// Runs `suite` against a fresh server made from `program`, printing its cases as they come.
///
/// The folder with the data and the logs is removed unless something failed.
pub async fn run(suite: &Suite, program: &Program) -> Report {
    let begin = Instant::now();
    let mut report = Report::new(&suite.name, program.kind());
    let folder = match tempfile::Builder::new()
        .prefix(&format!("compat-{}-", suite.name))
        .tempdir()
    {
        Ok(folder) => folder,
        Err(error) => {
            report
                .troubles
                .push(format!("no temporary folder: {error}"));
            return report;
        }
    };
    if let Err(error) = run_in(folder.path(), suite, program, &mut report).await {
        report.troubles.push(error);
    }
    report.duration = begin.elapsed();

    for trouble in &report.troubles {
        println!("  TROUBLE {trouble}");
    }
    if !report.is_green() {
        let kept = folder.keep();
        for log in ["server.log", "suite.log"] {
            print_tail(&kept.join(log));
        }
        println!("  data and logs are kept in {}", kept.display());
    }
    report
}

/// The part with a temporary folder; its errors are troubles of the suite.
async fn run_in(
    folder: &Path,
    suite: &Suite,
    program: &Program,
    report: &mut Report,
) -> Result<(), String> {
    let ports = Ports {
        client: free_port().map_err(text)?,
        admin: free_port().map_err(text)?,
    };
    let server = Server::start_fresh(program.clone(), folder, ports, &suite.settings)
        .await
        .map_err(|e| explain(&e))?;
    let server_log = server.log_path();
    let server = Arc::new(Mutex::new(server));
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(text)?;
    let control_address = control.local_addr().map_err(text)?;

    let mut command = Command::new(&suite.run);
    command
        .env("TK_CONNECT", format!("127.0.0.1:{}", ports.client))
        .env("TK_ADMIN", format!("127.0.0.1:{}", ports.admin))
        .env("TK_CONTROL", control_address.to_string())
        .env("TK_SERVER", program.kind().behaves_as().to_string())
        .env("TK_MODE", program.kind().mode())
        .current_dir(folder)
        .stderr(File::create(folder.join("suite.log")).map_err(text)?);
    tokio::select! {
        ended = run_cases(command, report) => ended?,
        stopped = control::serve(control, Arc::clone(&server)) => {
            return Err(format!("the control port broke: {:?}", stopped.err()));
        }
    }

    let mut server = server.lock().await;
    report.troubles.extend(server.had_peace());
    if let Err(error) = server.finish().await {
        report.troubles.push(explain(&error));
    }
    report.troubles.extend(panic_in(&server_log));
    Ok(())
}

/// Runs a suite's command to its end and takes its cases down.
async fn run_cases(mut command: Command, report: &mut Report) -> Result<(), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own, so that a hung suite goes with all that it has started.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("the suite cannot be run: {e}"))?;
    let group = Group::of(&child);
    let exempts = |case: &str| match report.server {
        ServerKind::Ensemble => companions::exempts(&report.suite, case),
        ServerKind::Zookeeper | ServerKind::Treekeeper => None,
    };
    let read = read_cases(&mut child, &mut report.cases, exempts);
    let ended = timeout(SUITE_TIMEOUT, read).await;
    drop(group);

    match ended {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => report
            .troubles
            .push(format!("the suite did not run to its end: {status}")),
        Ok(Err(error)) => report
            .troubles
            .push(format!("the suite's output broke: {error}")),
        Err(_) => report.troubles.push(format!(
            "the suite took more than {} s",
            SUITE_TIMEOUT.as_secs()
        )),
    }
    if report.cases.is_empty() {
        report
            .troubles
            .push("the suite reported no case".to_owned());
    }
    Ok(())
}

async fn read_cases(
    child: &mut Child,
    cases: &mut Vec<(String, Outcome)>,
    exempts: impl Fn(&str) -> Option<&'static str>,
) -> io::Result<ExitStatus> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut lines = BufReader::new(stdout).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        let Some((name, mut outcome)) = case::parse(&String::from_utf8_lossy(&line)) else {
            continue;
        };
        if let Some(why) = exempts(&name) {
            outcome = Outcome::Skipped(why.to_owned());
        }
        if cases.iter().any(|(known, _)| *known == name) {
            outcome = Outcome::Failed("the suite reports this case twice".to_owned());
        }
        match &outcome {
            Outcome::Passed => println!("  ok   {name}"),
            Outcome::Failed(reason) => println!("  FAIL {name}: {reason}"),
            Outcome::Skipped(reason) => println!("  skip {name}: {reason}"),
        }
        cases.push((name, outcome));
    }
    child.wait().await
}

/// A suite's process group; dropping it kills whatever is left of the group.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        )
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The usual error is that nobody is left, which is what we want.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// A task that panicked may leave a server that still answers: it is broken all the same.
fn panic_in(log: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(log).ok()?).into_owned();
    let line = text.lines().find(|line| line.contains("panicked at"))?;
    Some(format!("the server panicked: {line}"))
}

fn print_tail(log: &PathBuf) {
    let Ok(bytes) = fs::read(log) else { return };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    println!("  the last lines of {}:", log.display());
    for line in &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..] {
        println!("    {line}");
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err asks for"
)]
fn text(error: io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn report_of(script: &str) -> Report {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut report = Report::new("script", ServerKind::Treekeeper);
        run_cases(command, &mut report)
            .await
            .expect("there is a shell");
        report
    }

    #[tokio::test]
    async fn a_suite_that_ends_well_is_green() {
        let report = report_of("echo ok a; echo noise; echo 'skip b # why'").await;
        assert!(report.is_green());
        assert_eq!(report.cases.len(), 2);
    }

    #[tokio::test]
    async fn a_failed_case_is_red() {
        let report = report_of("echo ok a; echo 'not ok b # why'").await;
        assert!(!report.is_green());
        assert_eq!(report.cases[1], ("b".into(), Outcome::Failed("why".into())));
    }

    #[tokio::test]
    async fn a_crash_is_red_although_every_case_passed() {
        for script in ["echo ok a; exit 1", "echo ok a; kill -9 $$"] {
            let report = report_of(script).await;
            assert!(!report.is_green(), "{script}");
            assert!(
                report.troubles[0].starts_with("the suite did not run to its end"),
                "{:?}",
                report.troubles
            );
        }
    }

    #[tokio::test]
    async fn a_suite_without_a_case_is_red() {
        assert_eq!(
            report_of("true").await.troubles,
            ["the suite reported no case"]
        );
    }

    #[tokio::test]
    async fn a_case_that_is_reported_twice_is_red() {
        assert!(!report_of("echo ok a; echo ok a").await.is_green());
    }

    #[tokio::test]
    async fn a_server_that_does_not_start_is_red() {
        let suite = Suite {
            name: "none".into(),
            run: "/bin/true".into(),
            settings: String::new(),
        };
        let program = Program::Treekeeper {
            binary: "/bin/false".into(),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut report = Report::new("none", program.kind());
        let error = run_in(folder.path(), &suite, &program, &mut report).await;
        let error = error.expect_err("it never serves");
        assert!(
            error.starts_with("the server ended before it served"),
            "{error}"
        );
    }
}
