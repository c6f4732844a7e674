//! What every part of one server shares.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};

use super::{Clock, Contact, Digests, Divergence, Proposer};
use crate::admin::metrics::Metrics;
use crate::apply::State;
use crate::auth::Providers;
use crate::config::{Config, Ensemble};
use crate::connection::join::Joins;
use crate::connection::{FanOut, LargeRequestBytes, Registry};
use crate::consensus::{Consensus, LinearizeError, Role, Stopped};
use crate::session::{Expiry, Holders, LocalSessions};
use crate::watch::WatchTable;

/// A member looks for a quorum for so long at least before it serves read-only clients (`QuorumPeer.run`).
const READ_ONLY_PATIENCE_MIN: Duration = Duration::from_secs(2);

/// Waits until this member has applied everything that was committed anywhere when it was called.
pub type Linearizer = Box<dyn Fn() -> BoxFuture<'static, Result<(), LinearizeError>> + Send + Sync>;

/// One server. Locks are taken in the order of the fields, and none is held across a wait.
pub struct Node {
    /// The publish lock: znodes, sessions, counters.
    pub state: RwLock<State>,
    /// Who watches what.
    pub watches: Mutex<WatchTable>,
    /// Which connection holds which session.
    pub holders: Mutex<Holders>,
    /// When sessions expire.
    pub expiry: Mutex<Expiry>,
    /// The sessions of this member alone (`localSessionsEnabled`).
    pub local_sessions: Mutex<LocalSessions>,
    /// The sessions that it opened while it had no contact with a quorum (`readonlymode.enabled`).
    pub read_only_sessions: Mutex<LocalSessions>,
    /// The tree's digest at recorded points.
    pub digests: Mutex<Digests>,
    /// Whether the others have the same tree.
    pub divergence: Mutex<Divergence>,
    /// Commands on their way into the log.
    pub proposer: Proposer,
    /// Open connections.
    pub registry: Registry,
    /// Bytes of large requests in flight.
    pub large_requests: LargeRequestBytes,
    /// Who may authenticate how.
    pub providers: Providers,
    /// What is counted.
    pub metrics: Metrics,
    /// What was set.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// Whether this member may answer.
    pub contact: Contact,
    /// Who tells very many watchers of one change, once connections are served.
    pub fan_out: OnceLock<FanOut>,
    /// Who wants to join.
    pub joins: Joins,
    /// The ensemble, once it is joined.
    pub consensus: OnceLock<Consensus>,
    /// How syncs and strict reads wait, once the ensemble is joined.
    pub linearizer: OnceLock<Linearizer>,
}

impl Node {
    /// A server over `state`, not yet connected to consensus.
    #[must_use]
    pub fn new(config: Arc<Config>, state: State) -> Self {
        Self::with_clock(config, state, Clock::start())
    }

    /// The same by the clock that is given.
    #[must_use]
    pub fn with_clock(config: Arc<Config>, state: State, clock: Clock) -> Self {
        let tick_ms = i64::try_from(config.tick_time.as_millis()).unwrap_or(i64::MAX);
        let client = &config.client;
        // A third of the shortest time-out: a session that moves on after it is found here by nobody.
        let limit = |ensemble: &Ensemble| ensemble.sync_limit.min(client.min_session_timeout / 3);
        let mut contact = Contact::new(clock, config.ensemble.as_ref().map(limit));
        if config.sessions.read_only_mode {
            contact = contact.read_only_after(config.tick_time.max(READ_ONLY_PATIENCE_MIN));
        }
        let my_id = config
            .ensemble
            .as_ref()
            .map_or(0, |ensemble| ensemble.my_id);
        // The ensemble's time never goes back, whatever becomes of this machine's.
        let time_ms = state.meta.time_ms.max(clock.wall_ms());
        let skip_acl = config.replicated.skip_acl;
        Self {
            state: RwLock::new(state),
            watches: Mutex::default(),
            holders: Mutex::default(),
            expiry: Mutex::new(Expiry::new(tick_ms)),
            local_sessions: Mutex::new(LocalSessions::local(my_id, time_ms, tick_ms)),
            read_only_sessions: Mutex::new(LocalSessions::read_only(my_id, time_ms, tick_ms)),
            digests: Mutex::default(),
            divergence: Mutex::default(),
            proposer: Proposer::new(clock),
            registry: Registry::new(client.max_client_cnxns, client.max_cnxns, skip_acl),
            large_requests: LargeRequestBytes::new(client.large_requests),
            providers: Providers {
                digest_algorithm: config.auth.digest_algorithm,
                digest_enabled: config.replicated.digest_scheme,
                super_digest: config.auth.super_digest.clone(),
            },
            metrics: Metrics::new(),
            config,
            clock,
            contact,
            fan_out: OnceLock::new(),
            joins: Joins::default(),
            consensus: OnceLock::new(),
            linearizer: OnceLock::new(),
        }
    }

    /// Waits until this member has applied everything that was committed anywhere when it was called.
    ///
    /// # Errors
    /// [`LinearizeError`] when no leader with a majority answers, or the ensemble is not joined.
    pub async fn linearize(&self) -> Result<(), LinearizeError> {
        match self.linearizer.get() {
            Some(linearize) => linearize().await,
            None => Err(Stopped.into()),
        }
    }

    /// Does this member serve those who make do with reading, and nobody else? Never before it belongs to an ensemble.
    #[must_use]
    pub fn serves_read_only(&self) -> bool {
        self.contact.is_read_only() && self.state.read().meta.cluster_id != 0
    }

    /// The term in which this member leads, if it does.
    #[must_use]
    pub fn leads(&self) -> Option<u64> {
        let leadership = *self.consensus.get()?.leadership().borrow();
        (leadership.role == Role::Leader).then_some(leadership.term)
    }
}
