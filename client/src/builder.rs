//! How a client is made.

use crate::Error;
use crate::client::Client;
use crate::connect_string::ConnectString;
use crate::session::{COMMANDS_MAX, Session, SessionInfo, SessionState, Settings};
use crate::watch::WatchTable;
use bytes::Bytes;
use rand::seq::SliceRandom;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use treekeeper_protocol::frame::FRAME_LEN_MAX_DEFAULT;
use treekeeper_protocol::{PASSWORD_LEN, RequestHeader};

/// The longest request that is sent unless told otherwise: what a server accepts by default (`jute.maxbuffer`).
pub const REQUEST_LEN_MAX_DEFAULT: usize = FRAME_LEN_MAX_DEFAULT;

const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// What a client is to be like; [`Client::builder`] begins with the usual settings.
#[derive(Clone)]
pub struct ClientBuilder {
    session_timeout: Duration,
    connect_timeout: Duration,
    request_len_max: usize,
    read_only: bool,
    auths: Vec<(String, Bytes)>,
    session: SessionInfo,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            session_timeout: SESSION_TIMEOUT_DEFAULT,
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            request_len_max: REQUEST_LEN_MAX_DEFAULT,
            read_only: false,
            auths: Vec::new(),
            session: SessionInfo {
                id: 0,
                password: [0; PASSWORD_LEN],
                timeout: Duration::ZERO,
            },
        }
    }
}

impl ClientBuilder {
    /// The session timeout to ask for, 30 s unless told otherwise; the server sets bounds to it.
    #[must_use]
    pub fn session_timeout(self, session_timeout: Duration) -> Self {
        Self {
            session_timeout,
            ..self
        }
    }

    /// How long [`connect`](Self::connect) may take in all, 10 s unless told otherwise. Later attempts to reach a
    /// server get their share of it, too.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// Makes do with a read-only server if no other is found.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// An identity that every connection begins with, for example scheme `digest` and proof `user:password`.
    #[must_use]
    pub fn auth(mut self, scheme: impl Into<String>, proof: impl Into<Bytes>) -> Self {
        self.auths.push((scheme.into(), proof.into()));
        self
    }

    /// The longest request to send, for servers with another limit than [`REQUEST_LEN_MAX_DEFAULT`].
    #[must_use]
    pub fn request_len_max(self, request_len_max: usize) -> Self {
        Self {
            request_len_max,
            ..self
        }
    }

    /// Goes on with a session instead of opening one. The server closes its present connection, if there is one; a
    /// client behind that would come back and take the session again.
    #[must_use]
    pub fn session(self, session: SessionInfo) -> Self {
        Self { session, ..self }
    }

    /// Connects to one of the servers of `host:port,…/chroot` and opens a session.
    ///
    /// # Errors
    /// If the connect string is invalid, no server opens a session in time, or one refuses it.
    pub async fn connect(self, connect_string: &str) -> Result<Client, Error> {
        let ConnectString {
            mut servers,
            chroot,
        } = ConnectString::parse(connect_string)?;
        servers.shuffle(&mut rand::rng());
        let share = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let settings = Settings {
            servers,
            session_timeout: self.session_timeout,
            attempt_timeout: self.connect_timeout / share,
            read_only: self.read_only,
            auths: self.auths,
            session: self.session.clone(),
        };
        let (info_sender, info) = watch::channel(self.session);
        let (state_sender, mut state) = watch::channel(SessionState::Connecting);
        let (commands_sender, commands) = mpsc::channel(COMMANDS_MAX);
        let session = Session::new(
            settings,
            WatchTable::new(chroot.clone()),
            commands,
            info_sender,
            state_sender,
        );
        tokio::spawn(session.run());
        let request_len_max = self.request_len_max.saturating_sub(RequestHeader::LEN);
        let client = Client::new(
            commands_sender,
            chroot,
            info,
            state.clone(),
            request_len_max,
        );

        let opened = state.wait_for(|state| *state != SessionState::Connecting);
        let outcome = match tokio::time::timeout(self.connect_timeout, opened).await {
            Err(_) => Err(Error::Timeout),
            Ok(Err(_)) => Err(Error::Closed),
            Ok(Ok(state)) if state.is_final() => Err(state.error()),
            Ok(Ok(_)) => Ok(()),
        };
        outcome.map(|()| client)
    }
}
