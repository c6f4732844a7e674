//! `watch`.

use super::error::CliError;
use super::{Context, Verb};
use clap::Args;
use serde_json::json;
use treekeeper_client::{AddWatchMode, EventType, WatchedEvent};

/// Prints changes of a znode, or of everything below it, until Ctrl-C.
#[derive(Debug, Args)]
pub struct Watch {
    /// The znode; it need not exist.
    path: String,
    /// Watches everything below it, too.
    #[arg(short, long)]
    recursive: bool,
}

impl Verb for Watch {
    fn is_endless(&self) -> bool {
        true
    }

    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let mode = if self.recursive {
            AddWatchMode::PersistentRecursive
        } else {
            AddWatchMode::Persistent
        };
        let mut watcher = client
            .add_watch(&self.path, mode)
            .await
            .map_err(CliError::at(&self.path))?;
        loop {
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
                event = watcher.next_event() => match event {
                    Some(event) => output.line(|| text(&event), || json(&event))?,
                    None if watcher.has_lagged() => {
                        return Err(CliError::WatchEnded("events came faster than they could be printed".to_owned()));
                    }
                    None => return Err(CliError::WatchEnded(format!("{:?}", client.state()))),
                },
            }
        }
    }
}

/// A change with its path and zxid; of the session, its state alone.
fn text(event: &WatchedEvent) -> String {
    match event.event_type {
        EventType::None => format!("{:?}", event.state),
        event_type if event.zxid < 0 => format!("{event_type:?} {}", event.path),
        event_type => format!("{event_type:?} {} zxid={:#x}", event.path, event.zxid),
    }
}

fn json(event: &WatchedEvent) -> serde_json::Value {
    match event.event_type {
        EventType::None => json!({"state": format!("{:?}", event.state)}),
        event_type => {
            json!({"type": format!("{event_type:?}"), "path": event.path, "zxid": event.zxid})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treekeeper_client::KeeperState;

    #[test]
    fn events_are_one_line_each() {
        let state = KeeperState::SyncConnected;
        let created = WatchedEvent {
            event_type: EventType::NodeCreated,
            state,
            path: "/a".into(),
            zxid: 17,
        };
        assert_eq!(text(&created), "NodeCreated /a zxid=0x11");
        assert_eq!(
            json(&created),
            json!({"type": "NodeCreated", "path": "/a", "zxid": 17})
        );
        assert_eq!(
            text(&WatchedEvent {
                zxid: -1,
                ..created.clone()
            }),
            "NodeCreated /a"
        );
        let lost = WatchedEvent {
            event_type: EventType::None,
            state: KeeperState::Disconnected,
            ..created
        };
        assert_eq!(text(&lost), "Disconnected");
    }
}
