//! The client verbs of the `treekeeper` command: one look at, or one change of, the tree or the members of any servers
//! that speak the `ZooKeeper` protocol.
//!
//! In: arguments. Out: text or JSON on stdout, one line on stderr if it fails, an exit code.
//! Each verb is a type of its own with the arguments it takes and a `run`; verbs do not know of each other.
//! Not here: the session (`treekeeper-client`).

mod acl;
mod address;
mod arguments;
mod create;
mod delete;
mod error;
mod get;
mod list;
mod member;
mod membership;
mod output;
mod session;
mod set;
mod stat;
mod status;
mod subtree;
mod watch;

use address::Address;
use clap::{Args, Subcommand};
use error::CliError;
use member::MemberCommand;
use output::Output;
use std::process::ExitCode;
use std::time::Duration;
use treekeeper_client::{Client, ClientBuilder};

/// The session timeout to ask for. What a killed `create -e` leaves behind is gone after it.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting, and then the rest, may take unless told otherwise.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The same for what is slow, and its session timeout, as no ping is answered before it. A server gives a new member
/// a minute to catch up.
const SLOW_TIMEOUT_DEFAULT: Duration = Duration::from_secs(70);
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
    /// Prints what each server of the ensemble does.
    ///
    /// Asks those that --server names, and the other members. The exit code is 0 if there is a leader, or a standalone
    /// server, and all of them serve.
    Status(Call<status::Status>),
    /// Lists and changes the members of the ensemble.
    #[command(subcommand)]
    Member(MemberCommand),
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
    /// How long connecting, and then the rest, may take: 500ms, 10s, 1m. The default is 10s, for a change of the
    /// members 70s.
    #[arg(long, value_name = "TIME")]
    timeout: Option<humantime::Duration>,
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

    /// Whether the servers may work on it for a minute.
    fn is_slow(&self) -> bool {
        false
    }

    /// Whether it is about the servers, whatever part of their tree is ours.
    fn is_of_ensemble(&self) -> bool {
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
        ClientCommand::Status(call) => status::run(&call.options).await,
        ClientCommand::Member(MemberCommand::List(call)) => carry_out(call).await,
        ClientCommand::Member(MemberCommand::Add(call)) => carry_out(call).await,
        ClientCommand::Member(MemberCommand::Remove(call)) => carry_out(call).await,
        ClientCommand::Member(MemberCommand::Promote(call)) => carry_out(call).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(CliError::NotWell) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("treekeeper: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out<V: Verb + Args>(Call { verb, options }: Call<V>) -> Result<(), CliError> {
    let limit = options.limit(verb.is_slow());
    let context = Context {
        client: options.connect(&verb).await?,
        output: Output::new(options.json),
    };
    let (is_endless, is_slow) = (verb.is_endless(), verb.is_slow());
    let outcome = if is_endless {
        verb.run(&context).await
    } else {
        let late = if is_slow {
            CliError::SlowTimeout
        } else {
            CliError::Timeout
        };
        tokio::time::timeout(limit, verb.run(&context))
            .await
            .unwrap_or(Err(late))
    };
    // What was asked for is done. A session that cannot be closed in time ends by itself.
    let closed = tokio::time::timeout(options.limit(false), context.client.close()).await;
    tracing::debug!(?closed, "session closed");
    outcome
}

impl Options {
    /// How long one step may take.
    fn limit(&self, is_slow: bool) -> Duration {
        match self.timeout {
            Some(timeout) => *timeout,
            None if is_slow => SLOW_TIMEOUT_DEFAULT,
            None => TIMEOUT_DEFAULT,
        }
    }

    fn connect_string(&self) -> String {
        match &self.server {
            Some(server) => server.clone(),
            None => std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| SERVER_DEFAULT.to_owned()),
        }
    }

    /// The servers, one by one.
    fn servers(&self) -> Result<Vec<Address>, CliError> {
        let server = self.connect_string();
        Address::parse_all(without_chroot(&server)).map_err(|error| CliError::Connect {
            source: error.into(),
            server: server.clone(),
        })
    }

    fn builder(&self, connect_timeout: Duration, session_timeout: Duration) -> ClientBuilder {
        let builder = Client::builder()
            .session_timeout(session_timeout)
            .connect_timeout(connect_timeout)
            .read_only(true);
        (self.auth.iter()).fold(builder, |builder, (scheme, proof)| {
            builder.auth(scheme.clone(), proof.clone())
        })
    }

    async fn connect(&self, verb: &impl Verb) -> Result<Client, CliError> {
        let server = self.connect_string();
        let session_timeout = if verb.is_slow() {
            SLOW_TIMEOUT_DEFAULT
        } else {
            SESSION_TIMEOUT
        };
        let builder = self.builder(self.limit(false), session_timeout);
        let connected = if verb.is_of_ensemble() {
            builder.connect(without_chroot(&server)).await
        } else {
            builder.connect(&server).await
        };
        connected.map_err(|source| CliError::Connect { server, source })
    }
}

/// The servers of a connect string.
fn without_chroot(connect_string: &str) -> &str {
    let chroot = connect_string.find('/');
    &connect_string[..chroot.unwrap_or(connect_string.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_are_what_stands_before_the_first_slash() {
        assert_eq!(without_chroot("a:1,b/x/y"), "a:1,b");
        assert_eq!(without_chroot("a:1,b"), "a:1,b");
    }
}
