//! How long the server's hot functions take: what a write and a watch cost on one thread, without sockets and disks.
//!
//! Only what the server's modules show to each other is measured here; requests and replies are in `protocol.rs`.

mod apply;
mod discarding_disk;
mod log;
mod tree;
mod watch;

use criterion::Criterion;

/// The binary's allocator: most of what is measured here allocates.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    apply::benches(&mut criterion);
    tree::benches(&mut criterion);
    watch::benches(&mut criterion);
    log::benches(&mut criterion);
    criterion.final_summary();
}
