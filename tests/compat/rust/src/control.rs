//! The runner that owns the server's process.
//!
//! In: what to do to the server. Out: that it is done. Not here: a client's network (`link`).

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::{Failure, Outcome, same};

/// Where the server under test listens.
pub fn connect_address() -> String {
    variable("TK_CONNECT")
}

/// Whether it has no ensemble.
pub fn is_alone() -> bool {
    variable("TK_MODE") == "standalone"
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by the runner"))
}

/// Commands to the runner, and what they left behind.
#[derive(Default)]
pub struct Control {
    is_down: AtomicBool,
    is_paused: AtomicBool,
}

impl Control {
    /// SIGKILL.
    pub async fn kill(&self) -> Outcome {
        self.is_down.store(true, Ordering::Relaxed);
        command("kill").await
    }

    /// SIGTERM, and waits for the process to end.
    pub async fn stop(&self) -> Outcome {
        self.is_down.store(true, Ordering::Relaxed);
        command("stop").await
    }

    /// The same port and data again; returns once the server serves.
    pub async fn start(&self) -> Outcome {
        command("start").await?;
        self.is_down.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// SIGSTOP.
    pub async fn pause(&self) -> Outcome {
        self.is_paused.store(true, Ordering::Relaxed);
        command("pause").await
    }

    /// SIGCONT.
    pub async fn resume(&self) -> Outcome {
        command("resume").await?;
        self.is_paused.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Leaves the server running, whatever was done to it.
    pub async fn heal(&self) -> Outcome {
        if self.is_paused.load(Ordering::Relaxed) {
            self.resume().await?;
        }
        if self.is_down.load(Ordering::Relaxed) {
            self.start().await?;
        }
        Ok(())
    }
}

async fn command(word: &str) -> Outcome {
    let mut stream = BufReader::new(TcpStream::connect(variable("TK_CONTROL")).await?);
    stream.write_all(format!("{word}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    same::<&str>(word, answer.trim(), "done")
        .map_err(|_| Failure::new(format!("control {word}: {}", answer.trim())))
}
