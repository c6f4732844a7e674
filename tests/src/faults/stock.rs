//! Clients that others wrote, beside our own: kazoo and ZooKeeper's Java client, each a program in `tests/faults`.
//!
//! In: what a program says, one JSON object a line, with times of CLOCK_MONOTONIC in seconds:
//!
//! * `{"session": 1, "order": 1, "action": …, "start": 1.5, "end": 1.6, "outcome": …}`: a call; the order counts within
//!   its session. Actions: `{"set": [register, value, expected or null]}`, `{"read": [register, synced]}`,
//!   `{"append": value}`, `{"other": text}`. Outcomes: `{"set": version}`, `{"read": [value, version]}`,
//!   `{"appended": number}`, `"done"`, `{"refused": why}`, `{"unknown": why}`;
//! * `{"violation": text}`: what it saw that must not be;
//! * `{"expired": session}`;
//! * `{"live": session, "ephemerals": [path, …]}`: a session that stays, and what it owns;
//! * `{"finished": true}`: nothing more comes.
//!
//! Out: their calls, as part of the history. A program that does not start is a violation; one that cannot be had on this
//! machine is a line of output.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::history::{Action, Call, Outcome};
use super::load::{Owner, PHASE, REGISTERS, Shared};

/// The programs, by their folders in `tests/faults`.
const PROGRAMS: [&str; 2] = ["kazoo", "java"];
/// Where their folders are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/faults");

/// Compiles or installs what the programs need; those that can be run.
pub async fn prepare() -> Vec<&'static str> {
    let mut there = Vec::new();
    for name in PROGRAMS {
        let run = Path::new(FOLDER).join(name).join("run");
        let prepared = Command::new(&run)
            .env("TREEKEEPER_PREPARE", "1")
            .stdin(Stdio::null())
            .output()
            .await;
        let complaint = match prepared {
            Ok(output) if output.status.success() => {
                there.push(name);
                continue;
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => format!("{}: {error}", run.display()),
        };
        let last = complaint.lines().last().unwrap_or_default();
        println!("without the client {name}: {last}");
    }
    there
}

/// The programs at work; dropping it ends them.
#[derive(Debug)]
pub struct Stock {
    programs: Vec<Program>,
}

#[derive(Debug)]
struct Program {
    name: &'static str,
    /// Ends with its drop.
    _child: Child,
    input: ChildStdin,
    reader: JoinHandle<Result<Vec<Owner>, String>>,
}

impl Stock {
    /// Starts the programs that can be run; what they complain of goes to a file each.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(
        names: &[&'static str],
        shared: &Arc<Shared>,
        folder: &Path,
        seed: u64,
    ) -> Result<Self, String> {
        let mut programs = Vec::new();
        for name in names {
            let failed = |error: std::io::Error| format!("the client {name}: {error}");
            let log = File::create(folder.join(format!("{name}.log"))).map_err(failed)?;
            let start = shared.recorder.start_of_all().as_secs_f64();
            let mut child = Command::new(Path::new(FOLDER).join(name).join("run"))
                .arg(&shared.hosts)
                .arg(start.to_string())
                .arg(shared.registers.to_string())
                .arg(PHASE.as_secs().to_string())
                .arg(REGISTERS.to_string())
                // What a double can hold.
                .arg((seed % 1_000_000).to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .map_err(failed)?;
            let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(format!("the client {name} has no pipes"));
            };
            programs.push(Program {
                name,
                _child: child,
                input,
                reader: tokio::spawn(read(Arc::clone(shared), output)),
            });
        }
        Ok(Self { programs })
    }

    /// Ends their work; gives the sessions that stay, as long as this is there.
    ///
    /// # Errors
    /// When a program ended too early, or said what cannot be understood.
    pub async fn finish(&mut self) -> Result<Vec<Owner>, String> {
        let mut owners = Vec::new();
        for program in &mut self.programs {
            let failed = |error: String| format!("the client {}: {error}", program.name);
            let told = program.input.write_all(b"\n").await;
            told.map_err(|error| failed(error.to_string()))?;
        }
        for program in &mut self.programs {
            let failed = |error: String| format!("the client {}: {error}", program.name);
            let ended = (&mut program.reader).await;
            owners.extend(
                ended
                    .map_err(|error| failed(error.to_string()))?
                    .map_err(failed)?,
            );
        }
        Ok(owners)
    }
}

async fn read(shared: Arc<Shared>, output: ChildStdout) -> Result<Vec<Owner>, String> {
    let mut lines = BufReader::new(output).lines();
    let mut owners = Vec::new();
    loop {
        let line = lines.next_line().await.map_err(|error| error.to_string())?;
        let line = line.ok_or("it has ended by itself")?;
        let said: Value = serde_json::from_str(&line).map_err(|_| format!("it said {line:?}"))?;
        if said["finished"] == true {
            return Ok(owners);
        } else if let Some(text) = said["violation"].as_str() {
            shared.recorder.violation(text);
        } else if said["expired"].is_i64() {
            shared.expired.fetch_add(1, Ordering::Relaxed);
        } else if let Some(session) = said["live"].as_i64() {
            let paths = said["ephemerals"].as_array().into_iter().flatten();
            let ephemerals: BTreeSet<_> = paths
                .filter_map(|path| path.as_str().map(str::to_owned))
                .collect();
            owners.push(Owner {
                session,
                ephemerals,
            });
        } else {
            let call = call(&shared, &said).ok_or_else(|| format!("it said {line:?}"))?;
            shared.recorder.add(call);
        }
    }
}

fn call(shared: &Shared, said: &Value) -> Option<Call> {
    let time = |name: &str| {
        let time = Duration::try_from_secs_f64(said[name].as_f64()?).ok()?;
        Some(shared.recorder.since_start(time))
    };
    Some(Call {
        session: said["session"].as_i64()?,
        order: said["order"].as_u64()?,
        action: action(&said["action"], shared.strict)?,
        start: time("start")?,
        end: time("end")?,
        outcome: outcome(&said["outcome"])?,
    })
}

fn action(said: &Value, strict: bool) -> Option<Action> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let register = |value: &Value| usize::try_from(value.as_u64()?).ok();
    if let Some(set) = said["set"].as_array() {
        let expected = set.get(2)?;
        return Some(Action::Set {
            register: register(set.first()?)?,
            value: text(set.get(1)?)?,
            expected: match expected {
                Value::Null => None,
                version => Some(i32::try_from(version.as_i64()?).ok()?),
            },
        });
    }
    if let Some(read) = said["read"].as_array() {
        return Some(Action::Read {
            register: register(read.first()?)?,
            synced: strict || read.get(1)?.as_bool()?,
        });
    }
    if let Some(value) = text(&said["append"]) {
        return Some(Action::Append { value });
    }
    text(&said["other"]).map(Action::Other)
}

fn outcome(said: &Value) -> Option<Outcome> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if said == "done" {
        return Some(Outcome::Done);
    }
    if let Some(version) = said["set"].as_i64() {
        return Some(Outcome::Set(version));
    }
    if let Some(read) = said["read"].as_array() {
        return Some(Outcome::Read {
            value: text(read.first()?)?,
            version: read.get(1)?.as_i64()?,
        });
    }
    if let Some(number) = said["appended"].as_i64() {
        return Some(Outcome::Appended(number));
    }
    let refused = text(&said["refused"]).map(Outcome::Refused);
    refused.or_else(|| text(&said["unknown"]).map(Outcome::Unknown))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_program_says_is_understood() {
        let set = action(&json!({"set": [3, "a", null]}), false);
        let expected = Action::Set {
            register: 3,
            value: "a".to_owned(),
            expected: None,
        };
        assert_eq!(set, Some(expected));
        let read = |strict| action(&json!({"read": [1, false]}), strict);
        let expected = |synced| Action::Read {
            register: 1,
            synced,
        };
        assert_eq!(
            (read(false), read(true)),
            (Some(expected(false)), Some(expected(true)))
        );
        assert_eq!(action(&json!({"dance": 1}), false), None);
        assert_eq!(outcome(&json!("done")), Some(Outcome::Done));
        assert_eq!(outcome(&json!({"appended": 7})), Some(Outcome::Appended(7)));
        let unknown = Outcome::Unknown("lost".to_owned());
        assert_eq!(outcome(&json!({"unknown": "lost"})), Some(unknown));
        assert_eq!(outcome(&json!({"read": ["a"]})), None);
    }
}
