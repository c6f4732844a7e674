//! The `treekeeper` command: the server, and a client for people and scripts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use treekeeper_server::cli::{self, ClientCommand};
use treekeeper_server::config::{Config, Flags, Level};
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
    /// Any key of the config file; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// ZooKeeper's arguments in place of a file: CLIENT_PORT DATA_DIR [TICK_TIME] [MAX_CLIENT_CNXNS].
    #[arg(value_name = "LEGACY")]
    legacy: Vec<String>,
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
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
        set,
        legacy,
    } = arguments;
    let flags = Flags {
        config,
        data_dir,
        client_port,
        set,
        legacy,
    };
    let config = match Config::load(&flags) {
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
    let mut server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => return fail(&error.to_string()),
    };
    tokio::select! {
        () = told_to_stop() => {}
        fatal = server.failed() => {
            let _ = fail(&fatal.to_string());
            // At once: nothing more may be flushed or acknowledged, and a disk may never answer.
            std::process::exit(1);
        }
    }
    if tokio::time::timeout(STOP_TIMEOUT, server.stop())
        .await
        .is_err()
    {
        return fail("a clean stop took too long; what was acknowledged is safe in the log");
    }
    ExitCode::SUCCESS
}

/// Waits for Ctrl-C or SIGTERM.
async fn told_to_stop() {
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                return std::future::pending().await;
            }
        };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("TREEKEEPER_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
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
