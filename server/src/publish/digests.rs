//! The tree's digest at recorded points, as the `hash` command shows it.

use std::collections::VecDeque;

/// Points kept (`DataTree.DIGEST_LOG_LIMIT`).
const POINTS_MAX: usize = 1024;
/// Commands between two points (`DataTree.DIGEST_LOG_INTERVAL`).
const INTERVAL: i64 = 128;

/// The newest points: zxid and digest.
#[derive(Debug, Default)]
pub struct Digests {
    points: VecDeque<(i64, u64)>,
}

impl Digests {
    /// A command was applied.
    pub fn note(&mut self, zxid: i64, digest: u64) {
        if zxid % INTERVAL != 0 {
            return;
        }
        if self.points.len() == POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back((zxid, digest));
    }

    /// The points, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64)> {
        self.points.iter().copied()
    }
}
