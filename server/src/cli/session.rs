//! `sync` and `whoami`.

use super::error::CliError;
use super::{Context, Verb};
use clap::Args;
use serde_json::{Value, json};

/// Waits until the server has caught up with the leader.
#[derive(Debug, Args)]
pub struct Sync {
    /// Any path; it changes nothing.
    #[arg(default_value = "/")]
    path: String,
}

impl Verb for Sync {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        client
            .sync(&self.path)
            .await
            .map_err(CliError::at(&self.path))?;
        Ok(output.line(|| "synced".to_owned(), || json!({"synced": true}))?)
    }
}

/// Prints the identities that the server sees.
#[derive(Debug, Args)]
pub struct WhoAmI {}

impl Verb for WhoAmI {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let infos = client.who_am_i().await?;
        let text = || {
            infos
                .iter()
                .map(|info| format!("{}:{}", info.scheme, info.user))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let json = || {
            let identities = infos
                .iter()
                .map(|info| json!({"scheme": info.scheme, "user": info.user}));
            Value::Array(identities.collect())
        };
        Ok(output.line(text, json)?)
    }
}
