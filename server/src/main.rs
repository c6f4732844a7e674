//! The `treekeeper` command: the server, and a client for people and scripts.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use treekeeper_server::cli::{self, ClientCommand};
use treekeeper_server::config::{Flags, Level};
use treekeeper_server::join::{self, Join};
use treekeeper_server::recover::{Recover, recover};
use treekeeper_server::server::{STOP_TIMEOUT, Server};

/// A coordination server and service registry that speaks the ZooKeeper protocol.
#[derive(Debug, Parser)]
#[command(name = "treekeeper", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(Serve),
    /// Makes a stopped member a new ensemble of its own, when most of the old one is lost for good.
    Recover(Recover),
    /// Asks a server, this one or any other that speaks the ZooKeeper protocol.
    #[command(flatten)]
    Client(ClientCommand),
}

#[derive(Debug, Args)]
struct Serve {
    /// A ZooKeeper config file (zoo.cfg).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder; goes over dataDir of the file.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The client port; goes over clientPort of the file.
    #[arg(long, value_name = "PORT")]
    client_port: Option<u16>,
    /// Joins the ensemble of a running server, or servers: client addresses, host:port with commas between. The data
    /// folder must be empty, or already that of a member.
    #[arg(long, value_name = "SERVERS")]
    join: Option<String>,
    /// What to join as: a participant has a vote, an observer has none.
    #[arg(long, value_name = "ROLE", default_value = "participant", value_parser = ["participant", "observer"], requires = "join")]
    join_as: String,
    /// Joins in place of server N, whose data is lost.
    #[arg(long, value_name = "N", requires = "join")]
    join_replace: Option<u8>,
    /// A file with the token that servers must know to join; goes over treekeeper.joinTokenFile of the file.
    #[arg(long, value_name = "FILE")]
    join_token_file: Option<PathBuf>,
    /// Where the other servers reach this one; goes over treekeeper.peerAddress of the file.
    #[arg(long, value_name = "HOST:PORT")]
    peer_address: Option<String>,
    /// Any key of the config file; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// ZooKeeper's arguments in place of a file: CLIENT_PORT DATA_DIR [TICK_TIME] [MAX_CLIENT_CNXNS].
    #[arg(value_name = "LEGACY")]
    legacy: Vec<String>,
}

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub(crate) fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    // Connections have threads of their own; this one is for timers, HTTP and the command line.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let code = match command {
        Command::Serve(arguments) => {
            log_to_stderr();
            runtime.block_on(serve(arguments))
        }
        Command::Recover(arguments) => match recover(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
        Command::Client(command) => runtime.block_on(cli::run(command)),
    };
    // After a failure something may wait for a disk that never answers; the process ends all the same.
    runtime.shutdown_background();
    code
}

async fn serve(arguments: Serve) -> ExitCode {
    let Serve {
        config,
        data_dir,
        client_port,
        join,
        join_as,
        join_replace,
        join_token_file,
        peer_address,
        set,
        legacy,
    } = arguments;
    let join = Join {
        servers: join,
        as_observer: join_as == "observer",
        replace: join_replace,
    };
    let flags = Flags {
        config,
        data_dir,
        client_port,
        join_token_file,
        peer_address,
        set,
        legacy,
    };
    // Before the server starts: from its first log line on it can be stopped cleanly.
    let mut told_to_stop = pin!(told_to_stop());
    let loaded = tokio::select! {
        loaded = join::load(&flags, &join) => loaded,
        () = &mut told_to_stop => {
            tracing::info!("stopped while joining");
            return ExitCode::SUCCESS;
        }
    };
    let config = match loaded {
        Ok((config, notices)) => {
            for notice in notices {
                match notice.level {
                    Level::Warning => tracing::warn!("{notice}"),
                    Level::Info => tracing::info!("{notice}"),
                }
            }
            config
        }
        Err(error) => return fail(&error.to_string()),
    };
    let started = tokio::select! {
        started = Server::start(config) => started,
        () = &mut told_to_stop => {
            tracing::info!("stopped while starting");
            return ExitCode::SUCCESS;
        }
    };
    let mut server = match started {
        Ok(server) => server,
        Err(error) => return fail(&error.to_string()),
    };
    let starts_again = tokio::select! {
        () = told_to_stop => false,
        () = server.becomes_ensemble() => true,
        fatal = server.failed() => {
            let _ = fail(&fatal.to_string());
            // At once: nothing more may be flushed or acknowledged, and a disk may never answer.
            std::process::exit(1);
        }
    };
    if tokio::time::timeout(STOP_TIMEOUT, server.stop())
        .await
        .is_err()
    {
        return fail("a clean stop took too long; what was acknowledged is safe in the log");
    }
    if starts_again {
        return start_again();
    }
    ExitCode::SUCCESS
}

/// Begins anew as the same process: a supervisor notices nothing, clients come back within milliseconds.
fn start_again() -> ExitCode {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    // The running binary, whatever lies under its name now.
    let mut command = std::process::Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let error = command.args(arguments).exec();
    fail(&format!(
        "cannot start again ({error}): start this server again"
    ))
}

/// Listens for Ctrl-C and SIGTERM from now on; the future completes with the first.
fn told_to_stop() -> impl Future<Output = ()> {
    let listen = |kind| {
        signal(kind)
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for a signal to stop"))
            .ok()
    };
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    async move {
        tokio::select! {
            _ = wait(&mut terminate) => {}
            _ = wait(&mut interrupt) => {}
        }
    }
}

async fn wait(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("TREEKEEPER_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(in_colour())
        .with_target(false)
        .init();
}

/// Colours are for people at a terminal who did not ask for none (`NO_COLOR`).
fn in_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

fn fail(message: &str) -> ExitCode {
    #[expect(
        clippy::print_stderr,
        reason = "the reason for the exit must be seen whatever the log's filter is"
    )]
    {
        eprintln!("treekeeper: {message}");
    }
    ExitCode::FAILURE
}
