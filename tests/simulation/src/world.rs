//! One run's ensemble: disks, links, clocks, and who is running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::BasicNode;
use parking_lot::Mutex;

use crate::disk::{Disk, DiskFault};
use crate::history::History;
use crate::member::Running;
use crate::network::Network;
use crate::time::MemberTime;

/// Everything that outlives a member's process.
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) history: History,
    pub(crate) disk_fault: DiskFault,
    /// `treekeeper.strictReads` of all members.
    pub(crate) strict_reads: bool,
    places: BTreeMap<u64, Place>,
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
    pub(crate) fn new(
        seed: u64,
        members: u64,
        fault: DiskFault,
        strict_reads: bool,
        folder: &Path,
        times: &[&'static MemberTime],
    ) -> Self {
        let place = |member: u64, time: &&'static MemberTime| {
            let place = Place {
                disk: Disk::new(seed.wrapping_add(member << 32), fault),
                folder: folder.join(format!("member-{member}")),
                time,
                running: Mutex::new(None),
            };
            (member, place)
        };
        let places = (1..=members)
            .zip(times)
            .map(|(member, time)| place(member, time))
            .collect();
        Self {
            network: Network::new(seed),
            history: History::default(),
            disk_fault: fault,
            strict_reads,
            places,
        }
    }

    pub(crate) fn place(&self, member: u64) -> &Place {
        &self.places[&member]
    }

    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn member_ids(&self) -> BTreeSet<u64> {
        self.places.keys().copied().collect()
    }

    pub(crate) fn nodes(&self) -> BTreeMap<u64, BasicNode> {
        let ids = self.places.keys();
        ids.map(|member| (*member, BasicNode::new(""))).collect()
    }

    /// The process that runs as this member.
    pub(crate) fn running(&self, member: u64) -> Option<Arc<Running>> {
        self.places[&member].running.lock().clone()
    }

    pub(crate) fn run(&self, running: Arc<Running>) {
        let place = &self.places[&running.member];
        *place.running.lock() = Some(running);
    }

    /// Takes the process away.
    pub(crate) fn stop(&self, member: u64) -> Option<Arc<Running>> {
        self.places[&member].running.lock().take()
    }

    /// Is this start of the member's process the one that runs?
    pub(crate) fn runs(&self, member: u64, incarnation: u64) -> bool {
        let running = self.places[&member].running.lock();
        running
            .as_ref()
            .is_some_and(|running| running.incarnation == incarnation)
    }
}
