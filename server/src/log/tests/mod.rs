//! The log on a disk that fails.

mod damage;
mod failure;
mod files;
mod model;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use bytes::Bytes;

use super::simulated::SimulatedDisk;
use super::*;

/// Small files, so that few entries make many segments.
const SMALL: LogOptions = LogOptions {
    segment_bytes: 16 << 10,
    first_segment_bytes: 8 << 10,
    recent_bytes: 2000,
};

fn dir() -> &'static Path {
    Path::new("/log")
}

fn open(disk: &SimulatedDisk, options: LogOptions) -> Result<Log, LogError> {
    Log::open(Arc::new(disk.clone()), dir(), options, Box::new(|_| {}))
}

fn record(index: u64, term: u64, payload: impl Into<Bytes>) -> Record {
    Record {
        position: Position { index, term },
        kind: RecordKind::Command,
        payload: payload.into(),
    }
}

/// Entries of term 1 with payloads that tell their index.
fn numbered(range: std::ops::Range<u64>) -> Vec<Record> {
    range
        .map(|index| record(index, 1, format!("payload of entry {index}")))
        .collect()
}

/// Appends as one batch and waits until it is durable.
fn append(log: &mut Log, records: Vec<Record>) -> Result<(), LogFailure> {
    let (sender, done) = mpsc::channel();
    log.append(
        records,
        Box::new(move |durable| sender.send(durable.result).unwrap()),
    );
    done.recv().unwrap()
}

/// All entries, in pieces of a few.
fn read_all(log: &Log) -> Result<Vec<Record>, LogError> {
    let reader = log.reader();
    let mut all: Vec<Record> = Vec::new();
    let mut next = next_index(reader.purged());
    loop {
        let piece = reader.read(next..u64::MAX, 300)?;
        let Some(last) = piece.last() else {
            return Ok(all);
        };
        next = last.position.index + 1;
        all.extend(piece);
    }
}

/// The segment files, oldest first; the last one may be prepared for entries to come.
fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    disk.paths(".log")
}

/// The newest segment with entries.
fn newest_segment(disk: &SimulatedDisk) -> PathBuf {
    let active = |path: &&PathBuf| {
        let header = segment::SegmentHeader::decode(&disk.read(path)).unwrap();
        header.active.is_some()
    };
    segments(disk).iter().rev().find(active).unwrap().clone()
}
