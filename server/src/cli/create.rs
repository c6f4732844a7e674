//! `create`.

use super::error::CliError;
use super::output::stat_json;
use super::{Context, Verb, arguments};
use clap::Args;
use serde_json::json;
use treekeeper_client::{Acl, CreateMode, CreateOptions};

/// Creates a znode and prints its path.
#[derive(Debug, Args)]
pub struct Create {
    /// The path; with -s the server appends a number to it.
    path: String,
    /// The data; - takes them from stdin.
    #[arg(default_value = "")]
    data: String,
    /// Ephemeral: keeps the session open, and with it the znode, until Ctrl-C.
    #[arg(short, long, conflicts_with_all = ["container", "ttl"])]
    ephemeral: bool,
    /// Sequential: appends a number to the path.
    #[arg(short, long, conflicts_with = "container")]
    sequential: bool,
    /// Container: goes away some time after its last child.
    #[arg(short, long, conflicts_with = "ttl")]
    container: bool,
    /// Goes away when it has no children and was not written for this time: 30s, 2h.
    #[arg(long, value_name = "TIME")]
    ttl: Option<humantime::Duration>,
    /// An entry of the access control list in place of world:anyone:cdrwa; may be given several times.
    #[arg(long, value_name = "SCHEME:ID:PERMISSIONS", value_parser = arguments::acl)]
    acl: Vec<Acl>,
}

impl Create {
    fn options(&self) -> CreateOptions {
        let mode = match (
            self.ttl.is_some(),
            self.container,
            self.ephemeral,
            self.sequential,
        ) {
            (true, _, _, false) => CreateMode::PersistentTtl,
            (true, _, _, true) => CreateMode::PersistentSequentialTtl,
            (_, true, _, _) => CreateMode::Container,
            (_, _, true, false) => CreateMode::Ephemeral,
            (_, _, true, true) => CreateMode::EphemeralSequential,
            (_, _, false, false) => CreateMode::Persistent,
            (_, _, false, true) => CreateMode::PersistentSequential,
        };
        let options = CreateOptions::new(mode);
        let options = if self.acl.is_empty() {
            options
        } else {
            options.acl(self.acl.clone())
        };
        match self.ttl {
            Some(ttl) => options.ttl(*ttl),
            None => options,
        }
    }
}

impl Verb for Create {
    fn is_endless(&self) -> bool {
        self.ephemeral
    }

    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let options = self.options();
        let data = arguments::data(self.data)?;
        let (path, stat) = client
            .create(&self.path, data, &options)
            .await
            .map_err(CliError::at(&self.path))?;
        output.line(
            || path.clone(),
            || json!({"path": path, "stat": stat_json(&stat)}),
        )?;
        if !self.ephemeral {
            return Ok(());
        }
        let mut states = client.states();
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
            _ = states.wait_for(|state| state.is_final()) => {
                Err(CliError::at(&path)(treekeeper_client::Error::SessionExpired))
            }
        }
    }
}
