//! The members of the ensemble, as `/zookeeper/config` lists them.

use super::address::Address;
use super::error::CliError;
use crate::config::{Member, PeerAddress};
use serde_json::{Value, json};
use treekeeper_client::Client;
use treekeeper_protocol::path;

/// Hosts of a client address that stand for all addresses of the machine.
const ANY_HOSTS: [&str; 2] = ["0.0.0.0", "::"];

/// The members and the version of their list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) members: Vec<Member>,
    pub(super) version: i64,
}

impl Membership {
    /// What the server that the client is connected to knows.
    ///
    /// # Errors
    /// When it does not answer, or stands alone.
    pub(super) async fn read(client: &Client) -> Result<Self, CliError> {
        let (data, stat) = client
            .get_data(path::CONFIG)
            .await
            .map_err(CliError::at(path::CONFIG))?;
        Self::parse(data.as_deref().unwrap_or_default(), stat.mzxid).ok_or(CliError::StandsAlone)
    }

    /// The members of a config text; none for that of a server that stands alone. `mzxid` is the version of a list
    /// that does not tell its own.
    pub(super) fn parse(text: &[u8], mzxid: i64) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut members: Vec<_> = text
            .lines()
            .filter_map(|line| Member::parse_line(line.trim()))
            .collect();
        members.sort_unstable_by_key(|member| member.id);
        let version = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("version="))
            .and_then(|version| i64::from_str_radix(version, 16).ok());
        (!members.is_empty()).then(|| Self {
            members,
            version: version.unwrap_or(mzxid),
        })
    }

    /// The member with this N.
    pub(super) fn member(&self, id: u8) -> Result<&Member, CliError> {
        let mut members = self.members.iter();
        members
            .find(|member| member.id == id)
            .ok_or(CliError::NoMember { id })
    }

    /// Where clients connect, of the members whose lines say so.
    pub(super) fn client_addresses(&self) -> Vec<Address> {
        let address = |member: &Member| {
            let client = member.client.as_ref()?;
            let host = client
                .host
                .as_deref()
                .filter(|host| !ANY_HOSTS.contains(host));
            Some(Address {
                host: host.unwrap_or(&member.addresses.first()?.host).to_owned(),
                port: client.port,
            })
        };
        self.members.iter().filter_map(address).collect()
    }

    /// One line of a table for each member.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let row = |member: &Member| {
            vec![
                member.id.to_string(),
                member.role.as_str().to_owned(),
                quorum_addresses(member).join("|"),
                client_address(member).unwrap_or_else(|| "-".to_owned()),
            ]
        };
        self.members.iter().map(row).collect()
    }

    pub(super) fn json(&self) -> Value {
        let member = |member: &Member| {
            json!({
                "id": member.id,
                "role": member.role.as_str(),
                "quorum": quorum_addresses(member),
                "client": client_address(member),
            })
        };
        let members: Vec<Value> = self.members.iter().map(member).collect();
        json!({"members": members, "version": self.version})
    }
}

fn quorum_addresses(member: &Member) -> Vec<String> {
    let addresses = member.addresses.iter();
    addresses.map(PeerAddress::quorum).collect()
}

fn client_address(member: &Member) -> Option<String> {
    member.client.as_ref().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemberRole;

    const TEXT: &[u8] = b"server.2=h2:2888:3888:participant;0.0.0.0:2181\n\
        server.1=h1:2888:3888:participant\n\
        server.10=[::1]:1:2|h10:3:4:observer;h:2182\n\
        version=10000000a";

    #[test]
    fn members_are_read_in_the_order_of_their_numbers() {
        let read = Membership::parse(TEXT, 7).expect("members");
        assert_eq!(read.version, 0x1_0000_000A);
        assert_eq!(
            read.rows(),
            [
                ["1", "participant", "h1:2888", "-"],
                ["2", "participant", "h2:2888", "0.0.0.0:2181"],
                ["10", "observer", "[::1]:1|h10:3", "h:2182"],
            ]
        );
        assert_eq!(
            read.member(10).expect("a member").role,
            MemberRole::Observer
        );
        assert!(matches!(read.member(3), Err(CliError::NoMember { id: 3 })));
        assert_eq!(
            read.json()["members"][0],
            json!({"id": 1, "role": "participant", "quorum": ["h1:2888"], "client": null})
        );
    }

    #[test]
    fn clients_reach_a_member_where_the_others_do_unless_its_line_says_otherwise() {
        let read = Membership::parse(TEXT, 7).expect("members");
        let addresses: Vec<_> = (read.client_addresses().iter())
            .map(ToString::to_string)
            .collect();
        assert_eq!(addresses, ["h2:2181", "h:2182"]);
    }

    #[test]
    fn a_server_that_stands_alone_has_no_members() {
        assert_eq!(Membership::parse(b"", 0), None);
        assert_eq!(Membership::parse(b"version=0", 0), None);
        let without_version = Membership::parse(b"server.1=h:1:2", 7);
        assert_eq!(without_version.map(|read| read.version), Some(7));
    }
}
