//! One server: opens what is stored, joins the ensemble, listens, and stops.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::info;

use crate::admin::view::View;
use crate::apply::{Batch, Command, OpenError, RulesError, State};
use crate::config::{Config, DataDirError, ListenAddress, MetricsProvider, check_data_dir};
use crate::connection::{Listener, Workers, bind};
use crate::consensus::{
    Consensus, Joined, Options, PeerMember, PeerOptions, Refusal, StartError, TryProposeError,
};
use crate::peer::{Tls, TlsError};
use crate::publish::{
    ApplyError, FlushPolicy, Flusher, Linearizer, Machine, Node, Origin, TreeFolders,
};
use crate::rules::NodeRules;
use crate::tree::StoreError;
use crate::view::NodeView;
use crate::{admin, members, timers};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder must not be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A folder cannot be made.
    #[error("cannot create the folder {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A port cannot be bound.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// What was to be served there.
        what: &'static str,
        /// Where.
        address: ListenAddress,
        /// What the system says.
        source: io::Error,
    },
    /// The links to the other members cannot have TLS.
    #[error(transparent)]
    PeerTls(#[from] TlsError),
    /// Which tree is the current one cannot be told.
    #[error("cannot find the tree: {0}")]
    Tree(io::Error),
    /// The tree cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tree is of another release's rules.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The log cannot be opened, or the ensemble not be joined.
    #[error(transparent)]
    Consensus(#[from] StartError),
    /// The system has no thread left.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Something failed while the server started.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// Why a server cannot go on. It has acknowledged nothing since.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] crate::consensus::Failure),
    /// The tree's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A committed entry could not be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The others have another tree.
    #[error(
        "this server has another tree than the majority of the ensemble, so it stops: its data is damaged, or a bug has come \
         to light. Keep a copy of its data folder, remove the server from the ensemble, empty the folder, and add it again"
    )]
    Diverged,
    /// The disk of a leader does not answer, and nobody could take the lead over.
    #[error(
        "the disk of the log does not answer, so this leader stops: the other members go on. Check the disk, then start this \
         server again"
    )]
    DiskHangs,
    /// A task ended that must not.
    #[error("an internal task ended early")]
    Task,
}

/// A running server.
pub struct Server {
    node: Arc<Node>,
    consensus: Consensus,
    flusher: Flusher,
    tasks: JoinSet<()>,
    /// Serve the connections until the server is gone.
    _workers: Arc<Workers>,
    fatal: mpsc::Receiver<Fatal>,
    stop: watch::Sender<bool>,
    client_address: SocketAddr,
}

impl Server {
    /// Starts a server; it accepts clients when this returns.
    ///
    /// # Errors
    /// [`ServeError`] says what to do.
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        let began = Instant::now();
        check_data_dir(&config)?;
        let (tree_dir, log_dir) = (config.storage.tree_dir(), config.storage.log_dir());
        let data_folder = config.storage.data_folder();
        for folder in [&data_folder, &log_dir] {
            let failed = |source| ServeError::Folder {
                folder: folder.clone(),
                source,
            };
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // Bound first: a port in use is known before anything is touched. Nobody is accepted before all is recovered.
        let listen = |what, address| {
            move |source| ServeError::Listen {
                what,
                address,
                source,
            }
        };
        let clients = bind(&config.client).map_err(listen("clients", config.client.address))?;
        let client_address = clients
            .local_addr()
            .map_err(listen("clients", config.client.address))?;
        let peers = bind_peers(&config)?;
        let tls = peer_tls(&config)?;
        let admin = bind_http(&config).await?;

        let (fatal_sender, mut fatal) = mpsc::channel(8);
        let config = Arc::new(config);
        let cache_bytes = config.storage.cache_bytes;
        let folders = TreeFolders::new(tree_dir);
        let current = folders.current().map_err(ServeError::Tree)?;
        let dir = current.dir.clone();
        let state = tokio::task::spawn_blocking(move || State::open(&dir, cache_bytes));
        let state = state.await.map_err(|_| Fatal::Task)??;
        config.rules.check(state.rules())?;
        let opened = began.elapsed();
        let first = state.meta.index;
        let mut flusher = Flusher::new(FlushPolicy::default(), &state.meta);
        let node = Arc::new(Node::new(Arc::clone(&config), state));
        let report = Report(fatal_sender);
        // Opened and so locked: what lies beside it is nobody's.
        folders.remove_garbage().map_err(ServeError::Tree)?;
        let received = current.received.map(|(index, _)| index);
        let machine = Machine::new(
            Arc::clone(&node),
            flusher.signal(),
            folders,
            received,
            report.apply(),
        );
        // Before the log is replayed: a replay fills the buffer, and waits for the flusher when it is full.
        let durable = {
            let node = Arc::downgrade(&node);
            move || {
                let node = node.upgrade();
                if let Some(consensus) = node.as_ref().and_then(|node| node.consensus.get()) {
                    consensus.flushed();
                }
            }
        };
        flusher
            .start(&node, durable, report.flusher())
            .map_err(ServeError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let view: Arc<dyn View> = Arc::new(NodeView::new(Arc::clone(&node), client_address.port()));
        let workers = Arc::new(Workers::start(&node).map_err(ServeError::Thread)?);
        let listener = Listener::new(
            Arc::clone(&node),
            Arc::clone(&view),
            clients,
            Arc::clone(&workers),
            Arc::new(report.store()),
        );
        // A server alone is asked when it can answer. A member tells what it waits for.
        let mut listening = Some((listener, admin));
        if config.ensemble.is_some()
            && let Some((listener, admin)) = listening.take()
        {
            spawn_http(&mut tasks, admin, &view, &config, &stopped);
            tasks.spawn(timers::expire_local_sessions(Arc::clone(&node)));
            tasks.spawn(listener.run());
        }
        let refused = Arc::new(Notify::new());
        let joined = tokio::select! {
            joined = join(&node, machine, peers, tls, &refused, report.clone()) => joined,
            // A member may wait for the others for long.
            Some(reason) = fatal.recv() => Err(reason.into()),
        };
        let consensus = match joined {
            Ok(consensus) => consensus,
            Err(error) => {
                flusher.stop();
                return Err(error);
            }
        };
        assert!(
            node.consensus.set(consensus.clone()).is_ok(),
            "a server starts once"
        );
        let asking = consensus.clone();
        let linearizer: Linearizer = Box::new(move || {
            let asking = asking.clone();
            Box::pin(async move { asking.linearize().await.map(drop) })
        });
        assert!(
            node.linearizer.set(linearizer).is_ok(),
            "a server starts once"
        );

        let (failed, reporting) = (consensus.clone(), report.clone());
        tasks.spawn(async move { reporting.send(failed.failed().await.into()) });
        if config.ensemble.is_some() {
            let (node, consensus) = (Arc::clone(&node), consensus.clone());
            tasks.spawn(members::send_again(node, consensus, refused));
        }
        begin(&node, &consensus, &mut fatal).await?;
        if config.ensemble.is_some() {
            let contact = members::keep_contact(Arc::clone(&node), consensus.clone());
            let disk = timers::give_up_lead_if_disk_hangs(Arc::clone(&node), consensus.clone());
            let reporting = report.clone();
            tasks.spawn(async move {
                let reason = tokio::select! {
                    () = contact => Fatal::Diverged,
                    () = disk => Fatal::DiskHangs,
                };
                reporting.send(reason);
            });
        }
        let zxid = node.state.read().meta.zxid;
        let replayed = node.state.read().meta.index - first;
        node.metrics.dbinittime.record(began.elapsed());
        node.metrics.startup_snap_load_time.record(opened);
        let replay_time = began.elapsed().saturating_sub(opened);
        node.metrics.startup_txns_load_time.record(replay_time);
        let entries = usize::try_from(replayed).unwrap_or(usize::MAX);
        node.metrics.startup_txns_loaded.record(entries);
        info!(
            data = %config.storage.data_dir.display(), zxid = format_args!("{zxid:#x}"), replayed,
            took_ms = began.elapsed().as_millis(), "recovered"
        );

        tasks.spawn(timers::expire_sessions(Arc::clone(&node)));
        tasks.spawn(timers::remove_expired_znodes(Arc::clone(&node)));
        tasks.spawn(timers::watch_log(Arc::clone(&node)));
        forget_permission(&config);
        remember(&node);
        if let Some((listener, admin)) = listening {
            spawn_http(&mut tasks, admin, &view, &config, &stopped);
            tasks.spawn(listener.run());
        }
        info!(address = %client_address, "listening for clients");
        Ok(Self {
            node,
            consensus,
            flusher,
            tasks,
            _workers: workers,
            fatal,
            stop,
            client_address,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// Waits until the server, which stood alone, has to start again as an ensemble, because another one joins.
    pub fn becomes_ensemble(&self) -> impl Future<Output = ()> + use<> {
        let node = Arc::clone(&self.node);
        async move { node.joins.becomes_ensemble.notified().await }
    }

    /// Waits until the server cannot go on.
    pub async fn failed(&mut self) -> Fatal {
        tokio::select! {
            fatal = self.fatal.recv() => fatal.unwrap_or(Fatal::Task),
            // Ticks, listeners and their like never end by themselves.
            _ = self.tasks.join_next() => match self.fatal.try_recv() {
                Ok(fatal) => fatal,
                Err(_) => Fatal::Task,
            },
        }
    }

    /// Stops: closes the clients' connections, applies what is on its way, and makes everything durable.
    pub async fn stop(mut self) {
        info!("stopping");
        self.consensus.hand_over().await;
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
        for connection in self.node.registry.all() {
            connection.close();
        }
        self.consensus.shutdown().await;
        let flusher = self.flusher;
        if tokio::task::spawn_blocking(move || flusher.stop())
            .await
            .is_err()
        {
            tracing::error!("the flusher did not end well");
        }
        info!(
            zxid = format_args!("{:#x}", self.node.state.read().meta.zxid),
            "stopped"
        );
    }
}

/// A server that has joined remembers that it is a member: from now on it starts whoever else runs.
fn remember(node: &Node) {
    let Some(known) = &node.config.join.remembered else {
        return;
    };
    let cluster_id = node.state.read().meta.cluster_id;
    if known.admitted && known.cluster_id == cluster_id {
        return;
    }
    let folder = node.config.storage.data_folder();
    if let Err(error) = known.admitted_to(cluster_id).write(&folder) {
        tracing::warn!(folder = %folder.display(), %error, "cannot write down that this server has joined");
    }
}

/// With `db.autocreate=false` the file `initialize` permits one new database; that is now made.
fn forget_permission(config: &Config) {
    let permission = config.storage.data_dir.join("initialize");
    if !config.storage.create_database
        && permission.exists()
        && let Err(error) = std::fs::remove_file(&permission)
    {
        tracing::warn!(file = %permission.display(), %error, "cannot remove the permission for a new database");
    }
}

/// Passes on what stops the process.
#[derive(Clone)]
struct Report(mpsc::Sender<Fatal>);

impl Report {
    fn send(&self, fatal: Fatal) {
        // When the channel is full the first reasons are there already, and one is enough.
        let _ = self.0.try_send(fatal);
    }

    fn apply(&self) -> impl Fn(ApplyError) + Send + use<> {
        let report = self.clone();
        move |error| report.send(error.into())
    }

    fn flusher(&self) -> impl Fn(Option<StoreError>) + Send + use<> {
        let report = self.clone();
        move |error| report.send(error.map_or(Fatal::Task, Fatal::from))
    }

    fn store(&self) -> impl Fn(StoreError) + Send + Sync + use<> {
        let report = self.clone();
        move |error| report.send(error.into())
    }
}

/// The ports of HTTP, bound.
struct Http {
    admin: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

async fn bind_http(config: &Config) -> Result<Http, ServeError> {
    let mut http = Http {
        admin: None,
        metrics: None,
    };
    if config.admin.enabled {
        let what = "HTTP commands (admin.serverPort)";
        match bind_tcp(config.admin.address, what).await {
            Ok(listener) => http.admin = Some(listener),
            // As a stock server: 8080 is everybody's port, and clients come first.
            Err(error) => tracing::warn!(%error, "serving without HTTP commands"),
        }
    }
    if let MetricsProvider::Prometheus { address } = config.metrics {
        http.metrics = Some(bind_tcp(address, "metrics (metricsProvider.httpPort)").await?);
    }
    Ok(http)
}

async fn bind_tcp(address: ListenAddress, what: &'static str) -> Result<TcpListener, ServeError> {
    let candidates = address.candidates();
    TcpListener::bind(candidates.as_slice())
        .await
        .map_err(|source| ServeError::Listen {
            what,
            address,
            source,
        })
}

fn spawn_http(
    tasks: &mut JoinSet<()>,
    http: Http,
    view: &Arc<dyn View>,
    config: &Arc<Config>,
    stopped: &watch::Receiver<bool>,
) {
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move {
            // An error means that the server is gone, which is a stop as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    };
    if let Some(listener) = http.admin {
        let (view, config, stopped) = (Arc::clone(view), Arc::clone(config), until_stopped());
        if let Ok(address) = listener.local_addr() {
            info!(%address, "listening for HTTP commands");
        }
        tasks.spawn(async move {
            if let Err(error) = admin::http::serve(listener, view, &config.admin, stopped).await {
                tracing::error!(%error, "HTTP commands are served no longer");
            }
            std::future::pending::<()>().await;
        });
    }
    if let Some(listener) = http.metrics {
        let (view, stopped) = (Arc::clone(view), until_stopped());
        tasks.spawn(async move {
            if let Err(error) = admin::http::serve_metrics(listener, view, stopped).await {
                tracing::error!(%error, "metrics are served no longer");
            }
            std::future::pending::<()>().await;
        });
    }
}

/// Where the other members reach this one: the quorum port of its own line. None for a server alone.
fn bind_peers(config: &Config) -> Result<Option<std::net::TcpListener>, ServeError> {
    let Some(ensemble) = &config.ensemble else {
        return Ok(None);
    };
    let own = ensemble.members[&ensemble.my_id].addresses.first();
    let port = own.map_or(0, |address| address.quorum_port);
    let host = own.and_then(|address| address.host.parse::<std::net::IpAddr>().ok());
    let address = match host {
        // Who has joined on this machine is reached from nowhere else.
        Some(ip) if config.join.remembered.is_some() && ip.is_loopback() => {
            ListenAddress::At((ip, port).into())
        }
        _ => ListenAddress::Any { port },
    };
    let candidates = address.candidates();
    let bound = std::net::TcpListener::bind(candidates.as_slice());
    bound.map(Some).map_err(|source| ServeError::Listen {
        what: "other members",
        address,
        source,
    })
}

/// TLS between this member and the others, if the config asks for it.
fn peer_tls(config: &Config) -> Result<Option<Arc<Tls>>, ServeError> {
    let (Some(ensemble), Some(settings)) = (&config.ensemble, &config.peer_tls) else {
        return Ok(None);
    };
    let members = ensemble.members.values();
    let hosts = members.flat_map(|member| &member.addresses);
    let hosts = hosts.map(|address| address.host.clone()).collect();
    Ok(Some(Tls::load(settings, hosts)?))
}

/// Opens the log and joins the ensemble.
async fn join(
    node: &Arc<Node>,
    machine: Machine,
    listener: Option<std::net::TcpListener>,
    tls: Option<Arc<Tls>>,
    refused: &Arc<Notify>,
    report: Report,
) -> Result<Consensus, ServeError> {
    let config = &node.config;
    let refused = Arc::clone(refused);
    let is_alone = config.ensemble.is_none();
    let on_refused = Arc::new(move |refusal: Refusal| {
        if is_alone {
            // The only voter leads for as long as it lives: a refusal means that its log has failed.
            tracing::error!(?refusal, "a proposal was refused");
            report.send(Fatal::Task);
        } else {
            refused.notify_one();
        }
    });
    let mut options = Options::new(config.storage.log_dir(), on_refused);
    options.log_kept_bytes = config.storage.log_retention(is_alone);
    if let (Some(ensemble), Some(listener)) = (&config.ensemble, listener) {
        let clock = node.clock;
        let (reported, data_of) = (Arc::downgrade(node), Arc::downgrade(node));
        options.peers = Some(PeerOptions {
            my_id: ensemble.my_id,
            cluster_id: Arc::new(move || {
                let node = data_of.upgrade();
                node.map_or(0, |node| node.state.read().meta.cluster_id)
            }),
            members: ensemble
                .members
                .iter()
                .map(|(id, member)| (*id, PeerMember::of(member)))
                .collect(),
            listener: Arc::new(listener),
            tls,
            reconfig_enabled: ensemble.reconfig_enabled,
            join_rule: config.join.rule.clone(),
            joined: config.join.remembered.as_ref().map(|known| Joined {
                replaces: known.replaces,
            }),
            check_forwarded: Arc::new(move |command| Batch::stamped(command, clock.wall_ms()).ok()),
            on_report: Arc::new(move |member, report| {
                let node = reported.upgrade()?;
                members::heard(&node, member, report)
            }),
            replicated: Arc::new(NodeRules::new(node)),
        });
    }
    Ok(Consensus::start(options, machine).await?)
}

/// Begins to take part: numbers its commands, gives a new ensemble its identity, gives every session its full time-out.
/// Returns when this member has applied everything that was committed before.
async fn begin(
    node: &Arc<Node>,
    consensus: &Consensus,
    fatal: &mut mpsc::Receiver<Fatal>,
) -> Result<(), ServeError> {
    let member = consensus.node_id();
    let (incarnation, formed, settings, rules) = {
        let state = node.state.read();
        let meta = &state.meta;
        (
            meta.next_incarnation(member).max(consensus.incarnation()),
            meta.cluster_id != 0,
            meta.settings,
            meta.rules(),
        )
    };
    node.proposer
        .connect(member, incarnation, hand_over(consensus.clone()));
    if !formed {
        let form = Command::Form {
            cluster_id: rand::random::<u64>().max(1),
            secret: rand::random(),
        };
        node.proposer.command(&form, Origin::Timer(None));
    }
    let wanted = node.config.replicated;
    if settings != wanted {
        if formed && node.config.ensemble.is_some() {
            tracing::warn!(
                ensemble = ?settings, this_server = ?wanted,
                "this server was started with other settings than the ensemble uses, and they count for all from now on: give \
                 all servers the same skipACL, enforceQuota, extendedTypesEnabled and DigestAuthenticationProvider.enabled"
            );
        }
        node.proposer
            .command(&Command::Settings(wanted), Origin::Timer(None));
    }
    let newest = node.config.rules.max();
    if node.config.ensemble.is_none() && rules < newest {
        // Nobody else has to know them.
        let raise = Command::RaiseRules { rules: newest };
        node.proposer.command(&raise, Origin::Timer(None));
    }
    let (sender, started) = oneshot::channel();
    node.proposer
        .command(&Command::Settings(wanted), Origin::Start(sender));
    tokio::select! {
        // Dropped only when apply has failed, which `fatal` tells.
        Ok(()) = started => {}
        Some(reason) = fatal.recv() => return Err(reason.into()),
    }
    let now_ms = node.clock.now_ms();
    let state = node.state.read();
    let mut expiry = node.expiry.lock();
    for (id, session) in &state.sessions {
        expiry.open(*id, session.generation, session.timeout_ms, now_ms);
    }
    Ok(())
}

/// Hands entries to consensus without waiting, in order. When consensus does not take one at once, a task waits for
/// it, and everything behind it goes the same way until that is through.
fn hand_over(consensus: Consensus) -> impl Fn(Bytes) + Send + Sync {
    #[expect(
        clippy::disallowed_methods,
        reason = "the proposer bounds the entries on their way"
    )]
    let (sender, mut queue) = mpsc::unbounded_channel::<Bytes>();
    let waiting = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let task = {
        let (consensus, waiting) = (consensus.clone(), Arc::clone(&waiting));
        async move {
            while let Some(entry) = queue.recv().await {
                // An error means that consensus has stopped, which `Consensus::failed` tells.
                let _ = consensus.propose(entry, 0).await;
                waiting.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
            }
        }
    };
    tokio::spawn(task);
    move |entry| {
        let entry = if waiting.load(std::sync::atomic::Ordering::Acquire) == 0 {
            match consensus.try_propose(entry, 0) {
                Err(TryProposeError::Full(entry)) => entry,
                // As above.
                Ok(()) | Err(TryProposeError::Stopped(_)) => return,
            }
        } else {
            entry
        };
        waiting.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        // The receiver lives as long as this closure.
        let _ = sender.send(entry);
    }
}

/// How long a clean stop may take before the process ends all the same.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);
