//! Jobs for the writer, in order: done by its thread, or on the caller's where nothing is queued before them.
//!
//! The thread lets entries gather while a sync runs and keeps the caller free. Doing a job at once saves the two
//! wake-ups of handing it over and back, which is half the time of a sync on a fast disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::record::{Position, Record};
use super::writer::{Done, Writer};

/// Jobs that may wait for the writer. Who has more waits in [`super::Log::append`].
pub const JOBS_MAX: usize = 1024;

/// Without a batch for this long a mark is written alone, so that damage to the last batch is known as such.
const IDLE_MARK_AFTER: Duration = Duration::from_secs(1);

/// What the writer is asked for, in order.
pub(crate) enum Job {
    /// Append the entries; they follow the last.
    Append(Vec<Record>, Done),
    /// Go on after the position: after a truncation it is in the log, after an installed checkpoint beyond its end.
    Restart(Option<Position>),
    /// Entries up to the position are not needed any more.
    Purge(Position),
    /// Save the vote.
    Vote(Bytes, Done),
    /// Something was written that no mark speaks of: see to it if nothing else is.
    Unmarked,
    /// Record all and end.
    Close,
}

/// The callers' end. Dropping it does all jobs first.
#[derive(Debug)]
pub(crate) struct Queue {
    jobs: Sender<Job>,
    /// Jobs sent and not done, counted from before the sending until after the doing.
    undone: Arc<AtomicUsize>,
    writer: Arc<Mutex<Writer>>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the writer's thread.
    pub(crate) fn start(writer: Writer) -> io::Result<Queue> {
        let (jobs, queue) = bounded(JOBS_MAX);
        let undone = Arc::new(AtomicUsize::new(0));
        let writer = Arc::new(Mutex::new(writer));
        let thread = {
            let (writer, undone) = (Arc::clone(&writer), Arc::clone(&undone));
            let run = move || run(&writer, &queue, &undone);
            std::thread::Builder::new()
                .name("log-writer".to_owned())
                .spawn(run)?
        };
        Ok(Queue {
            jobs,
            undone,
            writer,
            thread: Some(thread),
        })
    }

    /// Has the job done by the thread, after those before it. Waits while the queue is full.
    pub(crate) fn send(&self, job: Job) {
        self.undone.fetch_add(1, Ordering::AcqRel);
        if self.jobs.send(job).is_err() {
            // The job's callback is dropped uncalled: nothing is acknowledged. The writer ends early by a panic only.
            tracing::error!("the thread that writes the log is gone");
        }
    }

    /// Does the job here and now, unless others are before it.
    pub(crate) fn send_or_do(&self, job: Job) {
        // Only this end makes jobs, so a count of zero stays so.
        let writer = (self.undone.load(Ordering::Acquire) == 0).then(|| self.writer.try_lock());
        let Some(mut writer) = writer.flatten() else {
            return self.send(job);
        };
        let was_marked = !writer.unmarked;
        writer.take(job);
        writer.flush();
        let unmarked = writer.unmarked;
        drop(writer);
        if was_marked && unmarked {
            self.send(Job::Unmarked);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.send(Job::Close);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the log panicked");
        }
    }
}

/// Takes all that is queued, writes it with one sync, and again, until the log is closed.
fn run(writer: &Mutex<Writer>, jobs: &Receiver<Job>, undone: &AtomicUsize) {
    let mut unmarked = writer.lock().unmarked;
    loop {
        let job = if unmarked {
            jobs.recv_timeout(IDLE_MARK_AFTER)
        } else {
            jobs.recv().map_err(Into::into)
        };
        let mut writer = writer.lock();
        match job {
            Ok(job) => {
                let mut done = 1;
                let mut open = writer.take(job);
                while open && !writer.is_batch_full() {
                    let Ok(job) = jobs.try_recv() else { break };
                    open = writer.take(job);
                    done += 1;
                }
                writer.flush();
                undone.fetch_sub(done, Ordering::AcqRel);
                if !open {
                    return;
                }
            }
            // Entries may have been appended without this thread meanwhile. Then the mark is one too many.
            Err(RecvTimeoutError::Timeout) => writer.write_mark(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        unmarked = writer.unmarked;
    }
}
