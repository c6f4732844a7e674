//! `treekeeper serve --join`: what happens before a server starts that is to join a running one.
//!
//! In: the settings, and the client addresses of some members. Out: settings that say which member this server is, taken
//! from the file in the data folder in which that is then remembered ([`Remembered`]). A server that is a member
//! already starts as without `--join`, whoever else runs. Not here: what is asked and answered (`connection::join`), and
//! how the leader admits it (`consensus`).

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::config::{
    Config, ConfigError, DataDirError, Flags, Member, MemberRole, Notice, Remembered,
    check_data_dir,
};
use crate::connection::join::{
    JOIN, REPLY_BYTES_MAX, Reply, Request, free_peer_address, member_line, peer_address,
};
use crate::consensus::{StartError, stored_node_id};

/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server that is a member already waits for an answer that could only say that it is the wrong ensemble.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(200);

/// Whom to join, and as what.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Client addresses of members, `host:port` with commas between; none to join nobody.
    pub servers: Option<String>,
    /// As an observer?
    pub as_observer: bool,
    /// In place of the member with this N, whose data is lost.
    pub replace: Option<u8>,
}

/// Why a server cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder must not be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The log's folder is damaged.
    #[error(transparent)]
    Log(#[from] StartError),
    /// An address that is none.
    #[error("--join {0}: give host:port of a server's client port, several with commas between")]
    Address(String),
    /// Lines say who is a member.
    #[error(
        "the config has server.N lines, which say who is a member: start without --join, or remove the lines"
    )]
    Lines,
    /// It has another data folder's data.
    #[error(
        "the data folder {0} holds data of its own, which no ensemble that is joined would keep: empty it, or give another \
         --data-dir, or start without --join"
    )]
    NotEmpty(String),
    /// It is known at another address.
    #[error(
        "the ensemble knows this server at {known}, not at {given}: start it without --peer-address, or remove it from the \
         ensemble, empty its data folder and join again"
    )]
    Moved {
        /// The remembered address.
        known: String,
        /// That of the settings.
        given: String,
    },
    /// A server refused.
    #[error("cannot join {server}: {reason}")]
    Refused {
        /// Which one.
        server: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Its own address, or file.
    #[error("cannot join: {0}")]
    Io(#[from] io::Error),
}

/// Reads the settings, joins if it is to, and gives the settings with which to start.
///
/// # Errors
/// [`JoinError`] says what to do.
pub async fn load(flags: &Flags, join: &Join) -> Result<(Config, Vec<Notice>), JoinError> {
    let (config, notices) = Config::load(flags)?;
    check_address(&config)?;
    let Some(servers) = &join.servers else {
        return Ok((config, notices));
    };
    let servers = addresses(servers)?;
    if config.ensemble.is_some() && config.join.remembered.is_none() {
        return Err(JoinError::Lines);
    }
    if let Some(known) = config
        .join
        .remembered
        .as_ref()
        .filter(|known| known.admitted)
    {
        check_ensemble(&config, known, &servers).await?;
        return Ok((config, notices));
    }
    check_data_dir(&config)?;
    let storage = &config.storage;
    if config.join.remembered.is_none()
        && (storage.tree_dir().exists() || storage.log_dir().exists())
    {
        return Err(JoinError::NotEmpty(storage.data_dir.display().to_string()));
    }
    let remembered = ask(&config, join, &servers).await?;
    remembered.write(&storage.data_folder())?;
    Ok(Config::load(flags)?)
}

/// A member stays where its ensemble knows it to be.
fn check_address(config: &Config) -> Result<(), JoinError> {
    let own = config.join.remembered.as_ref().and_then(Remembered::own);
    let Some((own, (host, port))) = own.zip(config.join.peer_address.clone()) else {
        return Ok(());
    };
    let given = peer_address(host, port);
    let quorum = |address: &crate::config::PeerAddress| address.quorum();
    if own
        .addresses
        .iter()
        .any(|known| quorum(known) == quorum(&given))
    {
        return Ok(());
    }
    Err(JoinError::Moved {
        known: own.addresses.first().map(quorum).unwrap_or_default(),
        given: quorum(&given),
    })
}

fn addresses(servers: &str) -> Result<Vec<String>, JoinError> {
    let wrong = || JoinError::Address(servers.to_owned());
    let servers: Vec<String> = servers
        .split(',')
        .map(|server| server.trim().to_owned())
        .collect();
    let is_address = |server: &String| {
        server
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if servers.iter().all(is_address) {
        Ok(servers)
    } else {
        Err(wrong())
    }
}

/// Somebody who answers may say that the data belongs elsewhere. Who does not answer says nothing: a member starts
/// whoever else runs.
async fn check_ensemble(
    config: &Config,
    known: &Remembered,
    servers: &[String],
) -> Result<(), JoinError> {
    let node_id = stored_node_id(&config.storage.log_dir())?.unwrap_or(0);
    if known.cluster_id == 0 || node_id == 0 {
        return Ok(());
    }
    let request = Request {
        cluster_id: known.cluster_id,
        node_id,
        ticket: 0,
        replace: None,
        token: config.join.rule.token().map(str::to_owned),
    };
    for server in servers {
        let answer = timeout(CHECK_TIMEOUT, ask_one(server, &request)).await;
        if let Ok(Ok((Reply::Refused(reason), _))) = answer {
            return Err(JoinError::Refused {
                server: server.clone(),
                reason,
            });
        }
    }
    Ok(())
}

/// Asks until somebody says which member this server may be.
async fn ask(config: &Config, join: &Join, servers: &[String]) -> Result<Remembered, JoinError> {
    let node_id = stored_node_id(&config.storage.log_dir())?.unwrap_or(0);
    let request = Request {
        cluster_id: 0,
        node_id,
        ticket: rand::random(),
        replace: join.replace,
        token: config.join.rule.token().map(str::to_owned),
    };
    let mut told = None;
    loop {
        for server in servers {
            let answer = timeout(ANSWER_TIMEOUT, ask_one(server, &request)).await;
            let answer = answer.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
            let why = match answer {
                Ok((
                    Reply::Welcome {
                        cluster_id,
                        my_id,
                        members,
                    },
                    local,
                )) => {
                    let own = own_line(config, join, my_id, local)?;
                    refuse_taken_address(server, &members, &own)?;
                    info!(%server, line = %own.line(), "joining");
                    return Ok(Remembered {
                        my_id,
                        members: others(&members, my_id).chain([own.line()]).collect(),
                        cluster_id,
                        admitted: false,
                        replaces: join.replace == Some(my_id),
                        token: config.join.rule.token().map(str::to_owned),
                    });
                }
                Ok((Reply::Refused(reason), _)) => {
                    return Err(JoinError::Refused {
                        server: server.clone(),
                        reason,
                    });
                }
                Ok((Reply::Wait(why), _)) => why,
                Err(error) => error.to_string(),
            };
            if told.as_ref() != Some(&why) {
                info!(%server, %why, "waiting to join");
                told = Some(why);
            }
        }
        sleep(PAUSE).await;
    }
}

/// No two members are at one address. The leader looks as well; here the reason is plain.
fn refuse_taken_address(server: &str, members: &[String], own: &Member) -> Result<(), JoinError> {
    let members = members.iter().filter_map(|line| Member::parse_line(line));
    for other in members.filter(|other| other.id != own.id) {
        if let Some(address) = own.shared_address(&other) {
            return Err(JoinError::Refused {
                server: server.to_owned(),
                reason: format!(
                    "the ensemble knows {} as the address of server {}. If the data of that server is lost, start this \
                     one with --join-replace {}; otherwise give it a --peer-address of its own",
                    address.quorum(),
                    other.id,
                    other.id
                ),
            });
        }
    }
    Ok(())
}

fn others(members: &[String], my_id: u8) -> impl Iterator<Item = String> {
    let is_other =
        move |line: &&String| Member::parse_line(line).is_some_and(|member| member.id != my_id);
    members.iter().filter(is_other).cloned()
}

/// How the others are to reach this server.
fn own_line(config: &Config, join: &Join, my_id: u8, local: IpAddr) -> io::Result<Member> {
    let known = config.join.remembered.as_ref().and_then(Remembered::own);
    let address = match (&config.join.peer_address, known) {
        (Some((host, port)), _) => peer_address(host.clone(), *port),
        (None, Some(known)) if !known.addresses.is_empty() => known.addresses[0].clone(),
        (None, _) => free_peer_address(local)?,
    };
    let role = if join.as_observer {
        MemberRole::Observer
    } else {
        MemberRole::Participant
    };
    Ok(member_line(my_id, address, role, config.client.address))
}

/// One question, and the address of this machine from which it went.
async fn ask_one(server: &str, request: &Request) -> io::Result<(Reply, IpAddr)> {
    let mut stream = TcpStream::connect(server).await?;
    let local = stream.local_addr()?.ip().to_canonical();
    let body = serde_json::to_vec(request).map_err(io::Error::other)?;
    let len = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut out = JOIN.to_vec();
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&body);
    stream.write_all(&out).await?;
    let mut answer = Vec::new();
    let limit = u64::try_from(REPLY_BYTES_MAX).map_err(io::Error::other)?;
    stream.take(limit).read_to_end(&mut answer).await?;
    if answer.is_empty() {
        return Err(io::Error::other(
            "it does not know how to be joined: is it a treekeeper's client port?",
        ));
    }
    let reply = serde_json::from_slice(&answer).map_err(io::Error::other)?;
    Ok((reply, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_to_join_are_hosts_and_ports() {
        assert_eq!(addresses("a:1, b:2").unwrap(), ["a:1", "b:2"]);
        assert_eq!(addresses("[::1]:2181").unwrap(), ["[::1]:2181"]);
        for wrong in ["", "a", "a:1,", ":1", "a:x", "a:70000"] {
            let error = addresses(wrong).unwrap_err();
            assert!(error.to_string().contains("give host:port"), "{error}");
        }
    }
}
