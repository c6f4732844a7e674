//! `stat`.

use super::error::CliError;
use super::output::{stat_json, stat_text};
use super::{Context, Verb};
use clap::Args;

/// Prints what the server knows about a znode besides its data.
#[derive(Debug, Args)]
pub struct Stat {
    /// The znode.
    path: String,
}

impl Verb for Stat {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let stat = client
            .exists(&self.path)
            .await
            .map_err(CliError::at(&self.path))?;
        let stat = stat.ok_or(CliError::NoZnode { path: self.path })?;
        Ok(output.line(|| stat_text(&stat), || stat_json(&stat))?)
    }
}
