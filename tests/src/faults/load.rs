//! The clients: registers, a list, ephemerals, one that follows a znode, and one that follows the list.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use treekeeper_client::{
    AddWatchMode, Client, CreateMode, CreateOptions, Error, ErrorCode, EventType, SessionState,
    Stat,
};

use super::history::{Action, Outcome, Recorder};

/// Znodes that are set and read at the same time.
pub const REGISTERS: usize = 4;
/// After this long others take their place, so that the search for an order of a register's calls stays short.
pub const PHASE: Duration = Duration::from_secs(20);
/// The list's znode.
pub const LIST: &str = "/list";
/// What a register is created with.
pub const INITIAL: &str = "initial";
/// Below it are the ephemerals.
pub const EPHEMERALS: &str = "/ephemerals";
/// Sessions that set and read registers, that append, that own ephemerals.
const REGISTER_WORKERS: usize = 4;
const APPENDERS: usize = 2;
const OWNERS: usize = 2;
/// How long a client tries to open a session at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call may take before it counts as unknown.
const CALL_MAX: Duration = Duration::from_secs(20);
/// The pause after a call that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How long the follower waits for an event before it reads anyway.
const EVENT_MAX: Duration = Duration::from_secs(1);

/// The path of a register.
#[must_use]
pub fn register_path(register: usize) -> String {
    format!("/register{register}")
}

/// A znode's data as text.
#[must_use]
pub fn text(data: Option<&Bytes>) -> String {
    data.map_or_else(String::new, |data| {
        String::from_utf8_lossy(data).into_owned()
    })
}

/// An item's number.
#[must_use]
pub fn number_of(path: &str) -> Option<i64> {
    path.rsplit('-').next()?.parse().ok()
}

/// What all clients share.
#[derive(Debug)]
pub struct Shared {
    /// All members.
    pub hosts: String,
    /// What they called.
    pub recorder: Recorder,
    /// Set when they are to end.
    pub stop: AtomicBool,
    /// How many registers there are, over all phases.
    pub registers: usize,
    /// Do the servers make every read a strict one?
    pub strict: bool,
    /// Sessions that expired while a client held them.
    pub expired: AtomicU64,
}

/// A session of ours that still lives, and its ephemerals.
#[derive(Debug)]
pub struct Live {
    /// The session.
    pub client: Client,
    /// Ephemerals that were acknowledged and not deleted.
    pub ephemerals: BTreeSet<String>,
}

/// A session, and what it owns.
#[derive(Debug)]
pub struct Owner {
    /// The session's id.
    pub session: i64,
    /// Ephemerals that were acknowledged and not deleted.
    pub ephemerals: BTreeSet<String>,
}

impl Shared {
    /// One of the registers of this phase.
    fn register(&self, of_phase: usize) -> usize {
        let phase = self.recorder.now().as_secs() / PHASE.as_secs();
        let last = self.registers.saturating_sub(REGISTERS);
        let first = usize::try_from(phase).map_or(last, |phase| (phase * REGISTERS).min(last));
        first + of_phase
    }

    /// The same client while its session lives, otherwise one with a new session.
    async fn renew(&self, client: Client, session_timeout: Duration) -> Client {
        let state = client.state();
        if !state.is_final() {
            return client;
        }
        if state == SessionState::Expired {
            self.expired.fetch_add(1, Ordering::Relaxed);
        }
        self.connect(session_timeout).await
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Opens a session, however long that takes.
    pub async fn connect(&self, session_timeout: Duration) -> Client {
        loop {
            let builder = Client::builder()
                .session_timeout(session_timeout)
                .connect_timeout(CONNECT_TIMEOUT);
            match builder.connect(&self.hosts).await {
                Ok(client) => return client,
                Err(_) => sleep(AFTER_FAILURE).await,
            }
        }
    }

    /// Does one call and records it.
    async fn call<T>(
        &self,
        client: &Client,
        action: Action,
        call: impl Future<Output = Result<T, Error>>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> Option<T> {
        let begun = self.recorder.begin(client.session().id, action);
        let result = match timeout(CALL_MAX, call).await {
            Ok(result) => result.map_err(|error| failure(&error)),
            Err(_) => Err(Outcome::Unknown("no answer in time".to_owned())),
        };
        match result {
            Ok(value) => {
                self.recorder.end(begun, outcome(&value));
                Some(value)
            }
            Err(failed) => {
                self.recorder.end(begun, failed);
                None
            }
        }
    }

    async fn set(
        &self,
        client: &Client,
        register: usize,
        value: String,
        expected: Option<i32>,
    ) -> Option<Stat> {
        let action = Action::Set {
            register,
            value: value.clone(),
            expected,
        };
        let path = register_path(register);
        let call = client.set_data(&path, value, expected);
        self.call(client, action, call, |stat| {
            Outcome::Set(i64::from(stat.version))
        })
        .await
    }

    /// Reads a register; behind a sync if asked for.
    pub async fn read(&self, client: &Client, register: usize, synced: bool) -> Option<Stat> {
        let path = register_path(register);
        let call = async {
            if synced {
                client.sync(&path).await?;
            }
            client.get_data(&path).await
        };
        let action = Action::Read {
            register,
            synced: synced || self.strict,
        };
        let read = self
            .call(client, action, call, |(data, stat)| {
                seen(data.as_ref(), stat)
            })
            .await;
        read.map(|(_, stat)| stat)
    }
}

fn seen(data: Option<&Bytes>, stat: &Stat) -> Outcome {
    Outcome::Read {
        value: text(data),
        version: i64::from(stat.version),
    }
}

/// What is known of a call that failed.
fn failure(error: &Error) -> Outcome {
    match error.code() {
        Some(ErrorCode::BadVersion | ErrorCode::NoNode | ErrorCode::NodeExists) => {
            Outcome::Refused(error.to_string())
        }
        _ => Outcome::Unknown(error.to_string()),
    }
}

/// The clients at work.
#[derive(Debug)]
pub struct Load {
    tasks: Vec<JoinHandle<Option<Live>>>,
}

impl Load {
    /// Starts all clients.
    #[must_use]
    pub fn start(shared: &Arc<Shared>, rng: &mut StdRng) -> Self {
        let mut tasks = Vec::new();
        for worker in 0..REGISTER_WORKERS {
            let seed = rng.random();
            tasks.push(tokio::spawn(registers(Arc::clone(shared), worker, seed)));
        }
        for worker in 0..APPENDERS {
            let seed = rng.random();
            tasks.push(tokio::spawn(append(Arc::clone(shared), worker, seed)));
        }
        for worker in 0..OWNERS {
            let seed = rng.random();
            tasks.push(tokio::spawn(own(Arc::clone(shared), worker, seed)));
        }
        tasks.push(tokio::spawn(follow(Arc::clone(shared))));
        tasks.push(tokio::spawn(follow_list(Arc::clone(shared))));
        Self { tasks }
    }

    /// Ends all clients; gives back the sessions that own something.
    ///
    /// # Errors
    /// When a client panicked.
    pub async fn finish(self, shared: &Shared) -> Result<Vec<Live>, String> {
        shared.stop.store(true, Ordering::Relaxed);
        let mut live = Vec::new();
        for task in self.tasks {
            let ended = task.await.map_err(|error| format!("a client: {error}"))?;
            live.extend(ended);
        }
        Ok(live)
    }
}

async fn registers(shared: Arc<Shared>, worker: usize, seed: u64) -> Option<Live> {
    let mut rng = StdRng::seed_from_u64(seed);
    let session_timeout = Duration::from_millis(rng.random_range(2_000..20_000));
    let mut client = shared.connect(session_timeout).await;
    let mut known = vec![None; shared.registers];
    let mut count = 0_u64;
    while shared.goes_on() {
        client = shared.renew(client, session_timeout).await;
        let register = shared.register(rng.random_range(0..REGISTERS));
        count += 1;
        let value = format!("worker{worker}-{count}");
        let stat = match rng.random_range(0..10) {
            0..=2 => shared.set(&client, register, value, None).await,
            3..=5 => shared.set(&client, register, value, known[register]).await,
            6..=8 => shared.read(&client, register, true).await,
            _ => {
                // Behind each other on the wire; the read has to see the write of its own session.
                let (set, read) = futures::join!(
                    shared.set(&client, register, value, None),
                    shared.read(&client, register, false)
                );
                read.or(set)
            }
        };
        known[register] = stat.map(|stat| stat.version).or(known[register]);
        sleep(if stat.is_some() {
            Duration::from_millis(rng.random_range(0..10))
        } else {
            AFTER_FAILURE
        })
        .await;
        if stat.is_none() {
            // The expected version may be an old one for ever.
            known[register] = None;
        }
    }
    None
}

async fn append(shared: Arc<Shared>, worker: usize, seed: u64) -> Option<Live> {
    let mut rng = StdRng::seed_from_u64(seed);
    let session_timeout = Duration::from_millis(rng.random_range(2_000..20_000));
    let mut client = shared.connect(session_timeout).await;
    let options = CreateOptions::new(CreateMode::PersistentSequential);
    let mut count = 0_u64;
    while shared.goes_on() {
        client = shared.renew(client, session_timeout).await;
        count += 1;
        let value = format!("appender{worker}-{count}");
        let action = Action::Append {
            value: value.clone(),
        };
        let path = format!("{LIST}/item-");
        let call = client.create(&path, value, &options);
        let appended = shared
            .call(&client, action, call, |(path, _)| {
                number_of(path).map_or_else(
                    || Outcome::Unknown(format!("{path} has no number")),
                    Outcome::Appended,
                )
            })
            .await;
        sleep(match appended {
            Some(_) => Duration::from_millis(rng.random_range(1..30)),
            None => AFTER_FAILURE,
        })
        .await;
    }
    None
}

/// A runtime whose tasks end where they are when it is dropped. Nobody waits for that, so a task may drop it.
struct Alone {
    handle: runtime::Handle,
    runtime: Option<Runtime>,
}

impl Alone {
    fn new() -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How an owner leaves its session.
enum Leave {
    Stay,
    Close,
    Abandon,
}

/// Opens sessions one after the other that own ephemerals, and closes or abandons them; the last one stays.
async fn own(shared: Arc<Shared>, worker: usize, seed: u64) -> Option<Live> {
    let mut rng = StdRng::seed_from_u64(seed);
    let looker = shared.connect(Duration::from_secs(20)).await;
    let mut looker = Some(looker);
    for turn in 0_u64.. {
        let is_last = !shared.goes_on();
        let leave = match rng.random_bool(0.5) {
            _ if is_last => Leave::Stay,
            true => Leave::Close,
            false => Leave::Abandon,
        };
        let session_timeout = Duration::from_millis(rng.random_range(2_000..6_000));
        let count = rng.random_range(1..8);
        let hold = Duration::from_millis(rng.random_range(0..3_000));
        let prefix = format!("{EPHEMERALS}/owner{worker}-{turn}");
        match leave {
            Leave::Stay => {
                let client = shared.connect(session_timeout).await;
                let ephemerals = create_ephemerals(&shared, &client, &prefix, count).await;
                return Some(Live { client, ephemerals });
            }
            Leave::Close => {
                let client = shared.connect(session_timeout).await;
                let ephemerals = create_ephemerals(&shared, &client, &prefix, count).await;
                sleep(hold).await;
                assert_there(&shared, &client, &ephemerals).await;
                let action = Action::Other("close".to_owned());
                let close = client.close();
                let closed = shared
                    .call(&client, action, close, |()| Outcome::Done)
                    .await;
                if closed.is_some() {
                    assert_gone(&shared, &mut looker, &ephemerals).await;
                }
            }
            Leave::Abandon => {
                // The client's task ends with its runtime, and closes no session.
                let Ok(alone) = Alone::new() else {
                    continue;
                };
                let sharing = Arc::clone(&shared);
                let task = alone.handle.spawn(async move {
                    let client = sharing.connect(session_timeout).await;
                    create_ephemerals(&sharing, &client, &prefix, count).await;
                    sleep(hold).await;
                    client
                });
                let client = task.await;
                drop(alone);
                // While a handle is there, the task that is about to go does not close the session.
                sleep(AFTER_FAILURE).await;
                drop(client);
            }
        }
    }
    None
}

/// Creates ephemerals; gives back those that were acknowledged and whose session still lives.
async fn create_ephemerals(
    shared: &Shared,
    client: &Client,
    prefix: &str,
    count: usize,
) -> BTreeSet<String> {
    let options = CreateOptions::new(CreateMode::Ephemeral);
    let mut created = BTreeSet::new();
    for index in 0..count {
        let path = format!("{prefix}-{index}");
        let action = Action::Other(format!("create the ephemeral {path}"));
        let call = client.create(&path, "", &options);
        let done = shared.call(client, action, call, |_| Outcome::Done).await;
        if done.is_some() {
            created.insert(path);
        }
    }
    created
}

/// Checks that a session that lives has all its ephemerals. It sees its own writes, so no sync is needed.
async fn assert_there(shared: &Shared, client: &Client, paths: &BTreeSet<String>) {
    for path in paths {
        let action = Action::Other(format!("look for {path} of a live session"));
        let call = client.exists(path);
        let found = shared.call(client, action, call, |_| Outcome::Done).await;
        if let Some(None) = found {
            shared.recorder.violation(format!(
                "{path} is gone though its session {:#x} lives",
                client.session().id
            ));
        }
    }
}

/// Checks that the ephemerals of a closed session are gone at once.
async fn assert_gone(shared: &Shared, looker: &mut Option<Client>, paths: &BTreeSet<String>) {
    for path in paths {
        let client = match looker.take().filter(|client| !client.state().is_final()) {
            Some(client) => client,
            None => shared.connect(Duration::from_secs(20)).await,
        };
        let call = async {
            client.sync(path).await?;
            client.exists(path).await
        };
        let action = Action::Other(format!("look for {path} of a closed session"));
        let found = shared.call(&client, action, call, |_| Outcome::Done).await;
        if let Some(Some(stat)) = found {
            shared.recorder.violation(format!(
                "{path} is there after its session {:#x} was closed",
                stat.ephemeral_owner
            ));
        }
        *looker = Some(client);
    }
}

/// Follows a register by one-shot watches. Its reads are part of the history: versions must grow, values be written.
/// No read may show a change before its event came.
async fn follow(shared: Arc<Shared>) -> Option<Live> {
    let session_timeout = Duration::from_secs(10);
    let mut client = shared.connect(session_timeout).await;
    while shared.goes_on() {
        client = shared.renew(client, session_timeout).await;
        let register = shared.register(0);
        let path = register_path(register);
        let action = Action::Read {
            register,
            synced: shared.strict,
        };
        let call = client.get_data_and_watch(&path);
        let armed = shared
            .call(&client, action, call, |(data, stat, _)| {
                seen(data.as_ref(), stat)
            })
            .await;
        let Some((_, armed, mut event)) = armed else {
            sleep(AFTER_FAILURE).await;
            continue;
        };
        match timeout(EVENT_MAX, &mut event).await {
            Ok(event) => {
                let is_change = event.event_type == EventType::NodeDataChanged;
                if !is_change && event.event_type != EventType::None {
                    shared
                        .recorder
                        .violation(format!("{path} only changes, but its event is {event:?}"));
                }
            }
            Err(_) => {
                let Some(stat) = shared.read(&client, register, false).await else {
                    continue;
                };
                if stat.version > armed.version && (&mut event).now_or_never().is_none() {
                    shared.recorder.violation(format!(
                        "session {:#x} watched {path} at version {}, and read version {} before an event",
                        client.session().id,
                        armed.version,
                        stat.version
                    ));
                }
            }
        }
    }
    None
}

/// Follows the list by a persistent watch. While its client is connected no item may be missing, and none may come before
/// an earlier one; what happens while it is not connected is not told.
async fn follow_list(shared: Arc<Shared>) -> Option<Live> {
    let session_timeout = Duration::from_secs(10);
    let mut client = shared.connect(session_timeout).await;
    while shared.goes_on() {
        client = shared.renew(client, session_timeout).await;
        let watched = client.add_watch(LIST, AddWatchMode::PersistentRecursive);
        let Ok(Ok(mut events)) = timeout(CALL_MAX, watched).await else {
            sleep(AFTER_FAILURE).await;
            continue;
        };
        let mut last: Option<i64> = None;
        while shared.goes_on() {
            let event = match timeout(EVENT_MAX, events.next_event()).await {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(_) => continue,
            };
            if event.event_type != EventType::NodeCreated {
                last = None;
                continue;
            }
            let number = number_of(&event.path);
            if let (Some(last), Some(number)) = (last, number)
                && number != last + 1
            {
                shared.recorder.violation(format!(
                    "session {:#x} watches {LIST}, and item {number} was told behind item {last}",
                    client.session().id
                ));
            }
            last = number;
        }
    }
    None
}
