//! Commands, and the batches in which they go through the log.
//!
//! Layout of a batch, big-endian: `u16` rules that a reader must know, `u64` member, `u64` incarnation, `u64` number, `i64` time in
//! ms, then commands to the end, each a `u8` kind and its fields. Kinds are never reused. A length stands before
//! everything of variable size.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use treekeeper_protocol::{OpCode, Request};

use super::rules::{MEMBERS_SHOWN_ONCE, RULES_MAX, RULES_MIN};
use crate::auth::{Identities, Identity};
use crate::config::ReplicatedSettings;

/// One change to make, as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A client's write.
    Client {
        /// The session that sent it.
        session: i64,
        /// The session's generation when it was sent: older ones than the current are dropped.
        generation: u32,
        /// Who the connection was.
        identities: Identities,
        /// What it asks for.
        request: Request,
    },
    /// A write of a session that only the member knows that proposed it: there is no generation to check.
    LocalClient {
        /// The session that sent it.
        session: i64,
        /// Who the connection was.
        identities: Identities,
        /// What it asks for.
        request: Request,
    },
    /// Makes a local session global.
    UpgradeSession {
        /// The session.
        session: i64,
        /// Negotiated time-out.
        timeout_ms: i32,
    },
    /// Opens a session.
    OpenSession {
        /// Negotiated time-out.
        timeout_ms: i32,
    },
    /// Takes a session over for another connection; its password has been checked.
    ReopenSession {
        /// The session.
        session: i64,
        /// Negotiated time-out of the new connection.
        timeout_ms: i32,
    },
    /// Closes a session, its ephemerals with it.
    CloseSession {
        /// The session.
        session: i64,
        /// Only while it is this generation: a client that came back in time keeps it.
        generation: u32,
        /// Only in this term: a later leader gives every session its full time-out again.
        term: u64,
    },
    /// Removes a container or TTL znode whose time has come, unless it has changed since.
    RemoveExpired {
        /// Its path.
        path: String,
        /// Its creation.
        czxid: i64,
        /// Its last change.
        mzxid: i64,
    },
    /// Forms the ensemble: the first command ever.
    Form {
        /// Identity of the ensemble.
        cluster_id: u64,
        /// Key of the session passwords.
        secret: [u8; 32],
    },
    /// Replaces the replicated settings.
    Settings(ReplicatedSettings),
    /// Raises the rules of apply. Every member has said that it supports them.
    RaiseRules {
        /// The new version.
        rules: u16,
    },
    /// Lets clients see the members as they are now: a change of them is complete.
    ShowMembers,
}

/// The member that the leader's own entries name: not one server says this, but the ensemble. They have no numbers, as
/// each of them does nothing when it comes again.
const ENSEMBLE: u64 = 0;

/// Commands of one member that go through the log together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The rules that a reader of it must know.
    pub rules: u16,
    /// The member that proposed it.
    pub member: u64,
    /// Which start of its process.
    pub incarnation: u64,
    /// Its number: 0 registers the incarnation, then without gaps.
    pub number: u64,
    /// The leader's clock, in ms since 1970.
    pub time_ms: i64,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

/// Why the bytes in the log are no batch. Stops the process: we wrote them.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// Cut short, or with an unknown kind.
    #[error("a log entry is not a batch of commands")]
    Malformed,
    /// Written by a newer release.
    #[error(
        "the log holds commands of a newer treekeeper (rules {0}, this release knows up to {RULES_MAX}); start that release, or a newer one, on this folder"
    )]
    Newer(u16),
}

const HEADER_LEN: usize = 2 + 8 + 8 + 8 + 8;
const TIME_AT: usize = HEADER_LEN - 8;
const CLIENT: u8 = 1;
const OPEN_SESSION: u8 = 2;
const REOPEN_SESSION: u8 = 3;
const CLOSE_SESSION: u8 = 4;
const REMOVE_EXPIRED: u8 = 5;
const FORM: u8 = 6;
const SETTINGS: u8 = 7;
const LOCAL_CLIENT: u8 = 16;
const UPGRADE_SESSION: u8 = 17;
// What the ensemble says itself.
const RAISE_RULES: u8 = 32;
const SHOW_MEMBERS: u8 = 33;

/// Collects commands into the bytes of a batch.
#[derive(Debug)]
pub struct BatchWriter {
    bytes: BytesMut,
    count: usize,
    rules: u16,
}

impl Default for BatchWriter {
    fn default() -> Self {
        let mut bytes = BytesMut::with_capacity(4096);
        bytes.put_bytes(0, HEADER_LEN);
        Self {
            bytes,
            count: 0,
            rules: RULES_MIN,
        }
    }
}

impl BatchWriter {
    /// Adds a client's write, its body being as the client sent it.
    pub fn client(
        &mut self,
        session: i64,
        generation: u32,
        identities: &[Identity],
        op: OpCode,
        body: &[u8],
    ) {
        self.begin(CLIENT);
        self.bytes.put_i64(session);
        self.bytes.put_u32(generation);
        self.request(identities, op, body);
    }

    /// The same for a write of a local session.
    pub fn local_client(&mut self, session: i64, identities: &[Identity], op: OpCode, body: &[u8]) {
        self.begin(LOCAL_CLIENT);
        self.bytes.put_i64(session);
        self.request(identities, op, body);
    }

    fn request(&mut self, identities: &[Identity], op: OpCode, body: &[u8]) {
        let at = self.bytes.len();
        self.bytes.put_u32(0);
        for identity in identities {
            put_text(&mut self.bytes, &identity.scheme);
            put_text(&mut self.bytes, &identity.id);
        }
        let length = u32_len(self.bytes.len() - at - 4);
        self.bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        self.bytes.put_i32(op.as_i32());
        self.bytes.put_u32(u32_len(body.len()));
        self.bytes.put_slice(body);
    }

    /// Adds any other command.
    ///
    /// # Panics
    /// With a client's write, which [`Self::client`] and [`Self::local_client`] take in the client's own bytes.
    pub fn push(&mut self, command: &Command) {
        match command {
            Command::Client { .. } | Command::LocalClient { .. } => {
                panic!("a client's write is added with its own bytes")
            }
            Command::UpgradeSession {
                session,
                timeout_ms,
            } => {
                self.begin(UPGRADE_SESSION);
                self.bytes.put_i64(*session);
                self.bytes.put_i32(*timeout_ms);
            }
            Command::OpenSession { timeout_ms } => {
                self.begin(OPEN_SESSION);
                self.bytes.put_i32(*timeout_ms);
            }
            Command::ReopenSession {
                session,
                timeout_ms,
            } => {
                self.begin(REOPEN_SESSION);
                self.bytes.put_i64(*session);
                self.bytes.put_i32(*timeout_ms);
            }
            Command::CloseSession {
                session,
                generation,
                term,
            } => {
                self.begin(CLOSE_SESSION);
                self.bytes.put_i64(*session);
                self.bytes.put_u32(*generation);
                self.bytes.put_u64(*term);
            }
            Command::RemoveExpired { path, czxid, mzxid } => {
                self.begin(REMOVE_EXPIRED);
                put_text(&mut self.bytes, path);
                self.bytes.put_i64(*czxid);
                self.bytes.put_i64(*mzxid);
            }
            Command::Form { cluster_id, secret } => {
                self.begin(FORM);
                self.bytes.put_u64(*cluster_id);
                self.bytes.put_slice(secret);
            }
            Command::Settings(settings) => {
                self.begin(SETTINGS);
                put_text(
                    &mut self.bytes,
                    &serde_json::to_string(settings).expect("plain fields always serialise"),
                );
            }
            Command::RaiseRules { rules } => {
                self.begin(RAISE_RULES);
                self.rules = self.rules.max(*rules);
                self.bytes.put_u16(*rules);
            }
            Command::ShowMembers => {
                self.begin(SHOW_MEMBERS);
                self.rules = self.rules.max(MEMBERS_SHOWN_ONCE);
            }
        }
    }

    /// Commands so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True before the first.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the batch.
    #[must_use]
    pub fn finish(mut self, member: u64, incarnation: u64, number: u64, time_ms: i64) -> Bytes {
        let mut header = &mut self.bytes[..HEADER_LEN];
        header.put_u16(self.rules);
        header.put_u64(member);
        header.put_u64(incarnation);
        header.put_u64(number);
        header.put_i64(time_ms);
        self.bytes.freeze()
    }

    /// Ends a batch of the ensemble itself, which the leader makes.
    #[must_use]
    pub fn finish_for_ensemble(self, time_ms: i64) -> Bytes {
        self.finish(ENSEMBLE, 0, 0, time_ms)
    }

    fn begin(&mut self, kind: u8) {
        self.count += 1;
        self.bytes.put_u8(kind);
    }
}

impl Batch {
    /// A batch of another member as its leader places it: with the leader's time.
    ///
    /// # Errors
    /// [`CommandError`] when the bytes are no batch: what is placed must be readable everywhere.
    pub fn stamped(input: Bytes, time_ms: i64) -> Result<Bytes, CommandError> {
        if Self::decode(input.clone())?.is_of_ensemble() {
            // Only the leader makes these.
            return Err(CommandError::Malformed);
        }
        let mut bytes = BytesMut::from(input);
        bytes[TIME_AT..HEADER_LEN].copy_from_slice(&time_ms.to_be_bytes());
        Ok(bytes.freeze())
    }

    /// Does the ensemble itself say this, and no member?
    #[must_use]
    pub fn is_of_ensemble(&self) -> bool {
        self.member == ENSEMBLE
    }

    /// Reads a batch from the log.
    ///
    /// # Errors
    /// [`CommandError`] when the bytes are none that this release knows.
    pub fn decode(mut input: Bytes) -> Result<Self, CommandError> {
        let rules = input.try_get_u16().map_err(malformed)?;
        if rules > RULES_MAX {
            return Err(CommandError::Newer(rules));
        }
        let mut batch = Self {
            rules,
            member: input.try_get_u64().map_err(malformed)?,
            incarnation: input.try_get_u64().map_err(malformed)?,
            number: input.try_get_u64().map_err(malformed)?,
            time_ms: input.try_get_i64().map_err(malformed)?,
            commands: Vec::new(),
        };
        // The same connection's commands mostly stand together: decode its identities once.
        let mut last = (Bytes::new(), Identities::from([]));
        while input.has_remaining() {
            batch.commands.push(take_command(&mut input, &mut last)?);
        }
        Ok(batch)
    }
}

fn take_command(
    input: &mut Bytes,
    last: &mut (Bytes, Identities),
) -> Result<Command, CommandError> {
    Ok(match input.try_get_u8().map_err(malformed)? {
        CLIENT => {
            let session = input.try_get_i64().map_err(malformed)?;
            let generation = input.try_get_u32().map_err(malformed)?;
            let (identities, request) = take_request(input, last)?;
            Command::Client {
                session,
                generation,
                identities,
                request,
            }
        }
        LOCAL_CLIENT => {
            let session = input.try_get_i64().map_err(malformed)?;
            let (identities, request) = take_request(input, last)?;
            Command::LocalClient {
                session,
                identities,
                request,
            }
        }
        UPGRADE_SESSION => Command::UpgradeSession {
            session: input.try_get_i64().map_err(malformed)?,
            timeout_ms: input.try_get_i32().map_err(malformed)?,
        },
        OPEN_SESSION => Command::OpenSession {
            timeout_ms: input.try_get_i32().map_err(malformed)?,
        },
        REOPEN_SESSION => Command::ReopenSession {
            session: input.try_get_i64().map_err(malformed)?,
            timeout_ms: input.try_get_i32().map_err(malformed)?,
        },
        CLOSE_SESSION => Command::CloseSession {
            session: input.try_get_i64().map_err(malformed)?,
            generation: input.try_get_u32().map_err(malformed)?,
            term: input.try_get_u64().map_err(malformed)?,
        },
        REMOVE_EXPIRED => Command::RemoveExpired {
            path: take_text(input)?,
            czxid: input.try_get_i64().map_err(malformed)?,
            mzxid: input.try_get_i64().map_err(malformed)?,
        },
        FORM => {
            let cluster_id = input.try_get_u64().map_err(malformed)?;
            let mut secret = [0; 32];
            input.try_copy_to_slice(&mut secret).map_err(malformed)?;
            Command::Form { cluster_id, secret }
        }
        SETTINGS => {
            let settings = take_text(input)?;
            Command::Settings(serde_json::from_str(&settings).map_err(|_| CommandError::Malformed)?)
        }
        RAISE_RULES => Command::RaiseRules {
            rules: input.try_get_u16().map_err(malformed)?,
        },
        SHOW_MEMBERS => Command::ShowMembers,
        _ => return Err(CommandError::Malformed),
    })
}

/// Who asks for what.
fn take_request(
    input: &mut Bytes,
    last: &mut (Bytes, Identities),
) -> Result<(Identities, Request), CommandError> {
    let identities = take_bytes(input)?;
    if identities != last.0 {
        *last = (identities.clone(), take_identities(identities)?);
    }
    let op =
        OpCode::from_i32(input.try_get_i32().map_err(malformed)?).ok_or(CommandError::Malformed)?;
    let body = take_bytes(input)?;
    let request = Request::decode(op, &body).map_err(|_| CommandError::Malformed)?;
    Ok((Identities::clone(&last.1), request))
}

fn take_identities(mut input: Bytes) -> Result<Identities, CommandError> {
    let mut identities = Vec::new();
    while input.has_remaining() {
        identities.push(Identity {
            scheme: take_text(&mut input)?,
            id: take_text(&mut input)?,
        });
    }
    Ok(identities.into())
}

fn take_bytes(input: &mut Bytes) -> Result<Bytes, CommandError> {
    let length = usize::try_from(input.try_get_u32().map_err(malformed)?)
        .map_err(|_| CommandError::Malformed)?;
    if length > input.remaining() {
        return Err(CommandError::Malformed);
    }
    Ok(input.split_to(length))
}

fn take_text(input: &mut Bytes) -> Result<String, CommandError> {
    String::from_utf8(take_bytes(input)?.into()).map_err(|_| CommandError::Malformed)
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u32(u32_len(text.len()));
    out.put_slice(text.as_bytes());
}

fn u32_len(length: usize) -> u32 {
    u32::try_from(length).expect("a frame and its identities are far below 4 GiB")
}

fn malformed(_: bytes::TryGetError) -> CommandError {
    CommandError::Malformed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch_of_all_kinds() -> Bytes {
        let mut writer = BatchWriter::default();
        let mut body = BytesMut::new();
        let request = Request::decode(
            OpCode::Delete,
            &Bytes::from_static(b"\0\0\0\x02/a\xff\xff\xff\xff"),
        )
        .expect("is one");
        request.encode(&mut body);
        let identities = [Identity {
            scheme: "ip".to_owned(),
            id: "::1".to_owned(),
        }];
        writer.client(7, 1, &identities, OpCode::Delete, &body);
        writer.push(&Command::OpenSession { timeout_ms: 4000 });
        writer.push(&Command::ReopenSession {
            session: 7,
            timeout_ms: 4000,
        });
        writer.push(&Command::CloseSession {
            session: 7,
            generation: 2,
            term: 3,
        });
        writer.push(&Command::RemoveExpired {
            path: "/c".to_owned(),
            czxid: 3,
            mzxid: 4,
        });
        writer.push(&Command::Form {
            cluster_id: 5,
            secret: [6; 32],
        });
        writer.push(&Command::Settings(ReplicatedSettings::default()));
        writer.local_client(8, &identities, OpCode::Delete, &body);
        writer.push(&Command::UpgradeSession {
            session: 8,
            timeout_ms: 5000,
        });
        assert_eq!(writer.len(), 9);
        writer.finish(1, 2, 3, 4)
    }

    #[test]
    fn every_kind_survives() {
        let batch = Batch::decode(batch_of_all_kinds()).expect("is one");
        assert_eq!(
            (batch.member, batch.incarnation, batch.number, batch.time_ms),
            (1, 2, 3, 4)
        );
        let Command::Client {
            session: 7,
            generation: 1,
            identities,
            request: Request::Delete(_),
        } = &batch.commands[0]
        else {
            panic!("{:?}", batch.commands[0])
        };
        assert_eq!(identities[0].id, "::1");
        assert_eq!(batch.commands[1], Command::OpenSession { timeout_ms: 4000 });
        assert_eq!(
            batch.commands[4],
            Command::RemoveExpired {
                path: "/c".to_owned(),
                czxid: 3,
                mzxid: 4
            }
        );
        assert_eq!(
            batch.commands[6],
            Command::Settings(ReplicatedSettings::default())
        );
        let Command::LocalClient {
            session: 8,
            identities,
            request: Request::Delete(_),
        } = &batch.commands[7]
        else {
            panic!("{:?}", batch.commands[7])
        };
        assert_eq!(identities[0].id, "::1");
        assert_eq!(
            batch.commands[8],
            Command::UpgradeSession {
                session: 8,
                timeout_ms: 5000
            }
        );
    }

    #[test]
    fn a_batch_cut_short_or_of_a_newer_release_is_an_error() {
        let whole = batch_of_all_kinds();
        for length in 0..HEADER_LEN {
            assert_eq!(
                Batch::decode(whole.slice(..length)),
                Err(CommandError::Malformed)
            );
        }
        let mut newer = BytesMut::from(&whole[..]);
        newer[..2].copy_from_slice(&(RULES_MAX + 1).to_be_bytes());
        assert_eq!(
            Batch::decode(newer.freeze()),
            Err(CommandError::Newer(RULES_MAX + 1))
        );
    }

    #[test]
    fn what_the_ensemble_says_names_the_rules_that_a_reader_needs() {
        let mut writer = BatchWriter::default();
        writer.push(&Command::RaiseRules { rules: 2 });
        writer.push(&Command::ShowMembers);
        let bytes = writer.finish_for_ensemble(0x0102_0304_0506_0708);
        let mut golden = vec![0, 2];
        golden.extend([0; 24]);
        golden.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        golden.extend([32, 0, 2, 33]);
        assert_eq!(bytes, golden);
        let batch = Batch::decode(bytes.clone()).expect("is one");
        assert_eq!(batch.rules, 2);
        assert!(batch.is_of_ensemble());
        assert_eq!(
            batch.commands,
            [Command::RaiseRules { rules: 2 }, Command::ShowMembers]
        );
        assert_eq!(
            Batch::stamped(bytes, 1),
            Err(CommandError::Malformed),
            "no member may forward it"
        );
    }

    #[test]
    fn what_every_release_reads_keeps_its_first_version() {
        let whole = batch_of_all_kinds();
        assert_eq!(whole[..2], [0, 1]);
        assert!(Batch::stamped(whole, 1).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Batch::decode(bytes.into());
        }
    }
}
