//! Every record, written and read back; and what happens to bytes that are no record.

mod any_bytes;
mod multi_rules;
mod records;
mod strategies;
