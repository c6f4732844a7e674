//! One session that pipelines random writes below a znode of its own, and what it knows for sure.

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use treekeeper_client::{
    Client, CreateMode, CreateOptions, Error, Op, OpResult, SessionInfo, Stat,
};

use super::model::{Answer, Change, Data, Found, Kind, Model, Operation, Part};

/// Different names that a writer uses.
const NAMES: u32 = 40;

/// How a writer writes in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Requests on their way at once.
    pub(crate) window: usize,
    /// Longest data in bytes.
    pub(crate) data_len_max: usize,
    /// Chance of closing the session, in each operation.
    pub(crate) close: f64,
    /// How long a writer tries to open a session; the server may be killed meanwhile.
    pub(crate) connect_timeout: Duration,
}

/// A writer between and in rounds.
pub(crate) struct Writer {
    /// Its znode.
    pub(crate) root: String,
    /// What was acknowledged.
    confirmed: Model,
    /// What was sent behind that, in order, and nobody knows about.
    unknown: VecDeque<Operation>,
    /// Its session, if it was not closed.
    session: Option<SessionInfo>,
    /// Who holds the session between the restart and the round.
    client: Option<Client>,
    /// The highest zxid that it was told.
    pub(crate) zxid: i64,
    rng: StdRng,
    next_seed: u64,
    /// Operations acknowledged, refused ones too.
    pub(crate) acknowledged: u64,
}

/// What the server answered: names, versions and stats in the order of the changes.
type Outcome = Result<Vec<(Part, Option<Stat>)>, Error>;

/// An answer that is on its way.
type Coming = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Writer {
    /// A writer whose znode `root` was just created.
    pub(crate) fn new(root: String, number: u64, rng: StdRng) -> Self {
        Self {
            root,
            confirmed: Model::default(),
            unknown: VecDeque::new(),
            session: None,
            client: None,
            zxid: 0,
            rng,
            next_seed: number << 40,
            acknowledged: 0,
        }
    }

    /// Goes on with its session or opens one, and writes until the connection is lost or the session is closed.
    /// Answers are counted in `acknowledged`.
    pub(crate) async fn write(
        &mut self,
        address: &str,
        pace: Pace,
        acknowledged: &watch::Sender<u64>,
    ) {
        assert!(
            self.unknown.is_empty(),
            "what is unknown is settled before a writer goes on"
        );
        let client = match self.client.take() {
            Some(client) => client,
            None => {
                let builder = Client::builder().connect_timeout(pace.connect_timeout);
                match builder.connect(address).await {
                    Ok(client) => client,
                    // The kill came first.
                    Err(_) => return,
                }
            }
        };
        self.session = Some(client.session());
        self.confirmed.session = client.session().id;
        let mut ahead = self.confirmed.clone();
        let mut in_flight: VecDeque<(Answer, Coming)> = VecDeque::new();
        let mut open = true;
        loop {
            while open && in_flight.len() < pace.window {
                let operation = self.choose(&ahead, pace);
                open = !matches!(operation, Operation::Close);
                let expected = ahead.apply(&operation);
                let mut outcome: Coming =
                    Box::pin(send(client.clone(), self.root.clone(), operation.clone()));
                self.unknown.push_back(operation);
                // The first poll sends it; on a busy machine the answer may be there already.
                if let Poll::Ready(early) = poll!(&mut outcome) {
                    outcome = Box::pin(ready(early));
                }
                in_flight.push_back((expected, outcome));
            }
            let Some((expected, outcome)) = in_flight.pop_front() else {
                break;
            };
            match outcome.await {
                Err(Error::ConnectionLoss | Error::Closed) => break,
                outcome => self.acknowledge(&expected, outcome),
            }
            acknowledged.send_modify(|count| *count += 1);
        }
        drop(in_flight);
        let mut states = client.states();
        drop(client);
        // Without handles the client ends: nothing of this round goes to the server of the next one.
        while states.changed().await.is_ok() {}
    }

    fn acknowledge(&mut self, expected: &Answer, outcome: Outcome) {
        let operation = self
            .unknown
            .pop_front()
            .expect("an answer belongs to an operation");
        let root = &self.root;
        let told = match &outcome {
            Ok(parts) => Answer::Done(parts.iter().map(|(part, _)| part.clone()).collect()),
            Err(Error::Multi { index, code }) => Answer::MultiRefused(*index, *code),
            Err(Error::Api(code)) => Answer::Refused(*code),
            Err(error) => panic!("{root}: {error} for {operation:?}"),
        };
        assert_eq!(told, *expected, "{root}: answer to {operation:?}");
        self.confirmed.apply(&operation);
        self.acknowledged += 1;
        if matches!(operation, Operation::Close) {
            self.session = None;
        }
        let mut newest = self.zxid;
        for (part, stat) in outcome.unwrap_or_default() {
            let (Part::Created(name) | Part::Set(name, _)) = part else {
                continue;
            };
            let Some(stat) = stat else { continue };
            assert!(
                stat.mzxid > self.zxid,
                "{root}: zxid {:#x} after {:#x}",
                stat.mzxid,
                self.zxid
            );
            newest = newest.max(stat.mzxid);
            // A later part of the same multi may have changed or deleted it.
            if let Some(child) = self.confirmed.children.get_mut(&name)
                && child.version == stat.version
            {
                child.stat = Some(stat);
            }
        }
        self.zxid = newest;
    }

    fn choose(&mut self, ahead: &Model, pace: Pace) -> Operation {
        if self.rng.random_bool(pace.close) {
            return Operation::Close;
        }
        if self.rng.random_ratio(1, 6) {
            let count = self.rng.random_range(2..6);
            return Operation::Multi((0..count).map(|_| self.change(ahead, pace)).collect());
        }
        match self.change(ahead, pace) {
            // It has an operation of its own in a multi only.
            Change::Check { name, version } => {
                let data = self.data(pace);
                Operation::One(Change::Set {
                    name,
                    data,
                    version,
                })
            }
            change => Operation::One(change),
        }
    }

    fn change(&mut self, ahead: &Model, pace: Pace) -> Change {
        let number = self.rng.random_range(0..NAMES);
        let data = self.data(pace);
        match self.rng.random_range(0..20) {
            0..2 => Change::Create {
                name: "n-".to_owned(),
                data,
                kind: Kind::Sequential,
            },
            // Sequential ones would pile up.
            2..5 => {
                let name = ahead.children.keys().rfind(|name| name.starts_with("n-"));
                let name = name.cloned().unwrap_or_else(|| format!("k{number}"));
                Change::Delete {
                    name,
                    version: None,
                }
            }
            5..8 => Change::Create {
                name: format!("e{number}"),
                data,
                kind: Kind::Ephemeral,
            },
            8..10 => Change::Delete {
                name: format!("e{number}"),
                version: None,
            },
            10..13 => Change::Create {
                name: format!("k{number}"),
                data,
                kind: Kind::Persistent,
            },
            13 => Change::Delete {
                name: format!("k{number}"),
                version: None,
            },
            14 => Change::Check {
                name: format!("k{number}"),
                version: None,
            },
            15..17 => {
                let name = format!("k{number}");
                // Mostly right, sometimes wrong.
                let version = ahead.children.get(&name).map_or(0, |child| child.version);
                let version = Some(version + i32::from(self.rng.random_ratio(1, 4)));
                Change::Set {
                    name,
                    data,
                    version,
                }
            }
            _ => Change::Set {
                name: format!("k{number}"),
                data,
                version: None,
            },
        }
    }

    fn data(&mut self, pace: Pace) -> Data {
        self.next_seed += 1;
        let len = self.rng.random_range(0..=pace.data_len_max);
        Data {
            seed: self.next_seed,
            len,
        }
    }

    /// Compares what is there after a restart with what must and may be there, and settles what was unknown. Says
    /// how many operations were carried out although they were not acknowledged.
    pub(crate) async fn settle(&mut self, address: &str) -> usize {
        let root = self.root.clone();
        let sent_close = matches!(self.unknown.back(), Some(Operation::Close));
        let resumed = match self.session.clone() {
            None => None,
            Some(session) => match Client::builder()
                .session(session.clone())
                .connect(address)
                .await
            {
                Ok(client) => {
                    assert_eq!(
                        client.session().id,
                        session.id,
                        "{root}: a session goes on under its id"
                    );
                    Some(client)
                }
                Err(Error::SessionExpired) => {
                    assert!(
                        sent_close,
                        "{root}: session {:#x} is gone, which nobody closed",
                        session.id
                    );
                    None
                }
                Err(error) => panic!(
                    "{root}: cannot go on with session {:#x}: {error}",
                    session.id
                ),
            },
        };
        let reader = match &resumed {
            Some(client) => client.clone(),
            None => Client::connect(address)
                .await
                .expect("the server has just started"),
        };
        // One of several servers may be behind what another one has acknowledged.
        let synced = reader.sync(&root).await;
        synced.unwrap_or_else(|error| panic!("{root}: cannot sync: {error}"));
        let found = find(&reader, &root).await;
        let was_closed = self.session.is_some() && resumed.is_none();
        let sent = self.unknown.len();
        let mut candidate = self.confirmed.clone();
        let mut reasons = Vec::new();
        loop {
            let left = self.unknown.len();
            let is_closed = left == 0 && sent_close;
            if is_closed == was_closed {
                match candidate.difference(&found) {
                    None => break,
                    Some(reason) => {
                        reasons.push(format!("with {} of {sent} unknown: {reason}", sent - left));
                    }
                }
            }
            let Some(operation) = self.unknown.pop_front() else {
                panic!(
                    "{root}: the tree is not what was written:\n{}",
                    reasons.join("\n")
                );
            };
            candidate.apply(&operation);
        }
        let carried_out = sent - self.unknown.len();
        candidate.learn(&found);
        self.confirmed = candidate;
        self.unknown.clear();
        if was_closed {
            self.session = None;
        }
        let newest = found.children.values().map(|(_, stat)| stat.mzxid).max();
        self.zxid = self.zxid.max(newest.unwrap_or(0)).max(found.parent.pzxid);
        self.client = resumed;
        // Whoever reads for itself is done; sometimes the writer gets a new session for the next round.
        if self.client.is_none() || self.rng.random_ratio(1, 4) {
            reader.close().await.expect("a session can be closed");
            if self.client.take().is_some() {
                self.confirmed.apply(&Operation::Close);
                self.session = None;
            }
        }
        carried_out
    }
}

/// Reads a znode's children with data and stats.
async fn find(client: &Client, root: &str) -> Found {
    let (names, parent) = client
        .get_children(root)
        .await
        .expect("the writer's znode is there");
    let reads = join_all(names.iter().map(|name| {
        let path = format!("{root}/{name}");
        async move { client.get_data(&path).await }
    }));
    let mut children = BTreeMap::new();
    for (name, read) in names.iter().zip(reads.await) {
        let (data, stat) = read.unwrap_or_else(|error| panic!("{root}/{name} is listed: {error}"));
        children.insert(name.clone(), (data.unwrap_or_default(), stat));
    }
    Found { parent, children }
}

async fn send(client: Client, root: String, operation: Operation) -> Outcome {
    let path = |name: &str| format!("{root}/{name}");
    let name_of = |path: String| path[root.len() + 1..].to_owned();
    match operation {
        Operation::Close => client.close().await.map(|()| Vec::new()),
        Operation::One(Change::Create { name, data, kind }) => {
            let (path, stat) = client
                .create(&path(&name), data.bytes(), &options(kind))
                .await?;
            Ok(vec![(Part::Created(name_of(path)), Some(stat))])
        }
        Operation::One(Change::Set {
            name,
            data,
            version,
        }) => {
            let stat = client.set_data(&path(&name), data.bytes(), version).await?;
            Ok(vec![(Part::Set(name, stat.version), Some(stat))])
        }
        Operation::One(Change::Delete { name, version }) => {
            client.delete(&path(&name), version).await?;
            Ok(vec![(Part::Deleted, None)])
        }
        Operation::One(Change::Check { .. }) => unreachable!("a check is part of a multi"),
        Operation::Multi(changes) => {
            let ops = changes.iter().map(|change| op(change, path)).collect();
            let results = client.multi(ops).await?;
            assert_eq!(results.len(), changes.len(), "results of {changes:?}");
            let parts = changes.into_iter().zip(results);
            Ok(parts
                .map(|(change, result)| part(change, result, name_of))
                .collect())
        }
    }
}

fn options(kind: Kind) -> CreateOptions {
    CreateOptions::new(match kind {
        Kind::Persistent => CreateMode::Persistent,
        Kind::Sequential => CreateMode::PersistentSequential,
        Kind::Ephemeral => CreateMode::Ephemeral,
    })
}

fn op(change: &Change, path: impl Fn(&str) -> String) -> Op {
    match change {
        Change::Create { name, data, kind } => Op::Create {
            path: path(name),
            data: data.bytes(),
            options: options(*kind),
        },
        Change::Set {
            name,
            data,
            version,
        } => Op::SetData {
            path: path(name),
            data: data.bytes(),
            version: *version,
        },
        Change::Delete { name, version } => Op::Delete {
            path: path(name),
            version: *version,
        },
        Change::Check { name, version } => Op::Check {
            path: path(name),
            version: *version,
        },
    }
}

fn part(
    change: Change,
    result: OpResult,
    name_of: impl Fn(String) -> String,
) -> (Part, Option<Stat>) {
    match (change, result) {
        (Change::Create { .. }, OpResult::Create2 { path, stat }) => {
            (Part::Created(name_of(path)), Some(stat))
        }
        (Change::Set { name, .. }, OpResult::SetData(stat)) => {
            (Part::Set(name, stat.version), Some(stat))
        }
        (Change::Delete { .. }, OpResult::Delete) => (Part::Deleted, None),
        (Change::Check { .. }, OpResult::Check) => (Part::Checked, None),
        (change, result) => panic!("{result:?} for {change:?}"),
    }
}
