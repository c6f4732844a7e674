//! What members tell each other: late, in any order, twice, or never.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{
    AnyError, AsyncRuntime, BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2,
};
use openraft_rt_sim::SimRuntime;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;

use crate::member::Running;
use crate::time::now;
use crate::types::Types;
use crate::world::World;

/// Who waits longer for an answer takes the message for lost.
const ANSWER_MAX: Duration = Duration::from_millis(150);
/// How long a member that cannot be reached is left alone, as in the server.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The state of all links.
pub(crate) struct Network {
    inner: Mutex<Inner>,
}

struct Inner {
    rng: StdRng,
    /// From whom to whom nothing passes.
    cut: BTreeSet<(u64, u64)>,
    weather: Weather,
    /// When the last request was sent that this member answered to that one.
    heard: BTreeMap<(u64, u64), Duration>,
    /// When a majority last confirmed this member, or a leader that told it so.
    confirmed: BTreeMap<u64, Duration>,
}

/// How messages fare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Of a thousand messages so many are lost.
    pub(crate) lost: u32,
    /// Of a thousand messages so many come twice.
    pub(crate) doubled: u32,
    /// Of a thousand messages so many are very late.
    pub(crate) late: u32,
    /// The shortest way, in µs; the longest is five times that.
    pub(crate) delay_us: u64,
}

impl Weather {
    pub(crate) const FAIR: Self = Self {
        lost: 0,
        doubled: 0,
        late: 0,
        delay_us: 100,
    };
}

/// What very late is, in ms.
const LATE_MS_MAX: u64 = 400;

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                rng: StdRng::seed_from_u64(seed),
                cut: BTreeSet::new(),
                weather: Weather::FAIR,
                heard: BTreeMap::new(),
                confirmed: BTreeMap::new(),
            }),
        }
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.inner.lock().weather = weather;
    }

    /// Nothing passes on these ways from now on, and on all others everything does.
    pub(crate) fn cut(&self, ways: impl IntoIterator<Item = (u64, u64)>) {
        self.inner.lock().cut = ways.into_iter().collect();
    }

    /// When the copies of a message arrive that is sent now: none if it is lost.
    fn fate(&self, from: u64, to: u64) -> Vec<Duration> {
        let mut inner = self.inner.lock();
        let Inner {
            rng, cut, weather, ..
        } = &mut *inner;
        let mut of_thousand = |chance: u32| rng.random_range(0..1000) < chance;
        if cut.contains(&(from, to)) || of_thousand(weather.lost) {
            return Vec::new();
        }
        let copies = if of_thousand(weather.doubled) { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                let delay = weather.delay_us;
                let usual = Duration::from_micros(rng.random_range(delay..=delay * 5));
                if rng.random_range(0..1000) < weather.late {
                    usual + Duration::from_millis(rng.random_range(1..=LATE_MS_MAX))
                } else {
                    usual
                }
            })
            .collect()
    }

    fn heard(&self, by: u64, from: u64, sent: Duration) {
        let mut inner = self.inner.lock();
        let last = inner.heard.entry((by, from)).or_default();
        *last = (*last).max(sent);
    }

    /// Another process runs as this member: it has heard nobody.
    pub(crate) fn forget(&self, member: u64) {
        let mut inner = self.inner.lock();
        inner.heard.retain(|(by, _), _| *by != member);
        inner.confirmed.remove(&member);
    }

    /// A majority has confirmed this member as far as the answers go that it has: in each of these sets of voters.
    pub(crate) fn count_votes(&self, member: u64, voters: &[BTreeSet<u64>]) {
        let then = {
            let inner = self.inner.lock();
            let answered = |voters: &BTreeSet<u64>| {
                let answers = voters.iter().map(|voter| match *voter == member {
                    true => Some(now()),
                    false => inner.heard.get(&(member, *voter)).copied(),
                });
                let mut answers: Vec<Option<Duration>> = answers.collect();
                answers.sort_unstable();
                answers.into_iter().rev().nth(voters.len() / 2).flatten()
            };
            voters.iter().map(answered).min().flatten()
        };
        if let Some(then) = then {
            self.confirmed(member, then);
        }
    }

    /// A majority confirmed this member then, or the leader that told it so.
    pub(crate) fn confirmed(&self, member: u64, then: Duration) {
        let mut inner = self.inner.lock();
        let last = inner.confirmed.entry(member).or_default();
        *last = (*last).max(then);
    }

    /// The last time at which a majority did.
    pub(crate) fn last_confirmed(&self, member: u64) -> Option<Duration> {
        self.inner.lock().confirmed.get(&member).copied()
    }
}

/// No answer came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoAnswer;

/// What a member does with a request.
pub(crate) type Handling<A> = Pin<Box<dyn Future<Output = Option<A>> + Send>>;

/// Asks a member: the request travels, whoever runs there when it arrives handles it, the answer travels back. The
/// request may be handled twice, or handled without an answer.
pub(crate) async fn call<A: Send + 'static>(
    world: &Arc<World>,
    from: (u64, u64),
    to: u64,
    handle: impl Fn(Arc<Running>) -> Handling<A> + Send + Sync + 'static,
) -> Result<A, NoAnswer> {
    let (sender, from_incarnation) = from;
    if !world.runs(sender, from_incarnation) {
        return Err(NoAnswer);
    }
    let (answer, answered) = oneshot::channel();
    let answer = Arc::new(Mutex::new(Some(answer)));
    let handle = Arc::new(handle);
    for delay in world.network.fate(sender, to) {
        let (world, handle, answer) = (Arc::clone(world), Arc::clone(&handle), Arc::clone(&answer));
        let _detached = SimRuntime::spawn(async move {
            SimRuntime::sleep(delay).await;
            let Some(running) = world.running(to) else {
                return;
            };
            let incarnation = running.incarnation;
            let handled = handle(running).await;
            if !world.runs(to, incarnation) {
                return;
            }
            let Some(handled) = handled else { return };
            let Some(back) = world.network.fate(to, sender).first().copied() else {
                return;
            };
            SimRuntime::sleep(back).await;
            if !world.runs(sender, from_incarnation) {
                return;
            }
            if let Some(answer) = answer.lock().take() {
                // Who asked may have stopped waiting.
                let _ = answer.send(handled);
            }
        });
    }
    drop(answer);
    match SimRuntime::timeout(ANSWER_MAX, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(NoAnswer),
    }
}

/// openraft's way to the other members.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) world: Arc<World>,
    pub(crate) member: u64,
    pub(crate) incarnation: u64,
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Client;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Client {
        Client {
            links: self.clone(),
            target,
        }
    }
}

/// The way to one member.
#[derive(Clone)]
pub(crate) struct Client {
    links: Links,
    target: u64,
}

fn unreachable() -> Unreachable<Types> {
    Unreachable::new(&AnyError::error("no answer"))
}

impl Client {
    async fn ask<A: Send + 'static>(
        &self,
        handle: impl Fn(Arc<Running>) -> Handling<A> + Send + Sync + 'static,
    ) -> Result<A, RPCError<Types>> {
        let Links {
            world,
            member,
            incarnation,
        } = &self.links;
        let answer = call(world, (*member, *incarnation), self.target, handle).await;
        answer.map_err(|_lost| RPCError::Unreachable(unreachable()))
    }

    fn heard(&self, sent: Duration) {
        let Links { world, member, .. } = &self.links;
        world.network.heard(*member, self.target, sent);
        if let Some(running) = world.running(*member) {
            world.network.count_votes(*member, &running.voters());
        }
    }
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let sent = now();
        let answer = self
            .ask(move |running| {
                let request = request.clone();
                Box::pin(async move { running.raft.append_entries(request).await.ok() })
            })
            .await?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.heard(sent);
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let sent = now();
        let answer = self
            .ask(move |running| {
                let request = request.clone();
                Box::pin(async move { running.raft.vote(request).await.ok() })
            })
            .await?;
        if answer.vote_granted {
            self.heard(sent);
        }
        Ok(answer)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask(move |running| {
            let request = request.clone();
            Box::pin(async move { running.raft.pre_vote(request).await.ok() })
        })
        .await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        self.ask(move |running| {
            let request = request.clone();
            Box::pin(async move { running.raft.handle_transfer_leader(request).await.ok() })
        })
        .await
    }

    async fn full_snapshot(
        &mut self,
        _vote: VoteOf<Types>,
        _snapshot: SnapshotOf<Types, ()>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        // No log is ever purged, so nobody needs one.
        Err(StreamingError::Unreachable(unreachable()))
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY_INTERVAL)))
    }
}
