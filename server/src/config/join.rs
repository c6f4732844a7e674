//! Members without `server.N` lines: who may join, and what a server that has joined remembers of it.
//!
//! The memory is the file `member.json` in our data folder. It says what the lines and `myid` say elsewhere.

use super::error::ConfigError;
use super::membership::Member;
use super::settings::{Base, Settings};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's name.
const FILE: &str = "member.json";
/// Letters of a token; fewer are guessed.
const TOKEN_LEN_MIN: usize = 16;
/// And at most, so that it fits into a request.
const TOKEN_LEN_MAX: usize = 1024;

/// Who may join the ensemble without a line in the configs of its members.
#[derive(Clone, PartialEq, Eq)]
pub enum JoinRule {
    /// Nobody: the lines, or `reconfig`, say who is a member.
    Nobody,
    /// Servers on this machine, whose addresses nobody else reaches: without a config file this server itself is for
    /// this machine alone.
    ThisMachine,
    /// Whoever knows the token (`treekeeper.joinTokenFile`).
    Token(Arc<str>),
}

/// What the settings say about joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinSettings {
    /// Who may join.
    pub rule: JoinRule,
    /// `treekeeper.peerAddress`: host and port at which the other members are to reach this server.
    pub peer_address: Option<(String, u16)>,
    /// This server's only `server.N` line, if it has one: how it is known when others join it.
    pub own_line: Option<Member>,
    /// What this server remembers of the ensemble that it joined; none if it did not, or if `server.N` lines say
    /// who is a member.
    pub remembered: Option<Remembered>,
}

/// The membership of a server that joined, or that was joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Its N.
    pub my_id: u8,
    /// Lines of the members, its own among them, until it is admitted; then its own alone, as the log tells the rest.
    pub members: Vec<String>,
    /// The ensemble that it was let into; 0 while that is not known. The tree says it for good.
    pub cluster_id: u64,
    /// Is it a member, as far as it knows? Otherwise it is to ask.
    pub admitted: bool,
    /// It comes in place of the server with the same N, whose data is lost.
    pub replaces: bool,
    /// The token with which it was let in.
    pub token: Option<String>,
}

impl JoinRule {
    /// May somebody join who gives this token, and who is known by addresses of this machine only if `is_local`?
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check(&self, token: Option<&str>, is_local: bool) -> Result<(), String> {
        match self {
            Self::Nobody => Err(
                "nobody may join this server by --join: start all servers with the same --join-token-file \
                 (treekeeper.joinTokenFile), or add the new one with server.N lines"
                    .to_owned(),
            ),
            Self::ThisMachine if is_local => Ok(()),
            Self::ThisMachine => Err(
                "without a token only servers on the same machine, with loopback addresses, may join: start all servers \
                 with the same --join-token-file (treekeeper.joinTokenFile)"
                    .to_owned(),
            ),
            Self::Token(expected) => {
                let given = token.unwrap_or_default();
                if equal_in_constant_time(given.as_bytes(), expected.as_bytes()) {
                    Ok(())
                } else {
                    Err(
                        "the join token is missing, or not the one of the ensemble: start this server with the \
                         --join-token-file of the others"
                            .to_owned(),
                    )
                }
            }
        }
    }

    /// The token to show to others.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nobody | Self::ThisMachine => None,
        }
    }
}

impl std::fmt::Debug for JoinRule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Nobody => "Nobody",
            Self::ThisMachine => "ThisMachine",
            Self::Token(_) => "Token(***)",
        })
    }
}

fn equal_in_constant_time(given: &[u8], expected: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(expected)
        .fold(0, |all, (a, b)| all | a ^ b);
    given.len() == expected.len() && differing == 0
}

impl JoinSettings {
    pub(super) fn read(
        settings: &Settings,
        own_line: Option<Member>,
        remembered: Option<Remembered>,
    ) -> Result<Self, ConfigError> {
        let allowed = format!("a file with a token of {TOKEN_LEN_MIN} to {TOKEN_LEN_MAX} letters");
        let token = settings.parsed("treekeeper.joinTokenFile", &allowed, |file| {
            let text = fs::read_to_string(file).ok()?;
            let token = text.trim();
            let fits = (TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&token.len());
            (fits && !token.contains(char::is_whitespace)).then(|| token.to_owned())
        })?;
        let known = remembered.as_ref();
        let token = token.or_else(|| known.and_then(|known| known.token.clone()));
        let rule = match (token, settings.base) {
            (Some(token), _) => JoinRule::Token(token.into()),
            (None, Base::Embedded) => JoinRule::ThisMachine,
            (None, Base::ZooKeeper) => JoinRule::Nobody,
        };
        let peer_address = settings.parsed(
            "treekeeper.peerAddress",
            "host:port at which the other servers reach this one",
            host_and_port,
        )?;
        Ok(Self {
            rule,
            peer_address,
            own_line,
            remembered,
        })
    }
}

/// Host and port, an IPv6 address in brackets.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(host) => host,
        None if host.contains(':') => return None,
        None => host,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    (!host.is_empty() && host.chars().all(is_host)).then(|| (host.to_owned(), port))
}

impl Remembered {
    /// What the server on this data folder remembers, if it does.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(data_folder: &Path) -> Result<Option<Self>, ConfigError> {
        let path = data_folder.join(FILE);
        let wrong = |problem: String| ConfigError::Remembered {
            path: path.clone(),
            problem,
        };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        let known: Self =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let members = known.parsed();
        if members.len() != known.members.len()
            || !members.iter().any(|member| member.id == known.my_id)
        {
            return Err(wrong("its lines are no members".to_owned()));
        }
        Ok(Some(known))
    }

    /// Remembers it: durable when this returns, and as a whole.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, data_folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        fs::create_dir_all(data_folder)?;
        let unfinished = data_folder.join(format!("{FILE}.new"));
        // It holds the token.
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&unfinished, Self::path(data_folder))?;
        File::open(data_folder)?.sync_all()
    }

    /// Where it is remembered.
    #[must_use]
    pub fn path(data_folder: &Path) -> PathBuf {
        data_folder.join(FILE)
    }

    /// The members of the lines.
    #[must_use]
    pub fn parsed(&self) -> Vec<Member> {
        let lines = self.members.iter();
        lines.filter_map(|line| Member::parse_line(line)).collect()
    }

    /// The own line.
    #[must_use]
    pub fn own(&self) -> Option<Member> {
        let mut members = self.parsed().into_iter();
        members.find(|member| member.id == self.my_id)
    }

    /// The same once it is a member of this ensemble.
    #[must_use]
    pub fn admitted_to(&self, cluster_id: u64) -> Self {
        let own = self.own();
        Self {
            members: own.iter().map(Member::line).collect(),
            cluster_id,
            admitted: true,
            replaces: false,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> Remembered {
        Remembered {
            my_id: 2,
            members: vec![
                "server.1=h:2888:3888:participant".to_owned(),
                "server.2=127.0.0.1:2889:3889:observer;127.0.0.1:2182".to_owned(),
            ],
            cluster_id: u64::MAX,
            admitted: false,
            replaces: false,
            token: Some("0123456789abcdef".to_owned()),
        }
    }

    #[test]
    fn what_is_remembered_is_read_as_it_was_written_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("new");
        assert_eq!(Remembered::read(&base).unwrap(), None);
        remembered().write(&base).unwrap();
        assert_eq!(Remembered::read(&base).unwrap(), Some(remembered()));
        let path = Remembered::path(&base);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let admitted = remembered().admitted_to(7);
        admitted.write(&base).unwrap();
        let read = Remembered::read(&base).unwrap().unwrap();
        assert!(read.admitted && read.cluster_id == 7);
        assert_eq!(read.members, [remembered().members[1].clone()]);
        for damaged in ["", "{}", "[1"] {
            fs::write(&path, damaged).unwrap();
            assert!(Remembered::read(&base).is_err(), "{damaged:?}");
        }
        let mut other = remembered();
        other.my_id = 3;
        other.write(&base).unwrap();
        assert!(
            Remembered::read(&base).is_err(),
            "it has no line of its own"
        );
    }

    #[test]
    fn a_stranger_does_not_join() {
        let token = JoinRule::Token("0123456789abcdef".into());
        assert!(token.check(Some("0123456789abcdef"), false).is_ok());
        for given in [
            None,
            Some(""),
            Some("0123456789abcdeg"),
            Some("0123456789abcdef0"),
        ] {
            assert!(token.check(given, true).is_err(), "{given:?}");
        }
        assert!(JoinRule::ThisMachine.check(None, true).is_ok());
        assert!(JoinRule::ThisMachine.check(Some("x"), false).is_err());
        assert!(JoinRule::Nobody.check(Some("x"), true).is_err());
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let some = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(host_and_port("h-1.example:2888"), some("h-1.example", 2888));
        assert_eq!(host_and_port("[::1]:1"), some("::1", 1));
        for wrong in [
            "", "h", ":1", "h:", "h:0", "h:65536", "::1:5", "h;1:5", "a|b:1",
        ] {
            assert_eq!(host_and_port(wrong), None, "{wrong:?}");
        }
    }
}
