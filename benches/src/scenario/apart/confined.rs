//! A million znodes in a control group: what a container is charged for, and whether treekeeper stays within its budget
//! when the kernel holds it to it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::scenario::apart::{Findings, beside};
use crate::scenario::footprint::populate;
use crate::scenario::{Sample, ScenarioError, Settings};
use crate::server::Server;
use crate::server::memory_group::MemoryGroup;
use crate::server::products::{Product, SMALL_CACHE, TREEKEEPER};
use crate::statistics::count;

/// The lines: in the end, and at most while the znodes were made.
pub(super) const LINES: [&str; 2] = ["znodes-cgroup", "znodes-cgroup-peak"];

/// What treekeeper may have, page cache included. ZooKeeper gets its heap and no limit.
const LIMIT_BYTES: u64 = 190_000_000;
/// How often memory in use is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Makes the znodes in a group; there is no value where this process may not make one.
pub(super) fn run(
    product: &Product,
    folder: &Path,
    settings: &Settings,
) -> Result<Findings, ScenarioError> {
    let limited = product.name() == TREEKEEPER;
    let group = match MemoryGroup::create(limited.then_some(LIMIT_BYTES)) {
        Ok(group) => group,
        Err(error) => {
            let notes = vec![format!(
                "no memory in a control group was measured: {error}"
            )];
            return Ok(Findings {
                notes,
                ..Findings::default()
            });
        }
    };
    let product = product.clone().in_group(group.processes());
    let product = if limited {
        product.with_setting(SMALL_CACHE)
    } else {
        product
    };
    let measured = Server::start(&product, folder)
        .map_err(ScenarioError::from)
        .and_then(|server| measure(&server, &group, settings));
    match measured {
        Err(_) if group.has_killed()? => Err(ScenarioError::KilledForMemory),
        measured => measured,
    }
}

fn measure(
    server: &Server,
    group: &MemoryGroup,
    settings: &Settings,
) -> Result<Findings, ScenarioError> {
    let start = Instant::now();
    let look = |ended: &AtomicBool| {
        let mut peak = 0;
        while !ended.load(Ordering::Relaxed) {
            peak = peak.max(group.in_use_bytes()?);
            thread::sleep(LOOK_EVERY);
        }
        Ok::<_, ScenarioError>(peak)
    };
    let (peak, populated) = beside(look, || {
        populate(server.target(), 0..settings.znodes, settings.load_threads)
    });
    populated?;
    let elapsed = start.elapsed();
    thread::sleep(settings.settle);
    let in_use = group.in_use_bytes()?;
    let peak = peak?.max(in_use);
    let counted = group.peak_bytes().map_or_else(String::new, |bytes| {
        format!(
            ", {:.0} MB were counted at most, pages of files included",
            megabytes(bytes)
        )
    });
    Ok(Findings {
        samples: vec![
            Sample::plain(LINES[0], megabytes(in_use)),
            Sample::plain(LINES[1], megabytes(peak)),
        ],
        notes: vec![format!(
            "{} in a control group made {} znodes in {:.1} s{counted}",
            server.product().name(),
            settings.znodes,
            elapsed.as_secs_f64()
        )],
    })
}

fn megabytes(bytes: u64) -> f64 {
    count(bytes) / 1e6
}
