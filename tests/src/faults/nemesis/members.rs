//! Changes of the members while other things go wrong.
//!
//! Two tasks at once: one member leaves and joins, another loses its vote and gets it back, again and again until they
//! are told to stop. They end with all as participants, which only shows when everything runs again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use treekeeper_client::{Client, Error};

/// Where the members are listed.
const CONFIG: &str = "/zookeeper/config";
/// The session of a task.
const SESSION: Duration = Duration::from_secs(20);
/// How long a member stays as it is before it is changed again.
const REST: Duration = Duration::from_millis(300);
/// The pause between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long a change may take when nothing goes wrong any more: a new member may take a minute to catch up.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a member is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Participant,
    Observer,
    Gone,
}

/// A member, and the lines under which it joins.
#[derive(Clone, Debug)]
pub(super) struct Changing {
    pub(super) id: usize,
    pub(super) participant: String,
    pub(super) observer: String,
}

impl Changing {
    /// Is it that, in this list of members?
    fn is(&self, role: Role, list: &str) -> bool {
        let begin = format!("server.{}=", self.id);
        let line = list.lines().find(|line| line.starts_with(&begin));
        match (role, line) {
            (Role::Gone, line) => line.is_none(),
            (Role::Participant, Some(line)) => line.contains(":participant"),
            (Role::Observer, Some(line)) => line.contains(":observer"),
            (_, None) => false,
        }
    }
}

/// Says when nothing goes wrong any more.
#[derive(Clone, Debug, Default)]
struct Calm(Arc<AtomicBool>);

impl Calm {
    fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The tasks that change members.
#[derive(Debug)]
pub(super) struct Changes {
    calm: Calm,
    tasks: Vec<JoinHandle<Result<u64, String>>>,
}

impl Changes {
    /// One member leaves and joins, the other loses its vote and gets it back.
    pub(super) fn start(hosts: &str, leaving: Changing, demoted: Changing) -> Self {
        let calm = Calm::default();
        let tasks = [(leaving, Role::Gone), (demoted, Role::Observer)].map(|(member, role)| {
            let task = again_and_again(hosts.to_owned(), member, role, calm.clone());
            tokio::spawn(task)
        });
        Self {
            calm,
            tasks: tasks.into(),
        }
    }

    /// One member leaves, and does not join again.
    pub(super) fn leave(hosts: &str, leaving: Changing) -> Self {
        let calm = Calm::default();
        let task = once(hosts.to_owned(), leaving, Role::Gone, calm.clone());
        Self {
            calm,
            tasks: vec![tokio::spawn(task)],
        }
    }

    /// One member joins.
    pub(super) fn join(hosts: &str, joining: Changing) -> Self {
        let calm = Calm::default();
        let task = once(hosts.to_owned(), joining, Role::Participant, calm.clone());
        Self {
            calm,
            tasks: vec![tokio::spawn(task)],
        }
    }

    /// Waits, when nothing else goes wrong, until the members are as they are to be; gives how many changes were made.
    ///
    /// # Errors
    /// When they do not become so.
    pub(super) async fn finish(self) -> Result<u64, String> {
        self.calm.0.store(true, Ordering::Relaxed);
        let mut changes = 0;
        for task in self.tasks {
            let ended = task.await.map_err(|error| format!("a change: {error}"))?;
            changes += ended?;
        }
        Ok(changes)
    }
}

async fn again_and_again(
    hosts: String,
    member: Changing,
    role: Role,
    calm: Calm,
) -> Result<u64, String> {
    let mut changer = Changer::new(hosts).await;
    loop {
        changer.until(&member, role, &calm).await?;
        sleep(REST).await;
        changer.until(&member, Role::Participant, &calm).await?;
        if calm.is_there() {
            return Ok(changer.changes);
        }
        sleep(REST).await;
    }
}

async fn once(hosts: String, member: Changing, role: Role, calm: Calm) -> Result<u64, String> {
    let mut changer = Changer::new(hosts).await;
    changer.until(&member, role, &calm).await?;
    Ok(changer.changes)
}

struct Changer {
    hosts: String,
    client: Option<Client>,
    changes: u64,
    last_error: String,
}

impl Changer {
    async fn new(hosts: String) -> Self {
        let mut changer = Self {
            hosts,
            client: None,
            changes: 0,
            last_error: "no session".to_owned(),
        };
        // Without a session it is tried again with the first change.
        let _ = changer.client().await;
        changer
    }

    async fn client(&mut self) -> Result<Client, Error> {
        let living = self
            .client
            .take()
            .filter(|client| !client.state().is_final());
        let client = match living {
            Some(client) => client,
            None => {
                let builder = Client::builder()
                    .session_timeout(SESSION)
                    .connect_timeout(Duration::from_secs(5));
                builder.connect(&self.hosts).await?
            }
        };
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Asks until the member is that.
    async fn until(&mut self, member: &Changing, role: Role, calm: &Calm) -> Result<(), String> {
        let mut calm_since = None;
        loop {
            match self.change(member, role).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => self.last_error = error.to_string(),
            }
            if calm.is_there() {
                let since = *calm_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    let (id, error) = (member.id, &self.last_error);
                    return Err(format!("member {id} does not become {role:?}: {error}"));
                }
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// True if the member is that already; otherwise asks for it, if it is not.
    async fn change(&mut self, member: &Changing, role: Role) -> Result<bool, Error> {
        let client = self.client().await?;
        client.sync("/").await?;
        let (list, _) = client.get_data(CONFIG).await?;
        let list = String::from_utf8_lossy(list.as_deref().unwrap_or_default()).into_owned();
        if member.is(role, &list) {
            return Ok(true);
        }
        let id = member.id.to_string();
        match role {
            Role::Gone => client.reconfig(None, Some(&id), None).await,
            Role::Participant => client.reconfig(Some(&member.participant), None, None).await,
            Role::Observer => client.reconfig(Some(&member.observer), None, None).await,
        }?;
        self.changes += 1;
        Ok(false)
    }
}
