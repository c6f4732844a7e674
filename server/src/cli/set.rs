//! `set`.

use super::error::CliError;
use super::output::stat_json;
use super::{Context, Verb, arguments};
use clap::Args;
use serde_json::json;

/// Replaces the data of a znode.
#[derive(Debug, Args)]
pub struct Set {
    /// The znode.
    path: String,
    /// The data; - takes them from stdin.
    #[arg(allow_hyphen_values = true)]
    data: String,
    /// The version that the znode must have.
    #[arg(long = "version", value_name = "N")]
    expected: Option<i32>,
}

impl Verb for Set {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let data = arguments::data(self.data)?;
        let stat = client
            .set_data(&self.path, data, self.expected)
            .await
            .map_err(CliError::at(&self.path))?;
        Ok(output.line(
            || format!("version {}", stat.version),
            || json!({"path": self.path, "stat": stat_json(&stat)}),
        )?)
    }
}
