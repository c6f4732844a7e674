//! `getacl` and `setacl`.

use super::error::CliError;
use super::output::stat_json;
use super::{Context, Verb, arguments};
use clap::Args;
use serde_json::{Value, json};
use treekeeper_client::Acl;

/// Prints the access control list of a znode.
#[derive(Debug, Args)]
pub struct GetAcl {
    /// The znode.
    path: String,
}

impl Verb for GetAcl {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let (acl, stat) = client
            .get_acl(&self.path)
            .await
            .map_err(CliError::at(&self.path))?;
        let text = || {
            acl.iter()
                .map(arguments::acl_text)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let json = || {
            let acl: Vec<Value> = (acl.iter())
                .map(|acl| json!({"perms": acl.perms, "scheme": acl.scheme, "id": acl.id}))
                .collect();
            json!({"path": self.path, "acl": acl, "stat": stat_json(&stat)})
        };
        Ok(output.line(text, json)?)
    }
}

/// Replaces the access control list of a znode.
#[derive(Debug, Args)]
pub struct SetAcl {
    /// The znode.
    path: String,
    /// The entries, as getacl prints them.
    #[arg(required = true, value_name = "SCHEME:ID:PERMISSIONS", value_parser = arguments::acl)]
    acl: Vec<Acl>,
    /// The version that the present list must have (aversion of the stat).
    #[arg(long = "version", value_name = "N")]
    expected: Option<i32>,
}

impl Verb for SetAcl {
    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let stat = client
            .set_acl(&self.path, self.acl, self.expected)
            .await
            .map_err(CliError::at(&self.path))?;
        Ok(output.line(
            || format!("aversion {}", stat.aversion),
            || json!({"path": self.path, "stat": stat_json(&stat)}),
        )?)
    }
}
