//! The newest entries, in memory: apply and replication read them without touching the disk.
//!
//! In: appended records, and word of what has become durable. Entries that are not durable yet stay in any case;
//! older ones leave from the front when the byte bound is exceeded.

use std::collections::VecDeque;
use std::ops::Range;

use super::record::{Position, Record};

/// What an entry costs beyond its payload.
const RECORD_OVERHEAD: usize = size_of::<Record>();

/// A contiguous run of entries that ends with the log's last.
#[derive(Debug)]
pub(crate) struct Recent {
    records: VecDeque<Record>,
    bytes: usize,
    bytes_max: usize,
}

impl Recent {
    pub(crate) fn new(bytes_max: usize) -> Recent {
        Recent {
            records: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Index of the oldest entry here.
    pub(crate) fn first_index(&self) -> Option<u64> {
        self.records.front().map(|record| record.position.index)
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.bytes += record.payload.len() + RECORD_OVERHEAD;
        self.records.push_back(record);
    }

    /// Drops the entries from the index on.
    pub(crate) fn truncate(&mut self, next_index: u64) {
        while self
            .records
            .back()
            .is_some_and(|record| record.position.index >= next_index)
        {
            let record = self.records.pop_back();
            self.forget(record);
        }
    }

    /// Drops the entries before the index.
    pub(crate) fn drop_before(&mut self, index: u64) {
        while self
            .records
            .front()
            .is_some_and(|record| record.position.index < index)
        {
            let record = self.records.pop_front();
            self.forget(record);
        }
    }

    /// Keeps within the bound, sparing what is not durable.
    pub(crate) fn evict(&mut self, durable_before: u64) {
        while self.bytes > self.bytes_max
            && self
                .records
                .front()
                .is_some_and(|record| record.position.index < durable_before)
        {
            let record = self.records.pop_front();
            self.forget(record);
        }
    }

    /// The entries of the range, all of which must be here, up to about `bytes_max` of payload but at least one.
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize) -> Vec<Record> {
        let Some(first) = self.first_index() else {
            return Vec::new();
        };
        let from = usize::try_from(range.start.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        self.records
            .iter()
            .skip(from)
            .take(count)
            .take_while(|record| {
                let wanted = bytes == 0 || bytes + record.payload.len() <= bytes_max;
                bytes += record.payload.len() + RECORD_OVERHEAD;
                wanted
            })
            .cloned()
            .collect()
    }

    /// The first entry here, and each whose term is not that of the entry before.
    pub(crate) fn term_starts(&self) -> Vec<Position> {
        let mut starts: Vec<Position> = Vec::new();
        for record in &self.records {
            if starts
                .last()
                .is_none_or(|last| last.term != record.position.term)
            {
                starts.push(record.position);
            }
        }
        starts
    }

    fn forget(&mut self, record: Option<Record>) {
        if let Some(record) = record {
            self.bytes -= record.payload.len() + RECORD_OVERHEAD;
        }
    }
}
