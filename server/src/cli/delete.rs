//! `delete`.

use super::error::CliError;
use super::{Context, Verb, subtree};
use clap::Args;
use futures::future::join_all;
use serde_json::json;
use treekeeper_client::{Error, ErrorCode};

/// Deletes a znode.
#[derive(Debug, Args)]
pub struct Delete {
    /// The znode.
    path: String,
    /// Deletes everything below it, too.
    #[arg(short, long, conflicts_with = "expected")]
    recursive: bool,
    /// The version that the znode must have.
    #[arg(long = "version", value_name = "N")]
    expected: Option<i32>,
}

impl Verb for Delete {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let mut deleted = 1;
        if self.recursive {
            // Children go before their parents: the server works in the order of the requests.
            let mut below = subtree::descendants(client, &self.path).await?;
            below.reverse();
            deleted += below.len();
            for round in below.chunks(subtree::REQUESTS_AT_ONCE) {
                let outcomes =
                    join_all(round.iter().map(|(path, _)| client.delete(path, None))).await;
                for ((path, _), outcome) in round.iter().zip(outcomes) {
                    match outcome {
                        Ok(()) | Err(Error::Api(ErrorCode::NoNode)) => {}
                        Err(error) => return Err(CliError::at(path)(error)),
                    }
                }
            }
        }
        client
            .delete(&self.path, self.expected)
            .await
            .map_err(CliError::at(&self.path))?;
        Ok(output.line(
            || format!("deleted {deleted}"),
            || json!({"path": self.path, "deleted": deleted}),
        )?)
    }
}
