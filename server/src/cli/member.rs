//! `member`: the members of the ensemble, and changes of them.

use super::error::CliError;
use super::membership::Membership;
use super::output::{Output, table};
use super::{Call, Context, Verb};
use crate::config::{Member, MemberRole};
use clap::{Args, Subcommand};
use treekeeper_client::{Client, Error, ErrorCode};

/// What can be done with members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Lists the members and the version of their list.
    List(Call<List>),
    /// Adds a server that runs already, or changes the line of a member; prints the new list.
    Add(Call<Add>),
    /// Removes a server, which may then be stopped; prints the new list.
    Remove(Call<Remove>),
    /// Gives an observer a vote; prints the new list.
    Promote(Call<Promote>),
}

/// Lists the members and the version of their list.
#[derive(Debug, Args)]
pub struct List {}

impl Verb for List {
    fn is_of_ensemble(&self) -> bool {
        true
    }

    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        print(output, &Membership::read(client).await?)
    }
}

/// Adds a server that runs already, or changes the line of a member; prints the new list.
#[derive(Debug, Args)]
pub struct Add {
    /// Its line, as in a config file: 'server.4=host:2888:3888;2181', or 'server.4=host:2888:3888:observer;2181'.
    #[arg(value_name = "LINE", value_parser = line)]
    member: Member,
}

impl Verb for Add {
    fn is_of_ensemble(&self) -> bool {
        true
    }

    fn is_slow(&self) -> bool {
        true
    }

    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let present = Membership::read(client).await?;
        let joining = self.member.line();
        change(client, output, Some(&joining), None, &present).await
    }
}

/// Removes a server, which may then be stopped; prints the new list.
#[derive(Debug, Args)]
pub struct Remove {
    /// The N of its server.N line.
    #[arg(value_name = "N")]
    id: u8,
}

impl Verb for Remove {
    fn is_of_ensemble(&self) -> bool {
        true
    }

    fn is_slow(&self) -> bool {
        true
    }

    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let present = Membership::read(client).await?;
        let leaving = present.member(self.id)?.id.to_string();
        change(client, output, None, Some(&leaving), &present).await
    }
}

/// Gives an observer a vote; prints the new list.
#[derive(Debug, Args)]
pub struct Promote {
    /// The N of its server.N line.
    #[arg(value_name = "N")]
    id: u8,
}

impl Verb for Promote {
    fn is_of_ensemble(&self) -> bool {
        true
    }

    fn is_slow(&self) -> bool {
        true
    }

    async fn run(self, Context { client, output }: &Context) -> Result<(), CliError> {
        let present = Membership::read(client).await?;
        let member = present.member(self.id)?;
        if member.role == MemberRole::Participant {
            return Err(CliError::VotesAlready { id: self.id });
        }
        let promoted = Member {
            role: MemberRole::Participant,
            ..member.clone()
        };
        change(client, output, Some(&promoted.line()), None, &present).await
    }
}

/// A member as its `server.N` line.
fn line(text: &str) -> Result<Member, String> {
    Member::parse_line(text)
        .ok_or_else(|| "expected a line like server.4=host:2888:3888:observer;2181".to_owned())
}

/// Asks for a change of the members that are there at present, and prints those that there are then.
async fn change(
    client: &Client,
    output: &Output,
    joining: Option<&str>,
    leaving: Option<&str>,
    present: &Membership,
) -> Result<(), CliError> {
    let (data, stat) = client
        .reconfig(joining, leaving, Some(present.version))
        .await
        .map_err(refused)?;
    let changed = Membership::parse(data.as_deref().unwrap_or_default(), stat.mzxid);
    print(output, &changed.ok_or(CliError::StandsAlone)?)
}

fn print(output: &Output, membership: &Membership) -> Result<(), CliError> {
    let mut lines = table(&["id", "role", "quorum", "client"], &membership.rows());
    lines.push(format!("version {:#x}", membership.version));
    Ok(output.lines(&lines, || membership.json())?)
}

/// The error of a change, and what can be done about it.
fn refused(source: Error) -> CliError {
    let advice = match &source {
        Error::Api(ErrorCode::ReconfigDisabled) => {
            "set reconfigEnabled=true on all servers and start them again, one after the other"
        }
        Error::Api(ErrorCode::NoAuth) => {
            "it takes WRITE on /zookeeper/config, which at first only the superuser has; give an identity with \
             --auth SCHEME:PROOF, or let the superuser allow one with setacl"
        }
        Error::Api(ErrorCode::NewConfigNoQuorum) => {
            "start the new server first, with an empty data folder and the server.N lines of all, its own among them"
        }
        Error::Api(ErrorCode::BadVersion) => {
            "somebody else has changed the members; look at `treekeeper member list` and repeat"
        }
        Error::Api(ErrorCode::ReconfigInProgress) => {
            "wait for the other change, look at `treekeeper member list` and repeat"
        }
        Error::Api(ErrorCode::BadArguments) => {
            "every server needs addresses of its own and the N of its myid, and at least one must have a vote"
        }
        Error::ConnectionLoss => {
            "whether it was done is unknown; look at `treekeeper member list` and repeat if it was not"
        }
        _ => return CliError::Session(source),
    };
    CliError::Members { source, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_in_a_config_file() {
        let member = line("server.4=host:2888:3888:observer;2181").expect("valid");
        assert_eq!((member.id, member.role), (4, MemberRole::Observer));
        assert_eq!(
            member.line(),
            "server.4=host:2888:3888:observer;0.0.0.0:2181"
        );
        for wrong in ["", "host:2888:3888", "server.4", "server.4=host:2888"] {
            assert!(line(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (code, advice) in [
            (ErrorCode::ReconfigDisabled, "reconfigEnabled=true"),
            (ErrorCode::NoAuth, "--auth"),
            (ErrorCode::NewConfigNoQuorum, "start the new server first"),
            (ErrorCode::BadVersion, "repeat"),
        ] {
            let text = refused(Error::Api(code)).to_string();
            assert!(
                text.starts_with(code.message()) && text.contains(advice),
                "{text}"
            );
        }
        assert_eq!(refused(Error::Closed).to_string(), "client is closed");
    }
}
