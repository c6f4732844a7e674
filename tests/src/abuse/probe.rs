//! An honest client that reads, writes and watches all the time, and counts how long it is kept waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::wire::outcome::{Outcome, ensure, expect, failed};
use crate::wire::raw_client::RawClient;
use crate::wire::request::{create, delete, get_children, get_data, set_data};
use crate::wire::target::Case;

/// The longest that an honest client may wait for one answer, on a machine that is shared with the abuser.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What the probe rests between rounds, to stay a small part of the load.
const REST: Duration = Duration::from_millis(5);

/// A running probe.
#[derive(Debug)]
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Outcome<u64>>,
}

impl Probe {
    /// Opens the probe's session and sets it going below the case's root.
    pub(crate) fn start(case: &Case) -> Outcome<Self> {
        let mut client = case.client()?;
        let path = case.at("probe");
        client.make(&path, b"0", 0)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut rounds = 0_u64;
            // At least one round, however short the abuse was.
            while rounds == 0 || !stopped.load(Ordering::Relaxed) {
                round(&mut client, &path, rounds)?;
                rounds += 1;
                crate::wire::pace::pace(REST);
            }
            Ok(rounds)
        });
        Ok(Self { stop, thread })
    }

    /// Ends the probe; it must have got on, and met no error.
    pub(crate) fn finish(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let rounds = self
            .thread
            .join()
            .map_err(|_| failed("the probe panicked"))?;
        match rounds {
            Ok(rounds) => ensure(rounds > 0, "the probe to get on"),
            Err(stop) => Err(failed(format!("the honest client: {stop}"))),
        }
    }
}

/// One round: watch, write, be told, read back, create and delete; the first of 50 lists too.
fn round(client: &mut RawClient, path: &str, number: u64) -> Outcome {
    let text = number.to_string();
    let begin = Instant::now();
    client.call(&get_data(path, true))?.data_and_stat()?;
    client.call(&set_data(path, text.as_bytes(), -1))?.stat()?;
    expect("event", client.event()?.kind, 3)?;
    expect(
        "data",
        client.call(&get_data(path, false))?.data_and_stat()?.0,
        Some(text.into_bytes()),
    )?;
    let child = format!("{path}-e");
    client.call(&create(&child, b"", 1))?.path()?;
    client.call(&delete(&child, -1))?.bare()?;
    if number.is_multiple_of(50) {
        client.call(&get_children(path, false))?.children()?;
    }
    let took = begin.elapsed();
    ensure(
        took < ANSWER_WITHIN,
        format!("a round within {ANSWER_WITHIN:?}, got {took:?}"),
    )
}
