//! Gets the next segment file ready while the log writes to the current one.
//!
//! A prepared file has all its blocks written, so that a later sync changes no metadata: that takes 90 µs instead of
//! 140. New files are filled with zeros, purged ones are used again. In: requests from the writer. Out: one
//! [`Prepared`] for each. The thread ends with the writer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use tracing::warn;

use super::chain::{UNFINISHED_SUFFIX, segment_path};
use super::disk::{Disk, LogFile};
use super::error::LogFailure;
use super::segment::SegmentHeader;
use super::segments::Segment;

/// Bytes written between two syncs, so that filling a file does not hold up the log's own syncs for long.
const FILL_STEP: usize = 1024 * 1024;

/// Purged files kept for reuse; the rest are removed.
const SPARE_FILES_MAX: usize = 2;

/// Requests that may wait. A segment fills in far more time than a file needs to be removed.
const TASKS_MAX: usize = 1024;

/// A file with a prepared header, durable under its name.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) path: PathBuf,
    pub(crate) generation: u64,
    pub(crate) file: Arc<dyn LogFile>,
    pub(crate) len: u64,
}

enum Task {
    Prepare { generation: u64, len: u64 },
    Discard(Arc<Segment>),
}

/// The writer's end of the preparing thread.
#[derive(Debug)]
pub(crate) struct Preparer {
    tasks: Option<Sender<Task>>,
    ready: Receiver<Result<Prepared, LogFailure>>,
    requested: Option<(u64, u64)>,
    /// A file that an earlier process prepared.
    found: Option<Prepared>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    /// Starts the thread.
    pub(crate) fn start(disk: Arc<dyn Disk>, dir: PathBuf, full_len: u64) -> io::Result<Preparer> {
        let (tasks, task_queue) = bounded(TASKS_MAX);
        let (ready_sender, ready) = bounded(1);
        let worker = Worker {
            disk,
            dir,
            full_len,
            spare: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("log-prepare".to_owned())
            .spawn(move || worker.run(&task_queue, &ready_sender))?;
        Ok(Preparer {
            tasks: Some(tasks),
            ready,
            requested: None,
            found: None,
            thread: Some(thread),
        })
    }

    /// Takes over the file that an earlier process prepared, or asks for the first.
    pub(crate) fn begin(&mut self, found: Option<Prepared>, generation: u64, len: u64) {
        match found {
            Some(found) => self.found = Some(found),
            None => self.request(generation, len),
        }
    }

    /// Asks for a file; [`Preparer::take`] waits for it.
    pub(crate) fn request(&mut self, generation: u64, len: u64) {
        self.requested = Some((generation, len));
        self.send(Task::Prepare { generation, len });
    }

    /// The file asked for. A failure is tried once more: a full disk may have space again since the file was asked
    /// for, which was when the segment before it was begun.
    pub(crate) fn take(&mut self) -> Result<Prepared, LogFailure> {
        if let Some(found) = self.found.take() {
            return Ok(found);
        }
        let (generation, len) = self
            .requested
            .take()
            .expect("a file was requested when the last one was taken");
        match self.receive() {
            Ok(prepared) => Ok(prepared),
            Err(_) => {
                self.send(Task::Prepare { generation, len });
                self.receive()
            }
        }
    }

    /// Gives a purged segment's file back.
    pub(crate) fn discard(&self, segment: Arc<Segment>) {
        self.send(Task::Discard(segment));
    }

    fn send(&self, task: Task) {
        let tasks = self
            .tasks
            .as_ref()
            .expect("the queue is open until the preparer is dropped");
        tasks
            .send(task)
            .expect("the thread runs until the queue is closed");
    }

    fn receive(&self) -> Result<Prepared, LogFailure> {
        self.ready.recv().expect("the thread answers every request")
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        drop(self.tasks.take());
        if let Some(thread) = self.thread.take() {
            // A file that nobody takes any more would keep the thread waiting.
            for _ in self.ready.iter() {}
            if thread.join().is_err() {
                warn!("the thread that prepares log files panicked");
            }
        }
    }
}

struct Worker {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    full_len: u64,
    spare: Vec<PathBuf>,
}

impl Worker {
    fn run(mut self, tasks: &Receiver<Task>, ready: &Sender<Result<Prepared, LogFailure>>) {
        for task in tasks {
            match task {
                Task::Prepare { generation, len } => {
                    let result = self.prepare(generation, len);
                    if let Err(failure) = &result {
                        warn!(%failure, "cannot prepare the next log file; trying again when it is needed");
                    }
                    if ready.send(result).is_err() {
                        return;
                    }
                }
                Task::Discard(segment) => self.discard(segment),
            }
        }
    }

    fn prepare(&mut self, generation: u64, len: u64) -> Result<Prepared, LogFailure> {
        let path = segment_path(&self.dir, generation);
        let spare = if len == self.full_len {
            self.spare.pop()
        } else {
            None
        };
        let (unfinished, file) = match spare {
            Some(spare) => {
                let file = self
                    .disk
                    .open(&spare)
                    .map_err(LogFailure::new("open", &spare))?;
                (spare, file)
            }
            None => self.create_filled(generation, len)?,
        };
        let mut header = Vec::new();
        SegmentHeader {
            generation,
            active: None,
        }
        .encode(&mut header);
        file.write_all_at(&header, 0)
            .map_err(LogFailure::new("write", &unfinished))?;
        file.sync().map_err(LogFailure::new("sync", &unfinished))?;
        self.disk
            .rename(&unfinished, &path)
            .map_err(LogFailure::new("rename", &unfinished))?;
        self.sync_dir()?;
        Ok(Prepared {
            path,
            generation,
            file,
            len,
        })
    }

    fn create_filled(
        &self,
        generation: u64,
        len: u64,
    ) -> Result<(PathBuf, Arc<dyn LogFile>), LogFailure> {
        let path = self.unfinished_path(generation);
        let file = self
            .disk
            .create(&path)
            .map_err(LogFailure::new("create", &path))?;
        let zeros = vec![0; FILL_STEP];
        let mut offset = 0;
        while offset < len {
            let step = usize::try_from(len - offset)
                .unwrap_or(FILL_STEP)
                .min(FILL_STEP);
            let written = file
                .write_all_at(&zeros[..step], offset)
                .and_then(|()| file.sync());
            if let Err(source) = written {
                // Leave no half-filled file behind on a full disk.
                let failure = LogFailure::new("fill", &path)(source);
                self.remove(&path);
                return Err(failure);
            }
            offset += step as u64;
        }
        Ok((path, file))
    }

    /// Keeps the file for reuse if nobody reads it and it has the full length; else removes it.
    fn discard(&mut self, segment: Arc<Segment>) {
        let (path, len, generation) = (segment.path.clone(), segment.len, segment.generation);
        let unread = Arc::try_unwrap(segment).is_ok();
        if !unread || len != self.full_len || self.spare.len() >= SPARE_FILES_MAX {
            self.remove(&path);
            return;
        }
        let spare = self.unfinished_path(generation);
        // The new name must be durable before the content changes: under the old name it would be read as the log.
        match self
            .disk
            .rename(&path, &spare)
            .and_then(|()| self.disk.sync_dir(&self.dir))
        {
            Ok(()) => self.spare.push(spare),
            Err(error) => {
                warn!(file = %path.display(), %error, "cannot keep a purged log file for reuse");
            }
        }
    }

    fn unfinished_path(&self, generation: u64) -> PathBuf {
        segment_path(&self.dir, generation).with_extension(UNFINISHED_SUFFIX)
    }

    fn remove(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            warn!(file = %path.display(), %error, "cannot remove a log file that is not needed any more");
        }
    }

    fn sync_dir(&self) -> Result<(), LogFailure> {
        self.disk
            .sync_dir(&self.dir)
            .map_err(LogFailure::new("sync", &self.dir))
    }
}
