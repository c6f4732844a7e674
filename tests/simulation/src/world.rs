//! One run's ensemble: disks, links, clocks, and who is running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use openraft::BasicNode;
use parking_lot::Mutex;

use crate::disk::{Disk, DiskFault};
use crate::history::History;
use crate::member::Running;
use crate::network::Network;
use crate::time::MemberTime;

/// What differs from run to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// How many members form the ensemble.
    pub(crate) members: u64,
    pub(crate) disk_fault: DiskFault,
    /// `treekeeper.strictReads` of all members.
    pub(crate) strict_reads: bool,
    /// `treekeeper.rulesVersion` of all members.
    pub(crate) rules: u16,
}

/// Everything that outlives a member's process.
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) history: History,
    pub(crate) setup: Setup,
    /// Are the members being changed?
    pub(crate) changing: AtomicBool,
    folder: PathBuf,
    places: Mutex<BTreeMap<u64, Arc<Place>>>,
    /// Members that are no more.
    gone: Mutex<BTreeSet<u64>>,
}

/// Where a member lives.
pub(crate) struct Place {
    pub(crate) disk: Disk,
    pub(crate) folder: PathBuf,
    pub(crate) time: &'static MemberTime,
    running: Mutex<Option<Arc<Running>>>,
}

impl World {
    /// Members with empty disks, none of which runs.
    pub(crate) fn new(setup: Setup, folder: &Path) -> Self {
        let world = Self {
            network: Network::new(setup.seed),
            history: History::default(),
            setup,
            changing: AtomicBool::new(false),
            folder: folder.to_owned(),
            places: Mutex::default(),
            gone: Mutex::default(),
        };
        for _ in 0..setup.members {
            world.add_member();
        }
        world
    }

    /// One more, with an empty disk, which does not run.
    pub(crate) fn add_member(&self) -> u64 {
        let mut places = self.places.lock();
        let member = places.len() as u64 + 1;
        let Setup {
            seed, disk_fault, ..
        } = self.setup;
        let place = Place {
            disk: Disk::new(seed.wrapping_add(member << 32), disk_fault),
            folder: self.folder.join(format!("member-{member}")),
            // Clocks are plain copies everywhere, so what they ask lives for ever: some bytes a run.
            time: Box::leak(Box::default()),
            running: Mutex::new(None),
        };
        places.insert(member, Arc::new(place));
        member
    }

    /// It is a member no more, and never runs again.
    pub(crate) fn remove_member(&self, member: u64) {
        self.gone.lock().insert(member);
    }

    pub(crate) fn place(&self, member: u64) -> Arc<Place> {
        Arc::clone(&self.places.lock()[&member])
    }

    /// How many there ever were.
    pub(crate) fn count(&self) -> usize {
        self.places.lock().len()
    }

    /// Those whose processes are to run.
    pub(crate) fn member_ids(&self) -> BTreeSet<u64> {
        let gone = self.gone.lock();
        let places = self.places.lock();
        let members = places.keys().copied();
        members.filter(|member| !gone.contains(member)).collect()
    }

    /// Those that form the ensemble, with their lines.
    pub(crate) fn first_nodes(&self) -> BTreeMap<u64, BasicNode> {
        let members = 1..=self.setup.members;
        members.map(|member| (member, node(member))).collect()
    }

    /// The process that runs as this member.
    pub(crate) fn running(&self, member: u64) -> Option<Arc<Running>> {
        self.place(member).running.lock().clone()
    }

    /// All processes that run.
    pub(crate) fn all_running(&self) -> Vec<Arc<Running>> {
        let members = self.member_ids();
        let running = members.into_iter().map(|member| self.running(member));
        running.flatten().collect()
    }

    pub(crate) fn run(&self, running: Arc<Running>) {
        let place = self.place(running.member);
        *place.running.lock() = Some(running);
    }

    /// Takes the process away.
    pub(crate) fn stop(&self, member: u64) -> Option<Arc<Running>> {
        self.place(member).running.lock().take()
    }

    /// Is this start of the member's process the one that runs?
    pub(crate) fn runs(&self, member: u64, incarnation: u64) -> bool {
        let place = self.place(member);
        let running = place.running.lock();
        running
            .as_ref()
            .is_some_and(|running| running.incarnation == incarnation)
    }

    /// The last time at which a majority confirmed this member, or the leader that it heard of.
    pub(crate) fn last_confirmed(&self, member: u64) -> Option<std::time::Duration> {
        if let Some(running) = self.running(member) {
            self.network.count_votes(member, &running.voters());
        }
        self.network.last_confirmed(member)
    }
}

/// How the ensemble knows a member.
pub(crate) fn node(member: u64) -> BasicNode {
    BasicNode::new(format!(
        "server.{member}=h{member}:2888:3888:participant;2181"
    ))
}
