//! `server.N`: who is in the ensemble, and which of its members this server is.

use super::error::ConfigError;
use super::join::Remembered;
use super::listen::{ListenAddress, resolve};
use super::notice::{Notice, Origin};
use super::settings::Settings;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag_no_case};
use nom::character::complete::{char, u16};
use nom::combinator::{all_consuming, opt, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The members that the config names, and which of them this server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensemble {
    /// This server's N, as its file `myid` says.
    pub my_id: u8,
    /// All members by N, this server among them.
    pub members: BTreeMap<u8, Member>,
    /// `initLimit`: how long a member may take to catch up with its leader.
    pub init_limit: Duration,
    /// `syncLimit`: how long a member may be out of touch with the others.
    pub sync_limit: Duration,
    /// May clients change the members (`reconfigEnabled`)?
    pub reconfig_enabled: bool,
    /// Does the leader serve clients (`leaderServes`)?
    pub leader_serves: bool,
}

/// One member, as its `server.N` line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its N.
    pub id: u8,
    /// Where the other members reach it; at least one.
    pub addresses: Vec<PeerAddress>,
    /// Whether it votes.
    pub role: MemberRole,
    /// Where its clients connect, if the line says so.
    pub client: Option<ClientEnd>,
}

/// Whether a member votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It votes.
    Participant,
    /// It follows without a vote.
    Observer,
}

/// Where the other members reach a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The port for what the members tell each other.
    pub quorum_port: u16,
    /// The port for elections.
    pub election_port: u16,
}

/// Where a member's clients connect: what stands behind the semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEnd {
    /// A name or an IP address, the latter without brackets; none for all addresses of the machine.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
}

/// A `server.N` line and where it stands.
#[derive(Clone, Debug)]
pub(super) struct MemberLine {
    pub(super) origin: Origin,
    key: String,
    value: String,
    pub(super) member: Member,
}

/// What all `server.N` lines say together.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    /// This server's own line; none if no line names it.
    pub(super) own: Option<MemberLine>,
    /// All members, if there are several.
    pub(super) ensemble: Option<Ensemble>,
    /// Are they those that this server remembers of having joined?
    pub(super) is_remembered: bool,
}

const PREFIX: &str = "server.";
const SYNTAX: &str =
    "host:quorumPort:electionPort[:participant|observer][|more of these][;[clientHost:]clientPort]";
/// The client host of a line that names none.
const ANY_HOST: &str = "0.0.0.0";

/// Whether several members are named.
pub(super) fn is_ensemble(settings: &Settings) -> bool {
    let members = settings.iter().filter(|(key, _)| key.starts_with(PREFIX));
    members.count() > 1
}

impl Membership {
    /// The members that the settings name.
    ///
    /// # Errors
    /// When a line is wrong, when the lines contradict each other, when an ensemble lacks what it needs, and when it
    /// cannot be told which member this server is.
    pub(super) fn read(
        settings: &Settings,
        tick_time: Duration,
        data_dir: &Path,
        remembered: Option<&Remembered>,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let mut lines = member_lines(settings)?;
        if lines.len() > 1 {
            return Self::several(settings, lines, tick_time, data_dir, notices);
        }
        if let Some(remembered) = remembered {
            return Self::joined(settings, lines.pop(), tick_time, remembered);
        }
        if let Some(line) = lines.first() {
            check_stands_alone(settings, line, notices)?;
        }
        Ok(Self {
            own: lines.pop(),
            ensemble: None,
            is_remembered: false,
        })
    }

    fn several(
        settings: &Settings,
        lines: Vec<MemberLine>,
        tick_time: Duration,
        data_dir: &Path,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        check_together(&lines)?;
        settings.flag("standaloneEnabled", true)?;
        let peer_type = settings.parsed("peerType", "participant or observer", MemberRole::of)?;
        let init_limit = settings.number("initLimit", 1, " of ticks")?;
        let sync_limit = settings.number("syncLimit", 1, " of ticks")?;
        let reconfig_enabled = settings.flag("reconfigEnabled", false)?;
        let leader_serves = leader_serves(settings)?;
        let ticks = |number: Option<i64>, key, remedy| match number {
            Some(ticks) => Ok(tick_time * u32::try_from(ticks).expect("1 to i32::MAX")),
            None => Err(ConfigError::Missing { key, remedy }),
        };
        let init_limit = ticks(
            init_limit,
            "initLimit",
            "with several servers it must say how many ticks one of them may take to catch up with the leader; add \
             initLimit=10 to the config file",
        )?;
        let sync_limit = ticks(
            sync_limit,
            "syncLimit",
            "with several servers it must say how many ticks one of them may be out of touch with the others; add \
             syncLimit=5 to the config file",
        )?;
        let members: BTreeMap<_, _> = lines
            .iter()
            .map(|line| (line.member.id, line.member.clone()))
            .collect();
        let my_id = my_id(data_dir, &members)?;
        advise_on_size(&lines, notices);
        let own = lines.into_iter().find(|line| line.member.id == my_id);
        if let (Some(own), Some(peer_type)) = (&own, peer_type) {
            advise_on_peer_type(settings, own, peer_type, notices);
        }
        let ensemble = Ensemble {
            my_id,
            members,
            init_limit,
            sync_limit,
            reconfig_enabled,
            leader_serves,
        };
        Ok(Self {
            own,
            ensemble: Some(ensemble),
            is_remembered: false,
        })
    }

    /// The ensemble that this server has joined without lines of its own.
    fn joined(
        settings: &Settings,
        line: Option<MemberLine>,
        tick_time: Duration,
        remembered: &Remembered,
    ) -> Result<Self, ConfigError> {
        if let Some(line) = &line
            && line.member.id != remembered.my_id
        {
            let problem = format!(
                "the ensemble that this server has joined knows it as server.{}, not as {}: change the line",
                remembered.my_id, line.key
            );
            return Err(line.conflict(problem));
        }
        let limit = |key, default| -> Result<Duration, ConfigError> {
            let ticks = settings.number(key, 1, " of ticks")?.unwrap_or(default);
            Ok(tick_time * u32::try_from(ticks).expect("1 to i32::MAX"))
        };
        let members = remembered.parsed().into_iter();
        let ensemble = Ensemble {
            my_id: remembered.my_id,
            members: members.map(|member| (member.id, member)).collect(),
            init_limit: limit("initLimit", INIT_LIMIT_DEFAULT)?,
            sync_limit: limit("syncLimit", SYNC_LIMIT_DEFAULT)?,
            reconfig_enabled: settings.flag("reconfigEnabled", false)?,
            leader_serves: leader_serves(settings)?,
        };
        Ok(Self {
            own: line,
            ensemble: Some(ensemble),
            is_remembered: true,
        })
    }
}

/// Ticks of `initLimit` and `syncLimit` for servers that joined, as ZooKeeper's samples have them.
const INIT_LIMIT_DEFAULT: i64 = 10;
const SYNC_LIMIT_DEFAULT: i64 = 5;

fn leader_serves(settings: &Settings) -> Result<bool, ConfigError> {
    let leader_serves = settings.parsed("leaderServes", "yes or no", |value| match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    })?;
    Ok(leader_serves.unwrap_or(true))
}

/// All `server.N` lines, in the order in which they were given.
fn member_lines(settings: &Settings) -> Result<Vec<MemberLine>, ConfigError> {
    let mut lines = Vec::new();
    for (key, setting) in settings.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
        let wrong = |allowed: &str| ConfigError::Value {
            origin: setting.origin.clone(),
            key: key.to_owned(),
            value: setting.value.clone(),
            allowed: allowed.to_owned(),
        };
        let id = key[PREFIX.len()..]
            .parse::<u8>()
            .map_err(|_| wrong("server.N with N from 0 to 255 as the key"))?;
        lines.push(MemberLine {
            origin: setting.origin.clone(),
            key: key.to_owned(),
            value: setting.value.clone(),
            member: Member::parse(id, &setting.value).ok_or_else(|| wrong(SYNTAX))?,
        });
    }
    lines.sort_by(|a, b| a.origin.cmp(&b.origin));
    Ok(lines)
}

fn check_stands_alone(
    settings: &Settings,
    line: &MemberLine,
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    if line.member.role == MemberRole::Observer {
        let problem = format!(
            "{} is an observer, and there is nobody it could follow",
            line.key
        );
        return Err(line.conflict(problem));
    }
    if !settings.flag("standaloneEnabled", true)? {
        let setting = settings
            .get("standaloneEnabled")
            .expect("false is not the default");
        let text = "standaloneEnabled=false changes nothing: the only server is an ensemble of one in any case, and \
                    reports itself as standalone";
        notices.push(Notice::info(&setting.origin, text.to_owned()));
    }
    Ok(())
}

/// Checks that no two of several members are the same, and that somebody votes.
fn check_together(lines: &[MemberLine]) -> Result<(), ConfigError> {
    for (index, line) in lines.iter().enumerate() {
        for earlier in &lines[..index] {
            if line.member.id == earlier.member.id {
                let problem = format!("{} is the same server as {}", line.key, earlier.key);
                return Err(line.conflict(problem));
            }
            if let Some(address) = line.member.shared_address(&earlier.member) {
                let problem = format!(
                    "{} has the address {} of {}: give every server one of its own",
                    line.key,
                    address.quorum(),
                    earlier.key
                );
                return Err(line.conflict(problem));
            }
        }
    }
    match lines {
        [first, ..] if !lines.iter().any(MemberLine::votes) => Err(first.conflict(
            "all servers are observers, and there is nobody they could follow".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Warns of a number of voters that tolerates less than it could.
fn advise_on_size(lines: &[MemberLine], notices: &mut Vec<Notice>) {
    let voters = lines.iter().filter(|line| line.votes()).count();
    let Some(last) = lines.last() else {
        return;
    };
    let text = match voters {
        1 => "with 1 participant the failure of that server stops the ensemble: it takes at least 3 to tolerate one"
            .to_owned(),
        2 => "with 2 participants the failure of either stops the ensemble: it takes at least 3 to tolerate one"
            .to_owned(),
        even if even.is_multiple_of(2) => format!(
            "{even} participants tolerate no more failures than {}: consider an odd number",
            even - 1
        ),
        _ => return,
    };
    notices.push(Notice::warning(&last.origin, text));
}

fn advise_on_peer_type(
    settings: &Settings,
    own: &MemberLine,
    peer_type: MemberRole,
    notices: &mut Vec<Notice>,
) {
    let Some(setting) = settings.get("peerType") else {
        return;
    };
    if own.member.role != peer_type {
        let text = format!(
            "peerType={} contradicts {}, which makes this server {}: that line wins",
            setting.value,
            own.key,
            match own.member.role {
                MemberRole::Participant => "a participant",
                MemberRole::Observer => "an observer",
            }
        );
        notices.push(Notice::warning(&setting.origin, text));
    }
}

/// Which of `members` this server is.
fn my_id(data_dir: &Path, members: &BTreeMap<u8, Member>) -> Result<u8, ConfigError> {
    let path = data_dir.join("myid");
    let wrong = |problem: String| {
        let ids: Vec<_> = members.keys().map(ToString::to_string).collect();
        ConfigError::MyId {
            path: path.clone(),
            problem,
            allowed: ids.join(", "),
        }
    };
    let text =
        fs::read_to_string(&path).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    let first = text.lines().next().unwrap_or_default().trim();
    let id = first
        .parse::<u8>()
        .ok()
        .filter(|id| members.contains_key(id));
    id.ok_or_else(|| wrong(format!("begins with {first:?}")))
}

/// `electionAlg`: ZooKeeper itself refuses every value but 3.
pub(super) fn check_election_algorithm(settings: &Settings) -> Result<(), ConfigError> {
    settings.parsed("electionAlg", "3, the only one there is", |value| {
        (value == "3").then_some(())
    })?;
    Ok(())
}

impl MemberLine {
    fn votes(&self) -> bool {
        self.member.role == MemberRole::Participant
    }

    fn conflict(&self, problem: String) -> ConfigError {
        ConfigError::Conflict {
            origin: self.origin.clone(),
            problem,
        }
    }

    /// Where clients connect, if the line says so.
    pub(super) fn listen_address(&self) -> Result<Option<ListenAddress>, ConfigError> {
        let Some(client) = &self.member.client else {
            return Ok(None);
        };
        let Some(host) = client.host.as_deref().filter(|host| *host != ANY_HOST) else {
            return Ok(Some(ListenAddress::Any { port: client.port }));
        };
        match resolve(host, client.port) {
            Some(address) => Ok(Some(ListenAddress::At(address))),
            None => Err(ConfigError::Value {
                origin: self.origin.clone(),
                key: self.key.clone(),
                value: self.value.clone(),
                allowed: format!("a client host that resolves to an IP address, not {host}"),
            }),
        }
    }
}

impl Member {
    /// The member of a line, with the role that it has now, whatever the line says.
    #[must_use]
    pub fn with_vote(line: &str, votes: bool) -> Option<Self> {
        let role = if votes {
            MemberRole::Participant
        } else {
            MemberRole::Observer
        };
        let member = Self::parse_line(line)?;
        Some(Self { role, ..member })
    }

    /// Do the others reach it at addresses of its own machine alone?
    #[must_use]
    pub fn is_local(&self) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.all(|address| {
            let ip = address.host.parse::<std::net::IpAddr>();
            ip.is_ok_and(|ip| ip.is_loopback())
        })
    }

    /// The member as a line of the ensemble's config text.
    #[must_use]
    pub fn line(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let client = match &self.client {
            Some(client) => format!(";{client}"),
            None => String::new(),
        };
        format!(
            "{PREFIX}{}={}:{}{client}",
            self.id,
            addresses.join("|"),
            self.role.as_str()
        )
    }

    /// Reads what [`Member::line`] wrote, and every other form that a config file may give it.
    #[must_use]
    pub fn parse_line(line: &str) -> Option<Self> {
        let (key, value) = line.split_once('=')?;
        let id = key.trim().strip_prefix(PREFIX)?.parse().ok()?;
        Self::parse(id, value.trim())
    }

    fn parse(id: u8, value: &str) -> Option<Self> {
        let (_, (addresses, role, client)) = member(value).ok()?;
        Some(Self {
            id,
            addresses,
            role,
            client,
        })
    }

    /// The address of this member that `other` has as well.
    #[must_use]
    pub fn shared_address(&self, other: &Self) -> Option<&PeerAddress> {
        self.addresses.iter().find(|address| {
            other.addresses.iter().any(|theirs| {
                theirs.quorum_port == address.quorum_port
                    && theirs.host.eq_ignore_ascii_case(&address.host)
            })
        })
    }
}

impl MemberRole {
    /// ZooKeeper's word for the role.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Participant, Self::Observer]
            .into_iter()
            .find(|role| name.eq_ignore_ascii_case(role.as_str()))
    }
}

impl PeerAddress {
    /// The host with the port for what the members tell each other, as it is dialled.
    #[must_use]
    pub fn quorum(&self) -> String {
        format!("{}:{}", Bracketed(&self.host), self.quorum_port)
    }

    /// The host with the port for elections, as it is dialled.
    #[must_use]
    pub fn election(&self) -> String {
        format!("{}:{}", Bracketed(&self.host), self.election_port)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = Bracketed(&self.host);
        write!(f, "{host}:{}:{}", self.quorum_port, self.election_port)
    }
}

impl fmt::Display for ClientEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = Bracketed(self.host.as_deref().unwrap_or(ANY_HOST));
        write!(f, "{host}:{}", self.port)
    }
}

/// A host as it stands before a port: an IPv6 address in brackets.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(self.0)
        }
    }
}

type Parts = (Vec<PeerAddress>, MemberRole, Option<ClientEnd>);

fn member(input: &str) -> IResult<&str, Parts> {
    let client = preceded(char(';'), (opt(terminated(host, char(':'))), u16));
    let client = client.map(|(host, port)| ClientEnd {
        host: host.map(str::to_owned),
        port,
    });
    let addresses = separated_list1(char('|'), peer_address);
    let member = (addresses, opt(client)).map(|(addresses, client)| {
        let (addresses, roles): (Vec<_>, Vec<_>) = addresses.into_iter().unzip();
        let role = roles.into_iter().flatten().next_back();
        (addresses, role.unwrap_or(MemberRole::Participant), client)
    });
    all_consuming(member).parse(input)
}

/// `host:quorumPort:electionPort[:role]`.
fn peer_address(input: &str) -> IResult<&str, (PeerAddress, Option<MemberRole>)> {
    let role = alt((
        value(MemberRole::Participant, tag_no_case("participant")),
        value(MemberRole::Observer, tag_no_case("observer")),
    ));
    let ports = (
        preceded(char(':'), u16),
        preceded(char(':'), u16),
        opt(preceded(char(':'), role)),
    );
    let (rest, (host, (quorum_port, election_port, role))) = (host, ports).parse(input)?;
    let address = PeerAddress {
        host: host.to_owned(),
        quorum_port,
        election_port,
    };
    Ok((rest, (address, role)))
}

/// A host name, an IPv4 address, or an IPv6 address in brackets, which are left out.
fn host(input: &str) -> IResult<&str, &str> {
    alt((
        delimited(char('['), is_not("];| "), char(']')),
        is_not(":;|[] "),
    ))
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, quorum_port: u16, election_port: u16) -> PeerAddress {
        PeerAddress {
            host: host.to_owned(),
            quorum_port,
            election_port,
        }
    }

    #[test]
    fn every_form_of_a_member_is_read() {
        use MemberRole::{Observer, Participant};
        let end = |host: Option<&str>, port| {
            Some(ClientEnd {
                host: host.map(str::to_owned),
                port,
            })
        };
        let h = || vec![address("h", 2888, 3888)];
        for (text, addresses, client, role) in [
            ("h:2888:3888", h(), None, Participant),
            (
                "10.0.0.1:2888:3888:participant",
                vec![address("10.0.0.1", 2888, 3888)],
                None,
                Participant,
            ),
            ("h:2888:3888:OBSERVER;2181", h(), end(None, 2181), Observer),
            (
                "h:2888:3888;10.0.0.1:2181",
                h(),
                end(Some("10.0.0.1"), 2181),
                Participant,
            ),
            (
                "[::1]:2888:3888;[::1]:2181",
                vec![address("::1", 2888, 3888)],
                end(Some("::1"), 2181),
                Participant,
            ),
            (
                "h:1:2|g:1:2:observer;3",
                vec![address("h", 1, 2), address("g", 1, 2)],
                end(None, 3),
                Observer,
            ),
        ] {
            let expected = Member {
                id: 7,
                addresses,
                role,
                client,
            };
            assert_eq!(Member::parse(7, text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_member_is_refused() {
        for text in [
            "",
            "h",
            "h:1",
            "h:1:x",
            "h:1:2:leader",
            "h:1:2;",
            "h:1:99999",
            "h:1:2;x:y:3",
            "h:1:2 x",
        ] {
            assert_eq!(Member::parse(1, text), None, "{text}");
        }
    }

    #[test]
    fn a_member_is_written_as_zookeeper_does_and_read_again() {
        for (given, written) in [
            ("server.1=h:2888:3888", "server.1=h:2888:3888:participant"),
            (
                "server.1=h:2888:3888;2181",
                "server.1=h:2888:3888:participant;0.0.0.0:2181",
            ),
            (
                " server.255 = h:1:2:observer;10.0.0.1:2181 ",
                "server.255=h:1:2:observer;10.0.0.1:2181",
            ),
            (
                "server.3=[::1]:1:2;[::1]:3",
                "server.3=[::1]:1:2:participant;[::1]:3",
            ),
            (
                "server.0=h:1:2:observer|[fe80::1]:3:4",
                "server.0=h:1:2|[fe80::1]:3:4:observer",
            ),
        ] {
            let member = Member::parse_line(given).expect(given);
            assert_eq!(member.line(), written);
            let again = Member::parse_line(written).expect(written);
            assert_eq!(again.line(), written);
            assert_eq!(
                (again.addresses, again.role),
                (member.addresses, member.role)
            );
        }
    }

    #[test]
    fn what_is_no_line_of_a_member_is_refused() {
        for line in [
            "",
            "version=100000000",
            "server.1",
            "server.=h:1:2",
            "server.256=h:1:2",
            "server.x=h:1:2",
            "group.1=1:2:3",
            "server.1=h:1",
        ] {
            assert_eq!(Member::parse_line(line), None, "{line}");
        }
    }
}
