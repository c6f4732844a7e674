//! The session itself: its state, its identities, its end.

use super::Client;
use crate::session::Command;
use crate::{Error, SessionInfo, SessionState};
use bytes::Bytes;
use tokio::sync::watch;
use treekeeper_protocol::response::WhoAmIResponse;
use treekeeper_protocol::{ClientInfo, Request};

impl Client {
    /// Where the session stands now.
    #[must_use]
    pub fn state(&self) -> SessionState {
        *self.inner.state.borrow()
    }

    /// Where the session stands, to wait for changes of it. Who looks seldom sees the latest state only.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<SessionState> {
        self.inner.state.clone()
    }

    /// Id, password and negotiated timeout of the session.
    #[must_use]
    pub fn session(&self) -> SessionInfo {
        self.inner.info.borrow().clone()
    }

    /// Adds an identity, now and for every later connection: for example scheme `digest`, proof `user:password`.
    ///
    /// # Errors
    /// If the server refuses it, which ends the session for this client, or no reply comes.
    pub async fn auth(
        &self,
        scheme: impl Into<String>,
        proof: impl Into<Bytes>,
    ) -> Result<(), Error> {
        let (scheme, proof) = (scheme.into(), proof.into());
        self.command(|reply| Command::Auth {
            scheme,
            proof,
            reply,
        })
        .await
        .map(drop)
    }

    /// The identities of the connection.
    ///
    /// # Errors
    /// If no reply comes.
    pub async fn who_am_i(&self) -> Result<Vec<ClientInfo>, Error> {
        Ok(WhoAmIResponse::decode(&self.call(&Request::WhoAmI).await?)?.infos)
    }

    /// Closes the session, after which its ephemeral znodes are gone, for all handles.
    ///
    /// The client is closed in any case; after an error the session may live on until it expires.
    ///
    /// # Errors
    /// If the session is over already, if no server is connected ([`Error::ConnectionLoss`]), or if the connection is
    /// lost before the server confirms.
    pub async fn close(&self) -> Result<(), Error> {
        self.command(|reply| Command::Close { reply })
            .await
            .map(drop)
    }
}
