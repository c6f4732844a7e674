//! `get`.

use super::error::CliError;
use super::output::{data_json, stat_json};
use super::{Context, Verb};
use clap::Args;

/// Prints the data of a znode.
#[derive(Debug, Args)]
pub struct Get {
    /// The znode.
    path: String,
}

impl Verb for Get {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let (data, stat) = client
            .get_data(&self.path)
            .await
            .map_err(CliError::at(&self.path))?;
        let json = || {
            let mut fields = data_json(data.as_deref());
            fields.insert("path".into(), self.path.into());
            fields.insert("stat".into(), stat_json(&stat));
            fields.into()
        };
        Ok(output.bytes(|| data.as_deref().unwrap_or_default().to_vec(), json)?)
    }
}
