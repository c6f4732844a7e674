//! `ls`, `children-count` and `ephemerals`.

use super::error::CliError;
use super::{Context, Verb, subtree};
use clap::Args;
use serde_json::{Value, json};

/// Lists the children of a znode.
#[derive(Debug, Args)]
pub struct List {
    /// The znode.
    #[arg(default_value = "/")]
    path: String,
    /// Lists the paths of all descendants.
    #[arg(short, long)]
    recursive: bool,
}

impl Verb for List {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let mut items = if self.recursive {
            subtree::descendants(client, &self.path)
                .await?
                .into_iter()
                .map(|(path, _)| path)
                .collect()
        } else {
            client
                .get_children(&self.path)
                .await
                .map_err(CliError::at(&self.path))?
                .0
        };
        items.sort_unstable();
        Ok(output.lines(&items, || json!(items))?)
    }
}

/// Counts all descendants of a znode.
#[derive(Debug, Args)]
pub struct ChildrenCount {
    /// The znode.
    #[arg(default_value = "/")]
    path: String,
}

impl Verb for ChildrenCount {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let total = client
            .get_all_children_number(&self.path)
            .await
            .map_err(CliError::at(&self.path))?;
        Ok(output.line(|| total.to_string(), || json!(total))?)
    }
}

/// Prints the ephemeral znodes below a znode and the sessions that own them.
#[derive(Debug, Args)]
pub struct Ephemerals {
    /// The znode.
    #[arg(default_value = "/")]
    path: String,
}

impl Verb for Ephemerals {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let mut ephemerals = subtree::descendants(client, &self.path).await?;
        ephemerals.retain(|(_, stat)| stat.ephemeral_owner != 0);
        ephemerals.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let items = ephemerals.iter().map(|(path, stat)| {
            let owner = format!("{:#x}", stat.ephemeral_owner);
            (
                format!("{owner} {path}"),
                json!({"path": path, "session": owner}),
            )
        });
        let (lines, values): (Vec<_>, Vec<Value>) = items.unzip();
        Ok(output.lines(&lines, || Value::Array(values))?)
    }
}
