//! `server.N`: who is in the ensemble. For now that is this server alone.

use super::error::ConfigError;
use super::listen::{ListenAddress, resolve};
use super::notice::{Notice, Origin};
use super::settings::Settings;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag_no_case};
use nom::character::complete::{char, u16};
use nom::combinator::{all_consuming, opt, recognize, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// One `server.N` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) origin: Origin,
    key: String,
    value: String,
    /// Where its clients connect, if the line says so.
    pub(super) client: Option<ClientEnd>,
    role: Role,
}

/// What stands behind the semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientEnd {
    host: Option<String>,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Participant,
    Observer,
}

const SYNTAX: &str =
    "host:quorumPort:electionPort[:participant|observer][|more of these][;[clientHost:]clientPort]";

/// The member that a config of one member names; none if it names nobody.
///
/// # Errors
/// When there are several members, or the only one cannot serve by itself.
pub(super) fn only_member(
    settings: &Settings,
    notices: &mut Vec<Notice>,
) -> Result<Option<Member>, ConfigError> {
    let mut members = Vec::new();
    for (key, setting) in settings
        .iter()
        .filter(|(key, _)| key.starts_with("server."))
    {
        let wrong = |value: &str, allowed: &str| ConfigError::Value {
            origin: setting.origin.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        };
        if key["server.".len()..].parse::<u8>().is_err() {
            return Err(wrong(
                &setting.value,
                "server.N with N from 0 to 255 as the key",
            ));
        }
        let (_, (client, role)) =
            member(&setting.value).map_err(|_| wrong(&setting.value, SYNTAX))?;
        let (key, value) = (key.to_owned(), setting.value.clone());
        members.push(Member {
            origin: setting.origin.clone(),
            key,
            value,
            client,
            role,
        });
    }
    if let Some(second) = members.get(1) {
        return Err(ConfigError::Refused {
            origin: second.origin.clone(),
            key: second.key.clone(),
            remedy: "it serves alone for now, and one server of several would accept writes that the others never see; \
                     leave one server.N line, or none",
        });
    }
    let member = members.pop();
    if let Some(member) = &member {
        check_stands_alone(settings, member, notices)?;
    }
    Ok(member)
}

fn check_stands_alone(
    settings: &Settings,
    member: &Member,
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    if member.role == Role::Observer {
        let problem = format!(
            "{} is an observer, and there is nobody it could follow",
            member.key
        );
        return Err(ConfigError::Conflict {
            origin: member.origin.clone(),
            problem,
        });
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

/// `electionAlg`: ZooKeeper itself refuses every value but 3.
pub(super) fn check_election_algorithm(settings: &Settings) -> Result<(), ConfigError> {
    settings.parsed("electionAlg", "3, the only one there is", |value| {
        (value == "3").then_some(())
    })?;
    Ok(())
}

impl ClientEnd {
    /// Where clients of `member` connect.
    pub(super) fn listen_address(&self, member: &Member) -> Result<ListenAddress, ConfigError> {
        let Some(host) = self.host.as_deref().filter(|host| *host != "0.0.0.0") else {
            return Ok(ListenAddress::Any { port: self.port });
        };
        resolve(host, self.port)
            .map(ListenAddress::At)
            .ok_or_else(|| ConfigError::Value {
                origin: member.origin.clone(),
                key: member.key.clone(),
                value: member.value.clone(),
                allowed: format!("a client host that resolves to an IP address, not {host}"),
            })
    }
}

fn member(input: &str) -> IResult<&str, (Option<ClientEnd>, Role)> {
    let client = preceded(char(';'), (opt(terminated(host, char(':'))), u16));
    let client = client.map(|(host, port)| ClientEnd {
        host: host.map(str::to_owned),
        port,
    });
    let addresses = separated_list1(char('|'), peer_address);
    let member = (addresses, opt(client)).map(|(roles, client)| {
        (
            client,
            roles
                .into_iter()
                .flatten()
                .next_back()
                .unwrap_or(Role::Participant),
        )
    });
    all_consuming(member).parse(input)
}

/// `host:quorumPort:electionPort[:role]`.
fn peer_address(input: &str) -> IResult<&str, Option<Role>> {
    let role = alt((
        value(Role::Participant, tag_no_case("participant")),
        value(Role::Observer, tag_no_case("observer")),
    ));
    (
        host,
        char(':'),
        u16,
        char(':'),
        u16,
        opt(preceded(char(':'), role)),
    )
        .map(|fields| fields.5)
        .parse(input)
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
fn host(input: &str) -> IResult<&str, &str> {
    alt((
        recognize(delimited(char('['), is_not("]"), char(']'))),
        is_not(":;|[] "),
    ))
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_member_is_read() {
        let end = |host: Option<&str>, port| {
            Some(ClientEnd {
                host: host.map(str::to_owned),
                port,
            })
        };
        for (text, client, role) in [
            ("h:2888:3888", None, Role::Participant),
            ("10.0.0.1:2888:3888:participant", None, Role::Participant),
            ("h:2888:3888:OBSERVER;2181", end(None, 2181), Role::Observer),
            (
                "h:2888:3888;10.0.0.1:2181",
                end(Some("10.0.0.1"), 2181),
                Role::Participant,
            ),
            (
                "[::1]:2888:3888;[::1]:2181",
                end(Some("[::1]"), 2181),
                Role::Participant,
            ),
            ("h:1:2|g:1:2:observer;3", end(None, 3), Role::Observer),
        ] {
            assert_eq!(member(text), Ok(("", (client, role))), "{text}");
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
            assert!(member(text).is_err(), "{text}");
        }
    }
}
