//! The client verbs of the `treekeeper` command: one look at, or one change of, the tree of any server that speaks
//! the `ZooKeeper` protocol.
//!
//! In: arguments. Out: text or JSON on stdout, one line on stderr if it fails, an exit code.
//! Each verb is a type of its own with the arguments it takes and a `run`; verbs do not know of each other.
//! Not here: the session (`treekeeper-client`).

mod acl;
mod arguments;
mod create;
mod delete;
mod error;
mod get;
mod list;
mod output;
mod session;
mod set;
mod stat;
mod subtree;
mod watch;

use clap::{Args, Subcommand};
use error::CliError;
use output::Output;
use std::process::ExitCode;
use std::time::Duration;
use treekeeper_client::Client;

/// The session timeout to ask for. What a killed `create -e` leaves behind is gone after it.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Where the servers are unless told otherwise.
const SERVER_DEFAULT: &str = "127.0.0.1:2181";
/// The variable that tells otherwise.
const SERVER_VARIABLE: &str = "TREEKEEPER_SERVER";

/// A verb with its arguments.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Lists the children of a znode.
    Ls(Call<list::List>),
    /// Prints the data of a znode.
    Get(Call<get::Get>),
    /// Replaces the data of a znode.
    #[command(disable_version_flag = true)]
    Set(Call<set::Set>),
    /// Creates a znode and prints its path.
    Create(Call<create::Create>),
    /// Deletes a znode.
    #[command(disable_version_flag = true)]
    Delete(Call<delete::Delete>),
    /// Prints what the server knows about a znode besides its data.
    Stat(Call<stat::Stat>),
    /// Prints changes of a znode, or of everything below it, until Ctrl-C.
    Watch(Call<watch::Watch>),
    /// Prints the access control list of a znode.
    #[command(name = "getacl")]
    GetAcl(Call<acl::GetAcl>),
    /// Replaces the access control list of a znode.
    #[command(name = "setacl", disable_version_flag = true)]
    SetAcl(Call<acl::SetAcl>),
    /// Waits until the server has caught up with the leader.
    Sync(Call<session::Sync>),
    /// Prints the identities that the server sees.
    #[command(name = "whoami")]
    WhoAmI(Call<session::WhoAmI>),
    /// Prints the number of all descendants of a znode.
    ChildrenCount(Call<list::ChildrenCount>),
    /// Prints the ephemeral znodes below a znode and the sessions that own them.
    Ephemerals(Call<list::Ephemerals>),
}

/// The arguments of a verb, and what all verbs take.
#[derive(Debug, Args)]
pub struct Call<V: Args> {
    #[command(flatten)]
    verb: V,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Options {
    /// The servers, and perhaps the part of their tree to begin at: HOST:PORT,…[/PATH]. The default is the variable
    /// TREEKEEPER_SERVER, or else 127.0.0.1:2181.
    #[arg(long, value_name = "SERVERS")]
    server: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// How long connecting, and then the rest, may take: 500ms, 10s, 1m.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: humantime::Duration,
    /// An identity, for example digest:user:password; may be given several times.
    #[arg(long, value_name = "SCHEME:PROOF", value_parser = arguments::auth)]
    auth: Vec<(String, String)>,
}

/// What a verb works with.
struct Context {
    client: Client,
    output: Output,
}

trait Verb {
    /// Whether it goes on until it is interrupted, and therefore without a time limit.
    fn is_endless(&self) -> bool {
        false
    }

    async fn run(self, context: &Context) -> Result<(), CliError>;
}

/// Carries out a command and says how the process should end.
pub async fn run(command: ClientCommand) -> ExitCode {
    let outcome = match command {
        ClientCommand::Ls(call) => carry_out(call).await,
        ClientCommand::Get(call) => carry_out(call).await,
        ClientCommand::Set(call) => carry_out(call).await,
        ClientCommand::Create(call) => carry_out(call).await,
        ClientCommand::Delete(call) => carry_out(call).await,
        ClientCommand::Stat(call) => carry_out(call).await,
        ClientCommand::Watch(call) => carry_out(call).await,
        ClientCommand::GetAcl(call) => carry_out(call).await,
        ClientCommand::SetAcl(call) => carry_out(call).await,
        ClientCommand::Sync(call) => carry_out(call).await,
        ClientCommand::WhoAmI(call) => carry_out(call).await,
        ClientCommand::ChildrenCount(call) => carry_out(call).await,
        ClientCommand::Ephemerals(call) => carry_out(call).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("treekeeper: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out<V: Verb + Args>(Call { verb, options }: Call<V>) -> Result<(), CliError> {
    let limit = *options.timeout;
    let context = Context {
        client: options.connect().await?,
        output: Output::new(options.json),
    };
    let outcome = if verb.is_endless() {
        verb.run(&context).await
    } else {
        tokio::time::timeout(limit, verb.run(&context))
            .await
            .unwrap_or(Err(CliError::Timeout))
    };
    // What was asked for is done. A session that cannot be closed in time ends by itself.
    let closed = tokio::time::timeout(limit, context.client.close()).await;
    tracing::debug!(?closed, "session closed");
    outcome
}

impl Options {
    async fn connect(&self) -> Result<Client, CliError> {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| SERVER_DEFAULT.to_owned()),
        };
        let builder = Client::builder()
            .session_timeout(SESSION_TIMEOUT)
            .connect_timeout(*self.timeout)
            .read_only(true);
        let builder = (self.auth.iter()).fold(builder, |builder, (scheme, proof)| {
            builder.auth(scheme.clone(), proof.clone())
        });
        builder
            .connect(&server)
            .await
            .map_err(|source| CliError::Connect { server, source })
    }
}
