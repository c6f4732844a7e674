//! The port on which a suite disturbs its server.
//!
//! In: one word a line. Out: `done`, or `error REASON`, once it has happened. Not here: the signals (`server`).
//!
//! | word | what happens |
//! |---|---|
//! | `kill` | SIGKILL; answered when the process is gone |
//! | `stop` | SIGTERM; answered when the process is gone |
//! | `start` | the same data and ports again; answered when the server serves |
//! | `pause`, `resume` | SIGSTOP, SIGCONT |

use std::error::Error;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::server::Server;

/// Answers commands until it is dropped; one connection may send many, several may be open.
///
/// # Errors
/// When no more connections can be accepted.
pub async fn serve(listener: TcpListener, server: Arc<Mutex<Server>>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let server = Arc::clone(&server);
        // A connection that breaks is the suite's affair: it misses its answer.
        connections.spawn(async move { answer_all(stream, &server).await.ok() });
    }
}

async fn answer_all(stream: TcpStream, server: &Mutex<Server>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = obey(line.trim(), server).await;
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn obey(word: &str, server: &Mutex<Server>) -> String {
    let mut server = server.lock().await;
    let result = match word {
        "kill" => server.kill().await,
        "stop" => server.stop().await,
        "start" => server.start().await,
        "pause" => server.pause(),
        "resume" => server.resume(),
        _ => return format!("error unknown command {word:?}"),
    };
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("error {}", explain(&error)),
    }
}

/// An error with its sources, on one line.
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text.replace('\n', " ")
}
