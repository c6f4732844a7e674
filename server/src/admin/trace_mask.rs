//! The trace mask of `gtmk` and `stmk`: kept and shown, since scripts read it back; nothing is traced by it.

use std::sync::atomic::{AtomicI64, Ordering};

/// ZooKeeper's mask before anybody set one.
const DEFAULT: i64 = 0b1_0011_0010;

/// A number that operators may set and read.
#[derive(Debug)]
pub struct TraceMask(AtomicI64);

impl TraceMask {
    /// The mask that was last set.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the mask.
    pub fn set(&self, mask: i64) {
        self.0.store(mask, Ordering::Relaxed);
    }
}

impl Default for TraceMask {
    fn default() -> Self {
        Self(AtomicI64::new(DEFAULT))
    }
}
