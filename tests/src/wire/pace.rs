//! Time that passes on purpose: a client that is slow, or keeps a session alive at its own pace.
//!
//! Not here: waiting for something to happen, which is `Case::until`'s and the sockets' affair.

use std::time::Duration;

/// Lets time pass.
pub(crate) fn pace(time: Duration) {
    std::thread::sleep(time);
}
